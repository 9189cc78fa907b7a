"""Correct what a segmenter finds, add it to what is trained on, and go on training."""

from __future__ import annotations

import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from histoloom.errors import HistoloomError, TrainingError
from histoloom.gui.canvas_layers import PREDICTION, TILE
from histoloom.gui.ignored_regions import ignored_regions_of
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.nuclei_panel import NucleiPanel
from histoloom.gui.status_card import Level
from histoloom.gui.words import Words
from histoloom.jobs.corrections import add_correction, classes_of, corrected_names, corrections_folder
from histoloom.jobs.frozen_tiles import LabelledTile
from histoloom.models import BundleHeader, inspect_bundle
from histoloom.runs import Run
from histoloom.tiles.sentences import one_line

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas
    from histoloom.jobs.nuclei_search import FoundNuclei

_NO_CHECKPOINT = "There is no checkpoint yet whose nuclei could be corrected."


class CorrectionPanel(QWidget):
    """Puts a checkpoint's nuclei on the canvas to be edited, and writes tile and nuclei beside the run.

    Parameters
    ----------
    canvas
        Whose tile and nuclei they are; held weakly.
    parent
        Qt parent.
    """

    told = Signal(object, str)
    """(`Level`, a sentence)."""
    wants_to_continue = Signal()
    """Somebody wants to go on training with what was corrected."""

    def __init__(self, canvas: Canvas, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._canvas_reference = weakref.ref(canvas)
        self._run: Run | None = None
        self._call = LatestCall(self)
        self.nuclei = NucleiPanel(
            canvas, title="Correct on the canvas", known=self._checkpoints, without_segmenter=_NO_CHECKPOINT
        )
        self.nuclei.segmenters.setToolTip("Whose nuclei are put on the canvas: a checkpoint's, or those of the best")
        self.add = QPushButton("Add to training set")
        self.add.setToolTip(
            "Write the tile on the canvas, its nuclei and the regions to ignore beside the run. A tile that is held "
            "out stays held out, with better labels."
        )
        self.go_on = QPushButton("Continue training")
        self.go_on.setToolTip(
            "Begin a new run with the newest weights, the run's own tiles and the corrected ones; a run under way is "
            "stopped first."
        )
        self.words = Words("color: gray;")
        row = QHBoxLayout()
        row.addWidget(self.add)
        row.addWidget(self.go_on)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(QLabel("<b>Correct and continue</b>"))
        column.addWidget(self.nuclei)
        column.addLayout(row)
        column.addWidget(self.words)
        self.nuclei.told.connect(self.told)
        self.nuclei.found.connect(self._on_found)
        self.add.clicked.connect(self.add_to_training_set)
        self.go_on.clicked.connect(self.wants_to_continue)
        self.renew()

    @property
    def is_busy(self) -> bool:
        """Whether nuclei are looked for, or a tile is being written."""
        return self.nuclei.is_busy or self._call.is_busy

    def open_run(self, run: Run | None) -> None:
        """Correct what a run's networks find; None for none."""
        self.nuclei.stop()
        self._run = run
        self.renew()

    def renew(self) -> None:
        """Offer the checkpoints that there are now, and say how much has been corrected."""
        run = self._run
        if not self.nuclei.is_busy:
            self.nuclei.renew()
        has_network = self.nuclei.segmenters.count() > 0
        count = 0 if run is None else len(corrected_names(run.folder))
        self.add.setEnabled(has_network and not self._call.is_busy)
        self.go_on.setEnabled(has_network and count > 0 and not self._call.is_busy)
        words = ""
        if run is not None and count:
            tiles = "1 corrected tile waits" if count == 1 else f"{count} corrected tiles wait"
            words = f"{tiles} for the next training, in '{corrections_folder(run.folder).name}' beside the run."
        self.words.setText(words)

    def add_to_training_set(self) -> None:
        """Write tile and nuclei of the canvas beside the run, in the background."""
        run = self._run
        if run is None:
            return
        try:
            tile = self._corrected()
        except HistoloomError as error:
            self.told.emit(Level.ERROR, str(error))
            return
        folder = run.folder
        again = f"{len(tile.layout.nuclei):,} nuclei of '{tile.name}'"

        def added(_name: str) -> None:
            self.renew()
            self.told.emit(Level.OK, f"{again} were added to the training set; correct more, or continue training.")

        self._call.start(lambda: add_correction(folder, tile, classes_of(folder)), added, self._on_error)
        self.renew()

    def close_panel(self) -> None:
        """Forget what is under way."""
        self.nuclei.stop()
        self._call.cancel()

    def _corrected(self) -> LabelledTile:
        canvas = self._canvas_reference()
        layer = None if canvas is None else canvas.layers.find(TILE)
        if canvas is None or canvas.tile is None or layer is None:
            raise TrainingError("There is no real tile on the canvas; open the one whose nuclei shall be corrected.")
        canvas.brush.flush()
        canvas.sketch.settle()
        return LabelledTile(layer.name, canvas.tile, canvas.layout, ignored=ignored_regions_of(canvas).mask())

    def _checkpoints(self) -> list[tuple[Path, BundleHeader]]:
        """Return the newest checkpoint's bundle and the best one."""
        run = self._run
        if run is None:
            return []
        bundles = run.bundles()
        paths = [bundles[max(bundles)]] if bundles else []
        if paths and run.best_bundle_path.is_file():
            paths.append(run.best_bundle_path)
        found = []
        for each in paths:
            with suppress(HistoloomError):
                found.append((each, inspect_bundle(each)))
        return found

    def _on_found(self, found: FoundNuclei) -> None:
        canvas = self._canvas_reference()
        prediction = None if canvas is None else canvas.layers.find(PREDICTION)
        if prediction is not None:
            # It would hide what is edited.
            prediction.visible = False
        text = (
            "Its nuclei are on the canvas; correct them with the tools of the Layout dock, then add them to the "
            "training set."
        )
        self.told.emit(Level.OK, " ".join([text, *found.notes]))

    def _on_error(self, error: Exception) -> None:
        known = isinstance(error, HistoloomError)
        self.told.emit(
            Level.ERROR,
            str(error) if known else f"The tile could not be added ({type(error).__name__}: {one_line(error)}).",
        )
        self.renew()
