"""Turning the real tile on the canvas into a layout: the part of the Tiles dock that finds its nuclei."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QEnterEvent, QShowEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from histoloom.errors import HistoloomError, Stopped
from histoloom.gui.canvas_layers import TILE
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.look_chooser import narrow
from histoloom.gui.pointer_rest import PointerRest
from histoloom.gui.question_card import QuestionCard
from histoloom.gui.selection_edits import counted
from histoloom.gui.status_card import Level
from histoloom.gui.when_destroyed import when_destroyed
from histoloom.gui.words import Words
from histoloom.jobs.nuclei_search import FoundNuclei, NucleiSearch, known_segmenters
from histoloom.layouts import Layout
from histoloom.models import BundleHeader, bundle_name
from histoloom.tiles.sentences import one_line

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas
    from histoloom.tiles.tile import Tile

_NO_TILE = "There is no real tile on the canvas; open one to find its nuclei."
_HIDDEN = "The tile on the canvas is hidden; show it in the layer list, or crop a region of the slide to the canvas."
_CLOSED = (
    "The tile was taken away meanwhile, so that its nuclei were not put on the canvas; open it to find them again."
)
_NO_SEGMENTER = (
    "There is no segmenter, not even the one that comes along; install histoloom again, or add a bundle with "
    "'histoloom bundles import FILE'."
)


class NucleiPanel(QWidget):
    """Finds the nuclei of the tile on the canvas, in a process of its own, and puts them there as one step.

    Parameters
    ----------
    canvas
        Whose tile is looked at, and where the nuclei go.
    parent
        Qt parent.
    title
        What the button says.
    known
        Returns the segmenters that can be chosen, each a file and its header.
    without_segmenter
        What is said where there is none.
    """

    told = Signal(object, str)
    """(`Level`, a sentence) about how the search goes."""
    found = Signal(object)
    """The `FoundNuclei` that are on the canvas now."""

    _progressed = Signal(object, int, int)
    _told_later = Signal(object, str)

    def __init__(
        self,
        canvas: Canvas,
        parent: QWidget | None = None,
        *,
        title: str = "Find nuclei",
        known: Callable[[], list[tuple[Path, BundleHeader]]] | None = None,
        without_segmenter: str = _NO_SEGMENTER,
    ) -> None:
        super().__init__(parent)
        self._known, self._without_segmenter = known or known_segmenters, without_segmenter
        self._canvas_reference = weakref.ref(canvas)
        self._call = LatestCall(self)
        self._rest = PointerRest(self)
        self._running: list[NucleiSearch] = []
        self._tile: Tile | None = None
        """The one that is searched, or whose nuclei wait for an answer."""
        self.find = QPushButton(title)
        self.find.clicked.connect(self.start)
        self.segmenters = QComboBox()
        self.segmenters.setAccessibleName("Segmenter")
        self.segmenters.setToolTip("What finds the nuclei: a trained segmenter")
        narrow(self.segmenters)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop looking for nuclei; the canvas stays as it is")
        self.cancel.clicked.connect(self.stop)
        self.reason = Words()
        self.question = QuestionCard()
        row = QHBoxLayout()
        for each in (self.find, self.segmenters, self.cancel):
            row.addWidget(each)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.reason)
        column.addWidget(self.question)
        canvas.tile_changed.connect(self._on_tile_changed)
        self._progressed.connect(self._on_progress)
        # The process of a search must not outlive the panel that asked for it.
        when_destroyed(self, partial(_stop_all, self._running))
        # What is told while a tile is placed would be hidden by what is told of the tile.
        self._told_later.connect(self.told, Qt.ConnectionType.QueuedConnection)
        self.renew()

    @property
    def is_busy(self) -> bool:
        """Whether nuclei are being looked for."""
        return bool(self._running)

    def renew(self) -> None:
        """List the segmenters that are there now; the choice stays where it can."""
        combo = self.segmenters
        known = self._known()
        if [str(path) for path, _ in known] != [combo.itemData(index) for index in range(combo.count())]:
            chosen = combo.currentText()
            combo.clear()
            for index, (path, header) in enumerate(known):
                combo.addItem(bundle_name(path), str(path))
                about = f"Tells apart: {', '.join(header.classes)}; trained at {header.pixel_size:g} µm per pixel"
                combo.setItemData(index, about, Qt.ItemDataRole.ToolTipRole)
            combo.setCurrentIndex(max(combo.findText(chosen), 0))
        self._enable()

    def start(self) -> None:
        """Look for the nuclei of the tile on the canvas with the chosen segmenter."""
        canvas, path = self._canvas_reference(), self.segmenters.currentData()
        if canvas is None or self.is_busy:
            return
        layer = canvas.layers.find(TILE)
        if canvas.tile is None or layer is None or not layer.visible or path is None:
            problem = self._without_segmenter if path is None else _NO_TILE if layer is None else _HIDDEN
            self.told.emit(Level.ATTENTION, problem)
            return
        self._forget()
        tile = self._tile = canvas.tile

        def on_progress(done: int, of: int) -> None:
            try:
                self._progressed.emit(search, done, of)
            except RuntimeError:  # the panel has been closed
                search.stop()

        search = NucleiSearch(tile, Path(path), canvas.layout.pixel_size, on_progress)
        self._running.append(search)
        self._call.start(search.run, self._on_found, self._on_error)
        self._enable()
        self._on_progress(search, 0, 0)

    def stop(self) -> None:
        """Stop looking; the canvas stays as it is."""
        if self.is_busy:
            self._forget()
            self.told.emit(Level.OK, "The search for nuclei was stopped; nothing was changed.")

    def showEvent(self, event: QShowEvent) -> None:
        """List the segmenters that have come meanwhile."""
        super().showEvent(event)
        self._renew_if_idle()

    def enterEvent(self, event: QEnterEvent) -> None:
        """List the segmenters that have come meanwhile."""
        super().enterEvent(event)
        self._renew_if_idle()

    def _renew_if_idle(self) -> None:
        if not self.is_busy:
            self.renew()

    def _enable(self) -> None:
        canvas = self._canvas_reference()
        has_segmenter, has_tile = self.segmenters.count() > 0, canvas is not None and canvas.tile is not None
        self.find.setEnabled(has_segmenter and has_tile and not self.is_busy)
        self.segmenters.setVisible(has_segmenter)
        self.segmenters.setEnabled(not self.is_busy)
        self.cancel.setVisible(self.is_busy)
        self.reason.setText("" if has_segmenter else self._without_segmenter)
        tip = "Find the nuclei of the tile on the canvas, as a layout that can be edited and woven"
        self.find.setToolTip(
            tip if has_segmenter and has_tile else _NO_TILE if has_segmenter else self._without_segmenter
        )

    def _forget(self) -> None:
        for each in self._running:
            each.stop()
        self._running.clear()
        self._tile = None
        self._call.cancel()
        self._rest.forget()
        self.question.withdraw()
        self._enable()

    def _on_tile_changed(self) -> None:
        canvas = self._canvas_reference()
        if canvas is not None and self._tile is not None and canvas.tile is not self._tile:
            self._forget()
            self._told_later.emit(
                Level.ATTENTION,
                "Another tile was opened, so that the nuclei of the former one were not put on the canvas; find those "
                "of this one.",
            )
        self._enable()

    def _on_progress(self, search: NucleiSearch, done: int, of: int) -> None:
        if search not in self._running:
            return
        name = self.segmenters.currentText()
        text = f"'{name}' is looking for nuclei…"
        if not of:
            text = f"Starting the segmenter '{name}'…"
        elif of > 1:
            text = f"'{name}' is looking for nuclei: {done} of {of} parts of the tile are done…"
        self.told.emit(Level.WORKING, text)

    def _on_found(self, found: FoundNuclei) -> None:
        self._running.clear()
        self._enable()
        self._rest.call(lambda: self._offer(found))

    def _on_error(self, error: Exception) -> None:
        self._forget()
        known = isinstance(error, HistoloomError)
        text = str(error) if known else f"Finding nuclei failed ({type(error).__name__}: {one_line(error)})."
        self.told.emit(Level.OK if isinstance(error, Stopped) else Level.ERROR, text)

    def _offer(self, found: FoundNuclei) -> None:
        """Put nuclei on the canvas: at once if none are there, else after asking."""
        canvas = self._canvas_reference()
        if canvas is None:
            return
        if canvas.layers.find(TILE) is None:
            self._tile = None
            self.told.emit(Level.ATTENTION, _CLOSED)
            return
        if not found.layout.nuclei:
            self._tile = None
            text = f"'{found.segmenter}' found no nuclei; check the tile's pixel size, or choose another segmenter."
            self.told.emit(Level.ATTENTION, " ".join([text, *found.notes]))
            return
        canvas.brush.flush()
        canvas.sketch.settle()
        there, new = len(canvas.layout.nuclei), len(found.layout.nuclei)
        if not there:
            self._place(found)
            return
        self.question.ask(
            f"The canvas holds {_words(there)}; replace {'it' if there == 1 else 'them'} by the {_words(new)} found?",
            "Replace",
            "Keep",
            lambda replaces: self._on_answer(found, replaces),
        )
        self.told.emit(Level.ATTENTION, "Nothing is replaced until you answer the question above.")

    def _on_answer(self, found: FoundNuclei, replaces: bool) -> None:
        if replaces:
            self._place(found)
            return
        self._tile = None
        self.told.emit(Level.OK, "The canvas was kept as it is; the nuclei found were dropped.")

    def _place(self, found: FoundNuclei) -> None:
        canvas = self._canvas_reference()
        if canvas is None:
            return
        self._tile = None
        title = counted("Find", len(found.layout.nuclei))
        canvas.replace_layout(title, _beside(found.layout, canvas.layout), found.label_map)
        text = f"'{found.segmenter}' found {_words(len(found.layout.nuclei))}; undo takes them away again."
        self.told.emit(Level.OK, " ".join([text, *found.notes]))
        self.found.emit(found)


def _stop_all(searches: list[NucleiSearch]) -> None:
    for each in searches:
        each.stop()


def _beside(found: Layout, before: Layout) -> Layout:
    """Return found nuclei with the classes of the layout that they replace, and with its tissue map where it fits."""
    names = {each.name for each in before.classes}
    layout = replace(found, classes=(*before.classes, *(each for each in found.classes if each.name not in names)))
    fits = (before.shape, before.pixel_size) == (found.shape, found.pixel_size)
    # What a person has painted is theirs; where there is nothing, the tile's own map makes its weave look like it.
    return layout.with_tissue_map(before.tissue_map) if fits and before.tissue_map is not None else layout


def _words(count: int) -> str:
    return f"{count:,} {'nucleus' if count == 1 else 'nuclei'}"
