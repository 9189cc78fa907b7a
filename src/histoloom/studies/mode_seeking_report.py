"""What came out of the mode-seeking study: numbers with intervals, a table, and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.keyed_random import keyed_generator
from histoloom.runs import Run
from histoloom.studies.grid import Cell
from histoloom.studies.held_out import HeldOutCrop
from histoloom.studies.intervals import LEVEL, Interval, bootstrap_interval, in_words
from histoloom.studies.mode_seeking_measures import Measures
from histoloom.studies.mode_seeking_recipe import FULL, ModeSeekingStudyRecipe
from histoloom.studies.picture_sheet import save_picture_sheet
from histoloom.studies.report_files import runs_as_json, value_in_words, write_report_files
from histoloom.studies.run_facts import named_environment
from histoloom.studies.tables import Table
from histoloom.studies.trained_generator import TrainedGenerator

FIGURE, WOVEN_FIGURE = "figure.png", "figure-woven.png"
_FIGURE_ROWS = 6
_RESAMPLING = 201

MEASURE_TITLES = {
    "similarity_across_layouts": "MS-SSIM across layouts",
    "l1_across_layouts": "L1 across layouts",
    "similarity_across_structures": "MS-SSIM across structure maps",
    "l1_across_structures": "L1 across structure maps",
    "similarity_across_noises": "MS-SSIM across noises",
    "l1_across_noises": "L1 across noises",
    "hematoxylin_shift": "Haematoxylin shift",
    "eosin_shift": "Eosin shift",
    "hematoxylin_shift_signed": "Haematoxylin shift, signed",
    "eosin_shift_signed": "Eosin shift, signed",
    "optical_density_shift": "Optical density shift",
    "nucleus_contrast": "Nucleus contrast",
    "l1_to_real": "L1 to the real tile",
}
"""What people call the measures, in the order of the table."""


@dataclass(frozen=True, eq=False)
class StudyResults:
    """All that was measured.

    Parameters
    ----------
    recipe
        Of the study.
    cells
        Run and measures of every finished cell.
    real
        Measures of the real crops themselves.
    tiles
        Ids of the held-out tiles, in the order of the measures' rows.
    """

    recipe: ModeSeekingStudyRecipe
    cells: Mapping[Cell, tuple[Run, Measures]]
    real: Measures
    tiles: Sequence[str]

    @property
    def is_whole(self) -> bool:
        """Whether all cells of the grid are finished."""
        return len(self.cells) == len(self.recipe.cells())

    def seeds(self, arm: str) -> list[int]:
        """Return the seeds of an arm that are finished."""
        return sorted(cell.seed for cell in self.cells if cell.arm == arm)

    def values(self, arm: str, measure: str, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Return a measure of an arm, ``(seeds, tiles)`` or of pairs ``(seeds, tiles, tiles)``."""
        by_seed = {cell.seed: measures.arrays for cell, (_, measures) in self.cells.items() if cell.arm == arm}
        return np.stack([by_seed[seed][measure] for seed in seeds])

    def of_arm(self, arm: str) -> dict[str, Interval | None]:
        """Return each measure's mean over seeds and tiles, with its interval."""
        seeds = self.seeds(arm)
        return {name: _interval(self.values(arm, name, seeds)) for name in MEASURE_TITLES} if seeds else {}

    def difference(self, arm: str) -> dict[str, Interval | None]:
        """Return each measure of an arm less that of the full system, on the same seeds and tiles."""
        seeds = [seed for seed in self.seeds(arm) if seed in self.seeds(FULL)]
        if not seeds:
            return {}
        return {
            name: _interval(self.values(arm, name, seeds) - self.values(FULL, name, seeds)) for name in MEASURE_TITLES
        }

    def of_real(self) -> dict[str, Interval | None]:
        """Return each measure of the real crops, with its interval over tiles; those of weaves only are missing."""
        return {name: _interval(values[None]) for name, values in self.real.arrays.items()}


def write_report(
    results: StudyResults, folder: Path, crops: Sequence[HeldOutCrop], trained: Mapping[Cell, TrainedGenerator]
) -> None:
    """Write ``results.json``, ``results.md``, ``values.csv`` and two figures, each whole or not at all.

    ``figure.png`` shows real crops beside weaves of their layouts; ``figure-woven.png`` the weaves only, for where the
    real tiles may not be shown.

    Parameters
    ----------
    results
        What was measured.
    folder
        Of the study.
    crops
        Held-out crops, some of which the figures show.
    trained
        Generators of one seed, which weave the figures.
    """
    headings = ["arm", "seed", "measure", "tile", "other_tile", "value"]
    write_report_files(folder, results_as_json(results), markdown_report(results), headings, _value_rows(results))
    by_arm = {cell.arm: generator for cell, generator in trained.items()}
    shown = crops[:: max(len(crops) // _FIGURE_ROWS, 1)][:_FIGURE_ROWS]
    generators = [by_arm[arm] for arm in results.recipe.arms if arm in by_arm]
    woven = [[each.weave(each.condition(crop.real)) for each in generators] for crop in shown]
    if generators:
        names = ", ".join(arm for arm in results.recipe.arms if arm in by_arm)
        titles = [title for arm, (title, _) in results.recipe.arms.items() if arm in by_arm]
        save_picture_sheet(titles, woven, folder / WOVEN_FIGURE, f"synthetic: {names}")
        beside_real = [[crop.real.image, *row] for crop, row in zip(shown, woven, strict=True)]
        save_picture_sheet(["Real", *titles], beside_real, folder / FIGURE, f"real, and synthetic: {names}")


def results_as_json(results: StudyResults) -> dict[str, Any]:
    """Return recipe, data, and every measure with its interval, as plain values."""
    return {
        "schema_version": 1,
        "study": "mode-seeking",
        "is_whole": results.is_whole,
        "interval": f"{LEVEL:.0%} percentile bootstrap over seeds and held-out tiles",
        "recipe": results.recipe.as_json(),
        "environment": named_environment(run for run, _ in results.cells.values()),
        "held_out_tiles": list(results.tiles),
        "cells": runs_as_json({cell.name: run for cell, (run, _) in results.cells.items()}),
        "real": _intervals_as_json(results.of_real()),
        "arms": {arm: _intervals_as_json(results.of_arm(arm)) for arm in results.recipe.arms},
        "differences_to_full": {
            arm: _intervals_as_json(results.difference(arm)) for arm in results.recipe.arms if arm != FULL
        },
    }


def markdown_report(results: StudyResults) -> str:
    """Return two tables: every measure of every arm, and the differences to the full system."""
    arms = [arm for arm in results.recipe.arms if results.seeds(arm)]
    titles = {arm: title for arm, (title, _) in results.recipe.arms.items()}
    count = f"{len(results.cells)} of {len(results.recipe.cells())} cells"
    lines = [
        f"{count}, {results.recipe.steps} steps each, {len(results.tiles)} held-out tiles; means with {LEVEL:.0%} "
        "intervals (bootstrap over seeds and tiles).",
        "",
        *_table(
            ["Real tiles", *(f"{titles[arm]} ({_seeds_in_words(results.seeds(arm))})" for arm in arms)],
            [results.of_real(), *(results.of_arm(arm) for arm in arms)],
        ),
    ]
    others = [arm for arm in arms if arm != FULL and results.difference(arm)]
    if others:
        lines += [
            "",
            "Differences to the full system, paired by seed and tile:",
            "",
            *_table([titles[arm] for arm in others], [results.difference(arm) for arm in others]),
        ]
    return "\n".join(lines) + "\n"


def _seeds_in_words(seeds: Sequence[int]) -> str:
    return f"{len(seeds)} seed{'s' if len(seeds) != 1 else ''}"


def _table(headings: Sequence[str], columns: Sequence[Mapping[str, Interval | None]]) -> list[str]:
    rows = [[title, *(in_words(column.get(name)) for column in columns)] for name, title in MEASURE_TITLES.items()]
    return Table(["", *headings], rows).markdown()


def _interval(values: NDArray[np.float64]) -> Interval | None:
    # The same draws for all arms and measures.
    return bootstrap_interval(values, keyed_generator(0, _RESAMPLING))


def _intervals_as_json(intervals: Mapping[str, Interval | None]) -> dict[str, Any]:
    return {name: None if each is None else each.as_json() for name, each in intervals.items()}


def _value_rows(results: StudyResults) -> Iterator[tuple[Any, ...]]:
    measured = [(cell.arm, cell.seed, measures) for cell, (_, measures) in results.cells.items()]
    for arm, seed, measures in [("real", "", results.real), *measured]:
        for name, values in measures.per_tile.items():
            for tile, value in zip(results.tiles, values, strict=True):
                yield arm, seed, name, tile, "", value_in_words(value)
        for name, matrix in measures.per_pair.items():
            for first, row in enumerate(matrix):
                for second in range(first + 1, len(row)):
                    yield arm, seed, name, results.tiles[first], results.tiles[second], value_in_words(row[second])
