"""The tissue map of a real tile, as a layout's map."""

from __future__ import annotations

import numpy as np

from histoloom.errors import LayoutError
from histoloom.layouts.layout import Layout, blank_tissue_map
from histoloom.layouts.tissue_map import TissueMap
from histoloom.tiles.tile import Tile
from histoloom.tiles.tissue import cell_densities, tissue_of_cells
from histoloom.window import Window

_SAME_PIXEL_SIZE = 0.02
_BLOCK_CELLS = 128


def tile_tissue_map(layout: Layout, tile: Tile) -> TissueMap:
    """Return what lies between the nuclei of a real tile, for the canvas that lies on it.

    Parameters
    ----------
    layout
        Its canvas, whose upper left is the tile's. Its nuclei are taken for those of the tile, unless there are none or
        they were generated: then dark pixels are.
    tile
        Read block by block, so that it may be large.

    Returns
    -------
    TissueMap
        Of the canvas's size, "any" beyond the tile; see `histoloom.tiles.tissue.tissue_of_cells`.

    Raises
    ------
    LayoutError
        If the pixel sizes differ, so that pixels do not lie on each other.
    """
    size = tile.pixel_size or layout.pixel_size
    if abs(size / layout.pixel_size - 1.0) > _SAME_PIXEL_SIZE:
        raise LayoutError(
            f"The tile has {size:.3g} µm per pixel and the canvas {layout.pixel_size:.3g}; "
            "open a layout that belongs to the tile, or draw a tissue map at random."
        )
    tissue = blank_tissue_map(layout)
    values, cell = tissue.values.copy(), tissue.cell_size
    cells = np.zeros((*values.shape, 4), np.float32)
    is_of_tile = bool(layout.nuclei) and "generator" not in layout.provenance
    shared = layout.window.intersection(Window.of_shape(tile.shape))
    side = _BLOCK_CELLS * cell
    for y in range(0, shared.y1, side):
        for x in range(0, shared.x1, side):
            block = Window(y, x, y + side, x + side).intersection(shared)
            nuclei = layout.rasterize(block) > 0 if is_of_tile else None
            found = cell_densities(tile.read(block), layout.pixel_size, nuclei)
            row, column = y // cell, x // cell
            cells[row : row + found.shape[0], column : column + found.shape[1]] = found
    rows, columns = -(-shared.y1 // cell), -(-shared.x1 // cell)
    values[:rows, :columns] = tissue_of_cells(cells[:rows, :columns])
    return TissueMap(np.ascontiguousarray(values), cell)
