"""What came out of the study "to Label or to Synthesize?", as files: numbers, tables and a chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.importance import effective_sample_size
from histoloom.studies.intervals import LEVEL, Interval, in_words
from histoloom.studies.label_or_synthesize_data_sets import (
    data_set_tables,
    data_sets_as_json,
    what_is_left_out,
)
from histoloom.studies.label_or_synthesize_recipe import (
    ACROSS,
    ARMS,
    BOTH,
    NO_REFERENCE,
    NOT_HARD,
    REFINED,
    REFINED_UNIFORM,
    UNIFORM,
    WEIGHTED,
    WITHIN,
)
from histoloom.studies.label_or_synthesize_results import StudyResults
from histoloom.studies.label_or_synthesize_scores import NORMALIZED, SCORE_TITLES
from histoloom.studies.report_files import runs_as_json, value_in_words, write_report_files
from histoloom.studies.run_facts import named_environment
from histoloom.studies.svg_charts import IntervalRow, interval_chart
from histoloom.studies.tables import Table
from histoloom.writing import write_text

CHART = "differences.svg"

_MEAN = "mean_dice_micc17"

PAIRS: tuple[tuple[str, str | None, str], ...] = (
    (UNIFORM, None, "Universal less the floor"),
    (UNIFORM, ACROSS, "Universal less supervised across types"),
    (UNIFORM, WITHIN, "Universal less supervised within types"),
    (WEIGHTED, UNIFORM, "Importance weights less uniform ones"),
    (BOTH, WITHIN, "Universal + real less supervised within types"),
    (ACROSS, WITHIN, "Supervised across less within types"),
    (REFINED, UNIFORM, "Refined, hard and weighted less woven alone"),
    (REFINED, REFINED_UNIFORM, "Refined: importance weights less uniform ones"),
    (REFINED, NO_REFERENCE, "Refined: with less without reference"),
    (REFINED, NOT_HARD, "Refined: with less without hard examples"),
)
"""Which arms are compared: arm, what it is compared with (None: the floor), and what that is called."""

PAPER = MappingProxyType({WITHIN: 0.7645, ACROSS: 0.7179, REFINED: 0.7612, BOTH: 0.7863})
"""Mean Dice of the U-Net on MICCAI17 (table 1): on other tiles, with longer training and a refiner."""


def write_report(results: StudyResults, folder: Path) -> None:
    """Write ``results.json``, ``results.md``, ``values.csv`` and ``differences.svg``, each whole or not at all."""
    headings = ["architecture", "arm", "seed", "score", "type", "tile", "value"]
    write_report_files(folder, results_as_json(results), markdown_report(results), headings, _value_rows(results))
    write_text(folder / CHART, _chart(results))


def results_as_json(results: StudyResults) -> dict[str, Any]:
    """Return recipe, tiles, and every score with its interval, as plain values."""
    finished, count = results.finished
    runs = {each.run.folder.name: each.run for each in results.cells.values()}
    runs |= {each.folder.name: each for each in results.helpers.values()}
    return {
        "schema_version": 1,
        "study": "label-or-synthesize",
        "is_whole": finished == count,
        "interval": f"{LEVEL:.0%} percentile bootstrap over seeds and held-out tiles",
        "recipe": results.recipe.as_json(),
        # Of one run, whose tiles are not those of all.
        "environment": {
            name: each for name, each in named_environment(runs.values()).items() if name not in ("data", "split")
        },
        "split": results.tiles.split,
        "types_left_out_together": [list(each) for each in results.tiles.groups],
        "cells": runs_as_json(runs),
        "floor": {name: _plain(each) for name, each in results.of_floor().items()},
        "arms": {
            f"{of}-{arm}": {name: _plain(each) for name, each in scores.items()} for of, arm, scores in _arms(results)
        },
        "differences": {
            f"{of}: {title}": {"score": score, **_plain(found[0]), "by_seed": found[1]}
            for of in results.recipe.architectures
            for arm, base, title in PAIRS
            for score in (_MEAN,)
            if (found := results.difference(of, arm, base, score)) is not None
        },
        "data_sets": data_sets_as_json(results),
        "weights": {
            f"{helper}-seed-{seed}": {
                "mean": float(each.mean()),
                "effective_sample_size": float(effective_sample_size(each)),
                "values": [float(value) for value in each],
            }
            for (helper, seed), each in results.weights.items()
        },
    }


def markdown_report(results: StudyResults) -> str:
    """Return what was done in a sentence, and all tables."""
    recipe, tiles = results.recipe, results.tiles
    done, count = results.finished
    lines = [
        f"{done} of {count} cells; {len(tiles.training)} real tiles to learn from and {len(tiles.test)} to score on, "
        f"of {len({each.type_name for each in tiles.test})} types; {recipe.weave} tiles woven by '{recipe.generator}' "
        f"for each seed; {recipe.steps} steps of {recipe.batch_size} crops of {recipe.crop_size}² pixels in all arms. "
        f"Means over seeds and held-out tiles with {LEVEL:.0%} intervals (bootstrap over both).",
    ]
    if left_out := what_is_left_out(results):
        lines += ["", left_out]
    for title, table in (*tables_of(results), *data_set_tables(results)):
        lines += ["", title, "", *table.markdown()]
    return "\n".join(lines) + "\n"


def tables_of(results: StudyResults) -> Iterator[tuple[str, Table]]:
    """Yield the tables of scores, of differences and of types, each with its title."""
    arms = list(_arms(results))
    rows = [["Otsu-haematoxylin + watershed", "–", "–", *_words(results.of_floor())]] if results.floor else []
    for of, arm, scores in arms:
        paper = f"{PAPER[arm]:.3f}" if arm in PAPER else "–"
        rows.append([f"{of}: {ARMS[arm]}", str(len(results.seeds(of, arm))), paper, *_words(scores)])
    yield (
        "Scores (the paper's are of its U-Net on MICCAI17, with a refiner and far longer training):",
        Table(["", "seeds", "the paper's mean Dice", *SCORE_TITLES.values()], rows),
    )
    differences = [
        [f"{of}: {title}", *(_difference(results, of, arm, base, name) for name in (_MEAN, NORMALIZED + _MEAN))]
        for of in results.recipe.architectures
        for arm, base, title in PAIRS
        if results.difference(of, arm, base, _MEAN) is not None
    ]
    if differences:
        headings = ["", "Mean Dice (of each seed)", "Mean Dice, normalized (of each seed)"]
        yield "Differences, paired by seed and tile:", Table(headings, differences)
    names = [(of, arm) for of, arm, _ in arms]
    by_type = []
    for name in sorted({each.type_name for each in results.tiles.test}):
        places = results.places(name)
        means = (f"{each:.3f}" for each in _means(results, names, places))
        by_type.append([name, str(int(places.sum())), *means])
    headings = ["type", "tiles", "floor", *(f"{of}: {ARMS[arm]}" for of, arm, _ in arms)]
    yield "Mean Dice of each type of tissue:", Table(headings, by_type)
    if results.weights:
        rows = [
            [helper, str(seed), str(len(each)), f"{each.min():.2f}", f"{np.median(each):.2f}", f"{each.max():.2f}",
             f"{effective_sample_size(each):.0f}"]
            for (helper, seed), each in results.weights.items()
        ]  # fmt: skip
        yield (
            "Importance weights:",
            Table(["by", "seed", "tiles", "least", "median", "largest", "effective sample size"], rows),
        )


def _arms(results: StudyResults) -> Iterator[tuple[str, str, dict[str, Interval | None]]]:
    for of in results.recipe.architectures:
        for arm in ARMS:
            scores = results.of_arm(of, arm)
            if scores:
                yield of, arm, scores


def _means(results: StudyResults, arms: Sequence[tuple[str, str]], places: NDArray[np.bool_]) -> list[float]:
    """Return the mean Dice of the floor and of each arm on some tiles."""
    floor = [] if results.floor is None else [results.floor.values[_MEAN][None]]
    of_arms = [results.values(of, arm, _MEAN, results.seeds(of, arm)) for of, arm in arms]
    return [float(np.nanmean(each[:, places])) for each in (*floor, *of_arms)]


def _words(scores: dict[str, Interval | None]) -> list[str]:
    return [in_words(scores.get(name)) for name in SCORE_TITLES]


def _difference(results: StudyResults, of: str, arm: str, base: str | None, score: str) -> str:
    found = results.difference(of, arm, base, score)
    if found is None:
        return "–"
    return f"{in_words(found[0], signed=True)} ({', '.join(f'{each:+.3f}' for each in found[1])})"


def _chart(results: StudyResults) -> str:
    rows = []
    for of in results.recipe.architectures:
        for arm, base, title in PAIRS:
            found = results.difference(of, arm, base, _MEAN)
            if found is not None:
                rows.append(IntervalRow(f"{of}: {title}", *found))
    return interval_chart(rows, "to Label or to Synthesize?", "difference of mean Dice; dots are seeds")


def _plain(interval: Interval | None) -> Any:
    return None if interval is None else dict(interval.as_json())


def _value_rows(results: StudyResults) -> Iterator[tuple[Any, ...]]:
    for of in results.recipe.architectures:
        for arm in ARMS:
            for seed in results.seeds(of, arm):
                for score in SCORE_TITLES:
                    yield from _rows_of(results, of, arm, str(seed), score, results.values(of, arm, score, [seed])[0])
    if results.floor is not None:
        for score, values in results.floor.values.items():
            yield from _rows_of(results, "otsu", "floor", "", score, values)


def _rows_of(
    results: StudyResults, of: str, arm: str, seed: str, score: str, values: NDArray[np.float64]
) -> Iterator[tuple[Any, ...]]:
    for tile, value in zip(results.tiles.test, values, strict=True):
        yield of, arm, seed, score, tile.type_name, tile.id, value_in_words(value)
