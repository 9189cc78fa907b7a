"""``histoloom layout variants``: sets of layouts from the shell, and the sentence that answers each mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from histoloom.cli import main
from histoloom.layouts import LAYOUT_VARIANTS, Layout, RandomLayoutRecipe, load_layout, random_layout, save_layout
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.layouts.variants import varied_layouts
from histoloom.layouts.what_if import GrowRecipe
from tile_folders import write_tiles


@pytest.fixture(scope="module")
def drawn() -> list[Layout]:
    recipe = RandomLayoutRecipe(height=160, width=180, density=6_000.0)
    return [random_layout(recipe, seed) for seed in (1, 2)]


@pytest.fixture
def folder(drawn: list[Layout], tmp_path: Path) -> Path:
    for name, layout in zip("ab", drawn, strict=True):
        save_layout(layout, tmp_path / "drawn" / f"{name}.tif")
    return tmp_path / "drawn"


def test_a_folder_of_layouts_gives_what_the_library_gives(
    folder: Path, drawn: list[Layout], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["layout", "variants", str(folder), "--set", "grow", "--factor", "1.6", "--count", "2", "--seed", "5"]
    assert main([*line, "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("4 layouts of the set 'grow': ")
    made = [load_layout(tmp_path / "out" / f"{name}_grow_{copy}.tif") for name in "ab" for copy in (1, 2)]
    wanted = varied_layouts(drawn, "grow", GrowRecipe(factor=1.6), copies=2, seed=5)
    assert all(one.equals(other) for one, other in zip(made, wanted, strict=True))
    assert made[0].provenance["variants"][0]["recipe"]["factor"] == 1.6

    bytes_before = (tmp_path / "out" / "a_grow_2.tif").read_bytes()
    assert main([*line, "-o", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "a_grow_2.tif").read_bytes() == bytes_before


@pytest.mark.parametrize("name", LAYOUT_VARIANTS)
def test_every_set_can_be_made(folder: Path, tmp_path: Path, name: str) -> None:
    line = ["layout", "variants", str(folder / "a.tif"), "--set", name, "-o", str(tmp_path / "out"), "--format"]
    assert main([*line, "geojson"]) == 0
    assert [each.name for each in (tmp_path / "out").glob("*.geojson")] == [f"a_{name}_1.geojson"]


def test_labels_of_tiles_are_replicated_as_they_are(tmp_path: Path) -> None:
    tiles = write_tiles(tmp_path / "tiles", tiles=2)
    out = tmp_path / "out"
    assert main(["layout", "variants", str(tiles), "--set", "replica", "--pixel-size", "0.5", "-o", str(out)]) == 0
    for name in ("t0", "t1"):
        tile, wanted = open_tile_folder(tiles).open(name)
        tile.close()
        made = load_layout(out / f"{name}_replica_1.tif")
        assert made.pixel_size == 0.5
        np.testing.assert_array_equal(made.rasterize(), wanted.rasterize())


def test_bare_label_maps_in_a_folder_are_layouts(folder: Path, tmp_path: Path) -> None:
    for each in folder.glob("*.layout.json"):
        each.unlink()
    assert main(["layout", "variants", str(folder), "--set", "shape", "-o", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").glob("*_shape_1.tif"))) == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["drawn", "--set", "worse"], "choose one of: replica, shape, grow"),
        (["drawn", "--set", "grow", "--count", "0"], "whole number from 1"),
        (["drawn", "--set", "grow", "--irregularity", "0.1"], "'--irregularity' does not belong to this set"),
        (["drawn", "--set", "grow", "--factor", "-1"], "'factor' is not usable"),
        (["drawn", "--set", "grow", "--class-name", "glass"], "glass"),
        (["drawn", "drawn/b.tif", "--set", "grow"], "2 of the layouts are called 'b'"),
        (["nowhere.tif", "--set", "grow"], "is not there"),
        (["empty", "--set", "grow"], "neither layouts nor tiles with labels"),
        (["drawn", "--set", "grow", "-o", "drawn"], "choose another folder for the new layouts"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    output = [] if "-o" in words else ["-o", "out"]
    assert main(["layout", "variants", *words, *output]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
