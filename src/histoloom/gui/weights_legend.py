"""The scale of the Weights layer, on the canvas."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QPolygon
from qtpy.QtWidgets import QFrame, QWidget

from histoloom.gui.weights_palette import LEAST, MOST, TICKS, paper_colors

_MARGIN = 10
_WIDTH, _BAR = 250, 14
_TITLE = "Importance weight: how much a place counts"
_ENDS = ("less: looks woven", "more: looks real")


class WeightsLegend(QFrame):
    """A bar of colours with weights beneath, at the upper left of the canvas; the mouse goes through it.

    Parameters
    ----------
    canvas_widget
        What napari draws on.
    """

    def __init__(self, canvas_widget: QWidget) -> None:
        super().__init__(canvas_widget)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        doublings = np.linspace(np.log2(LEAST), np.log2(MOST), _WIDTH)
        pixels = np.ascontiguousarray(np.broadcast_to(paper_colors(np.exp2(doublings)), (_BAR, _WIDTH, 3)))
        self._bar = QImage(pixels.tobytes(), _WIDTH, _BAR, 3 * _WIDTH, QImage.Format.Format_RGB888).copy()
        line = self.fontMetrics().height()
        self._line = line
        self.setFixedSize(_WIDTH + 36, 3 * line + _BAR + 22)
        names = ", ".join(name for _, name in TICKS)
        self.setAccessibleName(f"{_TITLE}; from {_ENDS[0]}, to {_ENDS[1]}; the scale names {names}; clear is 1")
        self._weight: float | None = None
        self.move(_MARGIN, _MARGIN)
        self.hide()

    def show_weight(self, weight: float | None) -> None:
        """Point at a weight on the scale, or at none."""
        self._weight = weight
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the scale."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(38, 41, 48, 230))
        painter.drawRoundedRect(self.rect(), 4, 4)
        painter.setPen(QColor("#f0f1f2"))
        left, line = (self.width() - _WIDTH) // 2, self._line
        painter.drawText(QRect(0, 5, self.width(), line), Qt.AlignmentFlag.AlignCenter, _TITLE)
        top = line + 9
        painter.drawImage(left, top, self._bar)
        below = top + _BAR + 2
        for weight, name in TICKS:
            x = left + _place(weight)
            painter.drawLine(x, top + _BAR - 3, x, below)
            painter.drawText(QRect(x - 20, below, 40, line), Qt.AlignmentFlag.AlignCenter, name)
        ends = QRect(10, below + line, self.width() - 20, line)
        painter.drawText(ends, Qt.AlignmentFlag.AlignLeft, f"← {_ENDS[0]}")
        painter.drawText(ends, Qt.AlignmentFlag.AlignRight, f"{_ENDS[1]} →")
        if self._weight is not None:
            x = left + _place(self._weight)
            painter.setBrush(QColor("#f0e442"))
            painter.setPen(QColor("#1c1e22"))
            painter.drawPolygon(QPolygon([QPoint(x - 6, top - 4), QPoint(x + 6, top - 4), QPoint(x, top + 6)]))
        painter.end()


def _place(weight: float) -> int:
    doublings = np.log2(np.clip(weight, LEAST, MOST))
    return round(float((_WIDTH - 1) * (doublings - np.log2(LEAST)) / (np.log2(MOST) - np.log2(LEAST))))
