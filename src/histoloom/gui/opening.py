"""Opening napari with histoloom's docks, a tile and a layout."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histoloom.errors import HistoloomError

if TYPE_CHECKING:
    import napari

DOCKS = ("Tiles", "Layout", "Structure", "Weave", "Train generator", "Train segmenter", "Compare", "Weights")
"""Display names of our docks, in the order of their tabs."""

_IN_FRONT = "Weave"


def has_display() -> bool:
    """Whether a window can be opened here."""
    if sys.platform in {"win32", "darwin"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_viewer(show: bool = True) -> tuple[napari.Viewer, dict[str, Any]]:
    """Open a viewer with our docks as tabs at the right.

    Returns
    -------
    viewer, docks
        The viewer, and the dock widgets by display name.

    Raises
    ------
    HistoloomError
        If there is no display, or one without OpenGL.
    """
    if show and not has_display():
        raise HistoloomError(
            "There is no display to open a window on; run 'histoloom demo', which makes a virtual one, "
            "or connect with a desktop."
        )
    if show:
        require_opengl()
    import napari
    from qtpy.QtWidgets import QMainWindow

    viewer = napari.Viewer(show=show)
    front, docks = add_docks(viewer)
    main = front.window()
    if isinstance(main, QMainWindow):
        main.resize(max(main.width(), 1400), max(main.height(), 900))
        from qtpy.QtCore import Qt

        main.resizeDocks([front], [380], Qt.Orientation.Horizontal)
    return viewer, docks


def add_docks(viewer: napari.Viewer) -> tuple[Any, dict[str, Any]]:
    """Add our docks to a viewer as tabs; returns the dock that is in front, and the widgets by display name."""
    front: Any = None
    docks: dict[str, Any] = {}
    for name in DOCKS:
        dock, docks[name] = viewer.window.add_plugin_dock_widget("histoloom", name, tabify=bool(docks))
        if name == _IN_FRONT:
            front = dock
    front.raise_()
    return front, docks


def open_dock(viewer: napari.Viewer, name: str) -> Any:
    """Open one of our docks as a tab in front, or bring it there; returns its widget, or None without a window.

    Parameters
    ----------
    viewer
        The viewer.
    name
        The dock's display name, also of one that `add_docks` does not add.
    """
    window = getattr(viewer, "window", None)
    if window is None:
        return None
    dock, widget = window.add_plugin_dock_widget("histoloom", name, tabify=True)
    dock.show()
    dock.raise_()
    return widget


def require_opengl() -> None:
    """Make sure that the display can draw with OpenGL, without which napari would abort in the middle of its start.

    Raises
    ------
    HistoloomError
        If no context can be made, or it does not answer.
    """
    from qtpy.QtGui import QOffscreenSurface, QOpenGLContext
    from qtpy.QtWidgets import QApplication

    application = QApplication.instance() or QApplication([])
    context, surface = QOpenGLContext(), QOffscreenSurface()
    works = context.create()
    if works:
        surface.create()
        works = context.makeCurrent(surface) and _opengl_answers()
        context.doneCurrent()
    del application
    if not works:
        raise HistoloomError(
            "This display has no working OpenGL, which napari draws with; update the graphics driver, "
            "on Linux install Mesa (libgl1, libegl1), or weave from a shell with 'histoloom weave'."
        )


def _opengl_answers() -> bool:
    """Whether the current context tells its version; vispy asks the same library for it."""
    from OpenGL import GL, contextdata, error

    try:
        # Qt may have found a context by EGL where PyOpenGL looks for one by GLX; napari would abort on it.
        contextdata.getContext()
        return bool(GL.glGetString(GL.GL_VERSION))
    except (error.Error, AttributeError, OSError):
        return False


def open_path(viewer: napari.Viewer, path: Path, tiles_dock: Any = None) -> None:
    """Put a tile or layout on the viewer's canvas, or show a slide.

    Parameters
    ----------
    viewer
        The viewer.
    path
        The file; folders are for the Tiles dock.
    tiles_dock
        The Tiles dock, which shows slides: pictures too large for a canvas of their size.

    Raises
    ------
    HistoloomError
        If the file cannot be read.
    """
    from histoloom.gui.canvas import canvas_of
    from histoloom.gui.scale_bar import show_scale_bar
    from histoloom.gui.tile_opening import OpenedTile
    from histoloom.layouts.opening import is_layout_file, open_layout
    from histoloom.tiles.reading import open_tile

    canvas = canvas_of(viewer)
    if is_layout_file(path):
        layout, notes = open_layout(path)
        canvas.open_layout(layout)
        for note in notes:
            canvas.edit_message(note)
        return
    tile = open_tile(path)
    if tiles_dock is not None and OpenedTile(tile, path.stem).is_slide:
        tile.close()
        tiles_dock.open_path(path)
    else:
        canvas.set_tile(tile, path.stem)
        show_scale_bar(viewer)
