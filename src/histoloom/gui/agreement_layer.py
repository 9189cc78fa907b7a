"""The Agreement layer of a canvas and its legend."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from histoloom.evaluation import LegendEntry
from histoloom.gui.agreement_legend import AgreementLegend, canvas_widget_of
from histoloom.gui.canvas_layers import AGREEMENT
from histoloom.gui.compared_labels import Placing

if TYPE_CHECKING:
    from napari.layers import Labels

    from histoloom.gui.canvas import Canvas


class AgreementLayer(QObject):
    """Shows a map of agreement in the one layer for it; the legend is there while the layer is seen.

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
        self._layer: weakref.ref[Labels] | None = None
        self._entries: Sequence[LegendEntry] = ()
        self._colors: dict[int, tuple[int, int, int]] = {}
        self.legend: AgreementLegend | None = None
        canvas.viewer.layers.events.removed.connect(self._show_legend)

    def show_map(self, values: NDArray[np.uint8], entries: Sequence[LegendEntry], placing: Placing) -> None:
        """Show a map ``uint8 (H, W)`` in the colours of its legend."""
        canvas = self._canvas()
        if canvas is None:
            return
        layer = canvas.layers.agreement(values, placing)
        if self._layer is None or self._layer() is not layer:
            self._layer, self._colors = weakref.ref(layer), {}
            layer.events.visible.connect(self._show_legend)
        colors = {entry.value: entry.color for entry in entries}
        if colors != self._colors:
            self._colors = colors
            layer.colormap = _colormap(colors)
        self._entries = entries
        self._show_legend()

    def clear(self) -> None:
        """Show nothing."""
        canvas = self._canvas()
        layer = None if canvas is None else canvas.layers.find(AGREEMENT)
        if layer is not None:
            layer.data = np.zeros_like(layer.data)
        self._entries = ()
        self._show_legend()

    def _show_legend(self, _event: object = None) -> None:
        canvas = self._canvas()
        layer = None if canvas is None else canvas.layers.find(AGREEMENT)
        is_shown = layer is not None and bool(layer.visible) and bool(self._entries)
        # The window, and the legend with it, may have been closed.
        with suppress(RuntimeError):
            if self.legend is None and is_shown and canvas is not None:
                widget = canvas_widget_of(canvas.viewer)
                self.legend = None if widget is None else AgreementLegend(widget)
            if self.legend is not None:
                if is_shown:
                    self.legend.show_entries(self._entries)
                self.legend.setVisible(is_shown)


def _colormap(colors: dict[int, tuple[int, int, int]]) -> Any:
    from napari.utils.colormaps import DirectLabelColormap

    clear = (0.0, 0.0, 0.0, 0.0)
    rgba: dict[int | None, tuple[float, ...]] = {0: clear, None: clear}
    for value, color in colors.items():
        rgba[value] = (*(each / 255 for each in color), 1.0)
    return DirectLabelColormap(color_dict=rgba)
