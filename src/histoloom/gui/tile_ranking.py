"""Judged tiles by weight, best and worst, with what was decided about them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from histoloom.gui.weights_palette import paper_colors, weight_words
from histoloom.gui.words import Words

_COLUMNS = ("Tile", "Weight", "P(real)", "By hand")
_WEIGHT, _REAL, _HAND = 1, 2, 3
_ICON, _SWATCH = 56, 14
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_NOWHERE = QModelIndex()
_DECISIONS = (
    ("keep", "Keep", "These tiles count at least as much as a real one, whatever the critic says."),
    ("down-weight", "Down-weight", "These tiles count at most 0.2, whatever the critic says."),
    ("reject", "Reject", "Nothing is learnt from these tiles: their weight is 0."),
    ("", "As judged", "Take the decision back: these tiles count what the critic says."),
)


@dataclass(frozen=True, eq=False)
class RankedTile:
    """A judged tile as it is listed.

    Parameters
    ----------
    file
        Its name.
    thumbnail
        RGB ``uint8 (h, w, 3)``.
    raw_weight, weight
        What the critic says, and what counts: cut, and overruled by hand.
    probability_real
        In 0..1.
    decision
        ``""``, ``"keep"``, ``"down-weight"`` or ``"reject"``.
    """

    file: str
    thumbnail: NDArray[np.uint8]
    raw_weight: float
    weight: float
    probability_real: float
    decision: str


class RankingModel(QAbstractTableModel):
    """Judged tiles as a table for Qt's views.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.listed: list[RankedTile] = []
        self._column, self._descending = _WEIGHT, False
        self._icons: dict[int, QIcon] = {}

    def show_tiles(self, tiles: Sequence[RankedTile]) -> None:
        """Take these tiles in the place of others."""
        kept = {id(each.thumbnail) for each in tiles}
        self._icons = {key: icon for key, icon in self._icons.items() if key in kept}
        self._list(tiles)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; Qt calls this by its name."""
        self._column, self._descending = column, order == Qt.SortOrder.DescendingOrder
        self._list(self.listed)

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
        tile, column = self.listed[index.row()], index.column()
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return (tile.file, weight_words(tile.weight), f"{tile.probability_real:.2f}", tile.decision)[column]
            case Qt.ItemDataRole.DecorationRole:
                if column == 0:
                    return self._icon(tile)
                return _swatch(tile.weight) if column == _WEIGHT else None
            case Qt.ItemDataRole.ToolTipRole:
                said = f"{tile.file}: the critic says {weight_words(tile.raw_weight)}"
                by_hand = f", by hand: {tile.decision}" if tile.decision else ""
                return f"{said}, it counts {weight_words(tile.weight)}{by_hand}."
            case Qt.ItemDataRole.TextAlignmentRole:
                return _RIGHT if column in (_WEIGHT, _REAL) else None
        return None

    def _icon(self, tile: RankedTile) -> QIcon:
        key = id(tile.thumbnail)
        if key not in self._icons:
            height, width = tile.thumbnail.shape[:2]
            pixels = np.ascontiguousarray(tile.thumbnail)
            image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
            self._icons[key] = QIcon(QPixmap.fromImage(image))
        return self._icons[key]

    def _list(self, tiles: Sequence[RankedTile]) -> None:
        self.beginResetModel()
        self.listed = sorted(tiles, key=self._key, reverse=self._descending)
        self.endResetModel()

    def _key(self, tile: RankedTile) -> Any:
        # Where weights are cut, many are equal; what the critic says still tells them apart.
        return (
            tile.file,
            (tile.weight, tile.raw_weight, tile.file),
            (tile.probability_real, tile.file),
            (tile.decision, tile.file),
        )[self._column]


def _swatch(weight: float) -> QPixmap:
    pixmap = QPixmap(_SWATCH, _SWATCH)
    pixmap.fill(QColor(*map(int, paper_colors(np.array(weight)))))
    return pixmap


class TileRanking(QWidget):
    """The list, and what can be decided about the tiles that are selected in it.

    Parameters
    ----------
    parent
        Qt parent.
    """

    chosen = Signal(str)
    """The file that somebody wants to see."""
    decided = Signal(object, str)
    """(files, decision): what somebody has decided."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = Words("color: gray;")
        self.model = RankingModel(self)
        self.table = QTableView()
        self.table.setModel(self.model)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(_WEIGHT, Qt.SortOrder.AscendingOrder)
        self.table.setIconSize(QSize(_ICON, _ICON))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(_ICON + 6)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (_WEIGHT, _REAL, _HAND):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.table.setShowGrid(False)
        self.table.setMinimumHeight(3 * (_ICON + 6) + 30)
        self.table.setAccessibleName("Tiles by weight; choose one to see it")
        self.table.setToolTip("Click a title to sort: worst or best first. Choose a tile to see where it looks woven.")
        self.buttons: dict[str, QPushButton] = {}
        grid = QGridLayout()
        for place, (decision, title, tip) in enumerate(_DECISIONS):
            button = self.buttons[decision] = QPushButton(title)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, each=decision: self._on_decided(each))
            grid.addWidget(button, place // 2, place % 2)
        self._is_filling = False
        self.table.selectionModel().currentRowChanged.connect(self._on_current)
        self.table.selectionModel().selectionChanged.connect(self._enable)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.words)
        column.addWidget(self.table, 1)
        column.addLayout(grid)
        self._enable()

    @property
    def listed(self) -> list[RankedTile]:
        """The tiles that are listed, from the top."""
        return self.model.listed

    @property
    def selected(self) -> tuple[str, ...]:
        """The files that are selected."""
        rows = sorted(each.row() for each in self.table.selectionModel().selectedRows())
        return tuple(self.model.listed[row].file for row in rows)

    def show_tiles(self, tiles: Sequence[RankedTile], words: str) -> None:
        """List tiles; those that are selected stay so."""
        before, index = set(self.selected), self.table.currentIndex()
        current = self.model.listed[index.row()].file if index.isValid() else ""
        scrolled = self.table.verticalScrollBar().value()
        self._is_filling = True
        try:
            self.model.show_tiles(tiles)
            selection = self.table.selectionModel()
            flag = selection.SelectionFlag
            for row, each in enumerate(self.model.listed):
                place = self.model.index(row, 0)
                if each.file == current:
                    selection.setCurrentIndex(place, flag.NoUpdate)
                if each.file in before:
                    selection.select(place, flag.Select | flag.Rows)
            self.table.verticalScrollBar().setValue(scrolled)
        finally:
            self._is_filling = False
        self.words.setText(words)
        self._enable()

    def choose(self, file: str) -> None:
        """Choose a tile by its file, as a click does."""
        row = next(row for row, each in enumerate(self.model.listed) if each.file == file)
        self.table.selectRow(row)

    def _on_current(self, index: QModelIndex, _before: QModelIndex) -> None:
        if index.isValid() and not self._is_filling:
            self.chosen.emit(self.model.listed[index.row()].file)

    def _on_decided(self, decision: str) -> None:
        if self.selected:
            self.decided.emit(self.selected, decision)

    def _enable(self, *_: object) -> None:
        for button in self.buttons.values():
            button.setEnabled(bool(self.selected))
