"""What a critic says of one picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import ImportanceError
from histoloom.importance.weights import Bounds, check_bounds, check_ratio, logit_weights


@dataclass(frozen=True, eq=False)
class Judgement:
    """A local map of how real a picture is.

    Parameters
    ----------
    logits
        ``float32 (h, w)``: calibrated log-odds of being real; each stands for a square of `step` pixels, the last of a
        row or column for what is left of one.
    step
        Side of these squares in pixels of the picture.
    shape
        Height and width of the picture.
    ratio
        Woven samples over real ones where these odds come from; see `importance_weights`.

    Raises
    ------
    ImportanceError
        If a logit is not a number, the map is not of the picture's size, or step or ratio are not above 0.
    """

    logits: NDArray[np.float32]
    step: int
    shape: tuple[int, int]
    ratio: float = 1.0

    def __post_init__(self) -> None:
        """Check the map."""
        if not self.step >= 1:
            raise ImportanceError(
                f"A critic cannot say something every {self.step:g} pixels; give a step of at least 1."
            )
        check_ratio(self.ratio)
        wanted = tuple(-(-side // self.step) for side in self.shape)
        if self.logits.shape != wanted or not self.logits.size:
            raise ImportanceError(
                f"A map of {self.logits.shape} logits does not belong to a picture of {self.shape[0]} x "
                f"{self.shape[1]} pixels with a logit every {self.step} pixels; judge the picture anew."
            )
        if not np.isfinite(self.logits).all():
            raise ImportanceError(
                "The critic's logits are not all numbers; its weights are damaged or were trained until they diverged, "
                "so take an earlier checkpoint."
            )

    @cached_property
    def probability_real(self) -> float:
        """Mean of the local probabilities, as the authors' code takes it, in 0..1."""
        real, _ = self._mean_probabilities()
        return real

    def weight(self, clip: Bounds | None = None) -> float:
        """Return how much the picture counts: equation 5 of the mean probability.

        Parameters
        ----------
        clip
            The least and the largest weight; None for any.
        """
        real, woven = self._mean_probabilities()
        # Both means are taken, because 1 - mean would round to 0 where a critic is sure.
        weight = self.ratio * (real / woven if woven > 0 else math.inf)
        if clip is not None:
            check_bounds(clip)
            weight = min(max(weight, clip[0]), clip[1])
        return weight

    def weight_map(self, clip: Bounds | None = None) -> NDArray[np.float32]:
        """Return the weight of each pixel, ``float32 (H, W)``: logits between centres of squares are interpolated."""
        # Weights beyond the largest float32 are infinite, as those of certainty are.
        with np.errstate(over="ignore"):
            return logit_weights(self.logit_map(), self.ratio, clip).astype(np.float32)

    def logit_map(self) -> NDArray[np.float32]:
        """Return the logit of each pixel, ``float32 (H, W)``."""
        import cv2

        rows, columns = (self.step * side for side in self.logits.shape)
        enlarged = cv2.resize(self.logits, (columns, rows), interpolation=cv2.INTER_LINEAR)
        return np.asarray(enlarged[: self.shape[0], : self.shape[1]], np.float32)

    def _mean_probabilities(self) -> tuple[float, float]:
        """Return the mean probabilities of being real and of being woven, each square by its share of the picture."""
        logits = self.logits.astype(np.float64)
        rows, columns = (self._pixels_of(side, count) for side, count in zip(self.shape, logits.shape, strict=True))
        share = rows[:, None] * columns / float(self.shape[0] * self.shape[1])
        # exp(-log(1 + e^x)) keeps small probabilities that 1 / (1 + e^x) would lose.
        real = np.exp(-np.logaddexp(0.0, -logits))
        woven = np.exp(-np.logaddexp(0.0, logits))
        return float((real * share).sum()), float((woven * share).sum())

    def _pixels_of(self, side: int, count: int) -> NDArray[np.float64]:
        starts = np.arange(count) * self.step
        return np.asarray(np.minimum(starts + self.step, side) - starts, np.float64)
