"""Choosing the woven tiles that are judged: the canvas, a layer, or a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from histoloom.gui.judged_pictures import CanvasPicture, JudgedPicture, LayerPicture
from histoloom.gui.look_chooser import narrow

if TYPE_CHECKING:
    from napari.layers import Image

_NONE = "(choose)"
_FOLDER = "A folder of woven tiles…"

Judged = JudgedPicture | Path
"""A picture in the viewer, or a folder."""


class PictureChooser(QComboBox):
    """A list of the woven canvas, the pictures in layers, the folders that were chosen, and any other folder.

    Parameters
    ----------
    parent
        Qt parent.
    """

    chosen = Signal(object)
    """A `CanvasPicture`, a `LayerPicture`, a folder's path, or None."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: list[LayerPicture] = []
        self._folders: list[Path] = []
        self._choice: Judged | None = CanvasPicture()
        self.setAccessibleName("Woven tiles")
        self.setToolTip("What is judged: the woven tissue on the canvas, a picture in a layer, or a folder of tiles.")
        narrow(self)
        self.activated.connect(self._on_activated)
        self._fill()

    @property
    def choice(self) -> Judged | None:
        """What is chosen."""
        return self._choice

    def choose(self, choice: Judged | None) -> None:
        """Choose, as a click does."""
        if isinstance(choice, Path) and choice not in self._folders:
            self._folders.append(choice)
        self._choice = choice
        self._fill()
        self.chosen.emit(choice)

    def list_layers(self, layers: Sequence[Image]) -> None:
        """Offer these layers; what is chosen stays chosen while its layer is there."""
        self._layers = [LayerPicture(each) for each in layers]
        self._fill()

    def forget(self) -> None:
        """Have nothing chosen, without a word to anybody."""
        self._choice = None
        self._fill()

    def _fill(self) -> None:
        self.blockSignals(True)
        self.clear()
        self.addItem(_NONE)
        for each in self._offered:
            self.addItem(f"{each.name}/" if isinstance(each, Path) else each.title)
            self.setItemData(
                self.count() - 1, str(each) if isinstance(each, Path) else each.title, Qt.ItemDataRole.ToolTipRole
            )
        self.insertSeparator(self.count())
        self.addItem(_FOLDER)
        offered = self._offered
        self.setCurrentIndex(1 + offered.index(self._choice) if self._choice in offered else 0)
        self.blockSignals(False)

    @property
    def _offered(self) -> list[Judged]:
        return [CanvasPicture(), *self._layers, *self._folders]

    def _on_activated(self, index: int) -> None:
        if self.itemText(index) == _FOLDER:
            self._fill()
            name = QFileDialog.getExistingDirectory(self, "A folder of woven tiles")
            if name:
                self.choose(Path(name))
            return
        self.choose(self._offered[index - 1] if index > 0 else None)
