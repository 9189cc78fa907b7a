"""Folders of woven tiles become training data, with the weights beside them; what does not match is one sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from histoloom.errors import HistoloomError, TrainingError
from histoloom.generators.contract import WovenTile
from histoloom.generators.registry import generator_named
from histoloom.generators.woven_files import save_woven
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import preset_recipe
from histoloom.models import TrainingSource
from histoloom.training.segmenter_data import read_segmenter_data
from histoloom.training.systems.segmenter import SegmenterTraining
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe
from histoloom.training.woven_folders import read_woven_folder
from small_bundles import small_loom
from tile_folders import write_tiles

SIDE = 128


def woven_tile(index, **facts):
    recipe = preset_recipe("tumor nests", height=SIDE, width=SIDE, density=9000.0, overlap_fraction=0.3)
    layout = random_layout(recipe, seed=index)
    image = np.where(layout.rasterize()[..., None] > 0, [100, 60, 150], [228, 190, 214]).astype(np.uint8)
    return WovenTile(image, layout, index, "loom", {}, "0" * 64, **facts)


@pytest.fixture
def folder(tmp_path):
    for index in range(3):
        save_woven(woven_tile(index), tmp_path / "woven", "tile", coco=index == 0)
    return tmp_path / "woven"


def weigh(folder, *rows, columns="file,weight,probability_real"):
    (folder / "weights.csv").write_text("\n".join([columns, *rows]) + "\n")


def test_all_tiles_of_a_folder_are_there_to_be_trained_on(folder):
    data = read_woven_folder(folder, pixel_size=0.25)
    assert (data.training, data.validation) == ((), ())
    for index, each in enumerate(data.woven):
        woven = woven_tile(index)
        np.testing.assert_array_equal(each.image, woven.image)
        # Where nuclei overlap, the labels are those that the picture shows.
        np.testing.assert_array_equal(each.label_map > 0, woven.layout.rasterize() > 0)
        assert each.label_map.max() == len(np.unique(woven.layout.rasterize())) - 1
        assert each.weight == 1
    assert "tumor" in data.classes
    (source,) = data.sources
    assert (source.name, source.tiles, source.licence) == ("woven", 3, "unknown")
    assert source.woven == {"generators": {"loom": 3}}


def test_tiles_are_rescaled_to_the_recipes_pixel_size(folder):
    assert {each.image.shape for each in read_woven_folder(folder, pixel_size=0.5).woven} == {(64, 64, 3)}


def test_weights_come_from_the_table_and_else_from_the_records(folder, tmp_path):
    plain = read_woven_folder(folder, pixel_size=0.25).sources[0].sha256
    weigh(folder, "tile_seed2.png,0,0.01", r"there\tile_seed0.png,0.25,0.2", "tile_seed1,4,0.8")
    weighed = read_woven_folder(folder, pixel_size=0.25)
    assert [each.weight for each in weighed.woven] == [0.25, 4, 0]
    assert weighed.sources[0].sha256 != plain
    weigh(folder, *(f"tile_seed{index}.png,1,0.5" for index in range(3)))
    assert read_woven_folder(folder, pixel_size=0.25).sources[0].sha256 == plain
    save_woven(woven_tile(7, importance_weight=0.5), tmp_path / "one", "tile")
    assert [each.weight for each in read_woven_folder(tmp_path / "one", pixel_size=0.25).woven] == [0.5]


ROWS = tuple(f"tile_seed{index}.png,1,0.5" for index in range(3))


@pytest.mark.parametrize(
    ("rows", "columns", "sentence"),
    [
        (ROWS[:2], "file,weight,p", "'weights.csv' has no row for the tile 'tile_seed2.png' of 'woven'; weigh the"),
        ((*ROWS, "other.png,1,1"), "file,weight,p", "has a row for 'other.png', and there is no such tile in 'woven'"),
        ((*ROWS, ROWS[0]), "file,weight,p", "has two rows for 'tile_seed0.png'"),
        ((*ROWS[:2], "tile_seed2.png,nan,1"), "file,weight,p", "The weight 'nan' of 'tile_seed2.png'"),
        ((*ROWS[:2], "tile_seed2.png,-1,1"), "file,weight,p", "The weight '-1' of 'tile_seed2.png'"),
        ((*ROWS[:2], "tile_seed2.png,,1"), "file,weight,p", "The weight '' of 'tile_seed2.png'"),
        (ROWS, "file,importance,p", "has no columns 'file' and 'weight'"),
        ([each.replace(",1,", ",0,") for each in ROWS], "file,weight,p", "All tiles of 'woven' are rejected"),
    ],
)
def test_tables_that_do_not_serve_are_refused_in_one_sentence(folder, rows, columns, sentence):
    weigh(folder, *rows, columns=columns)
    with pytest.raises(TrainingError) as refused:
        read_woven_folder(folder, pixel_size=0.25)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_picture_without_labels_has_its_row_and_is_not_learnt_from(folder):
    Image.fromarray(woven_tile(7).image).save(folder / "loose.png")
    weigh(folder, *ROWS, "loose.png,1,1", columns="file,weight,p")
    assert [each.weight for each in read_woven_folder(folder, pixel_size=0.25).woven] == [
        float(row.split(",")[1]) for row in ROWS
    ]


def test_tiles_that_are_all_rejected_in_their_records_are_called_so(folder):
    for record in folder.glob("*_seed?.json"):
        record.write_text(json.dumps(json.loads(record.read_text()) | {"importance_weight": 0.0}))
    with pytest.raises(TrainingError, match="All woven tiles are rejected"):
        read_segmenter_data([], [folder], SegmenterRecipe())


def test_a_known_generator_hands_its_licences_down(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOLOOM_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    sources = tuple(TrainingSource(name=name, licence=name) for name in ("CC BY 4.0", "Apache-2.0"))
    small_loom(tmp_path / "models" / "small.safetensors", training_data=sources)
    for record in folder.glob("*_seed?.json"):
        values = json.loads(record.read_text())
        record.write_text(json.dumps(values | {"weights_sha256": generator_named("small").weights_sha256}))
    assert read_woven_folder(folder, pixel_size=0.25).sources[0].licence == "Apache-2.0; CC BY 4.0"
    assert read_woven_folder(folder, pixel_size=0.25, licence="CC0").sources[0].licence == "CC0"


def test_real_and_woven_folders_are_one_set_and_only_real_tiles_are_validated_on(folder, tmp_path):
    real = write_tiles(tmp_path / "real")
    data = read_segmenter_data([real], [folder], SegmenterRecipe(), licences=["CC0"])
    assert (len(data.training) + len(data.validation), len(data.woven)) == (4, 3)
    assert [(each.name, each.licence) for each in data.sources] == [("real", "CC0"), ("woven", "unknown")]
    both = read_segmenter_data([real], [folder], SegmenterRecipe(), licences=["CC0", "CC BY 4.0"])
    assert both.sources[1].licence == "CC BY 4.0"
    # Real labels have no classes, so classes of woven nuclei are not told apart.
    assert SegmenterTraining(SegmenterRecipe(), data).classes == ("nucleus",)
    typed = write_tiles(tmp_path / "typed", classes="tumor")
    system = SegmenterTraining(SegmenterRecipe(), read_segmenter_data([typed], [folder], SegmenterRecipe()))
    assert system.classes == ("tumor",)


def test_without_real_tiles_a_share_of_the_woven_ones_is_held_out(folder):
    weigh(folder, "tile_seed0.png,2,1", "tile_seed1.png,3,1", "tile_seed2.png,0,1")
    data = read_segmenter_data([], [folder], SegmenterRecipe())
    assert data.training == ()
    assert (len(data.validation), len(data.woven)) == (1, 1)
    assert data.validation[0].weight == 1
    assert data.validation[0].image is not data.woven[0].image
    assert "tumor" in SegmenterTraining(SegmenterRecipe(), data).classes


@pytest.mark.parametrize(
    ("real", "woven", "licences", "sentence"),
    [
        ((), (), (), "Training needs tiles with labels"),
        (("real",), ("real",), (), "The folder 'real' is given as real tiles and as woven ones"),
        ((), ("one",), (), "Without real tiles, at least two woven ones are needed"),
        (("real",), ("one", "one"), ("CC0", "CC0"), "The number of licences (2) is not that of the folders (3)"),
        (("real",), ("empty",), (), "The folder 'empty' holds no tiles"),
    ],
)
def test_what_cannot_be_trained_on_is_said_in_one_sentence(tmp_path, real, woven, licences, sentence):
    write_tiles(tmp_path / "real")
    save_woven(woven_tile(0), tmp_path / "one", "tile")
    (tmp_path / "empty").mkdir()
    folders = ([tmp_path / name for name in names] for names in (real, woven))
    with pytest.raises(HistoloomError) as refused:
        read_segmenter_data(*folders, SegmenterRecipe(), licences=licences)
    assert sentence in str(refused.value)
