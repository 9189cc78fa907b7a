"""Across data sets, as in table 2 of "to Label or to Synthesize?": who knows no label of a data set, scored on it."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.studies.intervals import in_words
from histoloom.studies.label_or_synthesize_recipe import (
    ACROSS_DATA_SETS,
    ARMS,
    BOTH_ACROSS_DATA_SETS,
    LEAVING_OUT_DATA_SETS,
    REFINED,
    UNIFORM,
    WEIGHTED,
    WITHIN,
)
from histoloom.studies.label_or_synthesize_results import StudyResults, interval_of
from histoloom.studies.label_or_synthesize_scores import NORMALIZED
from histoloom.studies.tables import Table

PAPER = MappingProxyType({ACROSS_DATA_SETS: 0.7328, BOTH_ACROSS_DATA_SETS: 0.7713})
"""Mean Dice of table 2: of the U-Net learnt on MICCAI17, and on woven tiles and MICCAI18, scored on Kumar et al.'s."""

PAIRS: tuple[tuple[str, str | None, str], ...] = (
    (BOTH_ACROSS_DATA_SETS, ACROSS_DATA_SETS, "Universal + real less supervised, both across data sets"),
    (UNIFORM, ACROSS_DATA_SETS, "Universal less supervised across data sets"),
    (ACROSS_DATA_SETS, WITHIN, "Supervised across data sets less within types"),
    (BOTH_ACROSS_DATA_SETS, None, "Universal + real across data sets less the floor"),
)
"""Which arms are compared: arm, what it is compared with (None: the floor), and what that is called."""

_SHOWN = (WITHIN, ACROSS_DATA_SETS, UNIFORM, WEIGHTED, REFINED, BOTH_ACROSS_DATA_SETS)
_MEAN = "mean_dice_micc17"
_SCORES = MappingProxyType({_MEAN: "", NORMALIZED + _MEAN: ", normalized"})


def data_set_tables(results: StudyResults) -> Iterator[tuple[str, Table]]:
    """Yield the tables of scores on each data set and of their differences, each with its title.

    None before a seed of an arm across data sets is finished.
    """
    if not _begun(results):
        return
    columns = _columns(results)
    rows = []
    if results.floor is not None:
        values = results.floor.values[_MEAN][None]
        words = [in_words(interval_of(values[:, places])) for places in columns.values()]
        rows.append(["Otsu-haematoxylin + watershed", "–", "–", *words])
    for of, arm, seeds in _arms(results):
        for score, how in _SCORES.items():
            values = results.values(of, arm, score, seeds)
            words = [in_words(interval_of(values[:, places])) for places in columns.values()]
            paper = f"{PAPER[arm]:.3f}" if arm in PAPER and how else "–"
            rows.append([f"{of}: {ARMS[arm]}{how}", str(len(seeds)), paper, *words])
    headings = [f"{name} ({int(places.sum())} tiles)" for name, places in columns.items()]
    yield (
        "Mean Dice of each data set; across data sets, of the segmenter that has read no label of it (the paper's are "
        "of its table 2, on other tiles, normalized):",
        Table(["", "seeds", "the paper's", *headings], rows),
    )
    differences = [
        [f"{of}: {title}{how}", *(_words(results, of, arm, base, score, places) for places in columns.values())]
        for of in results.recipe.architectures
        for arm, base, title in PAIRS
        for score, how in _SCORES.items()
        if results.difference(of, arm, base, score) is not None
    ]
    if differences:
        yield "Differences of mean Dice on each data set, paired by seed and tile:", Table(["", *headings], differences)


def data_sets_as_json(results: StudyResults) -> dict[str, Any]:
    """Return what the tables show as plain values, by data set; empty where they show nothing."""
    if not _begun(results):
        return {}
    return {name: _column_as_json(results, places) for name, places in _columns(results).items()}


def what_is_left_out(results: StudyResults) -> str:
    """Return a sentence on arms that a study of one data set cannot have, or nothing."""
    arms = [arm for arm in results.recipe.arms if arm in LEAVING_OUT_DATA_SETS]
    if not arms or results.tiles.data_sets:
        return ""
    return f"Not done: {' and '.join(arms)}, because there is one data set and none to leave out."


def _begun(results: StudyResults) -> bool:
    return any(results.seeds(of, arm) for of in results.recipe.architectures for arm in LEAVING_OUT_DATA_SETS)


def _columns(results: StudyResults) -> dict[str, NDArray[np.bool_]]:
    tiles = results.tiles
    return {"all": np.ones(len(tiles.test), bool)} | {name: tiles.of_data_set(name) for name in tiles.data_sets}


def _arms(results: StudyResults) -> Iterator[tuple[str, str, list[int]]]:
    for of in results.recipe.architectures:
        for arm in _SHOWN:
            seeds = results.seeds(of, arm)
            if seeds:
                yield of, arm, seeds


def _words(results: StudyResults, of: str, arm: str, base: str | None, score: str, places: NDArray[np.bool_]) -> str:
    found = results.difference(of, arm, base, score, places)
    return "–" if found is None else in_words(found[0], signed=True)


def _column_as_json(results: StudyResults, places: NDArray[np.bool_]) -> dict[str, Any]:
    floor = None if results.floor is None else interval_of(results.floor.values[_MEAN][None][:, places])
    arms, differences = {}, {}
    for of, arm, seeds in _arms(results):
        found = {score: interval_of(results.values(of, arm, score, seeds)[:, places]) for score in _SCORES}
        arms[f"{of}-{arm}"] = {score: None if each is None else dict(each.as_json()) for score, each in found.items()}
    for of in results.recipe.architectures:
        for arm, base, title in PAIRS:
            compared = results.difference(of, arm, base, _MEAN, places)
            if compared is not None:
                differences[f"{of}: {title}"] = {**compared[0].as_json(), "by_seed": compared[1]}
    return {
        "tiles": int(places.sum()),
        "floor": None if floor is None else dict(floor.as_json()),
        "arms": arms,
        "differences": differences,
    }
