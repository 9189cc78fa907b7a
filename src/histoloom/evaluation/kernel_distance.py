"""KID: how far two sets of pictures are apart in the features of a network, without bias at any number of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError

LEVEL = 0.95
"""How often an interval should hold what it is of."""

RESAMPLES = 1000

Features = NDArray[Any]


@dataclass(frozen=True)
class KernelDistance:
    """A kernel distance and its interval.

    Parameters
    ----------
    value
        The distance; about 0, and as often below as above it, for sets from one distribution.
    low, high
        Its interval at `LEVEL`; NaN where there is too little to draw from.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class KernelSums:
    """Sums of the kernel over pairs of pictures, by the blocks (tiles, patients) that the pictures come from.

    All distances between blocks, groups of blocks and the two sets follow from them, as do their resamples.

    Parameters
    ----------
    first_names, second_names
        Of the A and B blocks of the two sets. A block of each that have one name belong together, such as a patient's
        real tiles and those woven from their layouts.
    first, second
        ``float64 (A, A)`` and ``(B, B)``: over pairs within each set, no picture paired with itself.
    across
        ``float64 (A, B)``: over pairs of both sets.
    first_sizes, second_sizes
        ``float64 (A,)`` and ``(B,)``: how many pictures each block has.
    """

    first_names: tuple[str, ...]
    second_names: tuple[str, ...]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    across: NDArray[np.float64]
    first_sizes: NDArray[np.float64]
    second_sizes: NDArray[np.float64]

    @classmethod
    def of(cls, first: Mapping[str, Features], second: Mapping[str, Features]) -> KernelSums:
        """Sum the kernel over features.

        Parameters
        ----------
        first, second
            ``(n, D)`` for each block by its name, n of 1 or more.

        Raises
        ------
        EvaluationError
            If a set or a block is empty, or features are not finite or differ in number.
        """
        one, other = list(first.values()), list(second.values())
        _check(one, other)
        return cls(
            tuple(first),
            tuple(second),
            _within(one),
            _within(other),
            _sums(one, other),
            np.array([len(each) for each in one], np.float64),
            np.array([len(each) for each in other], np.float64),
        )

    def joined(self, first: Sequence[str], second: Sequence[str]) -> KernelSums:
        """Return the sums with blocks made one that get the same name, in the order of the names."""
        one, other = _membership(first), _membership(second)
        return KernelSums(
            tuple(sorted(set(first))),
            tuple(sorted(set(second))),
            one @ self.first @ one.T,
            other @ self.second @ other.T,
            one @ self.across @ other.T,
            one @ self.first_sizes,
            other @ self.second_sizes,
        )

    def distance(self, first: NDArray[np.bool_] | None = None, second: NDArray[np.bool_] | None = None) -> float:
        """Return the distance of the two sets, or of the blocks chosen of each; NaN with fewer than two pictures.

        Equation 4 of Bińkowski et al., "Demystifying MMD GANs" (2018): the unbiased estimate of the squared maximum
        mean discrepancy with the kernel ``(x·y / D + 1)³`` (section 4).
        """
        rows = np.ones(len(self.first), bool) if first is None else first
        columns = np.ones(len(self.second), bool) if second is None else second
        n, m = self.first_sizes[rows].sum(), self.second_sizes[columns].sum()
        if min(n, m) < 2:
            return float("nan")
        within = self.first[np.ix_(rows, rows)].sum() / (n * (n - 1))
        within += self.second[np.ix_(columns, columns)].sum() / (m * (m - 1))
        return float(within - 2 * self.across[np.ix_(rows, columns)].sum() / (n * m))

    def distances_within_first(self) -> NDArray[np.float64]:
        """Return the distance of each pair of blocks of the first set that have two pictures or more, ``(pairs,)``."""
        enough = np.flatnonzero(self.first_sizes >= 2)
        n = self.first_sizes[enough]
        sums = self.first[np.ix_(enough, enough)]
        own = np.diag(sums) / (n * (n - 1))
        apart = own[:, None] + own - 2 * sums / np.outer(n, n)
        return np.asarray(apart[np.triu_indices(len(enough), 1)])

    def with_interval(self, random: np.random.Generator, resamples: int = RESAMPLES) -> KernelDistance:
        """Return the distance of the two sets with its percentile interval (Efron and Tibshirani 1993, chapter 13).

        Blocks are drawn anew with replacement, because pictures of one block are alike and do not count as independent
        ones; blocks of one name are drawn for both sets at once. A pair of pictures of two copies of a block says
        nothing of two blocks and is left out.

        Parameters
        ----------
        random
            Draws the blocks.
        resamples
            How often.
        """
        value, nothing = self.distance(), float("nan")
        if min(len(self.first), len(self.second)) < 2:
            return KernelDistance(value, nothing, nothing)
        numbers = {name: index for index, name in enumerate(sorted({*self.first_names, *self.second_names}))}
        rows, columns = (np.array([numbers[each] for each in side]) for side in (self.first_names, self.second_names))
        drawn = random.multinomial(len(numbers), np.full(len(numbers), 1 / len(numbers)), size=resamples)
        one, other = drawn[:, rows].astype(np.float64), drawn[:, columns].astype(np.float64)
        together = rows[:, None] == columns
        distances = (
            _resampled(self.first, np.outer(self.first_sizes, self.first_sizes) - np.diag(self.first_sizes), one, one)
            + _resampled(
                self.second, np.outer(self.second_sizes, self.second_sizes) - np.diag(self.second_sizes), other, other
            )
            - 2 * _resampled(self.across, np.outer(self.first_sizes, self.second_sizes), one, other, together)
        )
        # A draw may leave one side without pairs.
        distances = distances[np.isfinite(distances)]
        if not len(distances):
            return KernelDistance(value, nothing, nothing)
        low, high = np.quantile(distances, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return KernelDistance(value, float(low), float(high))


def kernel_distance(first: Features, second: Features) -> float:
    """Return the kernel (inception) distance of two sets of features ``(n, D)`` and ``(m, D)``; see `KernelSums`.

    Its size depends on the network that the features are of: compare only what one network says.

    Raises
    ------
    EvaluationError
        If a set has fewer than two, or features are not finite or differ in number.
    """
    if min(len(first), len(second)) < 2:
        raise EvaluationError(
            f"Sets of {len(first)} and {len(second)} pictures cannot be compared; give two or more of each."
        )
    return KernelSums.of({"": first}, {"": second}).distance()


def _check(first: Sequence[Features], second: Sequence[Features]) -> None:
    blocks = [np.asarray(each) for each in (*first, *second)]
    if not len(first) or not len(second) or any(each.ndim != 2 or not each.size for each in blocks):
        raise EvaluationError("Features must be arrays (n, D) of one or more pictures in each set; give some of both.")
    if len({each.shape[1] for each in blocks}) > 1:
        raise EvaluationError("The sets have different numbers of features; take those of one network.")
    if not all(np.isfinite(each).all() for each in blocks):
        raise EvaluationError("Some features are not finite numbers; take another network.")


def _kernel(first: Features, second: Features) -> NDArray[np.float64]:
    products = np.asarray(first, np.float64) @ np.asarray(second, np.float64).T
    return np.asarray((products / first.shape[1] + 1.0) ** 3)


def _sums(first: Sequence[Features], second: Sequence[Features]) -> NDArray[np.float64]:
    whole = np.concatenate(second)
    starts = np.cumsum([0, *(len(each) for each in second[:-1])])
    # Block by block, because the kernel of all pairs may not fit into memory.
    return np.stack([np.add.reduceat(_kernel(each, whole).sum(axis=0), starts) for each in first])


def _within(blocks: Sequence[Features]) -> NDArray[np.float64]:
    sums = _sums(blocks, blocks)
    own = [((np.asarray(each, np.float64) ** 2).sum(axis=1) / each.shape[1] + 1.0) ** 3 for each in blocks]
    return sums - np.diag([each.sum() for each in own])


def _membership(names: Sequence[str]) -> NDArray[np.float64]:
    """Return ``(groups, blocks)``: 1 where a block is of a group."""
    return np.array([[float(each == group) for each in names] for group in sorted(set(names))])


def _resampled(
    sums: NDArray[np.float64],
    pairs: NDArray[np.float64],
    one: NDArray[np.float64],
    other: NDArray[np.float64],
    together: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return the mean of the kernel in each resample ``(R,)``.

    Parameters
    ----------
    sums, pairs
        ``(A, B)``: of the kernel over pairs of two blocks, and how many pairs.
    one, other
        ``(R, A)`` and ``(R, B)``: how often each block was drawn.
    together
        ``(A, B)``: where two blocks are one and the same (default: the diagonal).
    """
    same = np.eye(len(sums), dtype=bool) if together is None else together
    rows = np.nonzero(same)[0]

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        apart = ((one @ np.where(same, 0.0, values)) * other).sum(axis=1)
        return np.asarray(apart + one[:, rows] @ values[same])

    counted = total(pairs)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(counted > 0, total(sums) / counted, np.nan))
