"""The list of nuclei by weight: which of mine look wrong? Choosing one asks the canvas to go there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QVBoxLayout, QWidget

from histoloom.gui.place_table import PlaceTable
from histoloom.gui.weights_palette import paper_colors, weight_words
from histoloom.gui.words import Words
from histoloom.layouts import Layout

_COLUMNS = ("Nucleus", "Class", "Weight", "y (px)", "x (px)")
_WEIGHT = 2
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_NOWHERE = QModelIndex()


@dataclass(frozen=True)
class WeighedNucleus:
    """A nucleus and how much its place counts; ``centroid`` is (y, x) in pixels."""

    id: int
    class_name: str
    weight: float
    centroid: tuple[float, float]


def weighed_nuclei(layout: Layout, weights: Mapping[int, float]) -> list[WeighedNucleus]:
    """Return the nuclei of a layout that have a weight."""
    return [
        WeighedNucleus(key, each.class_name, weights[key], each.outline.centroid)
        for key, each in layout.nuclei.items()
        if key in weights
    ]


class NucleusWeightModel(QAbstractTableModel):
    """Weighed nuclei as a table for Qt's views; it sorts by itself, as Qt's proxy is felt while somebody paints.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.listed: list[WeighedNucleus] = []
        self._column, self._descending = _WEIGHT, False

    def show_nuclei(self, nuclei: Sequence[WeighedNucleus]) -> None:
        """Take these nuclei in the place of others."""
        self._list(nuclei)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; Qt calls this by its name."""
        self._column, self._descending = column, order == Qt.SortOrder.DescendingOrder
        self._list(self.listed)

    def row_of(self, id_: int | None) -> int:
        """Return where a nucleus is listed, or -1."""
        return next((row for row, each in enumerate(self.listed) if each.id == id_), -1)

    def rowCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Qt's interface."""
        return 0 if parent.isValid() else len(self.listed)

    def columnCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Qt's interface."""
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt's interface."""
        is_title = orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole
        return _COLUMNS[section] if is_title else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt's interface."""
        nucleus, column = self.listed[index.row()], index.column()
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"Nucleus {nucleus.id}: the tissue there counts {weight_words(nucleus.weight)} times."
        if role == Qt.ItemDataRole.DecorationRole and column == _WEIGHT:
            return QColor(*map(int, paper_colors(np.array(nucleus.weight))))
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return None if column == 1 else _RIGHT
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = _value(nucleus, column)
        if column == _WEIGHT:
            return weight_words(nucleus.weight)
        return value if isinstance(value, str) else f"{value:,.0f}"

    def _list(self, nuclei: Sequence[WeighedNucleus]) -> None:
        self.beginResetModel()
        self.listed = sorted(nuclei, key=lambda each: _value(each, self._column), reverse=self._descending)
        self.endResetModel()


def _value(nucleus: WeighedNucleus, column: int) -> Any:
    return (nucleus.id, nucleus.class_name, nucleus.weight, *nucleus.centroid)[column]


class NucleusWeightsList(QWidget):
    """The nuclei, those that look most woven first.

    Parameters
    ----------
    parent
        Qt parent.
    """

    chosen = Signal(object)
    """The `WeighedNucleus` that somebody wants to see."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = Words("color: gray;")
        self.model = NucleusWeightModel(self)
        self.table = PlaceTable(self.model, sorted_by=_WEIGHT, least_height=150)
        self.table.setAccessibleName("Nuclei by weight; choose one to go there")
        self.table.setToolTip("Click a nucleus, or go through them with the arrow keys, and the canvas goes there.")
        self.table.row_chosen.connect(lambda row: self.chosen.emit(self.model.listed[row]))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.words)
        column.addWidget(self.table, 1)

    @property
    def listed(self) -> list[WeighedNucleus]:
        """The nuclei that are listed, from the top."""
        return self.model.listed

    def show_nuclei(self, nuclei: Sequence[WeighedNucleus], words: str) -> None:
        """List nuclei; the one that is selected stays so where it is still there."""
        current = self.table.currentIndex()
        before = self.model.listed[current.row()].id if current.isValid() else None
        self.table.renew(lambda: self.model.show_nuclei(nuclei), lambda: self.model.row_of(before))
        self.words.setText(words)

    def choose(self, row: int) -> None:
        """Choose a nucleus by its row, as a click does."""
        self.table.choose(row)
