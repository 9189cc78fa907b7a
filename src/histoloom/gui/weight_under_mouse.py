"""The weight under the mouse, in the dock and on the scale on the canvas."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject

from histoloom.gui.weights_layer import WeightsLayer

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas


class WeightUnderMouse(QObject):
    """Follows the mouse over the canvas.

    Parameters
    ----------
    canvas
        The canvas; held weakly.
    layer
        Whose weights are told.
    tell
        Called with the weight, or None where there is none.
    parent
        Qt parent.
    """

    def __init__(
        self,
        canvas: Canvas,
        layer: WeightsLayer,
        tell: Callable[[float | None], object],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._canvas = weakref.ref(canvas)
        self._layer, self._tell = layer, tell
        self._told: float | None = None
        self._callback = self._on_moved

    def start(self) -> None:
        """Follow the mouse; again is no harm."""
        canvas = self._canvas()
        if canvas is not None and self._callback not in canvas.viewer.mouse_move_callbacks:
            canvas.viewer.mouse_move_callbacks.append(self._callback)

    def stop(self) -> None:
        """Follow the mouse no longer."""
        canvas = self._canvas()
        if canvas is not None and self._callback in canvas.viewer.mouse_move_callbacks:
            canvas.viewer.mouse_move_callbacks.remove(self._callback)
        self.forget()

    def forget(self) -> None:
        """Tell of none until the mouse moves again."""
        self._show(None)

    def weight_at(self, position: tuple[float, ...]) -> float | None:
        """Return the weight at a position in the viewer's coordinates, or None."""
        layer = self._layer.shown
        if layer is None or not layer.visible:
            return None
        y, x = (int(each) for each in np.floor(np.asarray(layer.world_to_data(position))[-2:] + 0.5))
        height, width = layer.data.shape
        return float(layer.data[y, x]) if 0 <= y < height and 0 <= x < width else None

    def _on_moved(self, viewer: Any, _event: object) -> None:
        self._show(self.weight_at(tuple(viewer.cursor.position)))

    def _show(self, weight: float | None) -> None:
        if weight == self._told:
            return
        self._told = weight
        # The dock may have been closed.
        with suppress(RuntimeError):
            self._tell(weight)
            if self._layer.legend is not None:
                self._layer.legend.show_weight(weight)
