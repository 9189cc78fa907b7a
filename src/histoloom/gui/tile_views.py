"""Two views of a folder's tiles, thumbnails and a table, with a filter for both."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QItemSelectionModel, QModelIndex, QRect, QSize, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPalette
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QListView,
    QStackedWidget,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from histoloom.gui.thumbnails import THUMBNAIL_SIDE
from histoloom.gui.tile_list import CAPTION_ROLE, COLUMNS, PAIR_ROLE, PART_ROLE, SORT_ROLE, TileListModel
from histoloom.layouts.tile_folders import TilePair

PART_COLORS = {"train": "#009e73", "validation": "#56b4e9", "test": "#e69f00"}
"""Colours of the parts of a split, after Okabe and Ito."""

_MARGIN = 6
_DOT = 12


class TileViews(QWidget):
    """Thumbnails or a table of a `TileListModel`, and a box that filters both.

    Parameters
    ----------
    model
        The tiles.
    empty_text
        What to say while there are none.
    parent
        Qt parent.
    """

    activated = Signal(str)
    """The id of a tile that was double-clicked, or chosen with the Enter key."""
    selected = Signal(str)
    """The id of the tile that is selected now, or an empty str."""

    def __init__(self, model: TileListModel, empty_text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.proxy = QSortFilterProxyModel(self)
        self.proxy.setSourceModel(model)
        self.proxy.setFilterKeyColumn(-1)
        self.proxy.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.proxy.setSortRole(SORT_ROLE)
        self.proxy.setSortCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.filter_box = QLineEdit()
        self.filter_box.setPlaceholderText("Filter by name, patient or split")
        self.filter_box.setClearButtonEnabled(True)
        self.filter_box.setAcceptDrops(False)
        self.filter_box.textChanged.connect(self._on_filter)
        self.count_label = QLabel()
        self.table_button = QToolButton()
        self.table_button.setText("Table")
        self.table_button.setCheckable(True)
        self.table_button.setToolTip("Show a table with patient, split and number of nuclei, sorted by a click")
        self.table_button.toggled.connect(lambda _checked: self._show())

        self.grid = QListView()
        self.grid.setModel(self.proxy)
        _make_grid(self.grid)
        self.table = QTreeView()
        self.table.setModel(self.proxy)
        self.table.setSelectionModel(self.grid.selectionModel())
        _make_table(self.table)
        # Thumbnails show the order of the table, which starts with the names'.
        self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        for view in (self.grid, self.table):
            view.activated.connect(self._on_activated)
        self.grid.selectionModel().currentChanged.connect(lambda *_: self.selected.emit(self.selected_id))
        self._empty = QLabel(empty_text)
        self._empty.setWordWrap(True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedWidget()
        for page in (self._empty, self.grid, self.table):
            self._stack.addWidget(page)

        row = QHBoxLayout()
        row.addWidget(self.filter_box, 1)
        row.addWidget(self.count_label)
        row.addWidget(self.table_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self._stack, 1)
        for signal in (model.modelReset, self.proxy.modelReset, self.proxy.rowsInserted, self.proxy.rowsRemoved):
            signal.connect(self._show)
        self._show()

    @property
    def selected_id(self) -> str:
        """Id of the selected tile, or an empty str."""
        pair = self._pair(self.grid.currentIndex())
        return "" if pair is None else pair.id

    @property
    def shown_ids(self) -> list[str]:
        """Ids of the tiles that pass the filter, in the order of the view."""
        pairs = (self._pair(self.proxy.index(row, 0)) for row in range(self.proxy.rowCount()))
        return [pair.id for pair in pairs if pair is not None]

    def select(self, key: str) -> None:
        """Select a tile and scroll to it; an empty str or a tile that the filter hides selects none."""
        row = self._model.row_of(key)
        index = self.proxy.mapFromSource(self._model.index(row, 0)) if row is not None else QModelIndex()
        selection = self.grid.selectionModel()
        if not index.isValid():
            selection.clear()
            return
        flags = QItemSelectionModel.SelectionFlag
        selection.setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
        self._stack.currentWidget().scrollTo(index)

    def _pair(self, index: QModelIndex) -> TilePair | None:
        return index.data(PAIR_ROLE) if index.isValid() else None

    def _show(self, *_: Any) -> None:
        everything, passing = self._model.rowCount(), self.proxy.rowCount()
        self.count_label.setText("" if passing == everything else f"{passing} of {everything}")
        page: QWidget = self.table if self.table_button.isChecked() else self.grid
        self._stack.setCurrentWidget(page if everything else self._empty)

    def _on_filter(self, text: str) -> None:
        self.proxy.setFilterFixedString(text.strip())
        self._show()

    def _on_activated(self, index: QModelIndex) -> None:
        pair = self._pair(index)
        if pair is not None:
            self.activated.emit(pair.id)


class ThumbnailDelegate(QStyledItemDelegate):
    """Paints a thumbnail with its caption, and a dot in the colour of its part of the split."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # noqa: ARG002
        """Return one size for all, so that nothing moves when thumbnails arrive."""
        return QSize(THUMBNAIL_SIDE + 2 * _MARGIN, THUMBNAIL_SIDE + 2 * _MARGIN + 3 * option.fontMetrics.height())

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Qt's interface."""
        painter.save()
        style = option.widget.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget)
        area: QRect = option.rect.adjusted(_MARGIN, _MARGIN, -_MARGIN, 0)
        picture = QRect(area.left(), area.top(), area.width(), THUMBNAIL_SIDE)
        index.data(Qt.ItemDataRole.DecorationRole).paint(painter, picture)
        part = index.data(PART_ROLE)
        if part:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QColor("white"))
            painter.setBrush(QColor(PART_COLORS.get(part, "#cc79a7")))
            painter.drawEllipse(picture.right() - _DOT - 2, picture.top() + 2, _DOT, _DOT)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        role = QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.Text
        painter.setPen(option.palette.color(role))
        line = QRect(area.left(), picture.bottom() + 2, area.width(), option.fontMetrics.height())
        for text in index.data(CAPTION_ROLE):
            elided = option.fontMetrics.elidedText(text, Qt.TextElideMode.ElideMiddle, line.width())
            painter.drawText(line, int(Qt.AlignmentFlag.AlignHCenter), elided)
            line.translate(0, line.height())
        painter.restore()


def _make_grid(grid: QListView) -> None:
    grid.setViewMode(QListView.ViewMode.IconMode)
    grid.setMovement(QListView.Movement.Static)
    grid.setResizeMode(QListView.ResizeMode.Adjust)
    grid.setUniformItemSizes(True)
    grid.setDragEnabled(False)
    grid.setIconSize(QSize(THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    grid.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    grid.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    grid.setItemDelegate(ThumbnailDelegate(grid))
    grid.setAccessibleName("Thumbnails of the folder's tiles")
    grid.setMinimumHeight(160)


def _make_table(table: QTreeView) -> None:
    table.setRootIsDecorated(False)
    table.setUniformRowHeights(True)
    table.setSortingEnabled(True)
    table.setIconSize(QSize(28, 28))
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    header = table.header()
    header.setStretchLastSection(False)
    # Not by contents: that measures every row, thumbnails included, whenever one changes.
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    for section in range(1, len(COLUMNS)):
        table.setColumnWidth(section, table.fontMetrics().horizontalAdvance("validation") + 16)
    table.setAccessibleName("Table of the folder's tiles")
