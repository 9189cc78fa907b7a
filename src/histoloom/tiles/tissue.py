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
_BLOOD_GREEN, _BLOOD_RED_OF_GREEN, _BLOOD_BLUE_OF_GREEN, _BLOOD_OF_USUAL = 0.19, 0.4, 0.42, 1.5
_NUCLEAR_RED = 0.4
_LEAST_SHARE = 0.15


def tissue_cell_pixels(pixel_size: float) -> int:
    """Return the side of a tissue map's cell in pixels, at least 1."""
    return max(round(TISSUE_CELL / pixel_size), 1)


def tissue_values(
    rgb: NDArray[np.uint8],
    pixel_size: float,
    nuclei: NDArray[np.bool_] | None = None,
    usual: float | None = None,
) -> NDArray[np.uint8]:
    """Return the tissue map of a picture: `tissue_of_cells` of its `cell_densities`.

    Parameters
    ----------
    rgb, pixel_size, nuclei
        As for `cell_densities`.
    usual
        As for `tissue_of_cells`.

    Returns
    -------
    NDArray[np.uint8]
        ``(h, w)``, indices into `TISSUES`, one for each started square of `tissue_cell_pixels`.
    """
    return tissue_of_cells(cell_densities(rgb, pixel_size, nuclei), usual)


def cell_densities(
    rgb: NDArray[np.uint8], pixel_size: float, nuclei: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Return what a tissue map is made of.

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
    NDArray[np.float32]
        ``(h, w, 4)``: for each cell the mean optical density per RGB channel of what nuclei leave free of it, and the
        share that they leave free.
    """
    density = optical_density(rgb)
    hidden = density[..., 0] > _NUCLEAR_RED if nuclei is None else nuclei
    cell = tissue_cell_pixels(pixel_size)
    free = _cell_sums(np.asarray(~hidden, np.float32)[..., None], cell)
    sums = _cell_sums(np.where(hidden[..., None], np.float32(0), density), cell)
    seen = _cell_sums(np.ones((*hidden.shape, 1), np.float32), cell)
    return np.concatenate([sums / np.maximum(free, 1.0), free / seen], axis=2)


def tissue_of_cells(cells: NDArray[np.float32], usual: float | None = None) -> NDArray[np.uint8]:
    """Return which tissue cells show, by optical density.

    Thresholds are numbers and not shares of the picture's own range, because a pale tile is not a blank one. Glass
    lets light through; eosin absorbs hardly any red light, which tells fibres from cytoplasm with its haematoxylin;
    red cells absorb green and blue strongly and red hardly. Only how much eosin is much depends on the tile: in some
    all fibres are as dark as red cells are in others. So a picture that is mostly blood shows none, unless ``usual``
    says what is usual. Where nuclei leave hardly a pixel of a cell free, it is cellular.

    Parameters
    ----------
    cells
        ``(h, w, 4)``, see `cell_densities`.
    usual
        For cells of a part of a tile, the whole tile's `usual_eosin`. Default: that of these cells.
    """
    red, green, blue, free = np.moveaxis(cells, -1, 0)
    much = max(_BLOOD_GREEN, _BLOOD_OF_USUAL * (usual_eosin(cells) if usual is None else usual))
    values = np.where(red > _CYTOPLASM_RED, CELLULAR, FIBROUS).astype(np.uint8)
    is_red = (red < _BLOOD_RED_OF_GREEN * green) & (blue > _BLOOD_BLUE_OF_GREEN * green)
    values[is_red & (green > much)] = BLOOD
    values[_is_glass(cells)] = BLANK
    values[free < _LEAST_SHARE] = CELLULAR
    return values


def usual_eosin(cells: NDArray[np.float32]) -> float:
    """Return the median optical density for green light, which eosin absorbs, of cells that show tissue; 0 for none."""
    tissue = cells[..., 1][~_is_glass(cells)]
    return float(np.median(tissue)) if len(tissue) else 0.0


def _is_glass(cells: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(np.linalg.norm(cells[..., :3], axis=-1) < _GLASS)


def _cell_sums(values: NDArray[np.float32], cell: int) -> NDArray[np.float32]:
    height, width = values.shape[:2]
    rows, columns = (np.arange(0, side, cell) for side in (height, width))
    return np.asarray(np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1), np.float32)
