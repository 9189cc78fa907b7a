"""The buttons of the Tiles dock: which folder, and what to do with the selected tile."""

from __future__ import annotations

from napari.utils.history import get_open_history
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE
from histoloom.tiles.reading import PICTURE_SUFFIXES

REGION_SIDES = (512, 1024, 2048)
"""Choices for the longest side of a region that is cropped from a slide, in pixels."""


class FolderButtons(QWidget):
    """Choose a folder or a file, or one of napari's recent folders.

    Parameters
    ----------
    parent
        Qt parent.
    """

    chosen = Signal(str)
    """A path."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.folder = _button("Folder…", "Choose a folder of tiles and labels, or drop one here")
        self.folder.clicked.connect(self._choose_folder)
        self.file = _button("File…", "Choose one picture or slide, or drop one here")
        self.file.clicked.connect(self._choose_file)
        self.recent = QToolButton()
        self.recent.setText("Recent ")
        self.recent.setToolTip("Folders that were opened before")
        self.recent.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self.recent)
        self.menu.aboutToShow.connect(self._fill)
        self.recent.setMenu(self.menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for each in (self.folder, self.file, self.recent):
            row.addWidget(each)

    def _choose_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "A folder of tiles and labels", get_open_history()[0])
        if path:
            self.chosen.emit(path)

    def _choose_file(self) -> None:
        kinds = " ".join(f"*{suffix}" for suffix in PICTURE_SUFFIXES)
        path, _ = QFileDialog.getOpenFileName(self, "A picture or slide", get_open_history()[0], f"Pictures ({kinds})")
        if path:
            self.chosen.emit(path)

    def _fill(self) -> None:
        self.menu.clear()
        for folder in get_open_history():
            action = self.menu.addAction(folder.replace("&", "&&"))
            action.triggered.connect(lambda _checked=False, folder=folder: self.chosen.emit(folder))


class TileButtons(QWidget):
    """Open the selected tile or its neighbours, take its look, make a region of a slide the canvas.

    Parameters
    ----------
    previous_key, next_key
        The keys that do the same as the buttons, for their tooltips.
    parent
        Qt parent.
    """

    def __init__(self, previous_key: str, next_key: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.previous = _button("◀ Previous", f"Open the tile before ({previous_key})")
        self.open = _button("Open", "Put the selected tile on the canvas (double click)")
        self.next = _button("Next ▶", f"Open the tile after ({next_key})")
        self.look = _button("Use as look", "Weave tissue that looks like the selected tile")
        self.crop = _button("Crop view to canvas", "Make the part of the slide that is in view the canvas")
        self.labels_box = QCheckBox("with its labels")
        self.labels_box.setChecked(True)
        self.labels_box.setToolTip("The tile's labels become the layout; unticked, the layout on the canvas stays")
        self.size_box = QDoubleSpinBox()
        self.size_box.setDecimals(3)
        self.size_box.setRange(0.0, 10.0)
        self.size_box.setSingleStep(0.01)
        self.size_box.setSuffix(" µm/px")
        self.size_box.setSpecialValueText("pixel size of file")
        self.size_box.setAccessibleName("Pixel size of the tiles")
        self.size_box.setToolTip(
            "Pixel size of tiles that are opened; at 0 what their files say, "
            f"or {DEFAULT_PIXEL_SIZE} µm where they do not"
        )
        self.region_box = QComboBox()
        for side in REGION_SIDES:
            self.region_box.addItem(f"≤ {side}²", side)
        self.region_box.setCurrentIndex(1)
        self.region_box.setToolTip("Longest side of the region, in pixels of the slide's full size")
        self.region_box.setAccessibleName("Size of the region")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widgets in (
            (self.previous, self.open, self.next),
            (self.labels_box, self.size_box),
            (self.look, self.crop, self.region_box),
        ):
            row = QHBoxLayout()
            for each in widgets:
                row.addWidget(each)
            column.addLayout(row)

    @property
    def with_labels(self) -> bool:
        """Whether a tile's labels become the layout."""
        return bool(self.labels_box.isChecked())

    @property
    def pixel_size(self) -> float | None:
        """µm per pixel of tiles that are opened, or None for what their files say."""
        return float(self.size_box.value()) or None

    @property
    def region_side(self) -> int:
        """Longest side of a region of a slide, in pixels."""
        return int(self.region_box.currentData())

    def enable(self, *, tile: bool, tiles: bool, look: bool, slide: bool) -> None:
        """Enable what makes sense: a tile is selected, tiles are listed, there is a look to take, a slide is shown."""
        self.open.setEnabled(tile)
        self.previous.setEnabled(tiles)
        self.next.setEnabled(tiles)
        self.look.setEnabled(look)
        self.crop.setEnabled(slide)
        self.region_box.setEnabled(slide)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
