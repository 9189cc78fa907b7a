"""The Tissue layer: the tissue map as labels that lie over the tissue, one pixel a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from histoloom.layouts import Layout, TissueMap, blank_tissue_map
from histoloom.tiles.tissue import TISSUES

if TYPE_CHECKING:
    from napari.layers import Labels

TISSUE_COLORS: tuple[tuple[int, int, int], ...] = (
    (128, 128, 128),
    (86, 180, 233),
    (240, 228, 66),
    (0, 158, 115),
    (213, 94, 0),
)
"""Colours of `TISSUES` after Okabe and Ito, told apart with any colour vision; "any" is not painted at all."""

_OPACITY = 0.45


def shown_tissue_map(layout: Layout) -> TissueMap:
    """Return the map that the layer shows and that strokes change: the layout's, as large as its canvas at least."""
    tissue = layout.tissue_map
    if tissue is None:
        return blank_tissue_map(layout)
    needed = TissueMap.filled(layout.shape, tissue.cell_size)
    rows, columns = tissue.values.shape
    if rows >= needed.values.shape[0] and columns >= needed.values.shape[1]:
        return tissue
    # A map may end before its canvas does; people paint there as well.
    values = np.zeros(np.maximum(needed.values.shape, tissue.values.shape), np.uint8)
    values[:rows, :columns] = tissue.values
    return TissueMap(values, tissue.cell_size)


def tissue_layer_options(layout: Layout) -> dict[str, Any]:
    """Return how the layer is made."""
    from napari.utils.colormaps import DirectLabelColormap

    colors: dict[int | None, Any] = {None: (0.0, 0.0, 0.0, 0.0), 0: (0.0, 0.0, 0.0, 0.0)}
    for index in range(1, len(TISSUES)):
        colors[index] = (*(part / 255.0 for part in TISSUE_COLORS[index]), 1.0)
    return {
        "data": shown_tissue_map(layout).values.copy(),
        "name": "Tissue",
        "opacity": _OPACITY,
        "colormap": DirectLabelColormap(color_dict=colors),
        **tissue_placing(layout),
    }


def tissue_placing(layout: Layout) -> dict[str, Any]:
    """Return the layer's scale and shift in µm: its pixels are cells, whose corners are those of canvas pixels."""
    cell = shown_tissue_map(layout).cell_size
    return {"scale": (cell * layout.pixel_size,) * 2, "translate": ((cell - 1) / 2.0 * layout.pixel_size,) * 2}


def show_tissue(layer: Labels, layout: Layout) -> None:
    """Let the layer show a layout's map; what it shows already is not sent again."""
    values = shown_tissue_map(layout).values
    placing = tissue_placing(layout)
    if tuple(layer.scale) != placing["scale"]:
        layer.scale, layer.translate = placing["scale"], placing["translate"]
    if layer.data.shape != values.shape:
        layer.data = values.copy()
    elif not np.array_equal(layer.data, values):
        np.copyto(layer.data, values)
        layer.refresh(extent=False, highlight=False)
