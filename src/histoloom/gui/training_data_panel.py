"""Choosing what to train on: folders, the canvas, or layers of the viewer."""

from __future__ import annotations

import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from histoloom.errors import HistoloomError, TrainingError
from histoloom.gui.folder_rows import FolderRows
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.look_chooser import narrow
from histoloom.gui.training_data import (
    DataChoice,
    canvas_tiles,
    image_layers,
    is_real,
    label_layers,
    layer_tiles,
    likely_labels,
)
from histoloom.gui.words import Words
from histoloom.layouts.tile_folders import open_tile_folder

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

FOLDER, CANVAS, LAYERS = range(3)
_TITLES = ("Folders of tiles with labels", "The tile and nuclei on the canvas", "Layers of the viewer")
_TITLES_WITHOUT_LABELS = ("Folders of tiles", "The tile on the canvas", "Layers of the viewer")
_LEFT_OUT, _TAKEN = "(left out)", "(trained on)"


class TrainingDataPanel(QWidget):
    """The three sources of tiles, their pixel size and licence.

    Parameters
    ----------
    canvas
        Whose tile and layers are offered.
    parent
        Qt parent.
    """

    changed = Signal()
    """Something else was chosen."""
    problem = Signal(str)
    """A sentence, if a folder cannot be used."""

    def __init__(self, canvas: Canvas, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self._call = LatestCall(self)
        self._reads_labels = True
        self.source = QComboBox()
        self.source.addItems(_TITLES)
        self.source.setAccessibleName("What to train on")
        narrow(self.source)
        self.folders = FolderRows("tiles with labels")
        self.found, self.canvas_words = Words(), Words()
        self.pairs: list[tuple[Any, QComboBox]] = []
        self._chosen: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._taken: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
        self._rows = QFormLayout()
        self.pixel_size = QDoubleSpinBox()
        self.pixel_size.setDecimals(4)
        self.pixel_size.setRange(0.0, 10.0)
        self.pixel_size.setSingleStep(0.05)
        self.pixel_size.setSuffix(" µm")
        self.pixel_size.setSpecialValueText("as the files say")
        self.pixel_size.setAccessibleName("Pixel size of the folders' tiles")
        self.licence = QLineEdit("unknown")
        self.licence.setToolTip(
            "Licence of the tiles; every bundle that is trained on them says it. Of several folders, give one for all "
            "or one for each, separated by semicolons."
        )
        self.licence.setAccessibleName("Licence of the tiles")
        self._lay_out()
        self._connect()
        self.list_layers()
        if canvas.tile is not None and canvas.layout.nuclei:
            self.source.setCurrentIndex(CANVAS)
        self._describe_canvas()

    @property
    def is_empty(self) -> bool:
        """Whether folders shall be trained on, and none is named."""
        return self.source.currentIndex() == FOLDER and not self.folders.folders

    def set_reads_labels(self, reads: bool) -> None:
        """Ask for labels of the tiles, or for tiles alone."""
        if reads == self._reads_labels:
            return
        self._reads_labels = reads
        for index, title in enumerate(_TITLES if reads else _TITLES_WITHOUT_LABELS):
            self.source.setItemText(index, title)
        self.folders.describe("tiles with labels" if reads else "tiles, with or without labels")
        self.list_layers()
        self._describe_canvas()
        self.look_into_folders()

    def choice(self, *, split_masks: bool = False) -> DataChoice:
        """Return what is chosen, as it is now.

        Parameters
        ----------
        split_masks
            Whether the pieces of semantic masks in layers are nuclei.

        Raises
        ------
        TrainingError
            If nothing usable is chosen; the sentence says what to do.
        """
        match self.source.currentIndex():
            case 0:
                folders = self.folders.folders
                if not folders:
                    what = "tiles with labels" if self._reads_labels else "real tiles"
                    raise TrainingError(f"There is nothing to train on yet; choose a folder of {what}.")
                licences = self._licences(len(folders))
                return DataChoice("folders", folders, list, self.pixel_size.value() or None, licences)
            case 1:
                tiles = canvas_tiles(self._canvas)
                return DataChoice("canvas", (), tiles, None, self._licences(1), self._reads_labels)
            case _:
                pairs = [(image, combo.currentData()) for image, combo in self.pairs]
                chosen = [(image, labels) for image, labels in pairs if labels is not None]
                if not self._reads_labels:
                    if not chosen:
                        raise TrainingError("No picture is trained on yet; choose at least one, or choose a folder.")
                    chosen = [(image, None) for image, _ in chosen]
                tiles = layer_tiles(chosen, self._canvas, split_masks=split_masks)
                return DataChoice("layers", (), tiles, None, self._licences(1), self._reads_labels)

    def choose_folder(self, *folders: Path) -> None:
        """Train on one folder, or on several; what is found in them is said a moment later."""
        self.source.setCurrentIndex(FOLDER)
        self.folders.show_folders(*folders)

    def look_into_folders(self) -> None:
        """Say what is in the folders, in the background."""
        folders = self.folders.folders
        self.changed.emit()
        if not folders:
            self._call.cancel()
            self.found.setText("")
            return
        self.found.setText("Looking into it…")
        reads = self._reads_labels
        self._call.start(lambda: _described(folders, reads), self.found.setText, self._on_error)

    def _licences(self, count: int) -> tuple[str, ...]:
        given = [each.strip() for each in self.licence.text().split(";") if each.strip()] or ["unknown"]
        if len(given) not in {1, count}:
            raise TrainingError(
                f"There are {len(given)} licences for {count} {'folder' if count == 1 else 'folders'} of tiles; give "
                "one for all, or one for each, separated by semicolons."
            )
        return tuple(given * count if len(given) == 1 else given)

    def list_layers(self, *_: object) -> None:
        """Offer the layers that the viewer has now; what was chosen for those that stay is kept."""
        while self._rows.rowCount():
            self._rows.removeRow(0)
        self.pairs = []
        layers = self._canvas.viewer.layers
        labels, gone = label_layers(layers), []
        for image in image_layers(layers):
            combo = QComboBox()
            combo.addItem(_LEFT_OUT, None)
            if not self._reads_labels:
                self._offer(image, combo)
                continue
            for each in labels:
                combo.addItem(each.name, each)
            wanted = self._chosen.get(image, likely_labels(image, labels))
            if wanted is not None and wanted not in labels:
                del self._chosen[image]
                gone.append((image.name, wanted.name))
                wanted = None
            combo.setCurrentIndex(labels.index(wanted) + 1 if wanted in labels else 0)
            combo.setAccessibleName(f"Labels of {image.name}")
            combo.activated.connect(partial(self._on_chosen, image, combo))
            self._add_row(image, combo)
        if not self.pairs:
            self._rows.addRow(QLabel("There is no RGB picture among the layers."))
        for image_name, labels_name in gone if self.source.currentIndex() == LAYERS else ():
            self.problem.emit(
                f"'{labels_name}', the labels of '{image_name}', was deleted; choose others, or '{image_name}' is left "
                "out."
            )

    def _offer(self, image: Any, combo: QComboBox) -> None:
        """Offer a picture whose labels nobody reads."""
        combo.addItem(_TAKEN, True)
        combo.setCurrentIndex(int(self._taken.get(image, is_real(image))))
        combo.setAccessibleName(f"Whether {image.name} is trained on")
        combo.activated.connect(partial(self._on_taken, image, combo))
        self._add_row(image, combo)

    def _add_row(self, image: Any, combo: QComboBox) -> None:
        narrow(combo)
        self._rows.addRow(image.name, combo)
        self.pairs.append((image, combo))

    def close_panel(self) -> None:
        """Forget what is under way, and the viewer's layers."""
        self._call.cancel()
        self._canvas.tile_changed.disconnect(self._describe_canvas)
        self._canvas.layout_replaced.disconnect(self._describe_canvas)
        for event in self._layer_events():
            event.disconnect(self.list_layers)

    def _layer_events(self) -> tuple[Any, Any]:
        events = self._canvas.viewer.layers.events
        return events.inserted, events.removed

    def _lay_out(self) -> None:
        size = QFormLayout()
        size.addRow("Pixel size", self.pixel_size)
        self.pages = [QWidget() for _ in _TITLES]
        for page, parts in zip(
            self.pages, ((self.folders, self.found, size), (self.canvas_words,), (self._rows,)), strict=True
        ):
            inner = QVBoxLayout(page)
            inner.setContentsMargins(0, 0, 0, 0)
            for part in parts:
                inner.addWidget(part) if isinstance(part, QWidget) else inner.addLayout(part)
        form = QFormLayout()
        form.addRow("Licence", self.licence)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.source)
        for page in self.pages:
            column.addWidget(page)
        column.addLayout(form)
        self._show_page()

    def _connect(self) -> None:
        self.source.currentIndexChanged.connect(self._on_source)
        self.folders.changed.connect(self.look_into_folders)
        self.pixel_size.valueChanged.connect(lambda _value: self.changed.emit())
        self._canvas.tile_changed.connect(self._describe_canvas)
        self._canvas.layout_replaced.connect(self._describe_canvas)
        for event in self._layer_events():
            event.connect(self.list_layers)

    def _on_source(self) -> None:
        self._show_page()
        self._describe_canvas()
        self.changed.emit()

    def _on_chosen(self, image: Any, combo: QComboBox, _index: int) -> None:
        self._chosen[image] = combo.currentData()
        self.changed.emit()

    def _on_taken(self, image: Any, combo: QComboBox, _index: int) -> None:
        self._taken[image] = combo.currentData() is not None
        self.changed.emit()

    def _show_page(self) -> None:
        for index, page in enumerate(self.pages):
            page.setVisible(index == self.source.currentIndex())

    def _on_error(self, error: Exception) -> None:
        text = str(error) if isinstance(error, HistoloomError) else f"The folder cannot be read ({error})."
        self.found.setText("")
        self.problem.emit(text)

    def _describe_canvas(self, *_: object) -> None:
        tile, layout = self._canvas.tile, self._canvas.layout
        if tile is None:
            self.canvas_words.setText("There is no real tile on the canvas yet.")
            return
        height, width = tile.shape
        nuclei = f" and {len(layout.nuclei):,} nuclei" if self._reads_labels else ""
        self.canvas_words.setText(f"{height} × {width} pixels{nuclei}, cut into pieces so that some are held out.")


def _described(folders: tuple[Path, ...], reads_labels: bool) -> str:
    found = [open_tile_folder(each, labels_required=reads_labels).description for each in folders]
    if len(folders) == 1:
        return f"{found[0]}."
    return "\n".join(f"{folder.name}: {each}." for folder, each in zip(folders, found, strict=True))
