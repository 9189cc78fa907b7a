"""napari's readers: tiles and slides as (multiscale) images, layouts as labels; scale in µm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from histoloom.generators.registry import import_generator
from histoloom.gui.scale_bar import show_scale_bar
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, Layout
from histoloom.layouts.opening import LAYOUT_ENDINGS, is_layout_file, layout_stem, open_layout
from histoloom.models import BUNDLE_SUFFIX
from histoloom.tiles.reading import PICTURE_SUFFIXES, open_tile
from histoloom.tiles.tile import Tile

LayerData = tuple[Any, dict[str, Any], str]
Reader = Callable[[str | Sequence[str]], list[LayerData]]

TILE_KEY = "histoloom_tile"
"""Key in an image's metadata: the `Tile` that it shows."""

LAYOUT_KEY = "histoloom_layout"
"""Key in a labels layer's metadata: the `Layout` whose rasterization it was when it was read."""


def get_tile_reader(path: str | Sequence[str]) -> Reader | None:
    """Return napari's reader of tiles and slides, or None where a path is something else."""
    paths = _paths(path)
    if not all(each.name.lower().endswith(PICTURE_SUFFIXES) and not is_layout_file(each) for each in paths):
        return None
    return read_tiles


def get_layout_reader(path: str | Sequence[str]) -> Reader | None:
    """Return napari's reader of layouts, or None where a path is something else."""
    paths = _paths(path)
    if not all(each.name.lower().endswith(LAYOUT_ENDINGS) and is_layout_file(each) for each in paths):
        return None
    return read_layouts


def get_bundle_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[tuple[None]]] | None:
    """Return what takes a trained generator that is dropped onto the viewer, or None where a path is something else."""
    if not all(each.suffix == BUNDLE_SUFFIX for each in _paths(path)):
        return None
    return take_bundles


def take_bundles(path: str | Sequence[str]) -> list[tuple[None]]:
    """Add bundles to one's own, and choose the last one in the Weave dock, which is opened for that.

    Returns
    -------
    list
        What tells napari that there is no layer.

    Raises
    ------
    HistoloomError
        If there is no window whose dock could say what is wrong with a bundle, and something is.
    """
    import napari

    viewer = napari.current_viewer()
    for each in _paths(path):
        if viewer is None:
            import_generator(each)
        else:
            _, dock = viewer.window.add_plugin_dock_widget("histoloom", "Weave")
            dock.generator.add_bundle(each)
    return [(None,)]


def read_tiles(path: str | Sequence[str]) -> list[LayerData]:
    """Open tiles or slides as image layers; slides stay on disk until they are shown.

    Raises
    ------
    TileError
        If a file cannot be opened.
    """
    layers = [tile_layer(open_tile(each), each.stem) for each in _paths(path)]
    _show_scale_bar(layers)
    return layers


def read_layouts(path: str | Sequence[str]) -> list[LayerData]:
    """Open layouts as labels layers; what was found in label maps of unknown origin is said in a notification.

    Raises
    ------
    LayoutError
        If a file cannot be opened.
    """
    layers = []
    for each in _paths(path):
        layout, notes = open_layout(each)
        for note in notes:
            _notify(note)
        layers.append(layout_layer(layout, layout_stem(each)))
    _show_scale_bar(layers)
    return layers


def tile_layer(tile: Tile, name: str) -> LayerData:
    """Return what napari makes a layer of: a pyramid where the tile has one, scaled in µm where the size is known."""
    multiscale = len(tile.levels) > 1
    data = list(tile.levels) if multiscale else tile.levels[0]
    options = {"name": name, "rgb": True, "multiscale": multiscale, "metadata": {TILE_KEY: tile}}
    return data, options | _placing(tile.pixel_size), "image"


def layout_layer(layout: Layout, name: str) -> LayerData:
    """Return what napari makes a labels layer of."""
    options = {"name": name, "metadata": {LAYOUT_KEY: layout}} | _placing(layout.pixel_size)
    return layout.rasterize(), options, "labels"


def _placing(pixel_size: float | None) -> dict[str, Any]:
    # A file that tells no pixel size is placed like everything else on a canvas, at 40x; in pixels, napari could not
    # show it beside layers in µm (with software OpenGL it even crashed).
    size = pixel_size or DEFAULT_PIXEL_SIZE
    return {"scale": (size, size), "units": ("micrometer", "micrometer"), "axis_labels": ("y", "x")}


def _paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(path)] if isinstance(path, str) else [Path(each) for each in path]


def _show_scale_bar(layers: Sequence[LayerData]) -> None:
    import napari

    viewer = napari.current_viewer()
    if viewer is not None and any(_is_to_scale(options) for _, options, _ in layers):
        show_scale_bar(viewer)


def _is_to_scale(options: Mapping[str, Any]) -> bool:
    """Whether a layer's size in µm is known, and not assumed."""
    tile = options["metadata"].get(TILE_KEY)
    return tile is None or tile.pixel_size is not None


def _notify(sentence: str) -> None:
    from napari.utils.notifications import show_info

    show_info(sentence)
