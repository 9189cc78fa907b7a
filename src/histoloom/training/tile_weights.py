"""How much each woven tile of a folder counts, as a table beside the tiles says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from histoloom.errors import ImportanceError, TrainingError
from histoloom.importance.weights_table import decided_weight, read_weights, rows_of

WEIGHTS = "weights.csv"
"""The table's name; see `histoloom.importance.read_weights` for its columns."""


def read_tile_weights(table: Path, pictures: Mapping[str, Path]) -> dict[str, float]:
    """Return the weight of each tile.

    Parameters
    ----------
    table
        A CSV file with the columns ``file``, the name of a picture, and ``weight``, from 0, which rejects it; also
        ``decision``, if somebody overrules weights, see `histoloom.importance.decided_weight`.
    pictures
        Tiles by id. Every one of them must have a row, and every row one of them.

    Raises
    ------
    TrainingError
        If the table cannot be read, does not match the tiles, a weight is no number in 0 to 1,000,000, or a decision
        is unknown.
    """
    try:
        # By id as well, because tables of others may leave suffixes out.
        rows = [replace(row, file=_file_of(row.file, pictures)) for row in read_weights(table)]
        found = rows_of(rows, [path.name for path in pictures.values()], table.name, table.parent.name)
        return {
            name: decided_weight(found[path.name].weight, found[path.name].decision) for name, path in pictures.items()
        }
    except ImportanceError as error:
        raise TrainingError(str(error)) from None


def _file_of(file: str, pictures: Mapping[str, Path]) -> str:
    name = PurePosixPath(file.replace("\\", "/")).name
    return pictures[name].name if name in pictures else file
