"""The Layout dock: tools, random nuclei, counts, files, and the way back."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from histoloom.errors import HistoloomError
from histoloom.gui.autosave import Autosave, discard, left_behind
from histoloom.gui.autosave_file import read_autosave
from histoloom.gui.canvas import Canvas, canvas_of
from histoloom.gui.counts_panel import CountsPanel
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.layout_check import check_layout
from histoloom.gui.question_card import QuestionCard
from histoloom.gui.random_panel import RandomPanel
from histoloom.gui.shortcuts import help_html
from histoloom.gui.status_card import Level, StatusCard
from histoloom.gui.tissue_panel import TissuePanel
from histoloom.gui.tool_panel import ToolPanel
from histoloom.gui.tools import Tool
from histoloom.gui.when_destroyed import when_destroyed
from histoloom.layouts import Layout

if TYPE_CHECKING:
    import napari.viewer

_FILES = "Layouts (*.geojson *.json *.tif *.tiff *.png *.npy);;All files (*)"
_SAVED_FILES = "GeoJSON (*.geojson);;Label map (*.tif)"


class LayoutDock(QWidget):
    """Draw, generate, count, check, open and save the nuclei of a viewer's canvas.

    Parameters
    ----------
    napari_viewer
        The viewer; napari passes it by this name.
    autosave_folder
        Where the layout is saved while it is drawn (default: the user's state folder).
    """

    _autosave_failed = Signal(str)

    def __init__(self, napari_viewer: napari.viewer.Viewer, autosave_folder: Path | None = None) -> None:
        super().__init__()
        self.canvas = canvas = canvas_of(napari_viewer)
        self._autosave_folder = autosave_folder
        self._help: QDialog | None = None
        self.status = StatusCard()
        self.recovery = QuestionCard()
        self.tools = ToolPanel(canvas)
        self.random = RandomPanel(canvas)
        self.tissue = TissuePanel(canvas)
        self.counts = CountsPanel(canvas)
        self._undo = QPushButton("Undo")
        self._redo = QPushButton("Redo")
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.status)
        column.addWidget(self.recovery)
        column.addLayout(self._history_row())
        column.addWidget(self.tools)
        self._tissue_fold = _folded("Tissue between the nuclei", self.tissue)
        column.addWidget(_folded("Random nuclei", self.random))
        column.addWidget(self._tissue_fold)
        column.addWidget(_folded("Counts", self.counts, is_open=True))
        column.addLayout(self._file_row())
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        self.setMinimumWidth(310)
        self._files = LatestCall(self)
        self.random.finished.connect(self._say)
        self.random.failed.connect(self._say_wrong)
        self.tissue.finished.connect(self._say)
        self.tissue.failed.connect(self._say_wrong)
        canvas.tool_changed.connect(self._on_tool)
        canvas.tile_changed.connect(self._offer_tissue)
        canvas.history_changed.connect(self._on_history)
        canvas.message.connect(self._say)
        self._on_history()
        if not canvas.is_open:
            canvas.open_layout(canvas.layout)
        self.autosave = self._start_autosave()
        self._left_behind = left_behind(autosave_folder)
        self._offer_recovery()

    def open_file(self, path: str | Path) -> None:
        """Open a layout file in the background, and say what was found in it; undo brings the former layout back."""
        source = Path(path)

        def read() -> tuple[Layout, NDArray[np.int32], list[str]]:
            from histoloom.layouts.opening import open_layout

            layout, notes = open_layout(source)
            return layout, layout.rasterize(), notes

        def show(opened: tuple[Layout, NDArray[np.int32], list[str]]) -> None:
            layout, label_map, notes = opened
            self.canvas.replace_layout(f"open {source.name}", layout, label_map)
            text = f"{len(layout.nuclei):,} nuclei were opened from {source.name}."
            self.status.show_status(Level.ATTENTION if notes else Level.OK, " ".join([text, *notes]))

        self.status.show_status(Level.WORKING, f"{source.name} is being read.")
        self._files.start(read, show, self._on_file_error)

    def save_file(self, path: str | Path) -> None:
        """Save the layout in the background, whole or not at all."""
        target, layout = Path(path), self.canvas.layout

        def write() -> None:
            from histoloom.layouts.files import save_layout

            save_layout(layout, target)

        self.status.show_status(Level.WORKING, f"{target.name} is being written.")
        self._files.start(write, lambda _: self._say(f"The layout was saved as {target.name}."), self._on_file_error)

    def _on_file_error(self, error: Exception) -> None:
        if isinstance(error, HistoloomError):
            self._say_wrong(str(error))
        else:
            self._say_wrong(f"The file failed ({error}); try another file or folder.")

    def check(self) -> None:
        """Look for what is wrong with the layout, and offer to mend it."""
        found = check_layout(self.canvas.layout)
        if not found.sentences:
            self.status.show_status(Level.OK, "Nothing is wrong with this layout.")
        elif found.repair.is_empty:
            self.status.show_status(Level.ATTENTION, " ".join(found.sentences))
        else:
            self.status.show_status(Level.ATTENTION, " ".join(found.sentences), "Repair", self._repair)

    def recover(self, path: Path) -> None:
        """Put an autosaved layout back on the canvas."""
        try:
            layout = read_autosave(path)
        except HistoloomError as error:
            self._say_wrong(str(error))
            return
        self.canvas.replace_layout("recover an autosaved layout", layout)
        discard(path)
        if self.canvas.autosave is not None:
            self.canvas.autosave.save()
        self._say(f"{len(layout.nuclei):,} nuclei were recovered.")

    def show_help(self) -> None:
        """Show the shortcuts."""
        if self._help is None:
            self._help = QDialog(self)
            self._help.setWindowTitle("histoloom: keys and gestures")
            self._help.resize(460, 620)
            text = QTextBrowser()
            text.setHtml(help_html())
            QVBoxLayout(self._help).addWidget(text)
        self._help.show()
        self._help.raise_()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop saving when the dock goes; the layout itself stays on the canvas."""
        _closer(self.canvas, self.autosave)()
        super().closeEvent(event)

    def _on_tool(self, tool: Tool) -> None:
        if tool is Tool.TISSUE:
            self._tissue_fold.expand(animate=False)

    def _offer_tissue(self) -> None:
        layout = self.canvas.layout
        if self.canvas.tile is not None and layout.nuclei and layout.tissue_map is None:
            self.status.show_status(
                Level.OK,
                "This layout has no tissue map, so the generator decides what lies between its nuclei; "
                "take that of the real tile if it shall be like it.",
                "Take it",
                self.tissue.take_from_tile,
            )

    def _start_autosave(self) -> Autosave:
        if self.canvas.autosave is not None:
            self.canvas.autosave.close()
        self.canvas.autosave = autosave = Autosave(self.canvas, self._autosave_folder)
        autosave.save()
        # It fails in its own thread, where no widget may be touched.
        self._autosave_failed.connect(self._say_wrong, Qt.ConnectionType.QueuedConnection)
        autosave.failed.connect(self._on_autosave_failed)
        # A dock inside a window gets no closeEvent when the window closes.
        when_destroyed(self, _closer(self.canvas, autosave))
        return autosave

    def _on_autosave_failed(self, text: str) -> None:
        with contextlib.suppress(RuntimeError):  # Qt has taken the dock down already
            self._autosave_failed.emit(text)

    def _history_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        help_button = QPushButton("Keys …")
        help_button.setToolTip("All keys and gestures of the canvas")
        help_button.clicked.connect(self.show_help)
        self._undo.clicked.connect(self.canvas.undo)
        self._redo.clicked.connect(self.canvas.redo)
        for button in (self._undo, self._redo, help_button):
            row.addWidget(button)
        return row

    def _file_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        for title, tip, action in (
            ("Open …", "Open a layout: GeoJSON or a label map", self._ask_open),
            ("Save …", "Save the layout: GeoJSON or a label map", self._ask_save),
            ("Check", "Look for specks, split and hidden nuclei", self.check),
        ):
            button = QPushButton(title)
            button.setToolTip(tip)
            button.clicked.connect(action)
            row.addWidget(button)
        return row

    def _ask_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a layout", "", _FILES)
        if path:
            self.open_file(path)

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the layout", "layout.geojson", _SAVED_FILES)
        if path:
            self.save_file(path)

    def _repair(self) -> None:
        found = check_layout(self.canvas.layout)
        self.canvas.apply(found.repair)
        self.status.show_status(Level.OK, "The layout was repaired; Undo takes it back.")

    def _offer_recovery(self) -> None:
        self._left_behind = [path for path in self._left_behind if path.exists()]
        if not self._left_behind:
            return
        path, *others = self._left_behind
        when = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
        more = f" {len(others)} more will be asked about." if others else ""
        self.recovery.ask(
            f"A layout of a session that ended unexpectedly was saved on {when:%Y-%m-%d} at {when:%H:%M}; "
            f"recover it?{more}",
            "Recover",
            "Discard",
            self._on_recovery,
        )

    def _on_recovery(self, is_wanted: bool) -> None:
        path = self._left_behind.pop(0)
        if is_wanted:
            self.recover(path)
        else:
            discard(path)
        self._offer_recovery()

    def _on_history(self) -> None:
        history = self.canvas.history
        for button, titles, verb in (
            (self._undo, history.undoable, "Undo"),
            (self._redo, history.redoable, "Redo"),
        ):
            button.setEnabled(bool(titles))
            button.setToolTip(f"{verb}: {titles[-1]}" if titles else f"There is nothing to {verb.lower()}")

    def _say(self, text: str) -> None:
        self.status.show_status(Level.OK, text)

    def _say_wrong(self, text: str) -> None:
        self.status.show_status(Level.ERROR, text)


def _closer(canvas: Canvas, autosave: Autosave) -> Callable[[], None]:
    """Return what ends an autosave of a canvas, whether or not canvas and dock are still there."""
    reference = weakref.ref(canvas)

    def close() -> None:
        autosave.close()
        alive = reference()
        if alive is not None and alive.autosave is autosave:
            alive.autosave = None

    return close


def _folded(title: str, widget: Any, is_open: bool = False) -> QCollapsible:
    folded = QCollapsible(title)
    folded.setDuration(0)
    folded.addWidget(widget)
    if is_open:
        folded.expand(animate=False)
    return folded
