"""What the study of lymphocytes found: AUROC of every arm with intervals, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from histoloom.keyed_random import keyed_generator
from histoloom.runs import Run
from histoloom.studies.intervals import Interval, bootstrap_interval
from histoloom.studies.lymphocytes_points import TilePoints
from histoloom.studies.lymphocytes_recipe import LymphocyteStudyRecipe
from histoloom.studies.pooled_auroc import PooledAuroc
from histoloom.training.data import TrainingData

_RESAMPLING = 351

NUCLEI, ALL = "nuclei", "all"

TITLES: Mapping[str, str] = MappingProxyType({
    NUCLEI: "Against other nuclei", ALL: "Against other nuclei and background",
})  # fmt: skip
"""Which patches are told apart: those with a lymphocyte at their centre from these."""


@dataclass(frozen=True, eq=False)
class LymphocyteResults:
    """All that was measured.

    Parameters
    ----------
    recipe, tiles, points
        Of the study.
    runs, scores
        By arm and seed: the run, and what the classifier says of the points of each tile.
    floors
        By name: what says the same and learns nothing.
    """

    recipe: LymphocyteStudyRecipe
    tiles: TrainingData
    points: Sequence[TilePoints]
    runs: Mapping[tuple[str, int], Run]
    scores: Mapping[tuple[str, int], list[NDArray[np.float64]]]
    floors: Mapping[str, list[NDArray[np.float64]]]

    @property
    def finished(self) -> tuple[int, int]:
        """How many cells are finished, and how many there are."""
        return len(self.scores), len(self.recipe.cells())

    def seeds(self, arm: str) -> list[int]:
        """Return the seeds of an arm that are finished."""
        return [seed for seed in range(self.recipe.seeds) if (arm, seed) in self.scores]

    def auroc(self, name: str, against: str, seeds: Sequence[int] | None = None) -> PooledAuroc | None:
        """Return the AUROC of an arm or a floor; None where no seed is finished.

        Parameters
        ----------
        name
            Of an arm, or of what learns nothing.
        against
            `NUCLEI` or `ALL`.
        seeds
            Which; None for all that are finished.
        """
        if name in self.floors:
            return self._of(self.floors[name], against)
        chosen = self.seeds(name) if seeds is None else seeds
        each = [self._of(self.scores[name, seed], against) for seed in chosen]
        return PooledAuroc.of_seeds(each) if each else None

    def interval(self, name: str, against: str) -> Interval | None:
        """Return the mean over seeds with its interval."""
        found = self.auroc(name, against)
        return None if found is None else found.interval(keyed_generator(0, _RESAMPLING))

    def within_tiles(self, name: str, against: str) -> Interval | None:
        """Return the mean of the AUROCs within each tile, to which it makes no difference how tiles differ."""
        found = self.auroc(name, against)
        return None if found is None else bootstrap_interval(found.by_tile, keyed_generator(0, _RESAMPLING))

    def difference(self, name: str, base: str, against: str) -> tuple[Interval, list[float]] | None:
        """Return an arm less another one or less a floor, by the same tiles and seeds, and that of each seed.

        None where no seed of both is finished.
        """
        seeds = self.seeds(name)
        if base not in self.floors:
            seeds = [each for each in seeds if each in self.seeds(base)]
        one, other = self.auroc(name, against, seeds), self.auroc(base, against, seeds)
        if one is None or other is None:
            return None
        found = one.interval(keyed_generator(0, _RESAMPLING), other)
        return None if found is None else (found, [float(each) for each in one.by_seed - other.by_seed])

    def _of(self, scores: list[NDArray[np.float64]], against: str) -> PooledAuroc:
        kept = [each.is_nucleus if against == NUCLEI else np.ones(len(each.points), bool) for each in self.points]
        return PooledAuroc.of(
            [each[chosen] for each, chosen in zip(scores, kept, strict=True)],
            [each.is_positive[chosen] for each, chosen in zip(self.points, kept, strict=True)],
        )
