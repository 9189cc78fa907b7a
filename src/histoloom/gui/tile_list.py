"""The list of a folder's tiles as Qt's views want it: thumbnail, patient, part of the split, number of nuclei."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QColor, QIcon, QImage, QPixmap

from histoloom.gui.thumbnails import THUMBNAIL_SIDE, ThumbnailLoader
from histoloom.layouts.tile_folders import TileFolder, TilePair

CAPTION_ROLE = int(Qt.ItemDataRole.UserRole) + 1
"""Lines of text beneath a thumbnail, a list of str."""
PART_ROLE = int(Qt.ItemDataRole.UserRole) + 2
"""Name of the part of the split, or an empty str."""
SORT_ROLE = int(Qt.ItemDataRole.UserRole) + 3
"""What a column is sorted by."""
PAIR_ROLE = int(Qt.ItemDataRole.UserRole) + 4
"""The row's `TilePair`."""

COLUMNS = ("Tile", "Patient", "Split", "Nuclei")
_TILE, _PATIENT, _PART, _NUCLEI = range(4)

_MOST_ICONS = 1000
_REPAINT_MS = 100

_NOWHERE = QModelIndex()


class TileListModel(QAbstractTableModel):
    """One row for each tile; thumbnails are asked for when a view wants to paint them.

    Parameters
    ----------
    side
        Longer side of the thumbnails in pixels.
    parent
        Qt parent.
    """

    def __init__(self, side: int = THUMBNAIL_SIDE, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pairs: tuple[TilePair, ...] = ()
        self._rows: dict[str, int] = {}
        self._counts: dict[str, int | None] = {}
        self._problems: dict[str, str] = {}
        self._label_problems: dict[str, str] = {}
        self._part_of: dict[str, str] = {}
        self._asked: set[str] = set()
        self._changed: set[int] = set()
        # With every repaint of any widget, Qt puts the whole window together anew, canvas included.
        self._repaint = QTimer(self)
        self._repaint.setSingleShot(True)
        self._repaint.setInterval(_REPAINT_MS)
        self._repaint.timeout.connect(self._emit_changed)
        # Kept from folder to folder: going back shows them at once.
        self._icons: OrderedDict[tuple[Any, ...], QIcon] = OrderedDict()
        self._stamps: dict[str, int] = {}
        self._blank = _blank_icon(side)
        self.loader = ThumbnailLoader(side, self)
        self.loader.picture_ready.connect(self._on_picture)
        self.loader.count_ready.connect(self._on_count)

    @property
    def pairs(self) -> tuple[TilePair, ...]:
        """The tiles that are listed."""
        return self._pairs

    def show_folder(self, folder: TileFolder | None, stamps: Mapping[str, int] | None = None) -> None:
        """List another folder's tiles (None: none); thumbnails of the former one are no longer made.

        Parameters
        ----------
        folder
            The folder.
        stamps
            When each tile's file was changed last, by id, so that a changed one gets a new thumbnail.
        """
        self.loader.cancel()
        self.beginResetModel()
        self._pairs = () if folder is None else folder.pairs
        self._rows = {pair.id: row for row, pair in enumerate(self._pairs)}
        self._stamps = dict(stamps or {})
        self._counts, self._part_of, self._asked = {}, {}, set()
        self._problems, self._label_problems, self._changed = {}, {}, set()
        self.endResetModel()

    def show_split(self, split: Mapping[str, list[str]]) -> None:
        """Show which part of a split each tile belongs to."""
        self._part_of = {key: part for part, ids in split.items() for key in ids}
        if self._pairs:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._pairs) - 1, len(COLUMNS) - 1))

    def set_count(self, key: str, count: int) -> None:
        """Show the number of nuclei of a tile that has been opened."""
        self._on_count(key, count)

    def row_of(self, key: str) -> int | None:
        """Return the row of an id, or None."""
        return self._rows.get(key)

    def rowCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Qt's interface."""
        return 0 if parent.isValid() else len(self._pairs)

    def columnCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Qt's interface."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt's interface."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt's interface."""
        if not index.isValid():
            return None
        pair = self._pairs[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(pair, index.column())
            case Qt.ItemDataRole.DecorationRole:
                return self._icon(pair) if index.column() == _TILE else None
            case Qt.ItemDataRole.ToolTipRole:
                problems = (self._problems.get(pair.id), self._label_problems.get(pair.id))
                return "\n".join(filter(None, [*self._caption(pair), *problems]))
            case Qt.ItemDataRole.AccessibleTextRole:
                return ", ".join(self._caption(pair))
            case _ if role == CAPTION_ROLE:
                return self._caption(pair)
            case _ if role == PART_ROLE:
                return self._part_of.get(pair.id, "")
            case _ if role == SORT_ROLE:
                count = self._counts.get(pair.id)
                return (-1 if count is None else count) if index.column() == _NUCLEI else self.data(index)
            case _ if role == PAIR_ROLE:
                return pair
        return None

    def _text(self, pair: TilePair, column: int) -> str:
        count = self._counts.get(pair.id)
        return (
            pair.id,
            pair.patient or "",
            self._part_of.get(pair.id, ""),
            "" if count is None else str(count),
        )[column]

    def _caption(self, pair: TilePair) -> list[str]:
        part = self._part_of.get(pair.id, "")
        patient = (pair.patient if part else f"patient {pair.patient}") if pair.patient else ""
        count = self._counts.get(pair.id)
        if pair.id in self._problems:
            nuclei = "cannot be opened"
        elif pair.id in self._label_problems:
            nuclei = "labels unusable"
        elif pair.labels is None:
            nuclei = "no labels"
        elif count is None:
            nuclei = "labels"
        else:
            nuclei = "1 nucleus" if count == 1 else f"{count:,} nuclei"
        return [pair.id, nuclei, " · ".join(filter(None, [patient, part]))]

    def _icon(self, pair: TilePair) -> QIcon:
        icon = self._icons.get(self._key(pair))
        # A kept thumbnail still lacks the count of nuclei, which comes with a new one.
        lacks_count = pair.labels is not None and pair.id not in self._asked
        if lacks_count or (icon is None and pair.id not in self._problems):
            self._asked.add(pair.id)
            self.loader.request(pair)
        return icon or self._blank

    def _key(self, pair: TilePair) -> tuple[Any, ...]:
        return pair.image_path, self._stamps.get(pair.id)

    def _on_picture(self, key: str, answer: QImage | str) -> None:
        row = self._rows[key]
        if isinstance(answer, str):
            self._problems[key] = answer
        else:
            self._icons[self._key(self._pairs[row])] = QIcon(QPixmap.fromImage(answer))
            while len(self._icons) > _MOST_ICONS:
                self._icons.popitem(last=False)
        self._row_changed(row)

    def _on_count(self, key: str, answer: int | str | None) -> None:
        row = self._rows.get(key)
        if row is None:
            return
        if isinstance(answer, str):
            self._label_problems[key] = answer
        else:
            self._counts[key] = answer
        self._row_changed(row)

    def _row_changed(self, row: int) -> None:
        self._changed.add(row)
        if not self._repaint.isActive():
            self._repaint.start()

    def _emit_changed(self) -> None:
        rows, self._changed = sorted(self._changed), set()
        for row in rows:
            # One cell at a time: views repaint that cell only, and everything for a range.
            for column in (_TILE, _NUCLEI):
                self.dataChanged.emit(self.index(row, column), self.index(row, column))


def _blank_icon(side: int) -> QIcon:
    pixmap = QPixmap(QSize(side, side))
    pixmap.fill(QColor(128, 128, 128, 60))
    return QIcon(pixmap)
