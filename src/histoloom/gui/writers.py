"""napari's writers: the whole canvas, a layout, woven tissue with its mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from histoloom.errors import LayoutError, WriteError
from histoloom.generators.woven_files import synthetic_facts, write_synthetic_picture
from histoloom.gui.canvas import Canvas, canvas_of
from histoloom.gui.canvas_layers import LAYOUT, REFINING, ROLE_KEY, WOVEN
from histoloom.gui.export import CanvasContents, contents_of, export_canvas
from histoloom.gui.live import live_weaving_of
from histoloom.gui.readers import LAYOUT_KEY, TILE_KEY
from histoloom.layouts.files import save_layout
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, Layout
from histoloom.layouts.validation import repair_label_map
from histoloom.tiles.tile import Tile

FullLayerData = tuple[Any, Mapping[str, Any], str]

_MICROMETRES_IN = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3}


def write_canvas(path: str, layers: Sequence[FullLayerData]) -> list[str]:
    """Export the canvas as picture, label map, GeoJSON, COCO and JSON; for research, not for diagnosis.

    Parameters
    ----------
    path
        ``FOLDER/STEM.json``.
    layers
        What is to be saved. Where our Layout layer is among them, all of its canvas is; else the labels and the first
        RGB image of their size.

    Raises
    ------
    HistoloomError
        If something cannot be written.
    """
    target = Path(path)
    labels = [(data, meta) for data, meta, kind in layers if kind == "labels"]
    if len(labels) != 1:
        raise LayoutError(f"An export needs one labels layer and got {len(labels)}; select the layers to save.")
    canvas = _canvas_showing(labels[0][0], LAYOUT)
    if canvas is not None:
        contents = contents_of(canvas)
    else:
        layout = layout_of_layer(*labels[0])
        contents = CanvasContents(layout, tile=_tile_of(layers, layout.shape))
    return [str(each) for each in export_canvas(contents, target.parent, target.stem).values()]


def write_layout(path: str, data: Any, meta: Mapping[str, Any]) -> list[str]:
    """Save a labels layer as GeoJSON or label map with a ``.layout.json``; our Layout layer with all its nuclei."""
    return [str(save_layout(layout_of_layer(data, meta), path))]


def write_woven(path: str, data: Any, meta: Mapping[str, Any]) -> list[str]:
    """Save our Woven layer with the mark ``synthetic``, generator and seed in its metadata.

    Raises
    ------
    WriteError
        If the layer is not woven tissue.
    """
    if (meta.get("metadata") or {}).get(ROLE_KEY) == REFINING:
        raise WriteError(
            f"The layer '{meta.get('name', '')}' only shows what refining does; save the Woven layer, which is what "
            "was woven."
        )
    canvas = _canvas_showing(data, WOVEN)
    shown = live_weaving_of(canvas).shown if canvas is not None else None
    if canvas is None or shown is None:
        raise WriteError(
            f"The layer '{meta.get('name', '')}' is not woven tissue; save it with napari's own writer, or weave first."
        )
    facts = synthetic_facts(*shown)
    write_synthetic_picture(path, np.ascontiguousarray(data, np.uint8), canvas.layout.pixel_size, facts)
    return [path]


def layout_of_layer(data: Any, meta: Mapping[str, Any]) -> Layout:
    """Return the layout that a labels layer shows.

    The canvas's own table where the layer is its Layout layer; the table that the layer was read from, unless it was
    painted since; else what its pixels say, mended where necessary.

    Raises
    ------
    LayoutError
        If the layer has other than two dimensions or cannot be mended.
    """
    canvas = _canvas_showing(data, LAYOUT)
    if canvas is not None:
        return canvas.layout
    pixels = np.asarray(data)
    known = (meta.get("metadata") or {}).get(LAYOUT_KEY)
    if isinstance(known, Layout) and known.shape == pixels.shape and np.array_equal(known.rasterize(), pixels):
        return known
    if pixels.ndim != 2:
        raise LayoutError(f"A layout has two dimensions and this layer has {pixels.ndim}; choose one plane of it.")
    label_map, _ = repair_label_map(pixels)
    names = {}
    classes = {}
    if isinstance(known, Layout):
        names = {key: nucleus.class_name for key, nucleus in known.nuclei.items()}
        classes = {"classes": known.classes}
    return Layout.from_label_map(label_map, pixel_size_of(meta), names, **classes)


def pixel_size_of(meta: Mapping[str, Any]) -> float:
    """Return a layer's µm per pixel, or 0.25 where its units are no lengths."""
    return known_pixel_size(meta.get("scale"), meta.get("units")) or DEFAULT_PIXEL_SIZE


def known_pixel_size(scale: Any, units: Any) -> float | None:
    """Return the µm per pixel of a layer's scale and units, or None where the units are no lengths."""
    if scale is None or units is None:
        return None
    unit = units if isinstance(units, str) else str(list(units)[-1])
    size = float(list(scale)[-1]) * _MICROMETRES_IN.get(unit.removesuffix("s"), float("nan"))
    return size if np.isfinite(size) and size > 0 else None


def _canvas_showing(data: Any, role: str) -> Canvas | None:
    """Return the current viewer's canvas if one of its own layers holds this very array."""
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        return None
    canvas = canvas_of(viewer)
    layer = canvas.layers.find(role)
    return canvas if layer is not None and layer.data is data else None


def _tile_of(layers: Sequence[FullLayerData], shape: tuple[int, int]) -> Tile | None:
    for data, meta, kind in layers:
        if kind != "image":
            continue
        tile = (meta.get("metadata") or {}).get(TILE_KEY)
        if isinstance(tile, Tile) and tile.shape == shape:
            return tile
        pixels = data[0] if meta.get("multiscale") else data
        if getattr(pixels, "ndim", 0) == 3 and pixels.shape == (*shape, 3) and pixels.dtype == np.uint8:
            return Tile((pixels,), pixel_size_of(meta))
    return None
