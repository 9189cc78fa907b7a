"""What our entries in napari's menus do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer

from histoloom.errors import HistoloomError
from histoloom.gui.canvas import canvas_of
from histoloom.gui.export import RESEARCH_NOTICE, CanvasContents, contents_of, export_canvas, files_of_export
from histoloom.gui.opening import add_docks
from histoloom.gui.readers import TILE_KEY
from histoloom.gui.writers import layout_of_layer, pixel_size_of
from histoloom.layouts.opening import layout_stem
from histoloom.tiles.tile import Tile


def open_docks(viewer: Viewer) -> None:
    """Open our docks as tabs."""
    add_docks(viewer)


def use_as_layout(viewer: Viewer) -> None:
    """Put the selected labels layer on the canvas as its layout; undo brings the former one back."""
    layer = viewer.layers.selection.active
    if layer is None or type(layer).__name__ != "Labels":
        show_error("There is no labels layer selected; select the one that shall be the layout.")
        return
    data, meta, _ = layer.as_layer_data_tuple()
    try:
        layout = layout_of_layer(data, meta)
    except HistoloomError as error:
        show_error(str(error))
        return
    canvas = canvas_of(viewer)
    if layout is canvas.layout:
        show_info("This layer is the layout already.")
        return
    canvas.replace_layout(f"use '{layer.name}' as layout", layout)
    layer.visible = False


def use_as_tile(viewer: Viewer) -> None:
    """Put the selected image on the canvas as its real tile."""
    layer = viewer.layers.selection.active
    if layer is None or type(layer).__name__ != "Image":
        show_error("There is no image selected; select the one that shall be the tile.")
        return
    tile = layer.metadata.get(TILE_KEY)
    if not isinstance(tile, Tile):
        _, meta, _ = layer.as_layer_data_tuple()
        levels = tuple(layer.data) if layer.multiscale else (layer.data,)
        try:
            tile = Tile(tuple(level[..., :3] if level.ndim == 3 else level for level in levels), pixel_size_of(meta))
        except HistoloomError as error:
            show_error(str(error))
            return
    canvas_of(viewer).set_tile(tile, layer.name)
    layer.visible = False


def export_canvas_to_folder(viewer: Viewer) -> None:
    """Ask where to, and export the canvas in the background; files that are there are replaced after a question."""
    from qtpy.QtWidgets import QFileDialog

    canvas = canvas_of(viewer)
    if not canvas.is_open:
        show_error("There is nothing on the canvas yet; open the docks, and a tile or a layout.")
        return
    contents = contents_of(canvas)
    # The dialog would ask about the name that is chosen, which is only the start of the names that are written.
    name, _ = QFileDialog.getSaveFileName(
        None,
        f"Export {contents.subject}: picture, labels, GeoJSON and COCO. {RESEARCH_NOTICE}",
        str(Path.home() / "canvas.json"),
        "Names (*.json)",
        options=QFileDialog.Option.DontConfirmOverwrite,
    )
    if not name:
        return
    target = Path(name)
    if _may_replace(target.parent, files_of_export(contents, layout_stem(target))):
        start_export(contents, target)
    else:
        show_info("Nothing was exported and nothing was replaced; export again with another name.")


def _may_replace(folder: Path, names: list[str]) -> bool:
    from qtpy.QtWidgets import QMessageBox

    there = [name for name in names if (folder / name).exists()]
    if not there:
        return True
    which = f"'{there[0]}' is" if len(there) == 1 else f"'{there[0]}' and {len(there) - 1} more of this export are"
    answer = QMessageBox.question(
        None,
        "Export the canvas",
        f"{which} in '{folder}' already; replace {'it' if len(there) == 1 else 'them'}?",
        QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No,
        QMessageBox.StandardButton.No,
    )
    return bool(answer == QMessageBox.StandardButton.Yes)


def start_export(contents: CanvasContents, target: Path) -> Any:
    """Export what is on a canvas as ``FOLDER/STEM...`` in a thread, and say how it went; returns the worker.

    Files of these names are replaced; `export_canvas_to_folder` asks before it calls this.
    """

    def work() -> int:
        return len(export_canvas(contents, target.parent, layout_stem(target)))

    def done(count: int) -> None:
        show_info(f"{count} files of {contents.subject} were exported to '{target.parent}'. {RESEARCH_NOTICE}")

    def failed(error: Exception) -> None:
        show_error(str(error) if isinstance(error, HistoloomError) else f"The export failed: {error}.")

    return create_worker(work, _connect={"returned": done, "errored": failed}, _start_thread=True)
