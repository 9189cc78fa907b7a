"""What the canny-label study found: scores of every arm with intervals, and paired differences to the initial one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.keyed_random import keyed_generator
from histoloom.runs import Run
from histoloom.studies.canny_label_fold import Fold
from histoloom.studies.canny_label_recipe import INITIAL, CannyLabelStudyRecipe
from histoloom.studies.canny_label_scores import SCORE_TITLES, TileScores
from histoloom.studies.intervals import Interval, bootstrap_interval

POWER = 0.8
"""How often a difference of the detectable size would be found."""

_RESAMPLING = 311


@dataclass(frozen=True, eq=False)
class CellResult:
    """A segmenter that was trained and scored.

    Parameters
    ----------
    run
        Its run.
    scores
        On each held-out tile.
    found
        The file that keeps where it finds nuclei.
    """

    run: Run
    scores: TileScores
    found: Path

    def found_in(self, tile: int) -> NDArray[np.bool_] | None:
        """Return where it finds nuclei in a held-out tile, boolean ``(H, W)``; None if the file is gone."""
        if not self.found.is_file():
            return None
        with np.load(self.found, allow_pickle=False) as kept:
            return np.asarray(kept[str(tile)], bool)


@dataclass(frozen=True)
class Comparison:
    """A paired difference of an arm to the initial one.

    Parameters
    ----------
    difference
        Its mean over seeds and tiles, and the interval over tiles.
    detectable
        The smallest true difference that so many tiles with such deviations would show at 5 % in 80 % of studies; NaN
        of a single tile.
    by_seed
        The mean over tiles of each seed.
    """

    difference: Interval
    detectable: float
    by_seed: tuple[float, ...]

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.difference.high - self.difference.low) / 2


@dataclass(frozen=True, eq=False)
class DataSetResults:
    """All that was measured on one data set.

    Parameters
    ----------
    name
        Of its folder.
    fold
        Its tiles.
    cells
        By architecture, arm and seed.
    generators
        Runs of the generators by seed.
    woven
        Folder in which woven blocks are kept.
    """

    name: str
    fold: Fold
    cells: Mapping[tuple[str, str, int], CellResult]
    generators: Mapping[int, Run]
    woven: Path

    @property
    def tiles(self) -> Sequence[str]:
        """Ids of the held-out tiles."""
        names: Sequence[str] = self.fold.tiles.split["validation"]
        return names

    def seeds(self, architecture: str, arm: str) -> list[int]:
        """Return the seeds that are finished."""
        return sorted(seed for of, name, seed in self.cells if (of, name) == (architecture, arm))

    def values(self, architecture: str, arm: str, score: str, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Return a score ``(seeds, tiles)``."""
        return np.stack([self.cells[architecture, arm, seed].scores.values[score] for seed in seeds])

    def of_arm(self, architecture: str, arm: str) -> dict[str, Interval | None]:
        """Return each score's mean over seeds and tiles, with its interval over tiles; empty if none is finished."""
        seeds = self.seeds(architecture, arm)
        return {name: _over_tiles(self.values(architecture, arm, name, seeds)) for name in SCORE_TITLES if seeds}

    def comparison(self, architecture: str, arm: str) -> dict[str, Comparison | None]:
        """Return each score of an arm less that of the initial one, on the same seeds and tiles."""
        seeds = [seed for seed in self.seeds(architecture, arm) if seed in self.seeds(architecture, INITIAL)]
        if not seeds:
            return {}
        return {
            name: compared(
                self.values(architecture, arm, name, seeds) - self.values(architecture, INITIAL, name, seeds)
            )
            for name in SCORE_TITLES
        }


@dataclass(frozen=True, eq=False)
class StudyResults:
    """All that was measured.

    Parameters
    ----------
    recipe
        Of the study.
    data_sets
        By name.
    """

    recipe: CannyLabelStudyRecipe
    data_sets: Mapping[str, DataSetResults]

    @property
    def finished(self) -> tuple[int, int]:
        """How many cells are finished, and how many there are."""
        segmenters = len(self.recipe.arms) * len(self.recipe.architectures) * self.recipe.seeds
        of_each = segmenters + len(self.recipe.generator_seeds())
        done = sum(len(each.cells) + len(each.generators) for each in self.data_sets.values())
        return done, of_each * len(self.data_sets)


def compared(differences: NDArray[np.float64]) -> Comparison | None:
    """Return what paired differences say.

    The interval is a percentile bootstrap over tiles of the differences averaged over seeds. The detectable difference
    is that of a paired t test: the sum of the t quantiles of 97.5 % and of `POWER`, times the standard error.

    Parameters
    ----------
    differences
        ``(seeds, tiles)``; NaN where there is none.

    Returns
    -------
    Comparison
        Or None where nothing could be measured.
    """
    interval = _over_tiles(differences)
    if interval is None:
        return None
    of_tiles = _means(differences, axis=0)
    of_tiles = of_tiles[np.isfinite(of_tiles)]
    detectable = math.nan
    if len(of_tiles) > 1:
        from scipy.stats import t

        quantiles = float(t.ppf(0.975, len(of_tiles) - 1) + t.ppf(POWER, len(of_tiles) - 1))
        detectable = quantiles * float(np.std(of_tiles, ddof=1)) / math.sqrt(len(of_tiles))
    return Comparison(interval, detectable, tuple(float(each) for each in _means(differences, axis=1)))


def _over_tiles(values: NDArray[np.float64]) -> Interval | None:
    # The same draws for all arms and scores.
    return bootstrap_interval(_means(values, axis=0)[None], keyed_generator(0, _RESAMPLING))


def _means(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return means of what is not NaN, and NaN where nothing is left."""
    counted = np.isfinite(values)
    counts = counted.sum(axis=axis)
    means = np.where(counted, values, 0.0).sum(axis=axis) / np.maximum(counts, 1)
    return np.asarray(np.where(counts > 0, means, np.nan), np.float64)
