"""Regions of the tile on the canvas from which nothing shall be learnt: painted in the Ignore layer."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from histoloom.errors import TrainingError
from histoloom.gui.canvas_layers import IGNORE, TILE
from histoloom.window import Window

if TYPE_CHECKING:
    from napari.layers import Labels

    from histoloom.gui.canvas import Canvas
    from histoloom.tiles.tile import Tile

_regions: weakref.WeakKeyDictionary[Canvas, IgnoredRegions] = weakref.WeakKeyDictionary()


def ignored_regions_of(canvas: Canvas) -> IgnoredRegions:
    """Return the ignored regions of a canvas, made at the first call."""
    regions = _regions.get(canvas)
    if regions is None:
        regions = _regions[canvas] = IgnoredRegions(canvas)
    return regions


class IgnoredRegions(QObject):
    """The Ignore layer: each stroke in it is a step of the canvas's history, and each tile has its own regions.

    Parameters
    ----------
    canvas
        The canvas; held weakly.
    """

    changed = Signal()
    """Something was painted, taken back, or belongs to another tile."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__()
        self._canvas_reference = weakref.ref(canvas)
        self._kept: dict[str, NDArray[np.uint8]] = {}
        self._before: NDArray[np.uint8] | None = None
        self._tile = canvas.tile
        canvas.tile_changed.connect(self._on_tile)
        canvas.viewer.layers.events.removed.connect(lambda _event: self.changed.emit())

    def begin(self) -> None:
        """Make the Ignore layer ready to be painted in.

        Raises
        ------
        TrainingError
            If there is no real tile on the canvas.
        """
        canvas = self._canvas_reference()
        if canvas is None or canvas.tile is None or canvas.layers.find(TILE) is None:
            raise TrainingError("There is no real tile on the canvas; open one to mark regions of it to ignore.")
        layer = canvas.layers.find(IGNORE) or self._made(canvas)
        layer.visible = True
        canvas.viewer.layers.selection.active = layer
        layer.selected_label = 1
        layer.mode = "paint"

    def mask(self) -> NDArray[np.bool_] | None:
        """Return a copy of what is ignored, ``bool (H, W)``, or None for nothing.

        Raises
        ------
        TrainingError
            If the layer is of another size than the tile.
        """
        canvas = self._canvas_reference()
        layer = None if canvas is None else canvas.layers.find(IGNORE)
        if canvas is None or canvas.tile is None or layer is None or not np.any(layer.data):
            return None
        if tuple(layer.data.shape) != canvas.tile.shape:
            sizes = [f"{height} x {width}" for height, width in (layer.data.shape, canvas.tile.shape)]
            raise TrainingError(
                f"The Ignore layer has {sizes[0]} pixels and the tile on the canvas {sizes[1]}; delete the layer and "
                "mark the regions again."
            )
        return np.asarray(layer.data != 0, np.bool_)

    def put(self, window: Window, values: NDArray[np.uint8]) -> None:
        """Show other regions in a window, as the history does."""
        canvas = self._canvas_reference()
        layer = None if canvas is None else canvas.layers.find(IGNORE)
        # A layer of another size is of another tile, or was made anew.
        if layer is None or Window.of_shape(layer.data.shape).intersection(window) != window:
            return
        layer.data[window.slices] = values
        layer.refresh(extent=False, highlight=False)
        self._before = np.array(layer.data)
        self.changed.emit()

    def _made(self, canvas: Canvas, regions: NDArray[np.uint8] | None = None) -> Labels:
        layer = canvas.layers.ignored(canvas.layout, regions)
        self._before = np.array(layer.data)
        # Fills and polygons send the event before napari has written the pixels.
        layer.events.paint.connect(lambda _event: QTimer.singleShot(0, self._on_painted))
        return layer

    def _on_painted(self) -> None:
        canvas, before = self._canvas_reference(), self._before
        layer = None if canvas is None else canvas.layers.find(IGNORE)
        if canvas is None or layer is None or before is None or before.shape != layer.data.shape:
            return
        rows, columns = np.nonzero(layer.data != before)
        if not len(rows):
            return
        window = Window(int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
        states = before[window.slices].copy(), np.array(layer.data[window.slices])
        self._before = np.array(layer.data)
        canvas.push(IgnoredCommand(self, window, states))
        self.changed.emit()

    def _on_tile(self) -> None:
        canvas, before = self._canvas_reference(), self._tile
        if canvas is None or canvas.tile is before:
            return
        self._tile = canvas.tile
        layer = canvas.layers.find(IGNORE)
        if layer is None and not self._kept:
            return
        if before is not None and layer is not None:
            self._kept[_name_of(before)] = np.array(layer.data)
        known = None if canvas.tile is None else self._kept.get(_name_of(canvas.tile))
        if known is not None and known.shape != canvas.layout.shape:
            known = None
        if layer is not None:
            canvas.viewer.layers.remove(layer)
        if known is not None:
            self._made(canvas, known.copy())
        self.changed.emit()


class IgnoredCommand:
    """Regions that were painted, in the history.

    Parameters
    ----------
    regions
        Where they are shown; held weakly.
    window
        Where on the canvas.
    states
        The window before and after.
    """

    title = "Mark what is ignored"

    def __init__(self, regions: IgnoredRegions, window: Window, states: tuple[NDArray[Any], NDArray[Any]]) -> None:
        self._regions = weakref.ref(regions)
        self._window, self._states = window, states

    def do(self) -> None:
        """Mark them."""
        self._put(self._states[1])

    def undo(self) -> None:
        """Take the marks away."""
        self._put(self._states[0])

    def _put(self, values: NDArray[np.uint8]) -> None:
        regions = self._regions()
        if regions is not None:
            regions.put(self._window, values)


def _name_of(tile: Tile) -> str:
    """Return what a tile is known by when it is opened again; one that is no file is known as long as it lives."""
    return str(tile.provenance.get("file_sha256") or id(tile))
