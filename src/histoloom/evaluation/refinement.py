"""What refining does to a woven picture, and whether its nuclei are still where its layout has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError
from histoloom.evaluation.scores import score_labels
from histoloom.layouts import Layout
from histoloom.tiles.tile import Tile

COMPARED = ("dice", "aji", "pq")
"""Scores that are compared before and after."""

UNMOVED = 0.02
"""By how much Dice may fall before labels count as moved."""

LEAST_CHANGE = 1.0
"""Mean change of 255 below which a refiner does nothing that anybody would see."""


class Labelled(Protocol):
    """What was found in a picture."""

    @property
    def label_map(self) -> NDArray[np.int32]:
        """``int32 (H, W)``: 0 for background."""


class LabelFinder(Protocol):
    """A segmenter, such as `histoloom.segmenters.segmenter.Segmenter`, or one in another process."""

    def segment(self, picture: Tile, pixel_size: float | None = None) -> Labelled:
        """Return the nuclei of a tile."""


@dataclass(frozen=True)
class RefinementCheck:
    """Label faithfulness before and after refining.

    Parameters
    ----------
    before, after
        Scores of what a segmenter finds against the layout, by the names of `COMPARED`.
    change
        Mean absolute change of a channel, in 0..255.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    change: float

    @property
    def verdict(self) -> str:
        """One sentence: nothing changed, labels moved, or neither."""
        fall = self.before["dice"] - self.after["dice"]
        scores = f"Dice of found nuclei {self.before['dice']:.3f} before and {self.after['dice']:.3f} after"
        if self.change < LEAST_CHANGE:
            return f"The refiner changes next to nothing ({self.change:.2f} of 255 on average; {scores})."
        if fall > UNMOVED:
            return (
                f"Refining has moved nuclei away from their labels ({scores}); give regularization more weight, or "
                "take less of the change ('Refinement')."
            )
        return f"Refining changes {self.change:.1f} of 255 on average and has not moved the labels ({scores})."


def check_refinement(
    before: NDArray[np.uint8], after: NDArray[np.uint8], layout: Layout, segmenter: LabelFinder
) -> RefinementCheck:
    """Segment a picture before and after it was refined, and compare both with its layout.

    Parameters
    ----------
    before, after
        RGB ``uint8 (H, W, 3)``.
    layout
        That both obey, ``(H, W)``.
    segmenter
        Trained on real tiles of other patients.

    Raises
    ------
    EvaluationError
        If pictures and layout are not of one size, or there are no nuclei.
    """
    if before.shape != after.shape or before.shape[:2] != layout.shape:
        raise EvaluationError(
            f"The pictures are {_size(before.shape)} and {_size(after.shape)} and their layout {_size(layout.shape)}; "
            "give those that belong together."
        )
    if not layout.nuclei:
        raise EvaluationError("There are no nuclei whose labels could have moved; draw some and weave again.")
    truth = layout.rasterize()
    scores = []
    for picture in (before, after):
        found = segmenter.segment(Tile.from_array(picture, layout.pixel_size), layout.pixel_size)
        every = score_labels(truth, found.label_map, hausdorff=False, split=False)
        scores.append({name: float(every[name]) for name in COMPARED})
    return RefinementCheck(scores[0], scores[1], float(np.abs(after.astype(np.int16) - before).mean()))


def difference_picture(before: NDArray[np.uint8], after: NDArray[np.uint8], gain: float = 4.0) -> NDArray[np.uint8]:
    """Return the change, ``gain`` times as strong, about grey: lighter is grown lighter; RGB ``uint8 (H, W, 3)``."""
    change = after.astype(np.float32) - before.astype(np.float32)
    return np.asarray(np.clip(change * np.float32(gain) + np.float32(128.0), 0.0, 255.0), np.uint8)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"
