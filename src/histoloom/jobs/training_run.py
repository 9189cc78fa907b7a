"""One run that is trained, was trained, or goes on: what a dock shows of it, and what it asks of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histoloom.errors import RunError
from histoloom.jobs.event_tail import EventTail
from histoloom.jobs.recent_runs import recent_runs, remember_run
from histoloom.jobs.training_order import TrainingOrder, read_order
from histoloom.jobs.training_process import TrainingProcess
from histoloom.jobs.training_series import TrainingSeries
from histoloom.jobs.woven_so_far import woven_so_far
from histoloom.runs import EVENTS, RECIPE, Run
from histoloom.training.events import (
    CheckpointSaved,
    FiguresMeasured,
    StepsDone,
    TrainingEvent,
    TrainingFailed,
    TrainingFinished,
    TrainingStarted,
)

TrainingState = Literal[
    "starting", "training", "paused", "stopping", "stopped", "finished", "failed", "broken off", "not begun"
]
ACTIVE: frozenset[TrainingState] = frozenset({"starting", "training", "paused", "stopping"})


@dataclass(frozen=True)
class TrainingStatus:
    """How a run stands.

    Parameters
    ----------
    state
        ``"broken off"`` where its process died without a word.
    sentence
        The same for people, and what to do.
    step, steps
        Steps that are done, and all; 0 where they are not known yet.
    device
        What it trains on, by name.
    seconds_left
        About how long it will go on, or None where nothing tells.
    """

    state: TrainingState
    sentence: str
    step: int = 0
    steps: int = 0
    device: str = ""
    seconds_left: float | None = None

    @property
    def is_active(self) -> bool:
        """Whether a process works on it."""
        return self.state in ACTIVE


class TrainingRun:
    """A run folder and the process that trains in it, if any; it goes on when this object is gone.

    Parameters
    ----------
    folder
        The run's folder. A run that is under way is found again by the id of its process, or by the run's lock where
        it was started from a shell.

    Attributes
    ----------
    warning
        A sentence where the latest figures of what is woven say that something went wrong, else empty.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).resolve()
        self.run = Run(self.folder)
        self.series = TrainingSeries()
        self.warning = ""
        self._tail = EventTail(self.folder / EVENTS)
        self._process = TrainingProcess.find(self.folder)
        self._forced = False
        self._started: TrainingStarted | None = None
        self._latest: StepsDone | None = None
        self._step = 0
        self._checkpoint: int | None = None
        self._ended: TrainingFinished | TrainingFailed | None = None
        self._said_anything = False

    @classmethod
    def start(cls, order: TrainingOrder, folder: str | Path) -> TrainingRun:
        """Keep an order in a run folder, and start its training.

        Raises
        ------
        RunError
            If there is a run in the folder, or one is being started in it.
        TrainingError, WriteError
            If the process cannot be started, or the folder cannot be written to.
        """
        path = Path(folder).resolve()
        before = TrainingProcess.find(path)
        if before is not None and before.is_alive:
            raise RunError(
                f"Another process trains in '{path.name}'; wait for its end, stop it, or choose another folder."
            )
        order.write(path)
        run = cls(path)
        run._launch(order.arguments(path))
        return run

    def resume(self) -> None:
        """Go on from the latest checkpoint.

        Raises
        ------
        RunError
            If it is under way, has no checkpoint, or was not started from a viewer.
        RecipeError
            If this version does not know its system or recipe.
        """
        self.poll()
        if self.status.is_active:
            raise RunError(f"The run '{self.folder.name}' is under way; wait for its end, or stop it.")
        self.run.latest_checkpoint()
        self._launch(read_order(self.folder).arguments(self.folder, resume=True))

    def poll(self) -> list[TrainingEvent]:
        """Read what has happened since the last call, and return it."""
        found = self._tail.read()
        for place, event in found:
            self.series.add(event)
            self._take_in(place, event)
        return [event for _, event in found]

    def stop(self) -> None:
        """Ask it to save a checkpoint and end; before its first step there is nothing to save, and it just ends."""
        if self.status.state == "starting" and self._process is not None:
            self.force()
        else:
            self.run.request_stop()

    def force(self) -> None:
        """End it at once: what it did since its last checkpoint is lost, and everything before is kept.

        Raises
        ------
        RunError
            If it was started from a shell, whose processes are not ours to end.
        """
        if self._process is None:
            raise RunError(f"The run '{self.folder.name}' was started from a shell; end it there with Ctrl+C.")
        self._forced = True
        self._process.kill()
        self.run.clear_requests()

    def pause(self) -> None:
        """Ask it to wait after its step, with all of its memory kept."""
        self.run.request_pause()

    def go_on(self) -> None:
        """Let a paused training go on."""
        self.run.clear_requests()

    @property
    def status(self) -> TrainingStatus:
        """How it stands, as of the last `poll`."""
        state = self._active_state() if self._is_alive else self._resting_state()
        step = self._step
        steps = self._started.steps if self._started else 0
        left = self._latest.seconds_per_step * (steps - step) if self._latest and state == "training" else None
        device = self._started.device if self._started else ""
        return TrainingStatus(state, self._sentence(state, step, steps), step, steps, device, left)

    @property
    def can_resume(self) -> bool:
        """Whether there is something to go on from, and a viewer knows how."""
        if not self.run.checkpoints() or self._resting_state() == "finished":
            return False
        with contextlib.suppress(RunError):
            return read_order(self.folder) is not None
        return False

    def _launch(self, arguments: list[str]) -> None:
        self.run.clear_requests()
        self._forced = self._said_anything = False
        self._process = TrainingProcess.start(arguments, self.folder)
        remember_run(self.folder)

    def _take_in(self, place: int, event: TrainingEvent) -> None:
        # Events from before the latest process tell what was reached, and not how that process is doing.
        self._said_anything |= self._process is None or place >= self._process.events_before
        self._step = event.step
        if isinstance(event, TrainingStarted):
            self._started, self._latest, self._ended = event, None, None
        elif isinstance(event, StepsDone):
            self._latest = event
        elif isinstance(event, FiguresMeasured):
            self.warning = event.warning
        elif isinstance(event, CheckpointSaved):
            self._checkpoint = event.step
        elif isinstance(event, TrainingFinished | TrainingFailed):
            self._ended = event

    @property
    def _is_alive(self) -> bool:
        if self._process is not None:
            return self._process.is_alive
        # Asking means taking the lock for a moment, which is why it is not asked about our own processes.
        return (self.folder / RECIPE).is_file() and self._ended is None and self.run.is_in_use

    def _active_state(self) -> TrainingState:
        if not self._said_anything:
            return "starting"
        if self.run.stop_requested or self._ended is not None:
            return "stopping"
        return "paused" if self.run.pause_requested else "training"

    def _resting_state(self) -> TrainingState:
        if self._forced:
            return "stopped"
        if self._process is not None and not self._said_anything:
            return "failed"
        if isinstance(self._ended, TrainingFailed):
            return "failed"
        if isinstance(self._ended, TrainingFinished):
            return "stopped" if self._ended.was_stopped else "finished"
        return "broken off" if self._started is not None else "not begun"

    def _sentence(self, state: TrainingState, step: int, steps: int) -> str:
        name, reached = self.folder.name, f"step {step:,} of {steps:,}"
        go_on = f"resume it from step {self._checkpoint:,}" if self._checkpoint else "start it again in a new folder"
        match state:
            case "starting":
                woven, wanted = woven_so_far(self.folder)
                if woven < wanted:
                    return f"'{name}' is starting: {woven:,} of {wanted:,} tiles are woven."
                return f"'{name}' is starting: reading tiles and building networks."
            case "training":
                return f"'{name}' trains: {reached}."
            case "paused":
                return f"'{name}' is paused at {reached}; it keeps its memory until it goes on or is stopped."
            case "stopping":
                return f"Stopping '{name}' after a checkpoint…"
            case "stopped":
                return f"'{name}' was stopped at {reached}; {go_on}." if steps else f"'{name}' was stopped."
            case "finished":
                if step < steps:
                    return f"'{name}' is trained: {reached}, after which its score was no longer getting better."
                return f"'{name}' is trained: {steps:,} steps."
            case "not begun":
                return f"'{name}' has not been trained yet."
            case "failed":
                return self._failure(go_on)
            case "broken off":
                return f"The process that trained '{name}' ended without a word after {reached}; {go_on}."

    def _failure(self, go_on: str) -> str:
        if isinstance(self._ended, TrainingFailed) and self._said_anything:
            return self._ended.sentence
        log = self._process.log if self._process is not None else ""
        lines = [line.strip() for line in log.splitlines() if line.strip()]
        last = lines[-1] if lines else "its process ended without a word"
        if "Traceback (most recent call last)" in log or not lines:
            return f"Training '{self.folder.name}' failed ({last}); {go_on}."
        return last


def runs_under_way() -> list[TrainingRun]:
    """Return the remembered runs that a process started from a viewer trains now, the latest first."""
    found = []
    for folder in recent_runs():
        process = TrainingProcess.find(folder)
        if process is not None and process.is_alive:
            run = TrainingRun(folder)
            run.poll()
            found.append(run)
    return found


def refuse_second_training() -> None:
    """Raise `RunError` if a run is under way: two trainings would take each other's memory and cores."""
    under_way = runs_under_way()
    if under_way:
        raise RunError(f"'{under_way[0].folder.name}' is being trained; wait for its end, or stop it first.")
