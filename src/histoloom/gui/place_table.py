"""A table of places on the canvas: choosing a row asks the canvas to go there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QAbstractItemModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget


class PlaceTable(QTableView):
    """A table that can be sorted, and keeps row and scroll position while its rows are renewed.

    Parameters
    ----------
    model
        Qt's model of it; it sorts by itself.
    sorted_by
        The column that it is sorted by at first.
    least_height
        Of the table, in pixels.
    parent
        Qt parent.
    """

    row_chosen = Signal(int)
    """Somebody clicked a row, or went to it with the arrow keys."""

    def __init__(
        self, model: QAbstractItemModel, *, sorted_by: int, least_height: int, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._is_filling = False
        self.setModel(model)
        self.setSortingEnabled(True)
        self.sortByColumn(sorted_by, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.setShowGrid(False)
        self.setMinimumHeight(least_height)
        self.clicked.connect(self._on_chosen)
        self.selectionModel().currentRowChanged.connect(self._on_current)

    def renew(self, fill: Callable[[], Any], row_now: Callable[[], int]) -> None:
        """Take other rows, without asking for a place.

        Parameters
        ----------
        fill
            Gives them to the model.
        row_now
            Returns where the row that was chosen is afterwards, or -1.
        """
        scrolled = self.verticalScrollBar().value()
        self._is_filling = True
        try:
            fill()
            self.choose(row_now())
            self.verticalScrollBar().setValue(scrolled)
        finally:
            self._is_filling = False

    def choose(self, row: int) -> None:
        """Choose a row, as a click does; -1 chooses none."""
        self.setCurrentIndex(self.model().index(row, 0))

    def _on_chosen(self, index: QModelIndex) -> None:
        if index.isValid():
            self.row_chosen.emit(index.row())

    def _on_current(self, index: QModelIndex, _before: QModelIndex) -> None:
        if not self._is_filling:
            self._on_chosen(index)
