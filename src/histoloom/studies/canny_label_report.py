"""What came out of the canny-label study, as files: numbers, tables, figures, and one page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from histoloom.studies.canny_label_figures import write_figures
from histoloom.studies.canny_label_page import page
from histoloom.studies.canny_label_recipe import INITIAL
from histoloom.studies.canny_label_results import POWER, Comparison, DataSetResults, StudyResults
from histoloom.studies.canny_label_tables import markdown_report
from histoloom.studies.intervals import LEVEL, Interval
from histoloom.studies.report_files import runs_as_json, value_in_words, write_report_files
from histoloom.studies.run_facts import named_environment
from histoloom.writing import write_text

PAGE = "report.html"


def write_report(results: StudyResults, folder: Path) -> None:
    """Write all files of the report, each whole or not at all.

    Parameters
    ----------
    results
        What was measured.
    folder
        Of the study. It gets what `write_numbers` writes, figures for each data set, and ``report.html``.
    """
    write_numbers(results, folder)
    html = page(results, write_figures(results, folder))
    write_text(folder / PAGE, html)


def write_numbers(results: StudyResults, folder: Path) -> None:
    """Write ``results.json``, ``results.md`` and ``values.csv``."""
    headings = ["data", "architecture", "arm", "seed", "score", "tile", "value"]
    write_report_files(folder, results_as_json(results), markdown_report(results), headings, _value_rows(results))


def results_as_json(results: StudyResults) -> dict[str, Any]:
    """Return recipe, data, and every score with its interval, as plain values."""
    finished, all_cells = results.finished
    return {
        "schema_version": 1,
        "study": "canny-label",
        "is_whole": finished == all_cells,
        "interval": f"{LEVEL:.0%} percentile bootstrap over held-out tiles of means over seeds",
        "detectable": f"paired t test at 5 %, power {POWER:.0%}",
        "recipe": results.recipe.as_json(),
        "data_sets": {name: _data_set_as_json(results, each) for name, each in results.data_sets.items()},
    }


def _data_set_as_json(results: StudyResults, data_set: DataSetResults) -> dict[str, Any]:
    runs = {f"generator-seed-{seed}": run for seed, run in data_set.generators.items()}
    runs |= {f"{of}-{arm}-seed-{seed}": cell.run for (of, arm, seed), cell in data_set.cells.items()}
    arms = [(of, arm) for of in results.recipe.architectures for arm in results.recipe.arms if data_set.seeds(of, arm)]
    return {
        "environment": named_environment(runs.values()),
        "split": dict(data_set.fold.tiles.split),
        "blocks": len(data_set.fold.blocks),
        "cells": runs_as_json(runs),
        "arms": {
            f"{of}-{arm}": {name: _interval_as_json(interval) for name, interval in data_set.of_arm(of, arm).items()}
            for of, arm in arms
        },
        "differences_to_initial": {
            f"{of}-{arm}": {name: _comparison_as_json(each) for name, each in data_set.comparison(of, arm).items()}
            for of, arm in arms
            if arm != INITIAL
        },
    }


def _interval_as_json(interval: Interval | None) -> Any:
    return None if interval is None else interval.as_json()


def _comparison_as_json(comparison: Comparison | None) -> Any:
    if comparison is None:
        return None
    return {
        **comparison.difference.as_json(),
        "half_width": comparison.half_width,
        "detectable": comparison.detectable if np.isfinite(comparison.detectable) else None,
        "by_seed": list(comparison.by_seed),
    }


def _value_rows(results: StudyResults) -> Iterator[tuple[Any, ...]]:
    for name, data_set in results.data_sets.items():
        for (architecture, arm, seed), cell in data_set.cells.items():
            for score, values in cell.scores.values.items():
                for tile, value in zip(data_set.tiles, values, strict=True):
                    yield name, architecture, arm, seed, score, tile, value_in_words(value)
