"""The list of what a prediction has wrong; choosing one asks the canvas to go there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from histoloom.evaluation import Agreement, AgreementError
from histoloom.gui.place_table import PlaceTable
from histoloom.gui.words import Words

_COLUMNS = ("Error", "Label", "Area", "y (px)", "x (px)")
_KINDS = ("missed", "spurious", "split", "merged")
_ALL = "All errors"
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_Y = _COLUMNS.index("y (px)")


class ErrorModel(QAbstractTableModel):
    """Errors as a table for Qt's views.

    It sorts and filters by itself: Qt's proxy would ask for each cell again, which is felt while somebody paints.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.listed: list[AgreementError] = []
        self._errors: Sequence[AgreementError] = ()
        self._kind = ""
        self._column, self._descending = _Y, False
        self._pixel_size: float | None = None

    def show_errors(self, errors: Sequence[AgreementError], pixel_size: float | None) -> None:
        """Take these errors in the place of others; areas are in µm² where the pixel size is known."""
        self._errors, self._pixel_size = errors, pixel_size
        self._list()

    def show_kind(self, kind: str) -> None:
        """List errors of one kind, or all for an empty str."""
        self._kind = kind
        self._list()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; Qt calls this by its name."""
        self._column, self._descending = column, order == Qt.SortOrder.DescendingOrder
        self._list()

    def row_of(self, error: AgreementError | None) -> int:
        """Return where the same error is listed, or -1."""
        for row, each in enumerate(self.listed):
            if error is not None and (each.kind, each.label) == (error.kind, error.label):
                return row
        return -1

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of errors that are listed."""
        return 0 if parent is not None and parent.isValid() else len(self.listed)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a column's title."""
        if orientation != Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        if _COLUMNS[section] == "Area":
            return "Area (px)" if self._pixel_size is None else "Area (µm²)"
        return _COLUMNS[section]

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows, and says under the mouse."""
        error, column = self.listed[index.row()], index.column()
        if role == Qt.ItemDataRole.ToolTipRole:
            return _sentence(error)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return None if column == 0 else _RIGHT
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = _value(error, column)
        if _COLUMNS[column] == "Area":
            value = error.area * (self._pixel_size or 1.0) ** 2
        return value if isinstance(value, str) else f"{value:,.0f}"

    def _list(self) -> None:
        self.beginResetModel()
        found = [each for each in self._errors if self._kind in {"", each.kind}]
        self.listed = sorted(found, key=lambda each: _value(each, self._column), reverse=self._descending)
        self.endResetModel()


def _value(error: AgreementError, column: int) -> Any:
    return (error.kind, error.label, error.area, *error.centroid)[column]


class ErrorList(QWidget):
    """The errors, how many there are, and which kinds are listed.

    Parameters
    ----------
    parent
        Qt parent.
    """

    chosen = Signal(object)
    """The `AgreementError` that somebody wants to see."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.counts = Words()
        self.kind = QComboBox()
        self.kind.addItems([_ALL, *(each.capitalize() for each in _KINDS)])
        self.kind.setAccessibleName("Which errors are listed")
        self.kind.currentIndexChanged.connect(self._on_kind)
        self.model = ErrorModel(self)
        self.table = PlaceTable(self.model, sorted_by=_Y, least_height=140)
        self.table.setAccessibleName("Errors; choose one to go there")
        self.table.setToolTip("Click an error, or go through them with the arrow keys, and the canvas goes there.")
        self.table.row_chosen.connect(lambda row: self.chosen.emit(self.model.listed[row]))
        row = QHBoxLayout()
        row.addWidget(self.counts, 1)
        row.addStretch()
        row.addWidget(self.kind)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.table, 1)

    def show_errors(self, agreement: Agreement | None, pixel_size: float | None) -> None:
        """Show what went wrong; the one that is selected stays selected where it is still there."""
        before = self._error_at(self.table.currentIndex())
        errors = () if agreement is None else agreement.errors
        self.table.renew(lambda: self.model.show_errors(errors, pixel_size), lambda: self.model.row_of(before))
        counts = {} if agreement is None else agreement.counts
        self.counts.setText(", ".join(f"{counts[kind]:,} {kind}" for kind in _KINDS if kind in counts))

    def choose(self, row: int) -> None:
        """Choose an error by its row, as a click does."""
        self.table.choose(row)

    @property
    def listed(self) -> list[AgreementError]:
        """The errors that are listed, from the top."""
        return self.model.listed

    def _on_kind(self, index: int) -> None:
        self.model.show_kind("" if index == 0 else _KINDS[index - 1])

    def _error_at(self, index: QModelIndex) -> AgreementError | None:
        return self.model.listed[index.row()] if index.isValid() else None


def _sentence(error: AgreementError) -> str:
    label, partners = error.label, ", ".join(str(each) for each in error.partners)
    return {
        "missed": f"Nucleus {label} of the truth was not found.",
        "spurious": f"Nucleus {label} of the prediction is none of the truth.",
        "split": f"Nucleus {label} of the truth was split into {partners} of the prediction.",
        "merged": f"Nucleus {label} of the prediction merges {partners} of the truth.",
    }[error.kind]
