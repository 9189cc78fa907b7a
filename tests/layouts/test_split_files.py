"""Splits on disk."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from histoloom.errors import TileError, WriteError
from histoloom.layouts.split_files import save_split
from histoloom.layouts.tile_folders import TileFolder, TilePair

PAIRS = tuple(
    TilePair(name, Path(f"{name}.png"), patient=who) for name, who in (("a", "P1"), ("b, c", None), ("d", "P2"))
)
FOLDER = TileFolder(Path("tiles"), PAIRS, "3 tiles")


def test_a_split_is_one_row_for_each_tile(tmp_path):
    path = save_split(FOLDER, {"train": ["a", "d"], "test": ["b, c"]}, tmp_path / "split.csv")

    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [tuple(row.values()) for row in rows] == [("a", "P1", "train"), ("b, c", "", "test"), ("d", "P2", "train")]


def test_a_split_that_does_not_fit_is_refused_and_leaves_the_former_file(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("former")
    with pytest.raises(TileError, match="no split"):
        save_split(FOLDER, {}, path)
    with pytest.raises(TileError, match="no tile 'z'"):
        save_split(FOLDER, {"train": ["z"]}, path)
    with pytest.raises(WriteError):
        save_split(FOLDER, {"train": ["a"]}, path / "below" / "split.csv")
    assert path.read_text() == "former"
    assert [each.name for each in tmp_path.iterdir()] == ["split.csv"]
