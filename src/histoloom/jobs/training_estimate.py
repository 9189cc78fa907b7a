"""What a training will take, asked of the command line: the viewer's process knows no PyTorch."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histoloom.errors import TrainingError
from histoloom.jobs.training_order import TrainingOrder
from histoloom.jobs.training_process import start_quietly
from histoloom.writing import write_json

_LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class EstimatedTraining:
    """About what a training will take.

    Parameters
    ----------
    memory_bytes
        Memory of its device.
    seconds_per_step, total_seconds
        Time, on this machine as busy as it is now.
    """

    memory_bytes: int
    seconds_per_step: float
    total_seconds: float

    @property
    def sentence(self) -> str:
        """The same for people."""
        return (
            f"About {words_of_duration(self.total_seconds)} ({self.seconds_per_step:.2g} s a step) "
            f"and {self.memory_bytes / 2**30:.1f} GB of memory."
        )


def ask_for_estimate(order: TrainingOrder, should_stop: Callable[[], bool]) -> EstimatedTraining | None:
    """Ask a process of its own what a training would take; returns None where somebody asked to stop.

    Raises
    ------
    TrainingError
        With the sentence of what is wrong with the order, its data or the memory.
    """
    with tempfile.TemporaryDirectory(prefix="histoloom-estimate-") as name:
        folder = Path(name)
        write_json(folder / "recipe.json", order.recipe.as_json())
        words = ["train", order.system, *order.data_arguments(), "--output", str(folder / "run"), "--estimate"]
        words += ["--recipe", str(folder / "recipe.json")]
        answer = _asked(words, should_stop)
    if answer is None:
        return None
    try:
        values = _last_object(answer)
        return EstimatedTraining(
            int(values["memory_bytes"]), float(values["seconds_per_step"]), float(values["total_seconds"])
        )
    except (ValueError, KeyError, TypeError):
        raise TrainingError("The estimate gave no numbers; start the training to see what it takes.") from None


def devices_by_name(should_stop: Callable[[], bool]) -> list[str]:
    """Return the names of the devices that training could use, the fastest first; none where that cannot be found out.

    It is asked of a process of its own, which takes seconds.
    """
    try:
        answer = _asked(["info", "--json"], should_stop)
        devices = json.loads(answer or "{}").get("devices", [])
    except (TrainingError, ValueError):
        return []
    return [str(each) for each in devices]


def words_of_duration(seconds: float) -> str:
    """Return a duration as people say it, such as ``"3 h 20 min"``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def _asked(words: list[str], should_stop: Callable[[], bool]) -> str | None:
    process = start_quietly(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while True:
        try:
            out, errors = process.communicate(timeout=_LOOK_EVERY_S)
            break
        except subprocess.TimeoutExpired:
            if should_stop():
                process.kill()
                process.communicate()
                return None
    if process.returncode:
        lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
        raise TrainingError(lines[-1] if lines else "The estimate ended without a word; start the training instead.")
    return out.decode("utf-8", "replace")


def _last_object(text: str) -> dict[str, Any]:
    values = json.loads(text.strip().splitlines()[-1])
    if not isinstance(values, dict):
        raise TypeError(text)
    return values
