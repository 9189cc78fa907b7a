"""Choosing what is truth or prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from histoloom.gui.compared_labels import CanvasLabels, ComparedLabels, FileLabels, LayerLabels
from histoloom.gui.look_chooser import narrow

if TYPE_CHECKING:
    from napari.layers import Labels

_NONE = "(choose)"
_FILE = "A file…"
_FILTER = "Labels (*.tif *.tiff *.png *.bmp *.npy *.mat *.geojson *.json);;All files (*)"


class SideChooser(QComboBox):
    """A list of the nuclei on the canvas, the labels layers, the files that were chosen, and any other file.

    Parameters
    ----------
    name
        ``"truth"`` or ``"prediction"``.
    parent
        Qt parent.
    """

    chosen = Signal(object)
    """Other labels, or None."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self._files: list[FileLabels] = []
        self._layers: list[LayerLabels] = []
        self._labels: ComparedLabels | None = None
        self.setAccessibleName(name.capitalize())
        self.setToolTip("The nuclei on the canvas, a labels layer of the viewer, or a label map or GeoJSON.")
        narrow(self)
        self.activated.connect(self._on_activated)
        self._fill()

    @property
    def labels(self) -> ComparedLabels | None:
        """What is chosen."""
        return self._labels

    def choose(self, labels: ComparedLabels | None) -> None:
        """Choose labels, as a click does."""
        if isinstance(labels, FileLabels) and labels not in self._files:
            self._files.append(labels)
        self._labels = labels
        self._fill()
        self.chosen.emit(labels)

    def choose_file(self, path: Path) -> None:
        """Choose a file."""
        self.choose(next((each for each in self._files if each.path == path), FileLabels(path)))

    def list_layers(self, layers: Sequence[Labels]) -> None:
        """Offer these layers; what is chosen stays chosen while its layer is there."""
        self._layers = [LayerLabels(layer) for layer in layers]
        self._fill()

    def forget(self) -> None:
        """Have nothing chosen, without a word to anybody."""
        self._labels = None
        self._fill()

    def _fill(self) -> None:
        self.clear()
        self.addItem(_NONE, None)
        offered: list[ComparedLabels] = [CanvasLabels(), *self._layers, *self._files]
        for each in offered:
            self.addItem(each.title, each)
        self.addItem(_FILE)
        self.setCurrentIndex(offered.index(self._labels) + 1 if self._labels in offered else 0)

    def _on_activated(self, index: int) -> None:
        if index < self.count() - 1:
            self.choose(self.itemData(index))
            return
        self._fill()
        name, _ = QFileDialog.getOpenFileName(self, f"Open labels as {self._name}", "", _FILTER)
        if name:
            self.choose_file(Path(name))
