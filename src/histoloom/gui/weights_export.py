"""Exports of the Weights dock: tables of tiles and of nuclei."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from histoloom.errors import ImportanceError
from histoloom.gui.nucleus_weights_list import WeighedNucleus
from histoloom.importance import TileWeight, WeighingFacts, write_weights
from histoloom.jobs.judged_folder import WEIGHTS, JudgedFolder
from histoloom.writing import written_whole

_NUCLEUS_COLUMNS = ("id", "class", "weight", "y", "x")


def save_tiles(path: Path, tiles: Sequence[TileWeight], facts: WeighingFacts) -> Path:
    """Write tiles with what they count; returns the path.

    Raises
    ------
    ImportanceError
        If there are none, one is infinite, or all are rejected.
    WriteError
        If the file cannot be written.
    """
    if not tiles:
        raise ImportanceError("There are no weights to export yet; choose a critic and the tiles that it shall judge.")
    write_weights(path, tiles, facts)
    return path


def save_tiles_in_folder(folder: JudgedFolder, tiles: Sequence[TileWeight], facts: WeighingFacts) -> Path:
    """Write the table that 'train segmenter' reads beside the tiles of a folder; returns its path.

    Tiles without labels are left out, because nothing is learnt from them.

    Raises
    ------
    ImportanceError
        If no tile has labels, one has an infinite weight, or all that have labels are rejected.
    WriteError
        If the file cannot be written.
    """
    labelled = {each.file for each in folder.tiles if each.is_labelled}
    rows = [each for each in tiles if each.file in labelled]
    if not rows:
        raise ImportanceError(
            f"No tile of '{folder.path.name}' has labels, so no segmenter can learn from it; export the weights as a "
            "table instead."
        )
    return save_tiles(folder.path / WEIGHTS, rows, facts)


def save_nuclei(path: Path, nuclei: Sequence[WeighedNucleus]) -> Path:
    """Write nuclei with their weights and centroids in pixels; returns the path.

    Raises
    ------
    ImportanceError
        If there are none.
    WriteError
        If the file cannot be written.
    """
    if not nuclei:
        raise ImportanceError("There are no weighed nuclei to export; judge a picture whose nuclei are on the canvas.")
    with written_whole(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_NUCLEUS_COLUMNS)
        for each in nuclei:
            y, x = each.centroid
            table.writerow([each.id, each.class_name, f"{each.weight:.6g}", f"{y:.1f}", f"{x:.1f}"])
    return path
