"""How much each woven tile of a folder counts, as a table beside the tiles says."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from histoloom.errors import TrainingError

WEIGHTS = "weights.csv"
"""The table's name; its columns are ``file``, ``weight`` and others, which are not read here."""


def read_tile_weights(table: Path, pictures: Mapping[str, Path]) -> dict[str, float]:
    """Return the weight of each tile.

    Parameters
    ----------
    table
        A CSV file with the columns ``file``, the name of a picture, and ``weight``, from 0, which rejects it.
    pictures
        Tiles by id. Every one of them must have a row, and every row one of them.

    Raises
    ------
    TrainingError
        If the table cannot be read, does not match the tiles, or a weight is no number from 0.
    """
    ids = {path.name: name for name, path in pictures.items()} | {name: name for name in pictures}
    weights: dict[str, float] = {}
    for file, weight in _rows(table):
        name = ids.get(PurePosixPath(file.replace("\\", "/")).name)
        if name is None:
            raise TrainingError(
                f"'{table.name}' has a row for '{file}', and there is no such tile in '{table.parent.name}'; weigh the "
                "folder anew, or take the row out."
            )
        if name in weights:
            raise TrainingError(f"'{table.name}' has two rows for '{file}'; take one out.")
        weights[name] = _weight(weight, file, table.name)
    missing = sorted(pictures.keys() - weights.keys())
    if missing:
        raise TrainingError(
            f"'{table.name}' has no row for the tile '{pictures[missing[0]].name}' of '{table.parent.name}'; weigh the "
            "folder anew, or take the table away for equal weights."
        )
    return weights


def _rows(table: Path) -> list[tuple[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, rows = reader.fieldnames or [], list(reader)
    except (OSError, UnicodeDecodeError, csv.Error):
        raise TrainingError(f"'{table.name}' cannot be read as a table; save it as comma-separated UTF-8.") from None
    if not {"file", "weight"}.issubset(columns):
        raise TrainingError(
            f"'{table.name}' has no columns 'file' and 'weight'; give it both, or take it away for equal weights."
        )
    return [(str(row["file"] or "").strip(), str(row["weight"] or "").strip()) for row in rows]


def _weight(text: str, file: str, table: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise TrainingError(
            f"The weight '{text}' of '{file}' in '{table}' is no number from 0; correct it, or give 0 to reject the "
            "tile."
        )
    return weight
