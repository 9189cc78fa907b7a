"""Tiles are woven for a training from its training tiles, once, and a run that is resumed finds them again."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tifffile import imread

from histoloom.cli import main
from histoloom.errors import HistoloomError, Stopped, TrainingError
from histoloom.generators.networks.loom import TEXTURE_NUMBERS
from histoloom.models import NamedLookFacts, TrainingSource, inspect_bundle
from histoloom.runs import Run
from histoloom.tiles.looks import Look, NamedLook
from histoloom.tiles.tile import Tile
from histoloom.training.data import read_training_data
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe
from histoloom.training.woven_tiles import woven_tiles
from small_bundles import small_bundle, small_loom
from tile_folders import write_tiles

SIDE = 96


def recipe(**changes):
    return SegmenterRecipe(**{"weave": 4, "layout_side": SIDE, **changes})


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    stains = Look.from_tile(Tile.from_array(tissue(9), 0.25)).stains
    sources = (TrainingSource(name="tiles", licence="CC BY 4.0", tiles=3),)
    looks = tuple(NamedLookFacts.of(NamedLook.of(name, stains, [0.0] * TEXTURE_NUMBERS)) for name in ("one", "two"))
    small_loom(folder / "small.safetensors", training_data=sources, looks=looks)
    small_bundle(folder / "canny.safetensors", training_data=sources)
    return folder


@pytest.fixture(autouse=True)
def own_models(models, monkeypatch):
    monkeypatch.setenv("HISTOLOOM_MODELS", str(models))


def tissue(seed):
    return np.random.default_rng(seed).integers((170, 100, 150), (240, 200, 230), (64, 64, 3)).astype(np.uint8)


@pytest.fixture
def real(tmp_path):
    return write_tiles(tmp_path / "real", tiles=4)


@pytest.fixture
def data(real):
    return read_training_data(real, pixel_size=0.25, licence="CC0")


def records(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob("woven_*_seed*[0-9].json"))]


@pytest.mark.parametrize("layouts", ["shape", "replica", "random", "polygons"])
def test_tiles_are_woven_by_every_kind_of_layout(data, tmp_path, layouts):
    told = []
    woven = woven_tiles(
        recipe(layouts=layouts), data, tmp_path / "woven", generator="small", on_woven=lambda *each: told.append(each)
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(woven.woven) == 4
    side = SIDE if layouts in ("random", "polygons") else 64
    assert {each.image.shape for each in woven.woven} == {(side, side, 3)}
    assert any(each.label_map.any() for each in woven.woven)
    if layouts == "replica":
        shares = sorted(float((each.label_map > 0).mean()) for each in woven.woven)
        wanted = sorted(float((each.label_map > 0).mean()) for each in [*data.training, data.training[0]])
        np.testing.assert_allclose(shares, wanted, atol=0.02)


def test_looks_are_those_of_training_tiles_and_never_of_held_out_ones(data, tmp_path):
    woven_tiles(recipe(weave=6), data, tmp_path / "woven", generator="small")
    training, held_out = (
        {Look.from_tile(Tile.from_array(each.image, 0.25)).sha256 for each in tiles}
        for tiles in (data.training, data.validation)
    )
    seen = {each["look_sha256"] for each in records(tmp_path / "woven")}
    assert len(seen) > 1
    assert seen <= training
    assert not seen & held_out


def test_looks_may_be_those_that_the_generator_knows(data, tmp_path):
    woven_tiles(recipe(looks="named", layouts="random"), data, tmp_path / "woven", generator="small")
    assert {each["look_name"] for each in records(tmp_path / "woven")} == {"one", "two"}


def test_bundles_are_told_how_tiles_were_woven_and_under_which_licence(data, tmp_path):
    (source,) = woven_tiles(recipe(), data, tmp_path / "woven", generator="small").sources
    assert (source.name, source.licence, source.tiles) == ("woven with small", "CC BY 4.0", 4)
    assert source.woven["generator"] == "small"
    assert source.woven["layouts"] == "shape"
    assert source.woven["recipe"]["rescale"] is True
    assert source.woven["weights_sha256"]
    assert len(source.sha256) == 64


def test_a_generator_of_one_class_and_another_pixel_size_weaves_what_random_layouts_have(data, tmp_path):
    woven = woven_tiles(recipe(layouts="random", weave=2), data, tmp_path / "woven", generator="canny")
    assert woven.sources[0].woven["recipe"]["unknown_classes_as"] == "nucleus"
    assert len(woven.woven) == 2


def test_nuclei_that_vary_more_are_the_texture_weavers_and_no_other_generators(data, tmp_path):
    def woven(name, generator, **changes):
        return woven_tiles(recipe(layouts="random", weave=2, **changes), data, tmp_path / name, generator=generator)

    plain, varied = woven("plain", "texture"), woven("varied", "texture", nuclear_variety=1.0)
    settings = varied.sources[0].woven["recipe"]
    assert (settings["vesicular"], settings["color_variation"]) == (0.4, 0.2)
    assert plain.sources[0].woven["recipe"]["vesicular"] == 0.0
    for one, other in zip(plain.woven, varied.woven, strict=True):
        np.testing.assert_array_equal(one.label_map, other.label_map)
        assert not np.array_equal(one.image, other.image)
    with pytest.raises(TrainingError, match="'small' cannot vary nuclei; take 'texture'"):
        woven("small", "small", nuclear_variety=0.5)
    assert not (tmp_path / "small").exists()


def test_tiles_are_woven_once_and_found_again_without_their_generator(data, models, tmp_path, monkeypatch):
    first = woven_tiles(recipe(), data, tmp_path / "woven", generator="small")
    monkeypatch.setenv("HISTOLOOM_MODELS", str(tmp_path / "none"))
    again = woven_tiles(recipe(), data, tmp_path / "woven", generator="small", on_woven=lambda *_: pytest.fail("woven"))
    assert again.sources == first.sources
    for one, other in zip(first.woven, again.woven, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.label_map, other.label_map)
    monkeypatch.setenv("HISTOLOOM_MODELS", str(models))
    told = []
    for changes, generator in (({"seed": 1}, "small"), ({}, str(models / "small.safetensors"))):
        woven_tiles(
            recipe(**changes), data, tmp_path / "woven", generator=generator, on_woven=lambda *each: told.append(each)
        )
    assert len(told) == 8
    assert str(models) not in (tmp_path / "woven.json").read_text()
    assert len(records(tmp_path / "woven")) == 4


def test_a_weaving_that_was_stopped_begins_anew(data, tmp_path):
    asked = []
    with pytest.raises(Stopped):
        woven_tiles(
            recipe(), data, tmp_path / "woven", generator="small",
            should_stop=lambda: asked.append(1) or len(asked) > 2,
        )  # fmt: skip
    assert 0 < len(records(tmp_path / "woven")) < 4
    assert len(woven_tiles(recipe(), data, tmp_path / "woven", generator="small").woven) == 4


@pytest.mark.parametrize(
    ("changes", "generator", "sentence"),
    [
        ({}, "gone", "There is no generator called 'gone'"),
        ({"looks": "named"}, "texture", "The generator 'texture' knows no looks by name"),
        ({"layouts": "random", "layout_preset": "liver"}, "small", "There is no preset 'liver'"),
    ],
)
def test_orders_that_cannot_be_woven_are_refused_before_anything_is_written(
    data, tmp_path, changes, generator, sentence
):
    with pytest.raises(HistoloomError) as refused:
        woven_tiles(recipe(**changes), data, tmp_path / "run" / "woven", generator=generator)
    assert sentence in str(refused.value)
    assert not (tmp_path / "run").exists()


SMALL = [
    *("--architecture", "hover-unet", "--width", "4", "--crop-size", "32", "--batch-size", "2", "--device", "cpu"),
    *("--validation-crops", "1", "--previews", "1", "--checkpoint-every", "2", "--layout-side", "64"),
]


def train(run, *words):
    return main(["train", "segmenter", "-o", str(run), *map(str, words)])


def test_a_line_weaves_trains_and_goes_on_with_the_same_tiles(real, models, tmp_path, monkeypatch, capsys):
    assert main(["layout", "random", "-o", str(tmp_path / "drawn.tif"), "--size", "64", "64"]) == 0
    look = real / "images" / "t0.png"
    weave = ["weave", str(tmp_path / "drawn.tif"), "--look", str(look), "--generator", "small", "--count", "2"]
    assert main([*weave, "-o", str(tmp_path / "woven")]) == 0
    line = ["--data", real, "--woven", tmp_path / "woven", "--weave", 2, "--generator", "small", "--steps", 2]
    assert train(tmp_path / "run", *line, *SMALL) == 0
    said = capsys.readouterr()
    assert "2 of 2 tiles woven" in said.err
    assert "4 woven ones" in said.err
    before = inspect_bundle(tmp_path / "run" / "bundle.safetensors")
    assert [each.name for each in before.training_data] == ["real", "woven", "woven with small"]
    assert [each.licence for each in before.training_data] == ["unknown", "CC BY 4.0", "CC BY 4.0"]
    for name in ("environment.json", "recipe.json", "events.jsonl", "bundle.safetensors"):
        assert str(tmp_path).encode() not in (tmp_path / "run" / name).read_bytes()
    monkeypatch.setenv("HISTOLOOM_MODELS", str(tmp_path / "none"))
    assert train(tmp_path / "run", "--resume") == 0
    monkeypatch.setenv("HISTOLOOM_MODELS", str(models))
    assert inspect_bundle(tmp_path / "run" / "bundle.safetensors") == before
    label = next((tmp_path / "run" / "start" / "woven").glob("*_labels.tif"))
    assert imread(label).shape == (64, 64)
    assert train(tmp_path / "other", *line, *SMALL) == 0
    assert inspect_bundle(tmp_path / "other" / "bundle.safetensors") == before
    picture = next((tmp_path / "woven").glob("*_seed0.png"))
    Image.fromarray(255 - np.asarray(Image.open(picture))).save(picture)
    capsys.readouterr()
    assert train(tmp_path / "run", "--resume") == 1
    assert "trained on other tiles" in capsys.readouterr().err


def test_a_segmenter_learns_from_woven_tiles_alone(tmp_path):
    words = ["--weave", 3, "--layouts", "random", "--looks", "named", "--generator", "small", "--steps", 1, *SMALL]
    assert train(tmp_path / "run", *words) == 0
    run = Run.open(tmp_path / "run")
    started = run.events()[0]
    assert (started["training_tiles"], started["woven_tiles"], started["validation_tiles"]) == (0, 2, 1)
    assert train(tmp_path / "run", "--resume") == 0


def test_an_estimate_writes_nothing(real, tmp_path, capsys):
    words = ["--data", real, "--weave", 500, "--generator", "small", "--estimate", *SMALL]
    assert train(tmp_path / "run", *words) == 0
    assert json.loads(capsys.readouterr().out)["seconds_per_step"] > 0
    assert not (tmp_path / "run").exists()


def test_mistakes_are_answered_with_one_sentence(real, tmp_path, capsys):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").touch()
    for run, words, sentence in (
        ("run", [], "name their folder with '--data', or woven ones with '--woven' or '--weave'"),
        ("run", ["--weave", 2], "No training tile has nuclei whose layout could be woven"),
        (
            "run",
            ["--weave", 2, "--layouts", "random"],
            "No training tile can lend its look to woven ones (there are no",
        ),
        ("run", ["--data", real, "--woven", tmp_path / "gone"], "The folder 'gone' does not exist"),
        ("run", ["--data", real, "--weave", 2, "--generator", "gone"], "There is no generator called 'gone'"),
        ("taken", ["--data", real, "--weave", 2], "The folder 'taken' is not empty (it holds 'notes.txt')"),
    ):
        assert train(tmp_path / run, *words, *SMALL) == 1
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()
    assert sorted(each.name for each in (tmp_path / "taken").iterdir()) == ["notes.txt"]
    shutil.rmtree(tmp_path / "taken")
