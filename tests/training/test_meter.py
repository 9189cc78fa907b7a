"""Averages of what a training reports."""

from __future__ import annotations

import pytest
import torch

from histoloom.training import meter as meters
from histoloom.training.meter import Meter


def test_what_is_due_now_and_then_does_not_make_a_step_seem_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(meters.time, "perf_counter", lambda: now[0])
    meter = Meter()
    for _ in range(2):
        now[0] += 1.0
        meter.add({"loss": torch.tensor(3.0)}, waited=0.5)
        with meter.leaving_out():
            now[0] += 60.0

    losses, seconds, wait = meter.read()

    assert (losses, seconds, wait) == ({"loss": 3.0}, 1.0, 0.5)
    assert meter.read()[1] == 0.0
