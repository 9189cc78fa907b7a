"""AUROC over the patches of several tiles at once, with bootstrap over tiles and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from histoloom.studies.intervals import LEVEL, RESAMPLES, Interval


@dataclass(frozen=True, eq=False)
class PooledAuroc:
    """How often a positive patch of one tile is ranked above a negative one of another.

    An AUROC is the share of pairs, one positive and one negative, that are ranked rightly (Mann and Whitney 1947), so
    that of any draw of tiles it follows from these counts.

    Parameters
    ----------
    concordant
        ``(seeds, tiles, tiles)``: pairs of a positive patch of the one tile with a negative one of the other that are
        ranked rightly; of a tie, half.
    pairs
        ``(tiles, tiles)``: how many there are.
    """

    concordant: NDArray[np.float64]
    pairs: NDArray[np.float64]

    @classmethod
    def of(cls, scores: Sequence[NDArray[np.floating]], positive: Sequence[NDArray[np.bool_]]) -> PooledAuroc:
        """Return that of one seed, from the scores ``(N,)`` of each tile's patches and which of them are positive."""
        up = [np.asarray(each, np.float64)[chosen] for each, chosen in zip(scores, positive, strict=True)]
        down = [np.sort(np.asarray(each, np.float64)[~chosen]) for each, chosen in zip(scores, positive, strict=True)]
        concordant = np.array(
            [
                [
                    0.5 * float((np.searchsorted(low, high) + np.searchsorted(low, high, side="right")).sum())
                    for low in down
                ]
                for high in up
            ]
        )
        pairs = np.outer([len(each) for each in up], [len(each) for each in down]).astype(np.float64)
        return cls(concordant[None], pairs)

    @classmethod
    def of_seeds(cls, each: Sequence[PooledAuroc]) -> PooledAuroc:
        """Return that of several seeds, all measured on the same patches."""
        return replace(each[0], concordant=np.concatenate([one.concordant for one in each]))

    @property
    def by_seed(self) -> NDArray[np.float64]:
        """The AUROC of each seed ``(seeds,)``; NaN where there are no pairs."""
        total = self.pairs.sum()
        return np.asarray(self.concordant.sum(axis=(1, 2)) / (total if total > 0 else np.nan))

    @property
    def by_tile(self) -> NDArray[np.float64]:
        """The AUROC within each tile ``(seeds, tiles)``; NaN where a tile has no pairs."""
        pairs = np.diagonal(self.pairs)
        return np.asarray(np.diagonal(self.concordant, axis1=1, axis2=2) / np.where(pairs > 0, pairs, np.nan))

    def interval(self, random: np.random.Generator, less: PooledAuroc | None = None) -> Interval | None:
        """Return the mean over seeds with its interval, or that of the difference to another one of the same tiles.

        Seeds and tiles are drawn anew together, as `histoloom.studies.intervals.bootstrap_interval` does, and the same
        for both; of another one with a single seed, which learns nothing, tiles alone.

        Returns
        -------
        Interval
            Or None where there are no pairs.
        """
        seeds, tiles = self.concordant.shape[:2]
        seed_counts = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES).astype(np.float64)
        tile_counts = random.multinomial(tiles, np.full(tiles, 1 / tiles), size=RESAMPLES).astype(np.float64)
        draws = self._draws(seed_counts, tile_counts)
        mean = float(self.by_seed.mean())
        if less is not None:
            same = less.concordant.shape[0] == seeds
            draws = draws - less._draws(seed_counts if same else np.ones((RESAMPLES, 1)), tile_counts)  # noqa: SLF001
            mean -= float(less.by_seed.mean())
        draws = draws[np.isfinite(draws)]
        if not draws.size or not np.isfinite(mean):
            return None
        low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Interval(mean, float(low), float(high))

    def _draws(self, seed_counts: NDArray[np.float64], tile_counts: NDArray[np.float64]) -> NDArray[np.float64]:
        of_seeds = np.einsum("rt,stu,ru->rs", tile_counts, self.concordant, tile_counts, optimize=True)
        pairs = np.einsum("rt,tu,ru->r", tile_counts, self.pairs, tile_counts, optimize=True)
        means = (of_seeds * seed_counts).sum(axis=1) / seed_counts.sum(axis=1)
        return np.asarray(means / np.where(pairs > 0, pairs, np.nan))
