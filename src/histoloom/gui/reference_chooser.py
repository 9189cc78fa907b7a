"""Choosing the real tissue that a critic compares with: the look of the canvas, a picture, or a folder of tiles."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from histoloom.gui.judged_pictures import reference_pixels
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.look_chooser import narrow
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.tiles.reading import open_tile

_LOOK, _FILE, _FOLDER = range(3)
_TITLES = ("The look of the canvas", "Another real picture…", "A folder of real tiles…")


class ReferenceChooser(QComboBox):
    """The look of the canvas, a picture from a file, or a folder of real tiles; read in the background.

    Parameters
    ----------
    parent
        Qt parent.
    """

    chosen = Signal(object)
    """RGB ``uint8 (H, W, 3)``, or None for the look of the canvas and for a folder."""
    failed = Signal(object)
    """The exception, if a file or folder cannot be read."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reading = LatestCall(self)
        self.path: Path | None = None
        """The file or folder that is chosen; None for the look of the canvas."""
        self.pixels: NDArray[np.uint8] | None = None
        """The picture of the file that is chosen."""
        self.pixel_size: Callable[[], float | None] = lambda: None
        """Returns the µm per pixel that the critic wants."""
        self.addItems(_TITLES)
        self.setToolTip(
            "What this critic compares with: real tissue of the kind that is woven. With a folder of real tiles, each "
            "tile of a woven folder is held against the one whose look it was woven with, and the canvas and layers "
            "against the look of the canvas."
        )
        self.setAccessibleName("Real tissue to compare with")
        narrow(self)
        self.activated.connect(self._on_activated)

    @property
    def is_busy(self) -> bool:
        """Whether something is being read."""
        return self._reading.is_busy

    def choose(self, path: Path | None) -> None:
        """Compare with a real picture from a file, with the tiles of a folder, or (None) with the canvas's look."""
        if path is None:
            self._reading.cancel()
            self._take(None, None)
        else:
            read = partial(_read, path, self.pixel_size())
            self._reading.start(read, partial(self._take, path), self._on_failed)

    def ask_folder(self) -> None:
        """Ask for a folder of real tiles, and compare with them if there is an answer."""
        name = QFileDialog.getExistingDirectory(self, "The real tiles whose looks were woven")
        if name:
            self.choose(Path(name))
        else:
            self._show_choice()

    def _on_activated(self, index: int) -> None:
        if index == _LOOK:
            self.choose(None)
        elif index == _FOLDER:
            self.ask_folder()
        else:
            name, _ = QFileDialog.getOpenFileName(self, "A real picture to compare with")
            if name:
                self.choose(Path(name))
            else:
                self._show_choice()

    def _on_failed(self, error: Exception) -> None:
        self._show_choice()
        self.failed.emit(error)

    def _take(self, path: Path | None, pixels: NDArray[np.uint8] | None) -> None:
        self.path, self.pixels = path, pixels
        self._show_choice()
        self.chosen.emit(pixels)

    def _show_choice(self) -> None:
        index = _LOOK if self.path is None else _FOLDER if self.pixels is None else _FILE
        for each, title in enumerate(_TITLES):
            self.setItemText(each, title)
        if self.path is not None:
            name = self.path.name
            self.setItemText(index, f"Real picture: {name}…" if index == _FILE else f"Real tiles: {name}/…")
        self.setCurrentIndex(index)


def _read(path: Path, pixel_size: float | None) -> NDArray[np.uint8] | None:
    """Return the picture of a file, or None for a folder, after a look at whether it holds tiles."""
    if path.is_dir():
        open_tile_folder(path, labels_required=False)
        return None
    with open_tile(path) as tile:
        pixels = np.asarray(tile.read(), np.uint8)
        size = tile.pixel_size
    return pixels if size is None or pixel_size is None else reference_pixels(pixels, size, pixel_size)
