"""The files that every study's report has: numbers, tables to read, and each single value."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from histoloom.runs import Run
from histoloom.studies.run_facts import losses_at_end, seconds_per_step
from histoloom.writing import write_json, write_text, written_whole

RESULTS, TABLE, VALUES = "results.json", "results.md", "values.csv"


def write_report_files(
    folder: Path, results: Mapping[str, Any], table: str, headings: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write ``results.json``, ``results.md`` and ``values.csv``, each whole or not at all.

    Parameters
    ----------
    folder
        Of the study.
    results
        Everything that was found, as plain values.
    table
        The tables, as Markdown.
    headings, rows
        Of each single value, so that others can test what they like.

    Raises
    ------
    WriteError
        If the folder cannot be written to.
    """
    write_json(folder / RESULTS, results)
    write_text(folder / TABLE, table)
    with written_whole(folder / VALUES) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(headings)
        writer.writerows(rows)


def value_in_words(value: float) -> str:
    """Return six digits, or nothing for a value that is not defined."""
    return f"{value:.6g}" if np.isfinite(value) else ""


def runs_as_json(runs: Mapping[str, Run]) -> dict[str, Any]:
    """Return how fast each run was and where its losses ended."""
    return {
        name: {"seconds_per_step": seconds_per_step(run), "losses_at_end": losses_at_end(run)}
        for name, run in runs.items()
    }
