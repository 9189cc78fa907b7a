"""What is measured of a segmenter in the study "to Label or to Synthesize?", on whole held-out real tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import RunError
from histoloom.evaluation import score_labels
from histoloom.segmenters.otsu_watershed import otsu_nuclei
from histoloom.segmenters.segmenter import Segmenter
from histoloom.studies.label_or_synthesize_tiles import TypedTile
from histoloom.tiles.normalization import ColorStatistics

MEASURED: Mapping[str, str] = MappingProxyType({
    "mean_dice_micc17": "Mean Dice", "dice": "Dice of pixels", "aji": "AJI", "pq": "PQ",
})  # fmt: skip
"""Name -> title. *Mean Dice* is the paper's: the mean of Dice of pixels and of matched nuclei (section 5.1)."""

NORMALIZED = "normalized_"
"""What names of scores begin with that are of tiles given the colours of the training tiles (Reinhard et al. 2001)."""

SCORE_TITLES: Mapping[str, str] = MappingProxyType(
    dict(MEASURED) | {NORMALIZED + name: f"{title}, normalized" for name, title in MEASURED.items()}
)


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
            arrays = {str(name): np.array(each, np.float64) for name, each in values.items()}
        except (AttributeError, TypeError, ValueError):
            arrays = {}
        if not arrays.keys() >= MEASURED.keys() or any(each.shape != (tiles,) for each in arrays.values()):
            raise RunError("The scores of a cell are damaged; remove its 'scores.json' to score it again.")
        return cls(arrays)


def score_segmenter(
    segmenter: Segmenter, tiles: Sequence[TypedTile], pixel_size: float, colors: ColorStatistics
) -> TileScores:
    """Score a trained segmenter on tiles as they are, and as they look with the colours of its training tiles."""
    plain = _scores(tiles, lambda picture: segmenter.segment(picture, pixel_size).label_map)
    normalized = _scores(tiles, lambda picture: segmenter.segment(picture, pixel_size, colors=colors).label_map)
    return TileScores({**plain, **{NORMALIZED + name: each for name, each in normalized.items()}})


def score_floor(tiles: Sequence[TypedTile], pixel_size: float) -> TileScores:
    """Score what Otsu's threshold on haematoxylin and a watershed find."""
    return TileScores(_scores(tiles, lambda picture: otsu_nuclei(picture, pixel_size)))


def _scores(
    tiles: Sequence[TypedTile], find: Callable[[NDArray[np.uint8]], NDArray[np.int32]]
) -> dict[str, NDArray[np.float64]]:
    rows = []
    for each in tiles:
        picture = each.picture
        found = find(picture.image)
        # Of a tile with a nucleus or two, whose label map could be taken for one of classes.
        scores = score_labels(picture.label_map, found, ignore=picture.ignored, hausdorff=False, split=False)
        rows.append([scores[name] for name in MEASURED])
    values = np.array(rows, np.float64).reshape(len(tiles), len(MEASURED))
    return {name: values[:, place] for place, name in enumerate(MEASURED)}
