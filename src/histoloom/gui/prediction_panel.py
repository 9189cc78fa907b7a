"""What a segmenter that is trained finds in the tile on the canvas, shown there at every checkpoint."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from histoloom.errors import HistoloomError, Stopped
from histoloom.gui.canvas_layers import PREDICTION, TILE
from histoloom.gui.comparison import camera_of
from histoloom.gui.one_at_a_time import OneAtATime
from histoloom.gui.words import Words
from histoloom.jobs.nuclei_search import FoundNuclei, NucleiSearch
from histoloom.runs import Run
from histoloom.tiles.sentences import one_line
from histoloom.window import Window

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas
    from histoloom.tiles.tile import Tile

_MOST_SIDE = 1024
"""Of what is looked at in pixels, so that a checkpoint's nuclei are there before the next checkpoint."""

_NO_TILE = "There is no real tile on the canvas; open one to see what the network finds in it."
_NOTHING_YET = "The first checkpoint's nuclei come here."


class PredictionPanel(QWidget):
    """A box to tick; while it is, the newest checkpoint's nuclei are outlined on the canvas.

    The network is read and asked by a process of its own, as for Find nuclei. Of a large tile, only the part in the
    middle of the view is looked at.

    Parameters
    ----------
    canvas
        Whose tile is looked at, and where the nuclei are shown; held weakly.
    parent
        Qt parent.
    """

    told = Signal(bool, str)
    """(good, sentence) about what was asked for."""
    shown = Signal(object)
    """The `FoundNuclei` that are on the canvas now; of a large tile, those of a part of it."""

    def __init__(self, canvas: Canvas, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._canvas_reference = weakref.ref(canvas)
        self._run: Run | None = None
        self._asked: tuple[Path, Tile] | None = None
        self._search: NucleiSearch | None = None
        self._window: Window | None = None
        self._layer: Any = None
        self._calls = OneAtATime(self._on_found, self._on_error, self)
        self.show_it = QCheckBox("Show on the canvas what it finds")
        self.show_it.setChecked(True)
        self.show_it.setToolTip("Outline the nuclei that the newest checkpoint finds in the tile on the canvas.")
        self.words = Words("color: gray;")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.show_it)
        column.addWidget(self.words)
        self.show_it.toggled.connect(self._on_toggled)
        canvas.tile_changed.connect(self._on_tile_changed)
        canvas.viewer.layers.events.removed.connect(self._on_removed)

    @property
    def is_busy(self) -> bool:
        """Whether nuclei are being looked for."""
        return self._calls.is_busy

    def open_run(self, run: Run | None) -> None:
        """Show what the newest network of a run finds; None for none."""
        self._forget()
        self._run = run
        self._take_away()
        self.renew()

    def renew(self) -> None:
        """Look with the newest network, unless it has been looked with already."""
        canvas, bundle = self._canvas_reference(), newest_bundle(self._run)
        if canvas is None or not self.show_it.isChecked():
            return
        if canvas.tile is None or canvas.layers.find(TILE) is None:
            self.words.setText(_NO_TILE if self._run is not None else "")
        elif bundle is None:
            self.words.setText(_NOTHING_YET if self._run is not None else "")
        elif self._asked != (bundle, canvas.tile):
            self._asked = bundle, canvas.tile
            self._calls.ask(self._prepared)

    def close_panel(self) -> None:
        """Forget what is under way, and the canvas."""
        self._forget()
        canvas = self._canvas_reference()
        if canvas is not None:
            canvas.tile_changed.disconnect(self._on_tile_changed)
            canvas.viewer.layers.events.removed.disconnect(self._on_removed)

    def _prepared(self) -> Callable[[], tuple[int, FoundNuclei]] | None:
        canvas = self._canvas_reference()
        if canvas is None or self._asked is None or not self.show_it.isChecked():
            return None
        bundle, tile = self._asked
        self._window = _looked_at(canvas, tile)
        search = self._search = NucleiSearch(tile, bundle, canvas.layout.pixel_size, window=self._window)
        if not self.words.text() or canvas.layers.find(PREDICTION) is None:
            self.words.setText("Looking for nuclei with the newest checkpoint…")
        return partial(_searched, search, _step_of(bundle))

    def _on_found(self, answer: tuple[int, FoundNuclei]) -> None:
        step, found = answer
        canvas, window, asked = self._canvas_reference(), self._window, self._asked
        if canvas is None or window is None or asked is None or canvas.tile is not asked[1]:
            return
        if canvas.layers.find(TILE) is None:
            self.words.setText("The tile was taken away meanwhile; open it to see what the network finds in it.")
            return
        size = found.layout.pixel_size
        self._layer = canvas.layers.prediction(found.label_map, size, (window.y0, window.x0))
        count = len(found.layout.nuclei)
        where = "" if window == Window.of_shape(canvas.tile.shape) else " in the middle of the view"
        text = f"Step {step:,}: {count:,} {'nucleus' if count == 1 else 'nuclei'}{where}, in green."
        self.words.setText(" ".join([text, *found.notes]))
        self.shown.emit(found)

    def _on_error(self, error: Exception) -> None:
        if isinstance(error, Stopped):
            return
        known = isinstance(error, HistoloomError)
        text = str(error) if known else f"Looking for nuclei failed ({type(error).__name__}: {one_line(error)})."
        self.words.setText("")
        self.told.emit(False, text)

    def _on_toggled(self, shown: bool) -> None:
        if shown:
            self.renew()
        else:
            self._forget()
            self._take_away()

    def _on_tile_changed(self) -> None:
        self._forget()
        self._take_away()
        self.renew()

    def _on_removed(self, event: Any) -> None:
        canvas = self._canvas_reference()
        if canvas is None or event.value is not self._layer:
            return
        self._layer = None
        self.show_it.setChecked(False)
        self.told.emit(True, f"The Prediction layer was deleted; tick '{self.show_it.text()}' to see it again.")

    def _forget(self) -> None:
        if self._search is not None:
            self._search.stop()
        self._search = self._asked = None
        self._calls.cancel()

    def _take_away(self) -> None:
        canvas = self._canvas_reference()
        layer = None if canvas is None else canvas.layers.find(PREDICTION)
        self.words.setText("")
        if canvas is not None and layer is not None:
            self._layer = None
            canvas.viewer.layers.remove(layer)


def newest_bundle(run: Run | None) -> Path | None:
    """Return the bundle of a run's newest checkpoint, or None where there is none yet."""
    bundles = {} if run is None else run.bundles()
    return bundles[max(bundles)] if bundles else None


def _searched(search: NucleiSearch, step: int) -> tuple[int, FoundNuclei]:
    return step, search.run()


def _step_of(bundle: Path) -> int:
    return int(bundle.stem.rpartition("_")[2])


def _looked_at(canvas: Canvas, tile: Tile) -> Window:
    """Return the whole of a tile, or of a large one the part in the middle of the view."""
    size = tile.pixel_size or canvas.layout.pixel_size
    starts = []
    for side, middle in zip(tile.shape, camera_of(canvas.viewer).center[-2:], strict=True):
        start = round(float(middle) / size) - _MOST_SIDE // 2
        starts.append(max(min(start, side - _MOST_SIDE), 0))
    top, left = starts
    return Window(top, left, top + _MOST_SIDE, left + _MOST_SIDE).intersection(Window.of_shape(tile.shape))
