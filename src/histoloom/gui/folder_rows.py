"""Choosing one folder, or several: a row for each."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

_BUTTON_WIDTH = 28
_MORE = "One more folder of {what}; all of them are trained on together."


class FolderRows(QWidget):
    """Folders by path, each with a button to choose it; empty rows are no folders.

    Parameters
    ----------
    what
        What the folders hold, in words, such as ``"tiles with labels"``.
    parent
        Qt parent.
    """

    changed = Signal()
    """Other folders were chosen."""

    def __init__(self, what: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._what = what
        self.lines: list[QLineEdit] = []
        self._rows: list[QWidget] = []
        self.more = QPushButton("Add a folder")
        self.more.setToolTip(_MORE.format(what=what))
        self.more.clicked.connect(lambda: self._add_row(""))
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addWidget(self.more)
        self._add_row("")

    @property
    def folders(self) -> tuple[Path, ...]:
        """What is chosen, from the first row to the last; they need not exist."""
        texts = [line.text().strip() for line in self.lines]
        return tuple(Path(text).expanduser() for text in texts if text)

    def show_folders(self, *folders: Path) -> None:
        """Show folders in place of those that are there."""
        while len(self._rows) > 1:
            self._remove_row(self._rows[-1])
        self.lines[0].setText(str(folders[0]) if folders else "")
        for each in folders[1:]:
            self._add_row(str(each))
        self.changed.emit()

    def describe(self, what: str) -> None:
        """Say what the folders hold from now on."""
        self._what = what
        self.more.setToolTip(_MORE.format(what=what))
        for line in self.lines:
            self._name(line)

    def _name(self, line: QLineEdit) -> None:
        line.setPlaceholderText(f"Folder of {self._what}")
        line.setAccessibleName(f"Folder of {self._what}")

    def _add_row(self, text: str) -> None:
        line = QLineEdit(text)
        self._name(line)
        line.editingFinished.connect(self.changed)
        browse = QPushButton("…")
        browse.setFixedWidth(_BUTTON_WIDTH)
        browse.setAccessibleName(f"Choose the folder of {self._what}")
        browse.clicked.connect(lambda: self._on_browse(line))
        row = QWidget()
        inside = QHBoxLayout(row)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(line, 1)
        inside.addWidget(browse)
        if self._rows:
            remove = QPushButton("−")
            remove.setFixedWidth(_BUTTON_WIDTH)
            remove.setAccessibleName("Leave this folder out")
            remove.clicked.connect(lambda: self._on_remove(row))
            inside.addWidget(remove)
        self._column.insertWidget(len(self._rows), row)
        self._rows.append(row)
        self.lines.append(line)

    def _on_remove(self, row: QWidget) -> None:
        self._remove_row(row)
        self.changed.emit()

    def _remove_row(self, row: QWidget) -> None:
        place = self._rows.index(row)
        del self._rows[place], self.lines[place]
        self._column.removeWidget(row)
        row.hide()
        row.deleteLater()

    def _on_browse(self, line: QLineEdit) -> None:
        name = QFileDialog.getExistingDirectory(self, f"Folder of {self._what}", line.text())
        if name:
            line.setText(name)
            self.changed.emit()
