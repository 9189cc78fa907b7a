"""Intervals by the bootstrap, over training seeds and held-out tiles at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError

RESAMPLES = 4000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean and the interval that holds it at `LEVEL`."""

    mean: float
    low: float
    high: float

    def as_json(self) -> Mapping[str, float]:
        """Return the three numbers by name."""
        return asdict(self)


def bootstrap_interval(
    values: NDArray[np.float64], random: np.random.Generator, resamples: int = RESAMPLES
) -> Interval | None:
    """Return the mean of a measure and its percentile interval (Efron and Tibshirani 1993, chapter 13).

    Seeds and tiles are both drawn anew, with replacement and independently of each other, as every seed is measured on
    the same tiles (Owen 2007, "The pigeonhole bootstrap"). Of a measure of pairs of tiles, a pair of a tile with
    itself says nothing and is left out, also where a tile is drawn twice. For paired differences of two systems, give
    the difference of their values.

    With few seeds or tiles such an interval is too narrow: by about the factor ``sqrt(1 - 1/n)`` of the part that
    ``n`` of them contribute, and it cannot know of what none of them shows.

    Parameters
    ----------
    values
        ``(seeds, tiles)``, or ``(seeds, tiles, tiles)`` for a measure of pairs, whose diagonal is not looked at. What
        could not be measured is NaN and left out.
    random
        Draws seeds and tiles; the same generator state and shape give the same draws.
    resamples
        How many draws.

    Returns
    -------
    Interval
        Or None where nothing could be measured.

    Raises
    ------
    EvaluationError
        If the values have another shape.
    """
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[1] != values.shape[2]):
        raise EvaluationError(
            f"Values of shape {values.shape} are neither of tiles nor of pairs of tiles; give (seeds, tiles) or "
            "(seeds, tiles, tiles)."
        )
    seeds, tiles = values.shape[:2]
    counted = np.isfinite(values)
    if values.ndim == 3:
        counted &= ~np.eye(tiles, dtype=bool)
    if not counted.any():
        return None
    kept = np.where(counted, values, 0.0)
    seed_counts = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples).astype(np.float64)
    tile_counts = random.multinomial(tiles, np.full(tiles, 1 / tiles), size=resamples).astype(np.float64)
    sums = _weighted(kept, seed_counts, tile_counts)
    weights = _weighted(counted.astype(np.float64), seed_counts, tile_counts)
    # A draw of one tile only has no pairs.
    means = sums[weights > 0] / weights[weights > 0]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(kept.sum() / counted.sum()), float(low), float(high))


def _weighted(
    values: NDArray[np.float64], seed_counts: NDArray[np.float64], tile_counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sum of values of each resample ``(R,)``, every one as often as its seed and tiles were drawn."""
    if values.ndim == 2:
        return np.asarray(np.einsum("rs,st,rt->r", seed_counts, values, tile_counts, optimize=True))
    return np.asarray(np.einsum("rs,stu,rt,ru->r", seed_counts, values, tile_counts, tile_counts, optimize=True))


def in_words(interval: Interval | None, *, signed: bool = False) -> str:
    """Return a mean and its interval as tables show them; a dash where nothing could be measured."""
    if interval is None:
        return "–"
    digits = "+.3f" if signed else ".3f"
    return f"{interval.mean:{digits}} [{interval.low:{digits}}, {interval.high:{digits}}]"
