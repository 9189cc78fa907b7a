"""What lies between the nuclei of a real tile, coarsely: blank, fibrous, cellular or blood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoloom.tiles.stains import optical_density

TISSUES = ("any", "blank", "fibrous", "cellular", "blood")
"""Kinds of tissue, by the index that maps carry; "any" leaves the choice to a generator."""

TISSUE_CELL = 4.0
"""Side of one cell of a tissue map in µm: a few fibres, less than a nucleus."""

ANY, BLANK, FIBROUS, CELLULAR, BLOOD = range(5)

_GLASS = 0.105
_CYTOPLASM_RED = 0.1
_BLOOD_GREEN, _BLOOD_RED_OF_GREEN, _BLOOD_BLUE_OF_GREEN = 0.19, 0.4, 0.42
_NUCLEAR_RED = 0.4
_LEAST_SHARE = 0.15


def tissue_cell_pixels(pixel_size: float) -> int:
    """Return the side of a tissue map's cell in pixels, at least 1."""
    return max(round(TISSUE_CELL / pixel_size), 1)


def tissue_values(
    rgb: NDArray[np.uint8], pixel_size: float, nuclei: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Return the tissue map of a picture, by absolute optical density.

    Thresholds are numbers and not shares of the picture's own range, because a pale tile is not a blank one. Glass
    lets light through; eosin absorbs hardly any red light, which tells fibres from cytoplasm with its haematoxylin;
    red cells absorb green and blue strongly and red hardly.

    Parameters
    ----------
    rgb
        ``uint8 (H, W, 3)``.
    pixel_size
        µm per pixel.
    nuclei
        Where nuclei are, ``bool (H, W)``; they say nothing of what lies between them. Default: pixels that absorb much
        red light.

    Returns
    -------
    NDArray[np.uint8]
        ``(h, w)``, indices into `TISSUES`, one for each started square of `tissue_cell_pixels`. Where nuclei leave
        hardly a pixel of a cell free, it is cellular.
    """
    density = optical_density(rgb)
    hidden = density[..., 0] > _NUCLEAR_RED if nuclei is None else nuclei
    cell = tissue_cell_pixels(pixel_size)
    free = _cell_sums(np.asarray(~hidden, np.float32)[..., None], cell)[..., 0]
    sums = _cell_sums(np.where(hidden[..., None], np.float32(0), density), cell)
    red, green, blue = np.moveaxis(sums / np.maximum(free, 1.0)[..., None], -1, 0)
    values = np.where(red > _CYTOPLASM_RED, CELLULAR, FIBROUS).astype(np.uint8)
    is_red = (red < _BLOOD_RED_OF_GREEN * green) & (blue > _BLOOD_BLUE_OF_GREEN * green)
    values[is_red & (green > _BLOOD_GREEN)] = BLOOD
    values[np.sqrt(red**2 + green**2 + blue**2) < _GLASS] = BLANK
    seen = _cell_sums(np.ones((*hidden.shape, 1), np.float32), cell)[..., 0]
    values[free < _LEAST_SHARE * seen] = CELLULAR
    return values


def _cell_sums(values: NDArray[np.float32], cell: int) -> NDArray[np.float32]:
    height, width = values.shape[:2]
    rows, columns = (np.arange(0, side, cell) for side in (height, width))
    return np.asarray(np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1), np.float32)
