"""What a training tells over its steps, as curves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from histoloom.training.events import (
    CheckpointSaved,
    PreviewSaved,
    StepsDone,
    TrainingEvent,
    TrainingFailed,
    TrainingFinished,
    TrainingStarted,
    Validated,
)

Group = Literal["training", "held-out", "score", "diversity", "colour"]

SCORES = ("dice",)
"""What validations tell besides losses: more of it is better."""

_WITHOUT_FIGURES = (
    CheckpointSaved, PreviewSaved, StepsDone, TrainingFailed, TrainingFinished, TrainingStarted, Validated,
)  # fmt: skip


@dataclass
class Curve:
    """Values over steps, in their order."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, step: int, value: float) -> None:
        """Add a value."""
        self.steps.append(step)
        self.values.append(value)

    @property
    def best(self) -> tuple[int, float] | None:
        """The first step with the highest value, and that value; None without values."""
        if not self.steps:
            return None
        value = max(self.values)
        return self.steps[self.values.index(value)], value

    def forget_after(self, step: int) -> None:
        """Drop the values of later steps."""
        while self.steps and self.steps[-1] > step:
            self.steps.pop()
            self.values.pop()


class TrainingSeries:
    """Curves by group and name; what a resumed run does again replaces what it did before."""

    def __init__(self) -> None:
        self._curves: dict[Group, dict[str, Curve]] = {each: {} for each in get_args(Group)}

    def curves(self, group: Group) -> Mapping[str, Curve]:
        """Return the curves of a group: losses on training or held-out crops, scores, or figures of what is woven."""
        return self._curves[group]

    def add(self, event: TrainingEvent) -> None:
        """Take in an event."""
        if isinstance(event, TrainingStarted):
            for group in self._curves.values():
                for curve in group.values():
                    curve.forget_after(event.step)
        elif isinstance(event, StepsDone):
            self._add("training", event.step, event.losses)
        elif isinstance(event, Validated):
            scores = {name: value for name, value in event.losses.items() if name in SCORES}
            self._add("score", event.step, scores)
            self._add("held-out", event.step, {name: event.losses[name] for name in event.losses if name not in scores})
        else:
            figures = figures_of(event)
            colour = {name: each for name, each in figures.items() if "shift" in name or "drift" in name}
            self._add("colour", event.step, colour)
            self._add("diversity", event.step, {name: figures[name] for name in figures if name not in colour})

    def _add(self, group: Group, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if math.isfinite(value):
                self._curves[group].setdefault(name, Curve()).add(step, float(value))


def figures_of(event: Any) -> dict[str, float]:
    """Return an event's numbers by name, such as ``"color drift"``; those that have curves of their own have none."""
    if isinstance(event, _WITHOUT_FIGURES):
        return {}
    figures = {}
    for each in fields(event):
        value, name = getattr(event, each.name), each.name.replace("_", " ")
        parts = value.items() if isinstance(value, Mapping) else [("", value)]
        for part, number in parts:
            if name != "step" and isinstance(number, int | float) and not isinstance(number, bool):
                figures[f"{name} {part}".strip()] = float(number)
    return figures
