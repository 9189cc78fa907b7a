"""Whether a discriminator's probabilities are true, and making them so."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histoloom.errors import ImportanceError
from histoloom.importance.weights import as_numbers, effective_sample_size, logit_weights

_NEAR = 1.15
"""Weights within this factor are the same to the eye."""

_MOST = 0.9
_FEWEST = 5
"""Of fewer weights nothing is said: one that is 1 by chance tells nothing of a critic."""

_COLLAPSED_SHARE, _COLLAPSED_MEDIAN = 0.1, 0.05
_RUNAWAY_MEDIAN = 20.0
_LARGEST_ERROR = 0.1
_LARGEST_LOGIT = 500.0


@dataclass(frozen=True)
class Calibration:
    """What makes log-odds of a discriminator's logits (Platt 1999).

    Parameters
    ----------
    slope
        What logits are multiplied by, from 0.
    intercept
        What is then added.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def applied(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Return calibrated logits of the same shape."""
        return np.asarray(self.slope * np.asarray(logits, np.float64) + self.intercept, np.float64)


@dataclass(frozen=True)
class ReliabilityBin:
    """Samples of which a discriminator says much the same.

    Parameters
    ----------
    probability_real
        What it says, on average, in 0..1.
    share_real
        How many of them are real, in 0..1.
    count
        How many they are.
    """

    probability_real: float
    share_real: float
    count: int


def fit_calibration(logits: ArrayLike, is_real: ArrayLike) -> Calibration:
    """Fit slope and intercept on held-out samples by maximum likelihood, with the targets of Platt (1999).

    The odds are then those of these samples, so the ratio that weights want is theirs: woven ones over real ones.

    Parameters
    ----------
    logits
        Of held-out real and woven samples, ``(N,)``; from a discriminator that has not seen them.
    is_real
        Which of them are real, ``(N,)``.

    Returns
    -------
    Calibration
        Its slope is never below 0: a discriminator that ranks the wrong way is taken for a blind one, whose slope is 0,
        as that of one which says the same of all samples.

    Raises
    ------
    ImportanceError
        If they differ in number, there are none of one sort, a logit is not a finite number, or a mark of what is real
        is neither true nor false.
    """
    from scipy.optimize import minimize

    given, real = _samples(logits, is_real)
    if not np.isfinite(given).all():
        raise ImportanceError(
            "A logit is no finite number; the discriminator is damaged or was trained until it diverged, so take an "
            "earlier checkpoint."
        )
    reals, wovens = int(real.sum()), int((~real).sum())
    # Not quite 1 and 0, or samples that a line separates would ask for an infinite slope.
    targets = np.where(real, (reals + 1.0) / (reals + 2.0), 1.0 / (wovens + 2.0))
    if np.ptp(given) == 0:
        return Calibration(0.0, math.log(targets.mean() / (1.0 - targets.mean())))
    middle, spread = float(given.mean()), float(given.std())
    standard = (given - middle) / spread

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = parameters[0] * standard + parameters[1]
        apart = 1.0 / (1.0 + np.exp(-np.clip(odds, -_LARGEST_LOGIT, _LARGEST_LOGIT))) - targets
        value = (np.logaddexp(0.0, odds) - targets * odds).mean()
        return float(value), np.array([(apart * standard).mean(), apart.mean()])

    start = np.array([1.0, math.log(reals / wovens)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    slope = float(found.x[0]) / spread
    return Calibration(slope, float(found.x[1]) - slope * middle)


def reliability_curve(probability_real: ArrayLike, is_real: ArrayLike, bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """Return what a discriminator says and what is true, in bins of equal width; empty ones are left out.

    Parameters
    ----------
    probability_real
        Of held-out real and woven samples, in 0..1, ``(N,)``.
    is_real
        Which of them are real, ``(N,)``.
    bins
        How many, from 1.

    Raises
    ------
    ImportanceError
        If they differ in number, there are none of one sort, or a probability is not in 0..1.
    """
    given, real = _samples(probability_real, is_real)
    if not ((given >= 0.0) & (given <= 1.0)).all():
        raise ImportanceError("A probability of being real is no number in 0 to 1; give probabilities, not logits.")
    place = np.minimum((given * max(bins, 1)).astype(int), max(bins, 1) - 1)
    return tuple(
        ReliabilityBin(
            float(given[place == each].mean()), float(real[place == each].mean()), int((place == each).sum())
        )
        for each in np.unique(place)
    )


def expected_calibration_error(probability_real: ArrayLike, is_real: ArrayLike, bins: int = 10) -> float:
    """Return how far probabilities are from what is true, on average, in 0..1 (Naeini et al. 2015).

    Parameters and errors are those of `reliability_curve`.
    """
    curve = reliability_curve(probability_real, is_real, bins)
    total = sum(each.count for each in curve)
    return sum(each.count * abs(each.probability_real - each.share_real) for each in curve) / total


def verdict(logits: ArrayLike, ratio: float = 1.0, is_real: ArrayLike | None = None) -> tuple[str, ...]:
    """Return what is wrong with how a discriminator weighs, as sentences; none where nothing is.

    Parameters
    ----------
    logits
        Calibrated, one for each woven tile or place, ``(N,)``; or of real ones as well. Of fewer than five woven ones
        nothing is said.
    ratio
        Woven samples over real ones where its odds come from.
    is_real
        Which of the logits are of real tiles; None if none is. With them its probabilities are checked, too.

    Raises
    ------
    ImportanceError
        If there is no woven tile, a logit is not a number, or the ratio is not possible.
    """
    given = as_numbers(logits, "Logits").ravel()
    if is_real is not None:
        given, real = _samples(logits, is_real)
    else:
        real = np.zeros(given.shape, bool)
    weights = logit_weights(np.clip(given[~real], -_LARGEST_LOGIT, _LARGEST_LOGIT), ratio)
    sentences = _sentences_about(weights, ratio)
    if is_real is not None:
        probabilities = np.exp(-np.logaddexp(0.0, -given))
        error = expected_calibration_error(probabilities, real)
        if error > _LARGEST_ERROR:
            sentences.append(
                f"The critic's probabilities are off by {error:.2f} on average on these tiles, so its weights are, "
                "too; calibrate it on held-out tiles like them."
            )
    return tuple(sentences)


def _sentences_about(weights: NDArray[np.float64], ratio: float) -> list[str]:
    effective = effective_sample_size(weights)
    if len(weights) < _FEWEST:
        return []
    if _near(weights, ratio) and not _near(weights, 1.0):
        return [
            f"Nearly all weights are {ratio:.3g}, the ratio of woven to real samples itself, so the critic's prior is "
            "another one than its ratio says; calibrate it on as many woven and real tiles as the ratio tells."
        ]
    if effective < _COLLAPSED_SHARE * len(weights) or np.median(weights) < _COLLAPSED_MEDIAN:
        return [
            "The critic tells nearly everything woven from what is real, so the weights collapse onto a few; take a "
            "critic that was trained less or on tiles of this generator, or clip the weights."
        ]
    if _near(weights, 1.0):
        return [
            "The critic cannot tell woven tiles from real ones, so nearly all weights are 1 and say nothing; that is "
            "good news if it can tell other ones, and else it should be trained longer."
        ]
    if np.median(weights) > _RUNAWAY_MEDIAN:
        return [
            "The critic takes most woven tiles for far more real than real ones, so nearly all weights are large and "
            "say nothing; calibrate it again on held-out tiles like these, or clip the weights."
        ]
    return []


def _near(weights: NDArray[np.float64], value: float) -> bool:
    apart = np.abs(np.log(np.maximum(weights, np.finfo(np.float64).tiny) / value))
    return bool((apart <= math.log(_NEAR)).mean() >= _MOST)


def _samples(values: ArrayLike, is_real: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    given, marks = as_numbers(values, "Logits and probabilities").ravel(), as_numbers(is_real, "Marks").ravel()
    if not np.isin(marks, (0.0, 1.0)).all():
        raise ImportanceError("A mark of what is real is neither true nor false; give one of them for each value.")
    real = marks.astype(bool)
    if given.shape != real.shape:
        raise ImportanceError(
            f"There are {len(given)} values and {len(real)} marks of what is real; give one mark for each value."
        )
    if not real.any() or real.all():
        missing = "real" if not real.any() else "woven"
        raise ImportanceError(
            f"There are no {missing} tiles to check the critic by; give held-out tiles of both sorts."
        )
    return given, real
