"""Choosing the look: the tile on the canvas, the sample, or any picture from a file."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QComboBox, QFileDialog, QGridLayout, QLabel, QWidget

from histoloom.errors import HistoloomError
from histoloom.gui.latest_call import LatestCall
from histoloom.tiles.looks import AnyLook, Look, NamedLook
from histoloom.tiles.stain_summary import StainSummary
from histoloom.tiles.tile import Tile

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_CANVAS_TILE = "The tile on the canvas"
_SAMPLE = "Colon sample"
_FILE = "Another picture…"
_THUMBNAIL = 72


class LookChooser(QWidget):
    """A list of looks with a thumbnail and the two stain colours of the chosen one.

    Reading and measuring a look happens in the background.

    Parameters
    ----------
    canvas
        Whose tile is the first choice; held weakly.
    parent
        Qt parent.
    """

    look_ready = Signal(object)
    """The `Look`, once it has been read and measured, or the `NamedLook`."""
    problem = Signal(str)
    """One sentence, if the chosen picture cannot be a look."""

    def __init__(self, canvas: Canvas, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._canvas = weakref.ref(canvas)
        self._extra: dict[str, Tile] = {}
        self._named: dict[str, NamedLook] = {}
        self._call = LatestCall(self)
        self.combo = QComboBox()
        self.combo.addItems([_CANVAS_TILE, _SAMPLE, _FILE])
        self.combo.setToolTip("The real tile whose colours and textures the woven tissue takes.")
        narrow(self.combo)
        self.combo.activated.connect(self._on_activated)
        self._thumbnail = QLabel()
        self._thumbnail.setFixedSize(_THUMBNAIL, _THUMBNAIL)
        self._thumbnail.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._thumbnail.setAccessibleName("Thumbnail of the look")
        self._about = QLabel("No look yet.")
        self._about.setWordWrap(True)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self._thumbnail, 0, 0, 2, 1)
        grid.addWidget(self.combo, 0, 1)
        grid.addWidget(self._about, 1, 1)
        grid.setColumnStretch(1, 1)
        canvas.tile_changed.connect(self._on_tile_changed)
        self._chosen = _CANVAS_TILE

    @property
    def about(self) -> str:
        """What is said of the chosen look, as rich text."""
        return str(self._about.text())

    @property
    def chosen(self) -> str:
        """The name of what is chosen."""
        return self._chosen

    def set_named_looks(self, looks: Sequence[NamedLook]) -> None:
        """List the looks that a generator knows by name, in place of another's, above those that need a picture."""
        for _ in self._named:
            self.combo.removeItem(0)
        self._named = {f"{each.name} (by name)": each for each in looks}
        self.combo.insertItems(0, list(self._named))
        if self.combo.findText(self._chosen) < 0:
            # The look was one that only the generator before knew.
            canvas = self._canvas()
            has_tile = canvas is not None and canvas.tile is not None
            self.choose_canvas_tile() if has_tile else self.choose_sample()
        self.combo.setCurrentText(self._chosen)

    def choose_named(self, name: str) -> None:
        """Take a look that the generator knows by name."""
        text = f"{name} (by name)"
        if text not in self._named:
            self.problem.emit(f"The generator knows no look called '{name}'; choose another.")
            return
        self.combo.setCurrentText(text)
        self._choose(text)

    def choose_without_tile(self) -> None:
        """Take the first look that the generator knows by name, or else the sample."""
        if self._named:
            self.choose_named(next(iter(self._named.values())).name)
        else:
            self.choose_sample()

    def choose_sample(self) -> None:
        """Take the sample that comes with histoloom's dependencies."""
        self.combo.setCurrentText(_SAMPLE)
        self._choose(_SAMPLE)

    def choose_canvas_tile(self) -> None:
        """Take the real tile on the canvas, now and whenever it changes."""
        self.combo.setCurrentText(_CANVAS_TILE)
        self._choose(_CANVAS_TILE)

    def choose_file(self, path: Path) -> None:
        """Take a picture from a file."""
        self._choose(path.name, path)

    def choose_tile(self, tile: Tile, name: str) -> None:
        """Take a tile that is open already."""
        self._extra[name] = tile
        self._list(name)
        self._choose(name)

    def _on_activated(self, _index: int) -> None:
        text = self.combo.currentText()
        if text != _FILE:
            self._choose(text)
            return
        name, _ = QFileDialog.getOpenFileName(self, "A real tile whose look to take")
        if name:
            self.choose_file(Path(name))
        else:
            self.combo.setCurrentText(self._chosen)

    def _on_tile_changed(self) -> None:
        if self._chosen == _CANVAS_TILE:
            self._choose(_CANVAS_TILE)

    def _choose(self, name: str, path: Path | None = None) -> None:
        if name in self._named:
            self._call.cancel()
            self._chosen = name
            self._show(self._named[name])
            self.look_ready.emit(self._named[name])
            return
        canvas = self._canvas()
        tile: Tile | None = self._extra.get(name)
        if name == _CANVAS_TILE and canvas is not None:
            tile = canvas.tile
            if tile is None:
                self._chosen = name
                self.problem.emit("There is no real tile on the canvas; open one, or take the colon sample as look.")
                return

        def study() -> tuple[Tile, Look]:
            opened = tile
            if opened is None and path is not None:
                from histoloom.tiles.reading import open_tile

                opened = open_tile(path)
            if opened is None:
                from histoloom.tiles.samples import embedded_sample

                opened = embedded_sample()
            return opened, Look.from_tile(opened)

        def done(result: tuple[Tile, Look]) -> None:
            if path is not None:
                self._extra[name] = result[0]
                self._list(name)
            self._chosen = name
            self._show(result[1])
            self.look_ready.emit(result[1])

        def failed(error: Exception) -> None:
            self.combo.setCurrentText(self._chosen)
            self.problem.emit(str(error) if isinstance(error, HistoloomError) else f"The look failed: {error}.")

        self._call.start(study, done, failed)

    def cancel(self) -> None:
        """Forget the look that is being studied."""
        self._call.cancel()

    def _list(self, name: str) -> None:
        if self.combo.findText(name) < 0:
            self.combo.insertItem(self.combo.count() - 1, name)
        self.combo.setCurrentText(name)

    def _show(self, look: AnyLook) -> None:
        swatches = f"{_swatch(look.stains.vectors[0])} haematoxylin {_swatch(look.stains.vectors[1])} eosin"
        if isinstance(look, NamedLook):
            self._thumbnail.setPixmap(_pixmap(_chip(look.stains)))
            self._about.setText(f"Known to the generator by name; {swatches}")
            return
        step = max(min(look.pixels.shape[:2]) // _THUMBNAIL, 1)
        self._thumbnail.setPixmap(_pixmap(look.pixels[::step, ::step]))
        height, width = look.pixels.shape[:2]
        about = f"{height} × {width} px, {look.pixel_size:.3g} µm per pixel; {swatches}"
        warning = look.stains.color_warning
        self._about.setText(f"{about}<br><b>{warning}</b>" if warning else about)


def narrow(combo: QComboBox) -> None:
    """Let a list be narrower than its longest entry, so that it does not widen its dock."""
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)


def _pixmap(pixels: NDArray[np.uint8]) -> QPixmap:
    copy = np.ascontiguousarray(pixels)
    height, width = copy.shape[:2]
    image = QImage(copy.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image.copy()).scaled(
        _THUMBNAIL,
        _THUMBNAIL,
        Qt.AspectRatioMode.KeepAspectRatioByExpanding,
        Qt.TransformationMode.SmoothTransformation,
    )


def _chip(stains: StainSummary) -> NDArray[np.uint8]:
    """Return a small picture of a look without pixels: eosin as it mostly is, and a disc of haematoxylin and eosin."""
    usual = np.maximum(stains.quantiles[:, 3], 0.0)
    dense = np.maximum(stains.quantiles[:, 5], 0.0)
    rows, columns = np.mgrid[:_THUMBNAIL, :_THUMBNAIL] - (_THUMBNAIL - 1) / 2
    is_nucleus = (rows**2 + columns**2 < (0.3 * _THUMBNAIL) ** 2)[..., None]
    density = np.where(is_nucleus, dense[0] * stains.vectors[0], 0.0) + usual[1] * stains.vectors[1]
    return np.asarray(255.0 * 10.0**-density, np.uint8)


def _swatch(vector: NDArray[np.floating[Any]]) -> str:
    """Return a coloured square for a stain at a usual density."""
    red, green, blue = (round(255.0 * 10.0 ** -(0.6 * float(value))) for value in vector)
    return f'<span style="color: rgb({red}, {green}, {blue});">■</span>'
