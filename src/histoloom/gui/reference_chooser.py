"""Choosing the real tissue that a critic compares with: the look of the canvas, or another picture."""

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
from histoloom.tiles.reading import open_tile

_LOOK, _FILE = range(2)


class ReferenceChooser(QComboBox):
    """The look of the canvas, or a picture from a file, read in the background.

    Parameters
    ----------
    parent
        Qt parent.
    """

    chosen = Signal(object)
    """RGB ``uint8 (H, W, 3)``, or None for the look of the canvas."""
    failed = Signal(object)
    """The exception, if a file cannot be read."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reading = LatestCall(self)
        self.pixels: NDArray[np.uint8] | None = None
        self.pixel_size: Callable[[], float | None] = lambda: None
        """Returns the µm per pixel that the critic wants."""
        self.addItems(["The look of the canvas", "Another real picture…"])
        self.setToolTip("What this critic compares with: real tissue of the kind that is woven.")
        self.setAccessibleName("Real tissue to compare with")
        narrow(self)
        self.activated.connect(self._on_activated)

    @property
    def is_busy(self) -> bool:
        """Whether a picture is being read."""
        return self._reading.is_busy

    def choose(self, path: Path | None) -> None:
        """Compare with a real picture from a file, or (None) with the look of the canvas."""
        if path is None:
            self._take(None)
        else:
            self._reading.start(partial(_reference_of, path, self.pixel_size()), self._take, self.failed.emit)

    def _on_activated(self, index: int) -> None:
        if index == _LOOK:
            self.choose(None)
            return
        name, _ = QFileDialog.getOpenFileName(self, "A real picture to compare with")
        if name:
            self.choose(Path(name))
        else:
            self.setCurrentIndex(_LOOK if self.pixels is None else _FILE)

    def _take(self, pixels: NDArray[np.uint8] | None) -> None:
        self.pixels = pixels
        self.setCurrentIndex(_LOOK if pixels is None else _FILE)
        self.chosen.emit(pixels)


def _reference_of(path: Path, pixel_size: float | None) -> NDArray[np.uint8]:
    with open_tile(path) as tile:
        pixels = np.asarray(tile.read(), np.uint8)
        size = tile.pixel_size
    return pixels if size is None or pixel_size is None else reference_pixels(pixels, size, pixel_size)
