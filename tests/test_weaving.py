from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent / "jobs"))
from flat_generator import FlatRecipe, FlatWeaver
from small_tissue import look_of, nucleus_at

import histoloom
from histoloom.errors import LayoutError, RecipeError, Stopped, WriteError
from histoloom.generators import registry, weaving
from histoloom.generators.registry import generator_named, register_generator
from histoloom.generators.weaving import cropped, pieces, save_woven, weave
from histoloom.layouts import Layout, TissueMap
from histoloom.layouts.files import load_layout
from histoloom.recipes import Recipe
from histoloom.window import Window

LOOK = look_of(0)
LAYOUT = Layout.from_nuclei(
    [nucleus_at(key, 13 * key % 150, 29 * key % 130) for key in range(1, 15)], (150, 130), provenance={"seed": 3}
)
WHOLE = weave(LAYOUT, LOOK, generator="flat", seed=5)

sides = st.integers(-20, 170)


@given(sides, sides, st.integers(1, 120), st.integers(1, 120), st.sampled_from([16, 50, 512]))
@settings(max_examples=40, deadline=None)
def test_a_window_holds_the_bytes_of_the_whole_whatever_the_pieces(y, x, height, width, side):
    window = Window(y, x, y + height, x + width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weaving.pieces, "__defaults__", (side,))
        if window.intersection(LAYOUT.window).is_empty:
            with pytest.raises(LayoutError, match="outside the canvas"):
                weave(LAYOUT, LOOK, generator="flat", seed=5, window=window)
            return
        part = weave(LAYOUT, LOOK, generator="flat", seed=5, window=window)
    shown = window.intersection(LAYOUT.window)
    np.testing.assert_array_equal(part.image, WHOLE.image[shown.slices])
    np.testing.assert_array_equal(part.layout.rasterize(), LAYOUT.rasterize(shown))


@given(sides, sides, st.integers(0, 200), st.integers(0, 200), st.integers(9, 64))
@settings(max_examples=50, deadline=None)
def test_pieces_cover_their_window_once(y, x, height, width, side):
    window = Window(y, x, y + height, x + width)
    count = np.zeros(window.shape, int)
    for piece in pieces(window, side):
        assert max(piece.shape) <= side
        assert window.contains(piece)
        count[piece.relative_to(window).slices] += 1
    assert (count == 1).all()


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 9))
@settings(deadline=None)
def test_a_cropped_tissue_map_says_the_same_of_every_pixel(y, x, height, width, cell_size):
    values = np.arange(100, dtype=np.uint8).reshape(10, 10) % 5
    layout = Layout({}, (80, 80), tissue_map=TissueMap(values, cell_size))
    window = Window(y, x, y + height, x + width)
    part = cropped(layout, window).tissue_map
    for dy, dx in [(0, 0), (height - 1, width - 1), (height // 2, width // 3)]:
        row, column = (y + dy) // cell_size, (x + dx) // cell_size
        if max(row, column) < 10:
            assert part.values[dy // part.cell_size, dx // part.cell_size] == values[row, column]


def test_the_seed_and_the_recipe_change_the_picture_and_are_kept_with_it():
    other = weave(LAYOUT, LOOK, generator="flat", recipe=FlatRecipe(brightness=3), seed=6)
    assert not np.array_equal(other.image, WHOLE.image)
    assert (other.seed, other.recipe["brightness"], other.look_sha256) == (6, 3, LOOK.sha256)
    assert other.generator == "flat"
    assert other.layout is LAYOUT


def test_progress_is_told_and_weaving_stops_when_asked(monkeypatch):
    monkeypatch.setattr(weaving.pieces, "__defaults__", (64,))
    told = []
    weave(LAYOUT, LOOK, generator="flat", on_progress=told.append)
    assert told == pytest.approx([(index + 1) / 9 for index in range(9)])
    told.clear()
    with pytest.raises(Stopped):
        weave(LAYOUT, LOOK, generator="flat", on_progress=told.append, should_stop=lambda: len(told) == 2)
    assert len(told) == 2


def test_a_canvas_too_large_for_any_memory_is_refused_with_its_size_and_a_way_out():
    huge = Layout.empty((100_000, 100_000))
    with pytest.raises(LayoutError, match=r"100000 x 100000 pixels needs about 65\.2 GiB.*weave a window"):
        weave(huge, LOOK, generator="flat")
    part = weave(huge, LOOK, generator="flat", window=Window(99_990, 99_990, 100_010, 100_010))
    assert part.image.shape == (10, 10, 3)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_that_cannot_be_keys_are_refused(seed):
    with pytest.raises(RecipeError, match="whole number from 0"):
        weave(LAYOUT, LOOK, generator="flat", seed=seed)


def test_a_recipe_of_another_generator_is_refused():
    class OtherRecipe(Recipe):
        pass

    with pytest.raises(RecipeError, match="give a FlatRecipe"):
        weave(LAYOUT, LOOK, generator="flat", recipe=OtherRecipe())


def test_generators_are_found_by_name_and_unknown_names_are_told_what_exists(monkeypatch):
    assert isinstance(generator_named("flat"), FlatWeaver)
    assert generator_named("texture").name == "texture"
    with pytest.raises(RecipeError, match="choose one of: flat, loom, refiner, texture"):
        generator_named("warp")
    monkeypatch.setitem(registry.GENERATORS, "gone", "histoloom.nowhere:Nothing")
    with pytest.raises(RecipeError, match="'gone' cannot be loaded"):
        generator_named("gone")


def test_a_name_stands_for_one_generator_only():
    register_generator("flat", registry.GENERATORS["flat"])
    with pytest.raises(RecipeError, match="exists already"):
        register_generator("flat", "other.module:Weaver")
    with pytest.raises(RecipeError, match=r"package\.module:ClassName"):
        register_generator("new", "import os; os.system('true')")


@pytest.mark.parametrize("image_format", ["png", "tif"])
def test_a_saved_tile_has_its_picture_labels_nuclei_and_record(tmp_path, image_format):
    paths = save_woven(WHOLE, tmp_path / "new", "tile", image_format, coco=True)
    assert {part: path.name for part, path in paths.items()} == {
        "image": f"tile_seed5.{image_format}",
        "labels": "tile_seed5_labels.tif",
        "geojson": "tile_seed5.geojson",
        "coco": "tile_seed5.coco.json",
        "record": "tile_seed5.json",
    }
    pixels = np.asarray(Image.open(paths["image"])) if image_format == "png" else tifffile.imread(paths["image"])
    np.testing.assert_array_equal(pixels, WHOLE.image)
    assert load_layout(paths["labels"]).equals(LAYOUT)
    assert len(json.loads(paths["geojson"].read_text())["features"]) == len(LAYOUT.nuclei)
    record = json.loads(paths["record"].read_text())
    assert record["synthetic"] is True
    assert record["notice"] == "Synthetic tissue, for research, not for diagnosis."
    assert (record["generator"], record["seed"], record["recipe"]) == ("flat", 5, WHOLE.recipe)
    assert record["files"].keys() == {each.name for each in (tmp_path / "new").iterdir()} - {paths["record"].name}


def test_pictures_say_in_their_metadata_that_they_are_synthetic(tmp_path):
    with Image.open(save_woven(WHOLE, tmp_path, "tile", "png")["image"]) as picture:
        assert picture.text["synthetic"] == "true"
        assert picture.text["histoloom_version"] == histoloom.__version__
        assert (picture.text["generator"], picture.text["seed"]) == ("flat", "5")
        assert "not for diagnosis" in picture.text["notice"]
        assert 25400 / picture.info["dpi"][0] == pytest.approx(0.25)
    with tifffile.TiffFile(save_woven(WHOLE, tmp_path, "tile", "tif")["image"]) as file:
        facts = json.loads(file.pages[0].description)
        assert (facts["synthetic"], facts["generator"], facts["seed"]) == (True, "flat", 5)
        assert "not for diagnosis" in facts["notice"]
        numerator, denominator = file.pages[0].tags["XResolution"].value
        assert 10000 * denominator / numerator == pytest.approx(0.25)
        assert "DateTime" not in file.pages[0].tags


def test_every_other_file_says_so_too(tmp_path):
    paths = save_woven(WHOLE, tmp_path, "tile", "png", coco=True)
    with tifffile.TiffFile(paths["labels"]) as file:
        documents = [json.loads(file.pages[0].description)]
    documents += [json.loads((tmp_path / "tile_seed5_labels.layout.json").read_text())]
    documents += [json.loads(paths["geojson"].read_text()), json.loads(paths["coco"].read_text())["info"]]
    for facts in documents:
        assert (facts["synthetic"], facts["generator"], facts["seed"]) == (True, "flat", 5)
        assert facts["histoloom_version"] == histoloom.__version__
        assert "not for diagnosis" in facts["notice"]


@pytest.mark.parametrize("image_format", ["png", "tif"])
def test_equal_tiles_are_equal_files_byte_by_byte(tmp_path, image_format):
    again = weave(LAYOUT, look_of(0), generator="flat", recipe=FlatRecipe(), seed=5)
    for tile, folder in ((WHOLE, "a"), (again, "b")):
        save_woven(tile, tmp_path / folder, "tile", image_format, coco=True)
    files = {folder: {each.name: each.read_bytes() for each in (tmp_path / folder).iterdir()} for folder in "ab"}
    assert files["a"] == files["b"]


def test_a_failed_save_leaves_nothing_behind_and_says_why(tmp_path, monkeypatch):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("histoloom.layouts.files.save_layout", full_disk)
    with pytest.raises(WriteError, match="No space left"):
        save_woven(WHOLE, tmp_path, "tile")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_a_folder_or_a_name_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError, match="choose a folder that you may write to"):
        save_woven(WHOLE, tmp_path / "file", "tile")
    with pytest.raises(WriteError, match="file name"):
        save_woven(WHOLE, tmp_path, "../tile")
    with pytest.raises(WriteError, match="choose png or tif"):
        save_woven(WHOLE, tmp_path, "tile", "bmp")
