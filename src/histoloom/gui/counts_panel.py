"""The dock's live counts: total, density, classes, and the distribution of sizes."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from histoloom.gui.layout_counts import LayoutCounts
from histoloom.layouts import Layout, LayoutEdit

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_REFRESH_MS = 200
_BINS = 24


class CountsPanel(QWidget):
    """Counts beside the canvas, shown at most five times a second.

    Parameters
    ----------
    canvas
        What is counted.
    parent
        Qt parent.
    """

    def __init__(self, canvas: Canvas, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        import pyqtgraph

        self._canvas_reference = weakref.ref(canvas)
        self._counts = LayoutCounts(canvas.layout)
        self._summary = QLabel()
        self._summary.setWordWrap(True)
        self._plot = pyqtgraph.PlotWidget(background=None)
        self._plot.setFixedHeight(120)
        self._plot.setMouseEnabled(False, False)
        self._plot.hideButtons()
        self._plot.setMenuEnabled(False)
        self._plot.setLabel("bottom", "diameter (µm)")
        self._plot.getPlotItem().getAxis("left").setWidth(28)
        self._bars = pyqtgraph.BarGraphItem(x=[0.0], height=[0.0], width=1.0, brush="#009e73", pen=None)
        self._plot.addItem(self._bars)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REFRESH_MS)
        self._timer.timeout.connect(self.refresh)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._summary)
        column.addWidget(self._plot)
        canvas.layout_edited.connect(self._on_edited)
        canvas.layout_replaced.connect(self._on_replaced)
        self.refresh()

    @property
    def counts(self) -> LayoutCounts:
        """The numbers that are shown."""
        return self._counts

    @property
    def text(self) -> str:
        """The counts in words."""
        return str(self._summary.text())

    def refresh(self) -> None:
        """Show the numbers as they are now."""
        counts = self._counts
        canvas = self._canvas_reference()
        lines = [f"<b>{counts.total:,}</b> nuclei, <b>{counts.per_square_mm:,.0f}</b> per mm²"]
        if canvas is not None:
            colors = {each.name: each.color for each in canvas.layout.classes}
            shown = [(name, count) for name, count in counts.by_class.items() if count]
            lines += [_class_line(name, count, colors.get(name, (128, 128, 128))) for name, count in shown]
        self._summary.setText("<br>".join(lines))
        diameters = counts.diameters
        if len(diameters):
            high = max(float(np.percentile(diameters, 99.5)) * 1.1, 1.0)
            heights, edges = np.histogram(diameters, _BINS, (0.0, high))
            self._bars.setOpts(x=(edges[:-1] + edges[1:]) / 2.0, height=heights, width=0.9 * high / _BINS)
        else:
            self._bars.setOpts(x=[0.0], height=[0.0], width=1.0)

    def _on_edited(self, edit: LayoutEdit, _final: bool) -> None:
        self._counts.follow(edit)
        if not self._timer.isActive():
            self._timer.start()

    def _on_replaced(self, layout: Layout) -> None:
        self._counts.reset(layout)
        self.refresh()


def _class_line(name: str, count: int, color: tuple[int, int, int]) -> str:
    return f'<span style="color: rgb{color}">■</span> {name}: {count:,}'
