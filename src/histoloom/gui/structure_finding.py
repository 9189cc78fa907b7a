"""One look for structure, frozen so that it can be made in another thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions import (
    EDGE,
    NUCLEUS,
    EdgeRecipe,
    MaskAndStructureEncoding,
    MaskAndStructureRecipe,
    StructureLabelsEncoding,
    StructureLabelsRecipe,
    StructureMapRecipe,
    found_edges,
    found_structure,
)
from histoloom.conditions.contours import instance_contours
from histoloom.errors import ConditionError
from histoloom.layouts import Layout
from histoloom.tiles.tile import Tile
from histoloom.window import Window

Kind = Literal["labels", "map"]
Source = Literal["tile", "picture", "contours"]

SHOWN_VALUES = np.array([0, NUCLEUS, EDGE], np.uint8)
"""What the layer's labels 0, 1 and 2 stand for."""

_SAME_PIXEL_SIZE = 0.02


@dataclass(frozen=True, eq=False)
class StructureFound:
    """Structure of a canvas, as computed.

    Parameters
    ----------
    values
        ``uint8 (H, W)``: 0, 1 and 2 for background, nucleus and edge; a structure map has 0 and 2.
    encoding
        What made it, with thresholds as numbers.
    fraction
        Share of edge or structure pixels.
    seconds
        How long that took.
    """

    values: NDArray[np.uint8]
    encoding: StructureLabelsEncoding | MaskAndStructureEncoding
    fraction: float
    seconds: float


def find_structure(
    layout: Layout,
    recipe: EdgeRecipe | StructureMapRecipe,
    source: Source,
    read_picture: Callable[[], NDArray[np.uint8]],
) -> StructureFound:
    """Find structure on a canvas.

    Parameters
    ----------
    layout
        What lies on the canvas.
    recipe
        An `EdgeRecipe` for labels, a `StructureMapRecipe` for a map.
    source
        Where structure is looked for.
    read_picture
        Returns RGB ``uint8 (H, W, 3)``; called unless contours are the source. A picture smaller than the canvas lies
        at its upper left, and has no structure beyond.
    """
    start = time.perf_counter()
    found = np.zeros(layout.shape, bool)
    if source == "contours":
        found = instance_contours(layout, layout.window)
    else:
        picture = read_picture()[: layout.shape[0], : layout.shape[1]]
        part = Window.of_shape(picture.shape).slices
        if isinstance(recipe, StructureMapRecipe):
            found[part], recipe = found_structure(picture, recipe, layout.pixel_size)
        else:
            found[part], recipe = found_edges(picture, recipe, layout.pixel_size)
    values = np.zeros(layout.shape, np.uint8)
    encoding: StructureLabelsEncoding | MaskAndStructureEncoding
    if isinstance(recipe, StructureMapRecipe):
        encoding = MaskAndStructureEncoding(MaskAndStructureRecipe(**recipe.model_dump(), source=source))
    else:
        values[layout.rasterize() > 0] = 1
        encoding = StructureLabelsEncoding(StructureLabelsRecipe(**recipe.model_dump(), source=source))
    values[found] = 2
    return StructureFound(values, encoding, float(found.mean()), time.perf_counter() - start)


def read_tile_for(layout: Layout, tile: Tile) -> NDArray[np.uint8]:
    """Return the part of a tile that lies on the canvas, RGB ``uint8 (h, w, 3)``.

    Raises
    ------
    ConditionError
        If their pixel sizes differ, so that their pixels do not lie on each other.
    """
    size = tile.pixel_size or layout.pixel_size
    if abs(size / layout.pixel_size - 1.0) > _SAME_PIXEL_SIZE:
        raise ConditionError(
            f"The tile has {size:.3g} µm per pixel and the canvas {layout.pixel_size:.3g}; "
            "open a layout that belongs to the tile, or take another source."
        )
    return tile.read(layout.window)
