"""Weaving a batch from the dock: many seeds of the layout on the canvas, into a folder, in the background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import create_worker

from histoloom.errors import HistoloomError
from histoloom.gui.export import Weaving
from histoloom.jobs.batch import BatchFinished, PictureFailed, PictureSkipped, PictureWoven
from histoloom.jobs.batch_process import weave_batch_beside
from histoloom.layouts import Layout

Order = tuple[Layout, Weaving]
"""What a batch needs: the layout, and how it is woven, with the first seed."""


class _Relay(QObject):
    """Brings a worker's events to the GUI thread."""

    event = Signal(object)


class BatchPanel(QWidget):
    """Count, format and folder of a batch; start and stop; progress.

    Parameters
    ----------
    order
        Called at the start for what to weave; raises a `HistoloomError` if something is missing.
    parent
        Qt parent.
    """

    told = Signal(bool, str)
    """(good, sentence) about how the batch went."""

    def __init__(self, order: Callable[[], Order], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._order = order
        self._worker: Any = None
        self._stopping = False
        self._problem = ""
        self.count = QSpinBox()
        self.count.setRange(1, 100_000)
        self.count.setValue(10)
        self.count.setToolTip("How many pictures; their seeds count up from the dock's seed.")
        self.format = QComboBox()
        self.format.addItems(["png", "tif"])
        self.folder = QLineEdit(str(Path.home() / "histoloom-woven"))
        browse = QPushButton("…")
        browse.setFixedWidth(28)
        browse.clicked.connect(self._on_browse)
        self.button = QPushButton("Weave batch")
        self.button.clicked.connect(self.toggle)
        self.progress = QProgressBar()
        self.progress.hide()
        row = QHBoxLayout()
        for widget in (self.count, QLabel("pictures as"), self.format):
            row.addWidget(widget)
        row.addStretch(1)
        where = QHBoxLayout()
        where.addWidget(QLabel("into"))
        where.addWidget(self.folder, 1)
        where.addWidget(browse)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (row, where):
            column.addLayout(part)
        column.addWidget(self.button)
        column.addWidget(self.progress)

    @property
    def is_running(self) -> bool:
        """Whether a batch is under way."""
        return self._worker is not None

    def toggle(self) -> None:
        """Start a batch, or stop the one under way; what is whole stays, and the next start goes on from there."""
        if self._worker is not None:
            self._stopping = True
            self.button.setText("Stopping…")
            self.button.setEnabled(False)
            return
        try:
            layout, weaving = self._order()
        except HistoloomError as error:
            self.told.emit(False, str(error))
            return
        count = self.count.value()
        seeds = list(range(weaving.seed, weaving.seed + count))
        folder, image_format = Path(self.folder.text()), self.format.currentText()
        self._stopping, self._problem = False, ""
        self.progress.setRange(0, count)
        self.progress.setValue(0)
        self.progress.show()
        self.button.setText("Stop")
        relay = _Relay(self)
        relay.event.connect(self._on_event)

        def work() -> None:
            weave_batch_beside(
                [("canvas", layout)],
                weaving.look,
                weaving.generator,
                weaving.recipe,
                seeds,
                folder,
                image_format=image_format,
                structure=weaving.structure,
                on_event=relay.event.emit,
                should_stop=lambda: self._stopping,
            )

        self._worker = create_worker(
            work, _connect={"finished": self._on_finished, "errored": self._on_error}, _start_thread=True
        )

    def _on_event(self, event: Any) -> None:
        if isinstance(event, PictureWoven | PictureSkipped | PictureFailed):
            self.progress.setValue(event.done)
        if isinstance(event, PictureFailed):
            self._problem = event.sentence
        if isinstance(event, BatchFinished):
            whole = event.woven + event.skipped
            if event.failed:
                self.told.emit(False, self._problem)
            elif event.was_stopped:
                self.told.emit(True, f"Stopped with {whole} pictures; press Weave batch to go on.")
            else:
                self.told.emit(True, f"{whole} pictures are in {self.folder.text()}.")

    def _on_error(self, error: Exception) -> None:
        self.told.emit(False, str(error) if isinstance(error, HistoloomError) else f"The batch failed: {error}.")

    def _on_finished(self) -> None:
        self._worker = None
        self.button.setText("Weave batch")
        self.button.setEnabled(True)
        self.progress.hide()

    def _on_browse(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder for woven pictures", self.folder.text())
        if name:
            self.folder.setText(name)
