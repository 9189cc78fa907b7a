"""How weights are distributed, with two lines to drag where they are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from histoloom.gui.weights_palette import paper_colors, weight_words
from histoloom.gui.words import Words
from histoloom.importance.weights import Bounds

_HEIGHT = 170
_REACH = 4.0
_BINS = 32
_TICKS = ((-4, "≤1/16"), (-3, "1/8"), (-2, "1/4"), (-1, "1/2"), (0, "1"), (1, "2"), (2, "4"), (3, "8"), (4, "≥16"))
_GREY, _HANDLE = "#909396", "#e8e8e8"
_LEAST_APART = 0.1


class WeightsHistogram(QWidget):
    """Bars in the colours of the map, over doublings of the weight; beneath, the same in words.

    Parameters
    ----------
    parent
        Qt parent.
    """

    clip_dragged = Signal(float, float)
    """(low, high) weights, when somebody has let go of a line."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        import pyqtgraph

        self.plot = pyqtgraph.PlotWidget(background=None)
        self.plot.setFixedHeight(_HEIGHT)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        item = self.plot.getPlotItem()
        item.getAxis("bottom").setTicks([list(_TICKS)])
        item.getAxis("bottom").setLabel("weight")
        item.getAxis("left").setWidth(40)
        self.plot.setXRange(-_REACH - 0.6, _REACH + 0.6, padding=0)
        self._pyqtgraph = pyqtgraph
        self._bars: Any = None
        one = pyqtgraph.InfiniteLine(0.0, pen=pyqtgraph.mkPen(_GREY, width=1, style=Qt.PenStyle.DashLine))
        self.plot.addItem(one)
        self.lines: tuple[Any, Any] = (self._handle("cut below"), self._handle("cut above"))
        ends = QHBoxLayout()
        for words, side in (("◀ looks woven, counts less", "left"), ("looks real, counts more ▶", "right")):
            end = QLabel(words)
            end.setWordWrap(True)
            end.setStyleSheet("color: gray;")
            end.setAlignment(Qt.AlignmentFlag.AlignLeft if side == "left" else Qt.AlignmentFlag.AlignRight)
            ends.addWidget(end, 1)
        self.words = Words()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.plot)
        column.addLayout(ends)
        column.addWidget(self.words)
        self.show_weights(np.empty(0), "")

    @property
    def counts(self) -> list[int]:
        """How many weights each bar holds."""
        return [] if self._bars is None else [int(each) for each in self._bars.opts["height"]]

    def show_weights(self, weights: NDArray[np.float64], words: str) -> None:
        """Show weights from 0 to infinity, as they are before they are cut, and say ``words`` of them."""
        if self._bars is not None:
            self.plot.removeItem(self._bars)
            self._bars = None
        self.words.setText(words)
        self.plot.setAccessibleName(f"Histogram of weights: {words or 'nothing yet'}")
        if not len(weights):
            return
        edges = np.linspace(-_REACH, _REACH, _BINS + 1)
        with np.errstate(divide="ignore"):
            doublings = np.clip(np.log2(weights), -_REACH, _REACH)
        counts, _ = np.histogram(doublings, edges)
        middles = (edges[:-1] + edges[1:]) / 2
        colors = [self._pyqtgraph.mkBrush(*map(int, each)) for each in paper_colors(np.exp2(middles))]
        self._bars = self._pyqtgraph.BarGraphItem(
            x=middles, height=counts, width=0.9 * (edges[1] - edges[0]), brushes=colors, pen=_GREY
        )
        self._bars.setZValue(-1)
        self.plot.addItem(self._bars)
        self.plot.setYRange(0, max(int(counts.max()), 1), padding=0.05)

    def show_bounds(self, bounds: Bounds | None) -> None:
        """Put the lines to these weights, or (None) to the ends of the scale, where nothing is cut."""
        low, high = (-_REACH, _REACH) if bounds is None else (_place(each) for each in bounds)
        for line, place in zip(self.lines, (low, high), strict=True):
            line.blockSignals(True)
            line.setValue(place)
            line.blockSignals(False)
            line.label.setVisible(bounds is not None)
        if bounds is not None:
            for line, weight in zip(self.lines, bounds, strict=True):
                line.label.setFormat(weight_words(weight))

    def _handle(self, name: str) -> Any:
        line = self._pyqtgraph.InfiniteLine(
            0.0,
            movable=True,
            bounds=(-_REACH, _REACH),
            pen=self._pyqtgraph.mkPen(_HANDLE, width=2.5),
            hoverPen=self._pyqtgraph.mkPen("#f0e442", width=4),
            label="",
            labelOpts={"position": 0.93, "color": _HANDLE, "fill": (38, 41, 48, 220), "movable": False},
            name=name,
        )
        line.addMarker("<|>", 0.02, 9)
        line.setToolTip(f"Drag: weights are {name} this line.")
        line.sigPositionChanged.connect(self._on_moved)
        line.sigPositionChangeFinished.connect(self._on_dropped)
        self.plot.addItem(line)
        return line

    def _on_moved(self, line: Any) -> None:
        line.label.setVisible(True)
        line.label.setFormat(weight_words(2.0 ** float(line.value())))

    def _on_dropped(self, *_: object) -> None:
        low, high = sorted(float(line.value()) for line in self.lines)
        high = max(high, low + _LEAST_APART)
        # A line at the end of the scale cuts nothing there.
        below = 0.0 if low <= -_REACH else 2.0**low
        above = float("inf") if high >= _REACH else 2.0**high
        self.clip_dragged.emit(below, above)


def _place(weight: float) -> float:
    if weight <= 0:
        return -_REACH
    return float(np.clip(np.log2(weight), -_REACH, _REACH)) if np.isfinite(weight) else _REACH


def weights_sentence(
    weights: NDArray[np.float64],
    counted: NDArray[np.float64],
    what: str,
    bounds: Bounds | None,
    rejected: int = 0,
    effective: float | None = None,
) -> str:
    """Return in words what counts how much.

    Parameters
    ----------
    weights
        As they are before they are cut, and before anything is decided by hand.
    counted
        What counts, after both.
    what
        What has them, in the plural, such as ``"tiles"``.
    bounds
        Where they are cut.
    rejected
        How many are rejected by hand.
    effective
        How many equally weighted ones they are worth, or None where that means nothing.
    """
    if not len(weights):
        return ""
    all_of = f"{len(weights):,} {what if len(weights) != 1 else what.removesuffix('s')}"
    if rejected == len(weights):
        return f"{all_of}: none counts, because all are rejected." if rejected > 1 else f"{all_of}: it is rejected."
    half, double = float((counted < 0.5).mean()), float((counted > 2).mean())
    words = (
        f"{all_of}: {half:.0%} count less than half, {double:.0%} more than double; the median weight "
        f"is {weight_words(float(np.median(counted)))}."
    )
    if rejected:
        words += f" {rejected:,} {'is' if rejected == 1 else 'are'} rejected."
    if bounds is not None:
        cut = float(((weights < bounds[0]) | (weights > bounds[1])).mean())
        words += f" {cut:.0%} are cut to {weight_words(bounds[0])} or {weight_words(bounds[1])}."
    if effective is not None:
        words += f" Together they are worth {effective:,.3g} equally weighted {what}."
    return words
