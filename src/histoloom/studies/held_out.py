"""What a study measures on: fixed crops of tiles that no cell was trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from histoloom.errors import LookError, TrainingError
from histoloom.tiles.stain_summary import StainSummary
from histoloom.training.augmentation import sampled
from histoloom.training.data import LabelledPicture, TrainingData


@dataclass(frozen=True, eq=False)
class HeldOutCrop:
    """A crop of a held-out tile.

    Parameters
    ----------
    tile
        Which of the held-out tiles, counted from 0.
    real
        The picture and its nuclei.
    stains
        Summary of the picture.
    """

    tile: int
    real: LabelledPicture
    stains: StainSummary


def held_out_crops(data: TrainingData, size: int, per_tile: int) -> list[HeldOutCrop]:
    """Return crops of all held-out tiles, spread evenly over each; those that show no tissue are left out.

    Parameters
    ----------
    data
        Its validation part is what is held out.
    size
        Height and width in pixels; tiles that are smaller are continued by reflection.
    per_tile
        How many crops of each tile; they overlap where they do not fit side by side.

    Raises
    ------
    TrainingError
        If crops of fewer than two tiles are left: there would be nothing to compare.
    """
    crops = []
    for tile, picture in enumerate(data.validation):
        for top, left in _evenly_spread(picture.label_map.shape, size, per_tile):
            rows, columns = np.meshgrid(top + np.arange(size), left + np.arange(size), indexing="ij")
            image, label_map = sampled(picture, rows.astype(np.float64), columns.astype(np.float64))
            try:
                stains = StainSummary.of(image)
            except LookError:
                continue
            crops.append(HeldOutCrop(tile, LabelledPicture(image, label_map, picture.class_of, picture), stains))
    if len({crop.tile for crop in crops}) < 2:
        raise TrainingError(
            "Fewer than two held-out tiles show tissue, so there is nothing to compare; give more tiles or a larger "
            "held-out share."
        )
    return crops


def _evenly_spread(shape: tuple[int, ...], size: int, count: int) -> list[tuple[int, int]]:
    """Return top left corners in the middles of a grid's squares."""
    across = math.ceil(math.sqrt(count))
    corners = []
    for index in range(count):
        place = divmod(index, across)
        # Where the tile is smaller than the crop, the crop is centred on it.
        corner = [
            round((side - size) / 2)
            if side < size
            else min(max(round((step + 0.5) * side / across - size / 2), 0), side - size)
            for step, side in zip(place, shape, strict=True)
        ]
        corners.append((corner[0], corner[1]))
    return corners
