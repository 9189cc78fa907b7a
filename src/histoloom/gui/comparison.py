"""Real and woven tissue compared: flicker between them, or both side by side with linked cameras."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QTabBar

from histoloom.gui.canvas_layers import TILE, WOVEN

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from histoloom.gui.canvas import Canvas

_CAMERA_FIELDS = ("center", "zoom")


class Comparison:
    """The two ways of comparing on one canvas.

    Parameters
    ----------
    canvas
        The canvas; held weakly.
    """

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = weakref.ref(canvas)
        self._dock: Any = None
        self._view: Any = None
        self._places: _DockPlaces | None = None
        self._link: _CameraLink | None = None

    def flicker(self) -> None:
        """Hide the woven picture, so that the real tile beneath shows, or show it again."""
        canvas = self._canvas()
        if canvas is None:
            return
        woven = canvas.layers.find(WOVEN)
        if woven is None or canvas.layers.find(TILE) is None:
            canvas.edit_message("Flicker needs a real tile and woven tissue; open a tile and weave first.")
            return
        woven.visible = not woven.visible
        canvas.edit_message("Woven tissue." if woven.visible else "The real tile.")

    @property
    def is_side_by_side(self) -> bool:
        """Whether the second view is open."""
        return self._dock is not None

    def side_by_side(self) -> None:
        """Open a second view of the real tile that follows the camera of the first, or close it."""
        canvas = self._canvas()
        if canvas is None:
            return
        if self._dock is not None:
            if self._dock.isHidden():
                self._dock.show()
            else:
                self.close()
            return
        tile = canvas.layers.find(TILE)
        window = getattr(canvas.viewer, "window", None)
        if tile is None or window is None:
            canvas.edit_message("There is no real tile to show beside the canvas; open one first.")
            return
        from napari.components import ViewerModel
        from napari.qt import QtViewer

        second = ViewerModel(title="Real tile")
        second.add_image(
            tile.data, multiscale=tile.multiscale, rgb=True, name=tile.name, scale=tile.scale, units=tile.units
        )
        self._view = view = QtViewer(second)
        # Half of the window at first; without a minimum Qt gives the second canvas no room.
        view.setMinimumWidth(320)
        self._link = _CameraLink(camera_of(canvas.viewer), camera_of(second))
        self._places = _DockPlaces(_main_window(window))
        self._dock = window.add_dock_widget(view, name="Real tile", area="right")
        _place_beside_canvas(self._dock)
        self._dock.destroyed.connect(self._on_destroyed)

    def close(self) -> None:
        """Close the second view."""
        canvas, dock = self._canvas(), self._dock
        if dock is None:
            return
        dock.destroyed.disconnect(self._on_destroyed)
        window = getattr(canvas.viewer, "window", None) if canvas is not None else None
        if window is not None:
            window.remove_dock_widget(dock)
        self._on_destroyed()

    def _on_destroyed(self, *_: object) -> None:
        if self._link is not None:
            self._link.close()
        view, places = self._view, self._places
        self._link = self._dock = self._view = self._places = None
        # The dock's own button leaves its content behind. Either may be gone if the whole window is.
        with contextlib.suppress(RuntimeError):
            if view is not None:
                view.close()
        if places is not None:
            # Qt is in the middle of its own bookkeeping; a bound method alone would be forgotten until then.
            QTimer.singleShot(0, lambda: places.restore())


class _DockPlaces:
    """Where the docks of a window lie, how wide they are, and which are in front.

    Parameters
    ----------
    main
        The window, or None.
    """

    def __init__(self, main: QMainWindow | None) -> None:
        self._main = main
        self._state = None if main is None else main.saveState()

    def restore(self) -> None:
        """Put the docks back; those that were opened since stay where they are."""
        with contextlib.suppress(RuntimeError):  # the window has been closed
            if self._main is not None:
                self._main.restoreState(self._state)


def _main_window(window: Any) -> QMainWindow | None:
    main = getattr(window, "_qt_window", None)
    return main if isinstance(main, QMainWindow) else None


def _place_beside_canvas(dock: Any) -> None:
    """Put a dock between the canvas and the docks at the right, as wide as what is left of the canvas."""
    main = dock.window()
    if not isinstance(main, QMainWindow):
        return
    for other in main.findChildren(QDockWidget):
        at_right = main.dockWidgetArea(other) == Qt.DockWidgetArea.RightDockWidgetArea
        if other is not dock and at_right and not other.isFloating() and not other.visibleRegion().isEmpty():
            # A split takes one dock out of its tabs; the others are put back behind it, in their order.
            first, *tabs = _in_tab_order(main, [other, *main.tabifiedDockWidgets(other)])
            main.splitDockWidget(dock, first, Qt.Orientation.Horizontal)
            for tab in tabs:
                main.tabifyDockWidget(first, tab)
                first = tab
            other.show()
            other.raise_()
            break
    central = main.centralWidget()
    if central is not None:
        main.resizeDocks([dock], [(central.width() + dock.width()) // 2], Qt.Orientation.Horizontal)


def _in_tab_order(main: QMainWindow, docks: list[QDockWidget]) -> list[QDockWidget]:
    titles: list[str] = []
    for bar in main.findChildren(QTabBar):
        texts = [bar.tabText(index) for index in range(bar.count())]
        if bar.isVisible() and {each.windowTitle() for each in docks} <= set(texts):
            titles = texts
    return sorted(docks, key=lambda each: titles.index(each.windowTitle()) if titles else 0)


def camera_of(viewer: ViewerModel) -> Any:
    """Return a viewer's camera; its place moved in napari 0.9, and the old one warns."""
    scene = getattr(viewer, "scene", None)
    return viewer.camera if scene is None else scene.camera


class _CameraLink:
    """Keeps two cameras at the same place and zoom."""

    def __init__(self, first: Any, second: Any) -> None:
        self._cameras = (first, second)
        self._busy = False
        for camera in self._cameras:
            for name in _CAMERA_FIELDS:
                getattr(camera.events, name).connect(self._on_moved)
        self._copy(first, second)

    def close(self) -> None:
        for camera in self._cameras:
            for name in _CAMERA_FIELDS:
                getattr(camera.events, name).disconnect(self._on_moved)

    def _on_moved(self, event: Any) -> None:
        if self._busy:
            return
        first, second = self._cameras
        source = event.source
        self._copy(source, second if source is first else first)

    def _copy(self, source: Any, target: Any) -> None:
        self._busy = True
        try:
            for name in _CAMERA_FIELDS:
                setattr(target, name, getattr(source, name))
        finally:
            self._busy = False
