"""What a training tells while it runs: typed events, each one line of ``events.jsonl``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class TrainingStarted:
    """Training begins after ``step`` steps of ``steps``; sizes in tiles and parameters, memory in bytes."""

    step: int
    steps: int
    device: str
    precision: str
    world_size: int
    training_tiles: int
    validation_tiles: int
    parameters: int
    memory_estimate: int
    woven_tiles: int = 0


@dataclass(frozen=True)
class StepsDone:
    """Losses, averaged over the steps since the last report; ``seconds`` a step and the share spent awaiting data."""

    step: int
    losses: Mapping[str, float]
    learning_rate: float
    seconds_per_step: float
    data_wait: float


@dataclass(frozen=True)
class Validated:
    """Losses on held-out crops."""

    step: int
    losses: Mapping[str, float]


@dataclass(frozen=True)
class PreviewSaved:
    """A preview was written; ``path`` is relative to the run."""

    step: int
    path: str


@dataclass(frozen=True)
class FiguresMeasured:
    """How diverse weaves are and how far their colours have drifted, measured with each preview; None where unknown.

    Parameters
    ----------
    step
        After how many steps.
    similarity, l1_distance
        Means over all pairs of weaves of one held-out layout with several seeds: MS-SSIM (1 for equal pictures), and
        absolute difference as a share of the grey levels.
    hematoxylin_shift, eosin_shift, optical_density_shift
        See `histoloom.tiles.stain_summary.ColorDrift`; means over the previews' layouts against their real crops.
    warning
        A sentence where the figures say that something went wrong, else empty.
    """

    step: int
    similarity: float | None
    l1_distance: float | None
    hematoxylin_shift: float | None
    eosin_shift: float | None
    optical_density_shift: float | None
    warning: str = ""


@dataclass(frozen=True)
class CheckpointSaved:
    """The run can be resumed from here; ``path`` is relative to the run."""

    step: int
    path: str


@dataclass(frozen=True)
class TrainingPaused:
    """Someone asked to wait, after so many steps."""

    step: int


@dataclass(frozen=True)
class TrainingContinued:
    """The wait is over."""

    step: int


@dataclass(frozen=True)
class TrainingFinished:
    """The end: all steps done, or stopped because someone asked."""

    step: int
    was_stopped: bool


@dataclass(frozen=True)
class TrainingFailed:
    """The end by an error; ``sentence`` says what to do."""

    step: int
    sentence: str


TrainingEvent = (
    TrainingStarted
    | StepsDone
    | Validated
    | PreviewSaved
    | FiguresMeasured
    | CheckpointSaved
    | TrainingPaused
    | TrainingContinued
    | TrainingFinished
    | TrainingFailed
)
_KINDS: dict[str, type[Any]] = {
    each.__name__: each
    for each in (
        TrainingStarted, StepsDone, Validated, PreviewSaved, FiguresMeasured, CheckpointSaved, TrainingPaused,
        TrainingContinued, TrainingFinished, TrainingFailed,
    )
}  # fmt: skip

OnEvent = Callable[[TrainingEvent], None]


def event_as_json(event: TrainingEvent) -> dict[str, Any]:
    """Return an event as plain values, with its kind and the time in seconds since 1970."""
    return {"kind": type(event).__name__, "time": round(time.time(), 3), **asdict(event)}


def event_from_json(values: Mapping[str, Any]) -> TrainingEvent | None:
    """Return the event of a line, or None where it is of a kind or form that this version does not know."""
    kind = _KINDS.get(str(values.get("kind")))
    if kind is None:
        return None
    try:
        # Fields with defaults are later than some runs.
        event: TrainingEvent = kind(**{each.name: values[each.name] for each in fields(kind) if each.name in values})
    except TypeError:
        return None
    return event


def history(events: Iterable[TrainingEvent]) -> list[TrainingEvent]:
    """Return the events of steps that count: what a resumed run did again replaces what it did before."""
    kept: list[TrainingEvent] = []
    for event in events:
        if isinstance(event, TrainingStarted):
            kept = [each for each in kept if each.step <= event.step]
        kept.append(event)
    return kept
