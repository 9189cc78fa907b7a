"""The legend of the Agreement layer, on the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFrame, QGridLayout, QLabel, QMainWindow, QWidget

from histoloom.evaluation import LegendEntry

if TYPE_CHECKING:
    from napari.components import ViewerModel

_MARGIN = 10
_SWATCH = 14


class AgreementLegend(QFrame):
    """Colours and what they mean, at the upper left of the canvas; the mouse goes through it.

    Parameters
    ----------
    canvas_widget
        What napari draws on.
    """

    def __init__(self, canvas_widget: QWidget) -> None:
        super().__init__(canvas_widget)
        self.setObjectName("agreement_legend")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setStyleSheet(
            "#agreement_legend { background: rgba(38, 41, 48, 225); border-radius: 4px; }"
            "#agreement_legend QLabel { color: #f0f1f2; background: transparent; }"
        )
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(8, 6, 10, 6)
        self._grid.setVerticalSpacing(3)
        self._rows: list[tuple[QLabel, QLabel]] = []
        self.move(_MARGIN, _MARGIN)
        self.hide()

    @property
    def words(self) -> list[str]:
        """The lines that are shown."""
        return [str(text.text()) for swatch, text in self._rows if not swatch.isHidden()]

    def show_entries(self, entries: Sequence[LegendEntry]) -> None:
        """Show these lines in place of others."""
        while len(self._rows) < len(entries):
            self._add_row()
        for index, (swatch, text) in enumerate(self._rows):
            is_used = index < len(entries)
            swatch.setVisible(is_used)
            text.setVisible(is_used)
            if is_used:
                _fill(swatch, entries[index])
                text.setText(entries[index].words)
        self.setAccessibleName("; ".join(self.words))
        self.adjustSize()

    def _add_row(self) -> None:
        swatch, text = QLabel(), QLabel()
        swatch.setFixedSize(_SWATCH, _SWATCH)
        text.setTextFormat(Qt.TextFormat.PlainText)
        line = len(self._rows)
        self._grid.addWidget(swatch, line, 0)
        self._grid.addWidget(text, line, 1)
        self._rows.append((swatch, text))


def canvas_widget_of(viewer: ViewerModel) -> QWidget | None:
    """Return what a viewer is drawn on, or None where it has no window."""
    from napari.qt import QtViewer

    for window in QApplication.topLevelWidgets():
        if not isinstance(window, QMainWindow):
            continue
        for view in window.findChildren(QtViewer):
            # A window that is being closed may have lost its parts.
            with suppress(RuntimeError, AttributeError):
                if _same(view.viewer, viewer):
                    native: Any = view.canvas.native
                    return native if isinstance(native, QWidget) else None
    return None


def _same(one: Any, other: Any) -> bool:
    return getattr(one, "__wrapped__", one) is getattr(other, "__wrapped__", other)


def _fill(swatch: QLabel, entry: LegendEntry) -> None:
    red, green, blue = entry.color
    style = f"background: rgb({red}, {green}, {blue}); border: 1px solid #909396; border-radius: 2px;"
    if swatch.styleSheet() != style:
        swatch.setStyleSheet(style)
