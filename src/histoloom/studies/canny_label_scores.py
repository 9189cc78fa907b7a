"""What is measured of a trained segmenter of the canny-label study, on held-out real tiles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import RunError
from histoloom.evaluation import score_labels
from histoloom.evaluation.pixel_scores import BACKGROUND
from histoloom.layouts.classes import DEFAULT_CLASS
from histoloom.runs import Run
from histoloom.segmenters.instances import instances_of
from histoloom.segmenters.segmenter import Segmenter
from histoloom.segmenters.tiling import predicted_maps
from histoloom.training.data import LabelledPicture

_OF_CLASSES = ("precision", "recall", "f1", "iou", "bf_score")

SCORE_TITLES: Mapping[str, str] = MappingProxyType({
    "roi_precision": "Precision, ROI",
    "background_precision": "Precision, background",
    "roi_recall": "Recall, ROI",
    "background_recall": "Recall, background",
    "roi_f1": "F1, ROI",
    "background_f1": "F1, background",
    "roi_iou": "IoU, ROI",
    "background_iou": "IoU, background",
    "mean_iou": "Mean IoU",
    "roi_bf_score": "BF score, ROI",
    "background_bf_score": "BF score, background",
    "aji": "AJI",
})  # fmt: skip
"""What people call the scores, in the order of the paper's table; its ROI are the nuclei."""


@dataclass(frozen=True, eq=False)
class TileScores:
    """Scores of one segmenter.

    Parameters
    ----------
    values
        By name ``float64 (tiles,)``; NaN where a tile has none.
    """

    values: Mapping[str, NDArray[np.float64]]

    def as_json(self) -> dict[str, Any]:
        """Return plain values, with null for NaN."""
        return {
            name: [float(each) if math.isfinite(each) else None for each in values]
            for name, values in self.values.items()
        }

    @classmethod
    def from_json(cls, values: Any, tiles: int) -> TileScores:
        """Return what `as_json` gave, of so many tiles; raises `RunError` where it is damaged."""
        try:
            arrays = {name: np.array(values[name], np.float64) for name in SCORE_TITLES}
        except (KeyError, TypeError, ValueError):
            arrays = {}
        if not arrays or any(each.shape != (tiles,) for each in arrays.values()):
            raise RunError("The scores of a cell are damaged; remove its 'scores.json' to score it again.")
        return cls(arrays)


def score_tiles(
    run: Run, tiles: Sequence[LabelledPicture], pixel_size: float
) -> tuple[TileScores, list[NDArray[np.bool_]]]:
    """Score a trained segmenter on whole tiles.

    A pixel is of a nucleus where that is more probable than not. All scores but AJI are of pixels, as in the paper;
    AJI is of the nuclei that a watershed on distance makes of them.

    Parameters
    ----------
    run
        Its run, with the final bundle.
    tiles
        Held-out real tiles. What they ignore counts for nothing.
    pixel_size
        µm per pixel of the tiles.

    Returns
    -------
    TileScores
        Of each tile.
    list
        Where it finds nuclei, boolean ``(H, W)`` of each tile.

    Raises
    ------
    RunError
        If the run is not finished.
    """
    if run.bundle is None:
        raise RunError(f"The run '{run.folder.name}' is not finished; train it to its end first.")
    network = Segmenter.load(run.bundle).network
    found: list[NDArray[np.bool_]] = []
    rows: list[dict[str, float]] = []
    for tile in tiles:
        maps = predicted_maps(network, tile.image)
        found.append(maps["nucleus"] > 0.5)
        maps.pop("classes")
        rows.append(_scores(tile, found[-1], instances_of(maps, pixel_size)))
    return TileScores({name: np.array([row[name] for row in rows]) for name in SCORE_TITLES}), found


def _scores(tile: LabelledPicture, found: NDArray[np.bool_], nuclei: NDArray[np.int32]) -> dict[str, float]:
    true = (tile.label_map > 0).astype(np.int32)
    of_pixels = score_labels(true, found.astype(np.int32), ignore=tile.ignored, hausdorff=False, split=False)
    classes = of_pixels["classes"]
    none = dict.fromkeys(_OF_CLASSES, math.nan)
    scores = {
        f"{prefix}_{name}": float(classes.get(kind, none)[name])
        for prefix, kind in (("roi", DEFAULT_CLASS), ("background", BACKGROUND))
        for name in _OF_CLASSES
    }
    of_nuclei = score_labels(tile.label_map, nuclei, ignore=tile.ignored, hausdorff=False, split=False)
    return {**scores, "mean_iou": float(of_pixels["mean_iou"]), "aji": float(of_nuclei["aji"])}
