"""What came out of the study of lymphocytes, as files: numbers, tables and a chart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from histoloom.studies.intervals import LEVEL, Interval, in_words
from histoloom.studies.lymphocytes_points import FLOOR_TITLES
from histoloom.studies.lymphocytes_recipe import ARMS, BOTH, MEASURED, SUPERVISED, UNIVERSAL
from histoloom.studies.lymphocytes_results import ALL, NUCLEI, TITLES, LymphocyteResults
from histoloom.studies.report_files import runs_as_json, value_in_words, write_report_files
from histoloom.studies.run_facts import named_environment
from histoloom.studies.svg_charts import IntervalRow, interval_chart
from histoloom.studies.tables import Table
from histoloom.writing import write_text

CHART = "differences.svg"

_DARK, _ROUND = FLOOR_TITLES

PAIRS: tuple[tuple[str, str, str], ...] = (
    (UNIVERSAL, _DARK, "Universal (7 µm) less darkness alone"),
    (UNIVERSAL, _ROUND, "Universal (7 µm) less dark, round Otsu nuclei"),
    (MEASURED, _DARK, "Universal (measured) less darkness alone"),
    (SUPERVISED, _DARK, "Supervised less darkness alone"),
    (MEASURED, UNIVERSAL, "Universal: measured size less 7 µm"),
    (UNIVERSAL, SUPERVISED, "Universal (7 µm) less supervised"),
    (MEASURED, SUPERVISED, "Universal (measured) less supervised"),
    (BOTH, SUPERVISED, "Universal + real less supervised"),
)
"""Which are compared: what, with what, and what that is called."""

PAPER = {UNIVERSAL: 0.7149}
"""AUROC of table 4, on lung lymphocytes, other data than these; its supervised ones are a VGG16 and level sets."""


def write_report(results: LymphocyteResults, folder: Path) -> None:
    """Write ``results.json``, ``results.md``, ``values.csv`` and ``differences.svg``, each whole or not at all."""
    headings = ["what", "seed", "against", "tile", "lymphocytes", "auroc"]
    write_report_files(folder, results_as_json(results), markdown_report(results), headings, _value_rows(results))
    write_text(folder / CHART, _chart(results))


def results_as_json(results: LymphocyteResults) -> dict[str, Any]:
    """Return recipe, tiles, and every AUROC with its interval, as plain values."""
    finished, count = results.finished
    return {
        "schema_version": 1,
        "study": "lymphocytes",
        "is_whole": finished == count,
        "interval": f"{LEVEL:.0%} percentile bootstrap over seeds and held-out tiles",
        "proxy": "CoNSeP's class 'inflammatory' or another data set's; the paper has lymphocytes of the lung",
        "recipe": results.recipe.as_json(),
        "environment": {
            name: each
            for name, each in named_environment(results.runs.values()).items()
            if name not in ("data", "split")
        },
        "split": dict(results.tiles.split),
        "points": {
            each.id: {
                "lymphocytes": int(each.is_positive.sum()),
                "other nuclei": int((each.is_nucleus & ~each.is_positive).sum()),
                "background": int((~each.is_nucleus).sum()),
            }
            for each in results.points
        },
        "cells": runs_as_json({run.folder.name: run for run in results.runs.values()}),
        "auroc": {
            name: {against: _plain(results.interval(name, against)) for against in TITLES}
            | {f"{NUCLEI}, within tiles": _plain(results.within_tiles(name, NUCLEI))}
            for name, _ in _named(results)
        },
        "differences": {
            title: {against: {**_plain(found[0]), "by_seed": found[1]}}
            for name, base, title in PAIRS
            for against in (NUCLEI,)
            if (found := results.difference(name, base, against)) is not None
        },
    }


def markdown_report(results: LymphocyteResults) -> str:
    """Return what was done in a sentence, and all tables."""
    recipe = results.recipe
    done, count = results.finished
    positive = sum(int(each.is_positive.sum()) for each in results.points)
    nuclei = sum(int(each.is_nucleus.sum()) for each in results.points)
    lines = [
        f"{done} of {count} cells; {len(results.tiles.training)} real tiles to learn from, {len(results.points)} to "
        f"score on with {positive} lymphocytes ('{recipe.positive_class}') among {nuclei} nuclei; {recipe.weave} tiles "
        f"woven by '{recipe.generator}' for each seed; {recipe.steps} steps of {recipe.batch_size} crops of "
        f"{recipe.crop_size}² pixels in all arms. AUROC over all patches, mean over seeds with {LEVEL:.0%} intervals "
        "(bootstrap over seeds and held-out tiles).",
    ]
    rows = [
        [
            title,
            str(len(results.seeds(name))) if name in ARMS else "–",
            f"{PAPER[name]:.3f}" if name in PAPER else "–",
            *(in_words(results.interval(name, against)) for against in TITLES),
            in_words(results.within_tiles(name, NUCLEI)),
        ]
        for name, title in _named(results)
    ]
    headings = ["", "seeds", "the paper (lung)", *TITLES.values(), "Against other nuclei, within tiles"]
    lines += ["", "AUROC:", "", *Table(headings, rows).markdown()]
    differences = [
        [title, *(_difference(results, name, base, against) for against in TITLES)]
        for name, base, title in PAIRS
        if results.difference(name, base, NUCLEI) is not None
    ]
    if differences:
        titled = ["", *(f"{each} (of each seed)" for each in TITLES.values())]
        lines += ["", "Differences, paired by seed and tile:", "", *Table(titled, differences).markdown()]
    return "\n".join(lines) + "\n"


def _named(results: LymphocyteResults) -> Iterator[tuple[str, str]]:
    yield from ((name, title) for name, title in FLOOR_TITLES.items() if name in results.floors)
    yield from ((name, title) for name, title in ARMS.items() if results.seeds(name))


def _difference(results: LymphocyteResults, name: str, base: str, against: str) -> str:
    found = results.difference(name, base, against)
    if found is None:
        return "–"
    return f"{in_words(found[0], signed=True)} ({', '.join(f'{each:+.3f}' for each in found[1])})"


def _chart(results: LymphocyteResults) -> str:
    rows = [
        IntervalRow(title, *found)
        for name, base, title in PAIRS
        if (found := results.difference(name, base, NUCLEI)) is not None
    ]
    return interval_chart(rows, "Lymphocytes", "difference of AUROC against other nuclei; dots are seeds")


def _plain(interval: Interval | None) -> dict[str, float]:
    return {} if interval is None else dict(interval.as_json())


def _value_rows(results: LymphocyteResults) -> Iterator[tuple[Any, ...]]:
    for name, _ in _named(results):
        for against in (NUCLEI, ALL):
            seeds: list[int | None] = [None] if name in results.floors else [*results.seeds(name)]
            for seed in seeds:
                found = results.auroc(name, against, None if seed is None else [seed])
                if found is None:
                    continue
                for tile, value in zip(results.points, found.by_tile[0], strict=True):
                    shown = value_in_words(value)
                    yield name, "" if seed is None else seed, against, tile.id, int(tile.is_positive.sum()), shown
