"""Buttons for sample tiles, of which one is downloaded with progress and a way to stop it."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from histoloom.errors import Stopped
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.preferences import preferred_cache_folder
from histoloom.tiles.samples import EMBEDDED_SAMPLE_TITLE, PUBLIC_SAMPLES, embedded_sample, fetch_sample
from histoloom.tiles.tile import Tile

FETCHED_SAMPLE = "CMU-1-Small-Region.svs"

_STOPPED = "The download was stopped; nothing was kept."


class SampleButtons(QWidget):
    """The sample that is always there, and a public one that is fetched.

    Parameters
    ----------
    parent
        Qt parent.
    """

    opened = Signal(object, str)
    """(`Tile`, its name)"""
    fetched = Signal(object)
    """``Path`` of a sample's file."""
    failed = Signal(object)
    """The exception."""
    said = Signal(str)
    """A sentence about what is going on."""
    stopped = Signal(str)
    """A sentence, once a download has been cancelled."""

    _progressed = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._call = LatestCall(self)
        self._stop = Event()
        self.colon = QPushButton("Colon sample")
        self.colon.setToolTip(f"{EMBEDDED_SAMPLE_TITLE}; needs no network")
        self.colon.clicked.connect(self._open_colon)
        sample = PUBLIC_SAMPLES[FETCHED_SAMPLE]
        self.fetch = QPushButton("Fetch CMU-1 small region")
        self.fetch.setToolTip(f"{sample.title}; {sample.licence}; downloaded once and kept")
        self.fetch.clicked.connect(self._fetch)
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Progress of the download")
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(self._cancel)
        self._progressed.connect(self._on_progress)
        buttons, progress = QHBoxLayout(), QHBoxLayout()
        buttons.addWidget(self.colon)
        buttons.addWidget(self.fetch)
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.cancel)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(buttons)
        column.addLayout(progress)
        self._show_progress(False)

    def _open_colon(self) -> None:
        self._stop.set()
        self._show_progress(False)
        self.said.emit("Preparing the colon sample…")
        self._call.start(embedded_sample, self._on_colon, self._on_error)

    def _on_colon(self, tile: Tile) -> None:
        self.opened.emit(tile, EMBEDDED_SAMPLE_TITLE)

    def _fetch(self) -> None:
        # A flag of its own for each download, so that stopping an old one does not stop a new one.
        stop = self._stop = Event()
        self.bar.setRange(0, 0)
        self._show_progress(True)
        self.said.emit("Fetching the sample…")

        def on_progress(done: int, total: int) -> None:
            if stop.is_set():
                raise Stopped(_STOPPED)
            try:
                self._progressed.emit(done, total)
            except RuntimeError:  # the widget has been closed
                raise Stopped(_STOPPED) from None

        folder = preferred_cache_folder()
        self._call.start(
            lambda: fetch_sample(FETCHED_SAMPLE, folder, on_progress=on_progress), self._on_fetched, self._on_error
        )

    def _cancel(self) -> None:
        self._stop.set()
        self._call.cancel()
        self._show_progress(False)
        self.stopped.emit(_STOPPED)

    def _on_progress(self, done: int, total: int) -> None:
        if not self._stop.is_set():
            # Kilobytes, because Qt's range has 32 bits.
            self.bar.setRange(0, total // 1024)
            self.bar.setValue(done // 1024)

    def _on_fetched(self, path: Path) -> None:
        self._show_progress(False)
        self.fetched.emit(path)

    def _on_error(self, error: Exception) -> None:
        self._show_progress(False)
        self.failed.emit(error)

    def _show_progress(self, shown: bool) -> None:
        self.bar.setVisible(shown)
        self.cancel.setVisible(shown)
        self.fetch.setEnabled(not shown)
