"""The form that splits a folder's tiles for training, validation and test."""

from __future__ import annotations

from typing import Literal

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QPushButton, QSpinBox, QWidget

from histoloom.layouts.tile_folders import DEFAULT_FRACTIONS, TileFolder

_WAYS: tuple[tuple[str, Literal["patient", "tile"] | None], ...] = (
    ("not split", None),
    ("by patient", "patient"),
    ("by tile", "tile"),
)


class SplitControls(QWidget):
    """How to split: by what, which shares, which seed.

    Parameters
    ----------
    parent
        Qt parent.
    """

    changed = Signal()
    save_asked = Signal()
    """When the split shall be saved."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.way = QComboBox()
        for title, _ in _WAYS:
            self.way.addItem(title)
        self.way.setToolTip("Tiles of one patient belong together: split by patient wherever patients are known")
        self.way.currentIndexChanged.connect(lambda _index: self._on_changed())
        shares = QHBoxLayout()
        self.shares: dict[str, QSpinBox] = {}
        for part, fraction in DEFAULT_FRACTIONS.items():
            box = QSpinBox()
            box.setRange(0, 100)
            box.setSuffix(" %")
            box.setValue(round(100 * fraction))
            box.setAccessibleName(f"Share of {part}")
            box.setToolTip(
                f"Share of the tiles for {part}; shares are scaled to add up to 100 %, 0 leaves the part out"
            )
            box.valueChanged.connect(lambda _value: self._on_changed())
            self.shares[part] = box
            shares.addWidget(box)
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setToolTip("Another seed gives another split; the same one gives the same on every machine")
        self.seed.valueChanged.connect(lambda _value: self._on_changed())
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Split", self.way)
        form.addRow("Train, val., test", shares)
        form.addRow("Seed", self.seed)
        self.save = QPushButton("Save split…")
        self.save.setToolTip("Write a table (CSV) with id, patient and split of each tile")
        self.save.clicked.connect(lambda _checked: self.save_asked.emit())
        form.addRow(self.save)
        self._enable()

    def split(self, folder: TileFolder | None) -> dict[str, list[str]]:
        """Return the ids of each part as the form says, an empty dict if nothing is to be split.

        Raises
        ------
        TileError
            If the folder cannot be split in that way.
        """
        by = _WAYS[self.way.currentIndex()][1]
        if by is None or folder is None:
            return {}
        fractions = {part: box.value() / 100.0 for part, box in self.shares.items() if box.value()}
        return folder.split(by, fractions, self.seed.value())

    def _on_changed(self) -> None:
        self._enable()
        self.changed.emit()

    def _enable(self) -> None:
        splits = self.way.currentIndex() > 0
        for box in (*self.shares.values(), self.seed, self.save):
            box.setEnabled(splits)
