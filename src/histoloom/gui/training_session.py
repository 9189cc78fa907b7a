"""The training that a viewer follows: looked at twice a second, and not ended by closing docks."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow

from histoloom.gui.closing_question import ask_before_closing
from histoloom.jobs.recent_runs import remember_run
from histoloom.jobs.training_order import Trained, TrainingOrder, what_is_trained
from histoloom.jobs.training_run import TrainingRun, TrainingStatus, refuse_second_training, runs_under_way

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_LOOK_EVERY_MS = 500

_sessions: weakref.WeakKeyDictionary[Canvas, dict[Trained, TrainingSession]] = weakref.WeakKeyDictionary()


def training_session_of(canvas: Canvas, trained: Trained = "generator") -> TrainingSession:
    """Return the session of a canvas that follows trainings of one kind, made at the first call."""
    sessions = _sessions.setdefault(canvas, {})
    if trained not in sessions:
        sessions[trained] = TrainingSession(trained)
    return sessions[trained]


class TrainingSession(QObject):
    """Follows one run, and tells what happens in it.

    Parameters
    ----------
    trained
        What such runs train; one that is under way is found again by it.
    """

    opened = Signal(object)
    """The `TrainingRun` that is followed now, or None."""
    told = Signal(object)
    """A list of new events."""
    changed = Signal(object)
    """The `TrainingStatus`, after it has changed."""

    def __init__(self, trained: Trained = "generator") -> None:
        super().__init__()
        self._trained = trained
        self.run: TrainingRun | None = None
        self._status: TrainingStatus | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_EVERY_MS)
        self._timer.timeout.connect(self.look)

    @property
    def status(self) -> TrainingStatus | None:
        """How the run stood at the last look, or None without a run."""
        return self._status

    def guard(self, window: QMainWindow) -> None:
        """Ask before a window is closed while trainings are under way."""
        ask_before_closing(window)

    def start(self, order: TrainingOrder, folder: Path) -> None:
        """Start a training and follow it; raises as `TrainingRun.start`, and if another one is under way."""
        refuse_second_training()
        self._follow(TrainingRun.start(order, folder))

    def resume(self) -> None:
        """Go on with the run that is followed; raises as `TrainingRun.resume`, and if another one is under way."""
        if self.run is not None:
            refuse_second_training()
            self.run.resume()
            self.look()

    def open(self, folder: Path) -> None:
        """Follow the run of a folder, whether it is under way or not."""
        run = TrainingRun(folder)
        remember_run(run.folder)
        self._follow(run)

    def open_under_way(self) -> bool:
        """Follow a run that is under way, if there is one and none is followed yet; whether there is a run now."""
        if self.run is None:
            under_way = [each for each in runs_under_way() if what_is_trained(each.folder) == self._trained]
            if under_way:
                self.open(under_way[0].folder)
        return self.run is not None

    def close(self) -> None:
        """Follow nothing any more; a training goes on by itself."""
        self._follow(None)

    def look(self) -> None:
        """Read what has happened since the last look."""
        if self.run is None:
            return
        events = self.run.poll()
        if events:
            self.told.emit(events)
        status = self.run.status
        if status != self._status:
            self._status = status
            self.changed.emit(status)

    def _follow(self, run: TrainingRun | None) -> None:
        self.run, self._status = run, None
        self.opened.emit(run)
        if run is None:
            self._timer.stop()
        else:
            self._timer.start()
            self.look()
