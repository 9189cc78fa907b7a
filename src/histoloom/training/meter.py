"""Averages of what a training reports."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


class Meter:
    """Averages losses on their device, so that no step waits for the figure of another."""

    def __init__(self) -> None:
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._count, self._waited, self._begin = 0, 0.0, time.perf_counter()

    def add(self, losses: Mapping[str, torch.Tensor], waited: float) -> None:
        """Take in a step's losses, and the seconds that it waited for data."""
        for name, value in losses.items():
            loss = value.detach().float()
            self._sums[name] = self._sums[name] + loss if name in self._sums else loss
        self._count += 1
        self._waited += waited

    def leave_out(self, seconds: float) -> None:
        """Leave out time in which nothing was trained."""
        self._begin += seconds

    @contextmanager
    def leaving_out(self) -> Iterator[None]:
        """Leave out what the block takes: what it does is due now and then, and would make a step seem slow."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.leave_out(time.perf_counter() - begin)

    def read(self) -> tuple[dict[str, float], float, float]:
        """Return mean losses, seconds a step, and the share of time spent waiting for data; begin anew."""
        losses = {name: float(value) / self._count for name, value in self._sums.items()}
        elapsed = time.perf_counter() - self._begin
        result = losses, elapsed / max(self._count, 1), self._waited / max(elapsed, 1e-9)
        self._begin_anew()
        return result
