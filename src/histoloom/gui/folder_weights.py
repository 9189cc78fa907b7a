"""The tiles of a folder in the Weights dock: judged beside the viewer, decided about by hand, shown one at a time."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from histoloom.errors import HistoloomError, Stopped
from histoloom.gui.compared_labels import Placing, micrometres
from histoloom.gui.critic_chooser import Critic
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.status_card import Level
from histoloom.gui.weights_layer import WeightsLayer
from histoloom.importance.weights import Bounds
from histoloom.jobs.judge_process import JudgeProcess
from histoloom.jobs.judged_folder import JudgedFolder, JudgedTile, judge_folder
from histoloom.jobs.tile_references import CanvasLook, LooksNeededError
from histoloom.tiles.reading import open_tile
from histoloom.tiles.sentences import one_line

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_BESIDE = 1.05


class FolderWeights(QObject):
    """Judges a folder, keeps what was decided about its tiles, and shows one of them with its map.

    Parameters
    ----------
    canvas
        Where tiles are shown; held weakly.
    layer
        The layer for their maps.
    parent
        Qt parent.
    """

    judged = Signal(object)
    """A `JudgedFolder`."""
    told = Signal(object, str)
    """(level, sentence)."""
    looks_needed = Signal(str)
    """A sentence, if nobody has said yet which real tissue the tiles shall be held against."""

    _progress = Signal(int, int, int)

    def __init__(self, canvas: Canvas, layer: WeightsLayer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._canvas = weakref.ref(canvas)
        self._layer = layer
        self._judging = LatestCall(self)
        self._showing = LatestCall(self)
        self._stop = threading.Event()
        self._number = 0
        self.folder: JudgedFolder | None = None
        self.shown: JudgedTile | None = None
        self._bounds: Bounds | None = None
        self._progress.connect(self._on_progress)

    @property
    def is_busy(self) -> bool:
        """Whether tiles are being judged, or one is being read to be shown."""
        return self._judging.is_busy or self._showing.is_busy

    @property
    def is_judging(self) -> bool:
        """Whether tiles are being judged."""
        return self._judging.is_busy

    def judge(self, process: JudgeProcess, critic: Critic, folder: Path, beside: Path | CanvasLook | None) -> None:
        """Judge all tiles of a folder, in place of any others; ``beside`` is for critics that compare."""
        self.forget()
        self._number += 1
        stop = self._stop = threading.Event()
        self.told.emit(Level.WORKING, f"The tiles of '{folder.name}' are being judged.")
        self._judging.start(
            partial(
                judge_folder,
                process,
                critic,
                folder,
                beside,
                partial(self._tell_progress, self._number),
                stop.is_set,
            ),
            self._on_judged,
            self._on_failed,
        )

    def forget(self) -> None:
        """Stop judging, and forget what was judged."""
        self._stop.set()
        self._judging.cancel()
        self._showing.cancel()
        self.folder = self.shown = None

    def tile(self, file: str) -> JudgedTile | None:
        """Return a judged tile by its name."""
        tiles: Iterable[JudgedTile] = () if self.folder is None else self.folder.tiles
        return next((each for each in tiles if each.file == file), None)

    def show_tile(self, file: str, bounds: Bounds | None) -> None:
        """Show a tile on the canvas with the map of its weights, once it has been read."""
        tile = self.tile(file)
        if tile is None:
            return
        self._bounds = bounds
        self._showing.start(partial(_read, tile), partial(self._on_read, tile), self._on_failed)

    def show_bounds(self, bounds: Bounds | None) -> None:
        """Show the map of the tile that is shown cut like this."""
        self._bounds = bounds
        if self.shown is not None:
            self._draw(self.shown)

    def _tell_progress(self, number: int, done: int, of: int) -> None:
        self._progress.emit(number, done, of)

    def _on_progress(self, number: int, done: int, of: int) -> None:
        if number == self._number and self._judging.is_busy:
            self.told.emit(Level.WORKING, f"{done:,} of {of:,} tiles are judged.")

    def _on_judged(self, folder: JudgedFolder) -> None:
        self.folder = folder
        self.judged.emit(folder)

    def _on_read(self, tile: JudgedTile, pixels: NDArray[np.uint8]) -> None:
        canvas = self._canvas()
        if canvas is None or self.folder is None:
            return
        is_first = self.shown is None
        self.shown = tile
        canvas.layers.judged(pixels, self._placing(tile), tile.file)
        self._draw(tile)
        if is_first:
            canvas.viewer.reset_view()

    def _draw(self, tile: JudgedTile) -> None:
        self._layer.show_map(tile.judgement.weight_map(self._bounds), self._placing(tile))

    def _placing(self, tile: JudgedTile) -> Placing:
        """Return where a tile lies: beside the canvas, whose nuclei are not its own."""
        canvas = self._canvas()
        left = 0.0
        if canvas is not None and canvas.is_open:
            left = _BESIDE * canvas.layout.shape[1] * canvas.layout.pixel_size
        return {**micrometres(tile.pixel_size), "translate": (0.0, left)}

    def _on_failed(self, error: Exception) -> None:
        if isinstance(error, Stopped):
            return
        if isinstance(error, LooksNeededError):
            self.looks_needed.emit(str(error))
            return
        known = isinstance(error, HistoloomError)
        text = str(error) if known else f"Judging failed unexpectedly ({type(error).__name__}: {one_line(error)})."
        self.told.emit(Level.ERROR, text)


def _read(tile: JudgedTile) -> NDArray[np.uint8]:
    with open_tile(tile.path) as opened:
        return np.asarray(opened.read(), np.uint8)
