"""The Centroids layer: points that are placed by hand and grown into nuclei."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError
from histoloom.gui.canvas_layers import CENTROIDS
from histoloom.gui.canvas_part import CanvasPart
from histoloom.gui.selection_edits import counted
from histoloom.layouts import LayoutEdit

if TYPE_CHECKING:
    from napari.layers import Points

    from histoloom.gui.canvas import Canvas

Coordinates = NDArray[np.float64]


class Centroids(CanvasPart):
    """Points on their way to nuclei; every change of them is a step of the canvas's history.

    Parameters
    ----------
    canvas
        Where the nuclei grow.
    """

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._known: Coordinates = np.zeros((0, 2))
        self._is_ours = False

    def attach(self, layer: Points) -> None:
        """Follow the points of a Centroids layer."""
        if len(self._known):
            self.show(self._known)
        layer.events.data.connect(self._on_data)

    @property
    def points(self) -> Coordinates:
        """The points, ``float (N, 2)`` in ``(y, x)`` canvas pixels."""
        return self._known.copy()

    def clear(self) -> None:
        """Remove all points, without a step of the history."""
        self.show(np.zeros((0, 2)))

    def show(self, points: Coordinates) -> None:
        """Put points into the layer in place of those there, without a step of the history."""
        self._known = np.array(points, np.float64).reshape(-1, 2)
        canvas = self._canvas
        layer = canvas.layers.find(CENTROIDS)
        if layer is None:
            if len(self._known):
                canvas.layers.centroids(canvas.layout)
            return
        self._is_ours = True
        try:
            layer.selected_data = set()
            layer.data = self._known.copy()
        finally:
            self._is_ours = False

    def fill_from_layout(self) -> None:
        """Put the centre of every nucleus into the layer."""
        before = self.points
        self.show(self._canvas.layout.centroids())
        self._push("Show centroids", before)

    def grow(self) -> None:
        """Make a nucleus of the current stamp around every point, and take the points away, as one step."""
        from histoloom.layouts.growth import grow_centroids

        canvas = self._canvas
        points = self.points
        if not len(points):
            canvas.edit_message("There are no centroids to grow; place some with the Centroids tool first.")
            return
        if canvas.layers.find(CENTROIDS) is None:
            canvas.layers.centroids(canvas.layout)
            canvas.edit_message(f"The Centroids layer was deleted; its {len(points)} points are back, grow again.")
            return
        try:
            grown = grow_centroids(canvas.layout, points, canvas.stamp_tool.stamp)
        except LayoutError as error:
            canvas.edit_message(str(error))
            return
        edit = LayoutEdit.of(counted("Grow", len(grown)), canvas.layout, grown)
        self.show(np.zeros((0, 2)))
        canvas.push(_GrowCommand(canvas, edit, points))
        canvas.show_edit(edit, True)

    def _on_data(self, event: Any) -> None:
        if self._is_ours or self._canvas_reference() is None:
            return
        action = str(event.action)
        if action not in _TITLES:
            return
        before = self._known
        self._known = np.array(event.source.data, np.float64)[:, -2:].reshape(-1, 2)
        self._push(_TITLES[action], before)

    def _push(self, title: str, before: Coordinates) -> None:
        if not np.array_equal(before, self._known):
            self._canvas.push(PointsCommand(self._canvas, title, before, self._known))


_TITLES = {"added": "Place a centroid", "changed": "Move centroids", "removed": "Remove centroids"}


class PointsCommand:
    """One change of the points in the history."""

    def __init__(self, canvas: Canvas, title: str, before: Coordinates, after: Coordinates) -> None:
        self._canvas = weakref.ref(canvas)
        self._before, self._after = before.copy(), after.copy()
        self.title = title

    def do(self) -> None:
        """Show the points after the change."""
        self._show(self._after)

    def undo(self) -> None:
        """Show the points before the change."""
        self._show(self._before)

    def _show(self, points: Coordinates) -> None:
        canvas = self._canvas()
        if canvas is not None:
            canvas.centroids.show(points)


class _GrowCommand:
    """Points that became nuclei."""

    def __init__(self, canvas: Canvas, edit: LayoutEdit, points: Coordinates) -> None:
        self._canvas = weakref.ref(canvas)
        self._edit, self._points = edit, points
        self.title = counted("Grow", len(edit.after))

    def do(self) -> None:
        """Grow the points."""
        canvas = self._canvas()
        if canvas is not None:
            canvas.centroids.clear()
            canvas.show_edit(self._edit, True)

    def undo(self) -> None:
        """Bring the points back."""
        canvas = self._canvas()
        if canvas is not None:
            canvas.show_edit(self._edit.inverse, True)
            canvas.centroids.show(self._points)
