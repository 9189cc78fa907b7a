"""What the study "to Label or to Synthesize?" found: scores of every arm with intervals, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.keyed_random import keyed_generator
from histoloom.runs import Run
from histoloom.studies.intervals import Interval, bootstrap_interval
from histoloom.studies.label_or_synthesize_recipe import LabelOrSynthesizeRecipe
from histoloom.studies.label_or_synthesize_scores import SCORE_TITLES, TileScores
from histoloom.studies.label_or_synthesize_tiles import StudyTiles

DISCRIMINATOR = "discriminator.safetensors"
"""What weighs, in the run of a refiner: bundles leave it out."""

_RESAMPLING = 331


@dataclass(frozen=True, eq=False)
class CellResult:
    """A segmenter that was trained and scored."""

    run: Run
    scores: TileScores


@dataclass(frozen=True, eq=False)
class StudyResults:
    """All that was measured.

    Parameters
    ----------
    recipe
        Of the study.
    tiles
        What was learnt from and scored on.
    cells
        By architecture, arm, part and seed.
    helpers
        Runs of critics and refiners, by arm and seed.
    floor
        Of Otsu's threshold and a watershed, which learn nothing; None where it has not been scored.
    weights
        By what weighed, and seed: importance weights of the woven tiles.
    """

    recipe: LabelOrSynthesizeRecipe
    tiles: StudyTiles
    cells: Mapping[tuple[str, str, int, int], CellResult]
    helpers: Mapping[tuple[str, int], Run]
    floor: TileScores | None
    weights: Mapping[tuple[str, int], NDArray[np.float64]]

    @property
    def finished(self) -> tuple[int, int]:
        """How many cells are finished, and how many there are."""
        recipe, counts = self.recipe, self.tiles.part_counts
        count = sum(len(recipe.segmenter_cells(seed, *counts)) + len(recipe.helpers) for seed in range(recipe.seeds))
        return len(self.cells) + len(self.helpers), count

    def seeds(self, architecture: str, arm: str) -> list[int]:
        """Return the seeds of which all parts of an arm are finished."""
        parts = self.recipe.parts(arm, *self.tiles.part_counts)
        return [
            seed
            for seed in range(self.recipe.seeds)
            if parts and all((architecture, arm, part, seed) in self.cells for part in parts)
        ]

    def values(self, architecture: str, arm: str, score: str, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Return a score ``(seeds, tiles)``; across some, of the segmenter that left a tile's type or data set out."""
        return np.stack([self._of_seed(architecture, arm, score, seed) for seed in seeds])

    def _of_seed(self, architecture: str, arm: str, score: str, seed: int) -> NDArray[np.float64]:
        values = np.full(len(self.tiles.test), np.nan)
        for part in self.recipe.parts(arm, *self.tiles.part_counts):
            chosen = self.tiles.scored_on(arm, part)
            values[chosen] = self.cells[architecture, arm, part, seed].scores.values[score][chosen]
        return values

    def of_arm(self, architecture: str, arm: str) -> dict[str, Interval | None]:
        """Return each score's mean over seeds and tiles with its interval over both; empty if no seed is finished."""
        seeds = self.seeds(architecture, arm)
        return {name: interval_of(self.values(architecture, arm, name, seeds)) for name in SCORE_TITLES if seeds}

    def of_floor(self) -> dict[str, Interval | None]:
        """Return each score of the floor with its interval over tiles."""
        return {} if self.floor is None else {name: interval_of(each[None]) for name, each in self.floor.values.items()}

    def difference(
        self,
        architecture: str,
        arm: str,
        base: str | None,
        score: str,
        places: NDArray[np.bool_] | None = None,
    ) -> tuple[Interval, list[float]] | None:
        """Return an arm less another, or less the floor where there is none, paired by seed and tile, and of each seed.

        Of all test tiles, or of some ``bool (tiles,)``. None where no seed of both is finished.
        """
        seeds = self.seeds(architecture, arm)
        if base is None:
            if not seeds or self.floor is None:
                return None
            values = self.values(architecture, arm, score, seeds)
            below = np.broadcast_to(self.floor.values[score.removeprefix("normalized_")], values.shape)
        else:
            seeds = [each for each in seeds if each in self.seeds(architecture, base)]
            if not seeds:
                return None
            values = self.values(architecture, arm, score, seeds)
            below = self.values(architecture, base, score, seeds)
        differences = (values - below)[:, slice(None) if places is None else places]
        interval = interval_of(differences)
        if interval is None:
            return None
        return interval, [float(each) for each in np.nanmean(differences, axis=1)]

    def places(self, type_name: str) -> NDArray[np.bool_]:
        """Return which test tiles are of a type, ``bool (tiles,)``."""
        return np.array([each.type_name == type_name for each in self.tiles.test], bool)


def interval_of(values: NDArray[np.float64]) -> Interval | None:
    """Return mean and interval of ``(seeds, tiles)``, by the same draws for all arms and scores."""
    return bootstrap_interval(values, keyed_generator(0, _RESAMPLING)) if values.size else None
