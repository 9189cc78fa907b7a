"""Noticing that a training has gone wrong before its weights are saved."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

from histoloom.errors import TrainingError

_WARM_READINGS = 20
_SMOOTHING = 0.9
_TOO_MUCH = 1000.0


class DivergenceWatch:
    """Watches the losses that are reported.

    A loss that is not a number ends the training, and so does one whose running mean has grown to a thousand times the
    median of its first readings: adversarial losses swing, but not by that much.
    """

    def __init__(self) -> None:
        self._first: dict[str, list[float]] = {}
        self._mean: dict[str, float] = {}

    def look_at(self, step: int, losses: Mapping[str, float]) -> None:
        """Take in the losses of a step; raises `TrainingError` where they say that training is lost."""
        for name, value in losses.items():
            if not math.isfinite(value):
                raise TrainingError(
                    f"The loss '{name}' is no number any more at step {step}; resume from the last checkpoint with a "
                    "lower learning rate, a gradient clip, or float32."
                )
            first = self._first.setdefault(name, [])
            if len(first) < _WARM_READINGS:
                first.append(abs(value))
                self._mean[name] = statistics.median(first)
                continue
            self._mean[name] = _SMOOTHING * self._mean[name] + (1 - _SMOOTHING) * abs(value)
            usual = max(statistics.median(first), 1e-3)
            if self._mean[name] > _TOO_MUCH * usual:
                raise TrainingError(
                    f"The loss '{name}' has grown to {self._mean[name]:.3g} by step {step}, from {usual:.3g} at the "
                    "start; resume from an earlier checkpoint with a lower learning rate or a gradient clip."
                )

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"first": self._first, "mean": self._mean}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._first = {name: list(values) for name, values in state["first"].items()}
        self._mean = dict(state["mean"])
