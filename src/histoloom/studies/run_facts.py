"""What reports of studies tell of a run: how fast it was, what its losses were, and where it ran."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from histoloom.runs import Run
from histoloom.training.events import StepsDone, event_from_json, history

_NAMED = ("histoloom", "device", "precision", "threads", "packages", "data", "split")


def reports_of(run: Run) -> list[StepsDone]:
    """Return what a run told of its steps, each once, in their order."""
    events = [event for values in run.events() if (event := event_from_json(values)) is not None]
    return [event for event in history(events) if isinstance(event, StepsDone)]


def seconds_per_step(run: Run) -> float | None:
    """Return the median duration of a step, or None if none is known."""
    seconds = [event.seconds_per_step for event in reports_of(run)]
    return round(float(np.median(seconds)), 4) if seconds else None


def losses_at_end(run: Run) -> dict[str, float]:
    """Return the last losses that a run told of."""
    reports = reports_of(run)
    return {name: round(value, 5) for name, value in reports[-1].losses.items()} if reports else {}


def named_environment(runs: Iterable[Run]) -> dict[str, Any]:
    """Return what matters of the environment of the first of some runs."""
    environment = next((run.environment for run in runs), {})
    return {name: environment[name] for name in _NAMED if name in environment}
