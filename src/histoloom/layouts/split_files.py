"""Splits on disk: one table that says to which part each tile of a folder belongs."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from histoloom.errors import TileError
from histoloom.layouts.tile_folders import TileFolder
from histoloom.writing import written_whole

COLUMNS = ("id", "patient", "split")


def save_split(folder: TileFolder, split: Mapping[str, Sequence[str]], path: str | Path) -> Path:
    """Write a split as CSV with the columns ``id``, ``patient`` (empty where it is not known) and ``split``.

    Parameters
    ----------
    folder
        The folder that was split.
    split
        Ids of each part, as `TileFolder.split` returns them.
    path
        The file, written whole or not at all; rows are in the order of the folder.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    TileError
        If the split is empty or names tiles that the folder does not have.
    WriteError
        If the file cannot be written.
    """
    part_of = {key: part for part, ids in split.items() for key in ids}
    if not part_of:
        raise TileError("There is no split to save; choose how to split first.")
    unknown = part_of.keys() - set(folder.ids)
    if unknown:
        raise TileError(f"The folder '{folder.path.name}' has no tile '{min(unknown)}'; split it again.")
    with written_whole(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((pair.id, pair.patient or "", part_of[pair.id]) for pair in folder.pairs if pair.id in part_of)
    return Path(path)
