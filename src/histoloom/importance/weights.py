"""From what a discriminator believes to how much a woven sample counts (Hou et al. 2019, equations 1 to 5)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histoloom.errors import ImportanceError

Bounds = tuple[float, float]
"""The least and the largest weight."""


def importance_weights(probability_real: ArrayLike, ratio: float, clip: Bounds | None = None) -> NDArray[np.float64]:
    """Return how much woven samples count, so that their weighted mean is that of real ones.

    This is equation 5, p / g = c D / (1 - D), computed by logarithms.

    Parameters
    ----------
    probability_real
        How probably each sample is real, in 0..1; any shape. Exactly 0 gives weight 0, and exactly 1 gives infinity,
        which no mean can use: clip it, or give logits to `logit_weights`.
    ratio
        How many woven samples there were for each real one where these probabilities come from; above 0.
    clip
        The least and the largest weight; None for any.

    Returns
    -------
    ndarray
        ``float64`` of the same shape, from 0.

    Raises
    ------
    ImportanceError
        If a probability is not a number or not in 0..1, or ratio or bounds are not possible.

    Examples
    --------
    >>> importance_weights([0.2, 0.5, 0.8], ratio=1.0).round(2).tolist()
    [0.25, 1.0, 4.0]
    """
    given = as_numbers(probability_real, "Probabilities of being real")
    if np.isnan(given).any():
        raise ImportanceError(
            "A probability of being real is not a number; the discriminator is damaged or was trained until it "
            "diverged, so take an earlier checkpoint."
        )
    if not ((given >= 0.0) & (given <= 1.0)).all():
        raise ImportanceError(
            "A probability of being real lies outside 0 to 1; what discriminators give before a sigmoid are logits, "
            "which 'logit_weights' takes."
        )
    with np.errstate(divide="ignore"):
        log_odds = np.log(given) - np.log1p(-given)
    return _clipped(log_odds, ratio, clip)


def logit_weights(logit: ArrayLike, ratio: float, clip: Bounds | None = None) -> NDArray[np.float64]:
    """Return the weights of `importance_weights` for calibrated logits, the logarithms of D / (1 - D).

    Parameters
    ----------
    logit
        Any shape; above 0 is rather real. They stay exact where probabilities round to 0 or 1.
    ratio, clip
        As for `importance_weights`.

    Raises
    ------
    ImportanceError
        If a logit is not a number, or ratio or bounds are not possible.
    """
    given = as_numbers(logit, "Logits")
    if np.isnan(given).any():
        raise ImportanceError(
            "A logit is not a number; the discriminator is damaged or was trained until it diverged, so take an "
            "earlier checkpoint."
        )
    return _clipped(given, ratio, clip)


def normalized_weights(weights: ArrayLike) -> NDArray[np.float64]:
    """Return weights scaled so that their mean is 1.

    Raises
    ------
    ImportanceError
        If there are none, one is no number from 0, or all are 0.
    """
    given = _usable(weights)
    largest = given.max()
    if largest == 0:
        raise ImportanceError(
            "All tiles are rejected (all weights are 0), so nothing is left to learn from; keep some of them, or raise "
            "the lower end of the clip range."
        )
    # Relative to the largest, because the sum of large weights would overflow.
    relative = given / largest
    return np.asarray(relative / relative.mean(), np.float64)


def weights_among_alike(weights: ArrayLike, measure: ArrayLike, groups: int) -> NDArray[np.float64]:
    """Return weights scaled so that their mean is 1 among tiles that are alike in some measure of their layouts.

    Equation 5 weighs pictures together with their labels: where a generator weaves crowded tissue worse than sparse
    tissue, it takes crowded tissue out of what is learnt. What is left here is how real a tile looks *for its layout*,
    p(x | y) / g(x | y), as far as the measure says what the layout is like. This is not in the paper.

    Parameters
    ----------
    weights
        One for each tile, from 0.
    measure
        One number for each tile, such as the share of it that is nuclei.
    groups
        Into how many groups of about equal size tiles are parted by their measure, of two tiles or more in the mean;
        tiles of one measure stay together. 1 is `normalized_weights`.

    Returns
    -------
    ndarray
        ``float64 (N,)``; a group whose weights are all 0 keeps them. Weights that were clipped may leave their range.

    Raises
    ------
    ImportanceError
        If there are none, one is no number from 0, all are 0, there is not one measure for each, or there are more
        groups than pairs of tiles.
    """
    given = normalized_weights(weights)
    measures = np.asarray(measure, np.float64)
    if measures.shape != given.shape or not np.isfinite(measures).all():
        raise ImportanceError(
            "Weights among alike tiles need a number for each tile, such as its coverage; give those."
        )
    if not 1 <= groups <= max(len(given) // 2, 1):
        raise ImportanceError(
            f"{len(given)} tiles cannot be parted into {groups} groups of alike ones; give from 1 to half as many "
            "groups as there are tiles."
        )
    order = np.argsort(measures, kind="stable")
    begins = measures[[part[0] for part in np.array_split(order, groups)]]
    group = np.searchsorted(np.unique(begins), measures, side="right")
    result = given.copy()
    for each in np.unique(group):
        part = group == each
        if given[part].sum() > 0:
            result[part] = given[part] / given[part].mean()
    return result


def effective_sample_size(weights: ArrayLike) -> float:
    """Return how many equally weighted samples these are worth, (sum w)^2 / sum w^2 (Kish 1965).

    From 1, where one of them has all the weight, to their number; 0 where all weights are 0.

    Raises
    ------
    ImportanceError
        If there are none, or one is no number from 0.
    """
    given = _usable(weights)
    largest = given.max()
    if largest == 0:
        return 0.0
    # Relative to the largest, because squares of large weights would overflow.
    relative = given / largest
    return float(relative.sum() ** 2 / (relative**2).sum())


def _clipped(log_odds: NDArray[np.float64], ratio: float, clip: Bounds | None) -> NDArray[np.float64]:
    check_ratio(ratio)
    if clip is not None:
        check_bounds(clip)
    with np.errstate(over="ignore"):
        weights = np.exp(log_odds + math.log(ratio))
    return np.asarray(weights if clip is None else np.clip(weights, *clip), np.float64)


def check_ratio(ratio: float) -> None:
    """Raise `ImportanceError` if there cannot be so many woven samples for each real one."""
    if not (math.isfinite(ratio) and ratio > 0):
        raise ImportanceError(
            f"A ratio of {ratio:g} woven samples to a real one is not possible; give a number above 0, such as 1."
        )


def check_bounds(clip: Bounds) -> None:
    """Raise `ImportanceError` if weights cannot be clipped to these bounds."""
    ends = as_numbers(clip, "The ends of a clip range")
    if ends.shape != (2,):
        raise ImportanceError(f"A clip range has two ends and not {ends.size}; give the least and the largest weight.")
    low, high = ends
    if not 0.0 <= low <= high:
        raise ImportanceError(
            f"Weights cannot be clipped to {low:g} to {high:g}; give a lower end from 0 and an upper end not below it."
        )


def _usable(weights: ArrayLike) -> NDArray[np.float64]:
    given = as_numbers(weights, "Weights")
    if not given.size:
        raise ImportanceError("There are no tiles to weigh; give some.")
    if not (np.isfinite(given) & (given >= 0)).all():
        raise ImportanceError("A weight is no number from 0; clip weights that are infinite, or leave the tile out.")
    return given


def as_numbers(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return values as ``float64``; raises `ImportanceError`, which calls them ``what``, if they are none."""
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ImportanceError(f"{what} must be numbers in rows of one length; correct what is none.") from None
