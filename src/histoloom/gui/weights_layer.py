"""The Weights layer of a canvas and its scale."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from histoloom.gui.agreement_legend import canvas_widget_of
from histoloom.gui.canvas_layers import WEIGHTS
from histoloom.gui.compared_labels import Placing
from histoloom.gui.weights_legend import WeightsLegend
from histoloom.gui.weights_palette import LEAST, MOST, weight_colormap
from histoloom.window import Window

if TYPE_CHECKING:
    from napari.layers import Image

    from histoloom.gui.canvas import Canvas


class WeightsLayer(QObject):
    """Shows a map of weights in the one layer for it; the scale is there while the layer is seen.

    Parameters
    ----------
    canvas
        The canvas; held weakly.
    parent
        Qt parent.
    """

    def __init__(self, canvas: Canvas, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._canvas = weakref.ref(canvas)
        self._layer: weakref.ref[Image] | None = None
        self.legend: WeightsLegend | None = None
        canvas.viewer.layers.events.removed.connect(self._show_legend)

    @property
    def shown(self) -> Image | None:
        """The layer, or None where none is in the viewer."""
        canvas = self._canvas()
        layer: Image | None = None if canvas is None else canvas.layers.find(WEIGHTS)
        return layer

    def show_map(self, weights: NDArray[np.float32], placing: Placing) -> None:
        """Show weights ``float32 (H, W)``, which are copied."""
        canvas = self._canvas()
        if canvas is None:
            return
        layer = canvas.layers.weights(weights, placing)
        if self._layer is None or self._layer() is not layer:
            self._layer = weakref.ref(layer)
            layer.colormap = weight_colormap()
            layer.contrast_limits_range = layer.contrast_limits = (LEAST, MOST)
            layer.events.visible.connect(self._show_legend)
        self._show_legend()

    def show_part(self, weights: NDArray[np.float32], window: Window, shape: tuple[int, int], placing: Placing) -> bool:
        """Show the weights of a part of a picture; returns whether a layer had to be made, all of weight 1 elsewhere.

        Parameters
        ----------
        weights
            ``float32``, of the window's size.
        window
            Which pixels they are.
        shape
            Height and width of the picture.
        placing
            Where it lies.
        """
        layer = self.shown
        is_new = layer is None or tuple(layer.data.shape) != shape
        if layer is None or is_new:
            everywhere = np.ones(shape, np.float32)
            everywhere[window.slices] = weights
            self.show_map(everywhere, placing)
        else:
            layer.data[window.slices] = weights
            layer.refresh(thumbnail=False, extent=False, highlight=False)
        return is_new

    def clear(self) -> None:
        """Take the layer away: weights of something else would be believed."""
        canvas, layer = self._canvas(), self.shown
        if canvas is not None and layer is not None:
            canvas.viewer.layers.remove(layer)
        self._show_legend()

    def _show_legend(self, _event: object = None) -> None:
        canvas, layer = self._canvas(), self.shown
        is_shown = layer is not None and bool(layer.visible)
        # The window, and the legend with it, may have been closed.
        with suppress(RuntimeError):
            if self.legend is None and is_shown and canvas is not None:
                widget = canvas_widget_of(canvas.viewer)
                self.legend = None if widget is None else WeightsLegend(widget)
            if self.legend is not None:
                self.legend.setVisible(is_shown)
