"""Which of a training's weights were the best on held-out crops, and when waiting for better ones is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class BestScore:
    """Watches a score of which higher is better.

    Parameters
    ----------
    patience
        After how many scores without a better one training ends; 0 for never.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self.step = 0
        """After how many steps the score was best; 0 before the first."""
        self._score = 0.0
        self._since = 0

    @property
    def is_final(self) -> bool:
        """Whether patience is at its end."""
        return 0 < self._patience <= self._since

    def take(self, step: int, score: float) -> bool:
        """Take in the score after a step, and return whether it is the best."""
        if self.step and score <= self._score:
            self._since += 1
            return False
        self.step, self._score, self._since = step, score, 0
        return True

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"step": self.step, "score": self._score, "since": self._since}

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Go on from a checkpoint; one of before there were scores has none."""
        if state is not None:
            self.step, self._score, self._since = int(state["step"]), float(state["score"]), int(state["since"])
