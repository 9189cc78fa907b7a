"""Lymphocyte classifiers are trained on labels that tell them, or on woven ones and no label at all."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from histoloom.cli import main
from histoloom.errors import RecipeError, TrainingError
from histoloom.jobs.training_order import read_order, what_is_trained
from histoloom.layouts.measures import measure_outlines
from histoloom.models import inspect_bundle
from histoloom.runs import Run
from histoloom.segmenters.lymphocytes import LymphocyteClassifier
from histoloom.training.batches import as_batch
from histoloom.training.data import LabelledPicture, read_training_data
from histoloom.training.engine import train
from histoloom.training.lymphocyte_data import lymphocyte_tiles, read_lymphocyte_data
from histoloom.training.lymphocyte_layouts import LymphocyteLayouts, dark_round_diameter
from histoloom.training.lymphocyte_targets import ELSEWHERE, LYMPHOCYTE, OTHER, UNSAID, center_codes
from histoloom.training.systems.lymphocytes import LymphocyteTraining
from histoloom.training.systems.lymphocytes_recipe import LymphocyteRecipe
from histoloom.training.unlabelled_tiles import read_unlabelled_tiles
from lymphocyte_tiles import write_lymphocyte_tiles
from tile_folders import write_tiles

TINY = {
    "width": 4, "steps": 4, "batch_size": 2, "crop_size": 83, "checkpoint_every": 2, "validate_every": 2,
    "preview_every": 4, "validation_crops": 2, "previews": 1, "device": "cpu", "precision": "32-true",
}  # fmt: skip
WOVEN = {"weave": 5, "layout_side": 144}


def recipe(**changes):
    return LymphocyteRecipe.checked(**(TINY | changes))


def options(**changes):
    return [word for name, value in (TINY | changes).items() for word in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_lymphocyte_tiles(tmp_path_factory.mktemp("data") / "tiles", tiles=4)


@pytest.fixture(scope="module")
def universal(tiles, tmp_path_factory):
    """A run that has seen no label."""
    run = tmp_path_factory.mktemp("runs") / "run"
    line = ["train", "lymphocytes", "--unlabelled", str(tiles), "--licence", "CC0", "-o", str(run)]
    assert main([*line, *options(**WOVEN)]) == 0
    return run


def test_a_patch_is_positive_if_a_lymphocyte_is_at_its_centre_and_a_near_miss_if_it_is_not():
    label_map = np.zeros((80, 120), np.int32)
    label_map[30:51, 20:41], label_map[30:51, 70:91], label_map[5:12, 100:107] = 1, 2, 3
    picture = LabelledPicture(np.zeros((80, 120, 3), np.uint8), label_map, np.array([0, 0, 1, 2], np.uint8))
    codes = center_codes(picture, ("inflammatory", "spindle", "nucleus"), "inflammatory", 5.0, 10.0)
    assert codes[40, 30] == codes[40, 35] == LYMPHOCYTE
    # Between both radii nothing is said; then it is a near miss, though still within the nucleus.
    assert codes[40, 38] == UNSAID
    assert codes[40, 41] == codes[50, 40] == ELSEWHERE
    assert codes[40, 80] == OTHER
    assert codes[40, 88] == ELSEWHERE
    # Of nuclei that nobody has told the class of, nothing is said at all.
    assert codes[8, 103] == UNSAID
    ignored = np.zeros(label_map.shape, bool)
    ignored[:, :60] = True
    assert (center_codes(replace(picture, ignored=ignored), ("inflammatory", "spindle", "nucleus"), "x", 5, 5)[
        :, :60
    ] == UNSAID).all()  # fmt: skip


def test_woven_lymphocytes_are_round_and_7_micrometres_among_other_nuclei_some_of_them_alike():
    layouts = LymphocyteLayouts(recipe(layout_side=256))
    nuclei = [each for index in range(7) for each in layouts.at(index).nuclei.values()]
    for name, least, most in (("inflammatory", 0.15, 0.5), ("other", 0.08, 0.35)):
        chosen = [each for each in nuclei if each.class_name == name]
        assert least < len(chosen) / len(nuclei) < most
        measures = measure_outlines([each.outline for each in chosen])
        assert 6.2 < np.median(2 * np.sqrt(measures.areas / np.pi) * 0.25) < 7.8
    assert layouts.at(3).nuclei == layouts.at(3).nuclei
    alone = LymphocyteLayouts(recipe(layout_side=256, lymphocyte_twins=0.0)).at(1).nuclei.values()
    assert "other" not in {each.class_name for each in alone}


def test_how_large_lymphocytes_look_is_measured_without_labels(tiles):
    data = read_unlabelled_tiles(tiles, recipe())
    assert dark_round_diameter(data.training, 0.25) == pytest.approx(5.2, abs=0.5)
    layouts = LymphocyteLayouts(recipe(lymphocyte_diameter=0.0)).with_looks_of(data)
    assert layouts.recipe.lymphocyte_diameter == dark_round_diameter(data.training, 0.25)
    blank = [replace(each, image=np.full_like(each.image, 230)) for each in data.training]
    with pytest.raises(TrainingError, match="no round nuclei to measure lymphocytes on"):
        dark_round_diameter(blank, 0.25)


def test_woven_lymphocytes_are_darker_than_other_nuclei(tiles, tmp_path):
    looks = read_unlabelled_tiles(tiles, recipe())
    made = lymphocyte_tiles(recipe(**WOVEN), looks, tmp_path / "woven")
    dark, other = [], []
    for each in made.woven:
        for label in np.unique(each.label_map)[1:]:
            is_lymphocyte = made.classes[each.class_of[label]] == "inflammatory"
            (dark if is_lymphocyte else other).append(each.image[each.label_map == label].mean())
    assert np.mean(dark) < np.mean(other) - 10
    facts = made.sources[0].woven
    assert facts["drawn"]["lymphocyte_diameter"] == 7.0
    assert facts["recipe"]["lymphocyte_darkness"] == 1.0


def test_a_classifier_is_trained_on_looks_alone_and_says_so(universal, tiles):
    header = inspect_bundle(universal / "bundle.safetensors")
    assert (header.kind, header.system, header.classes) == ("classifier", "lymphocytes", ("inflammatory",))
    assert header.halo == 37
    assert header.tile_invariant
    assert [each.licence for each in header.training_data] == ["CC0"]
    assert header.training_data[0].woven["generator"] == "texture"
    assert Run.open(universal).environment["split"]["validated on"] == "woven tiles"
    assert read_order(universal).unlabelled == (tiles.resolve(),)
    assert what_is_trained(universal) == "classifier"
    assert list((universal / "previews").glob("*.png"))


def test_a_stopped_run_goes_on_to_the_same_bytes(tiles, tmp_path):
    data = read_lymphocyte_data([tiles], [], recipe())
    whole = train(recipe(), data, tmp_path / "whole")
    steps = []

    def should_stop():
        steps.append(1)
        return len(steps) == 2

    stopped = train(recipe(), data, tmp_path / "stopped", should_stop=should_stop)
    assert stopped.bundle is None
    resumed = train(recipe(), data, tmp_path / "stopped", resume_from=stopped.latest_checkpoint())
    assert resumed.bundle.read_bytes() == whole.bundle.read_bytes()


def test_a_classifier_learns_what_labels_show(tiles, tmp_path):
    settings = recipe(steps=40, batch_size=4, crop_size=99, learning_rate=3e-3, average_decay=0.8, checkpoint_every=40,
                      validate_every=40, preview_every=40)  # fmt: skip
    data = read_lymphocyte_data([tiles], [], settings)
    run = train(settings, data, tmp_path / "run")
    classifier = LymphocyteClassifier.load(run.bundle)
    picture = data.validation[0]
    codes = center_codes(picture, data.classes, "inflammatory", 3.0, 8.0)
    seen = classifier.probability_map(picture.image)
    assert seen[codes == LYMPHOCYTE].mean() > seen[codes == OTHER].mean() + 0.2
    assert seen[codes == LYMPHOCYTE].mean() > seen[codes == ELSEWHERE].mean() + 0.2


def test_importance_weights_of_woven_tiles_count(tiles, tmp_path):
    looks = read_unlabelled_tiles(tiles, recipe())
    made = lymphocyte_tiles(recipe(**WOVEN), looks, tmp_path / "woven")
    own = read_training_data(tiles, pixel_size=0.25)
    settings = recipe(woven_share=1.0)
    data = replace(made, validation=own.validation, classes=made.classes)
    with pytest.raises(TrainingError, match="All woven tiles are rejected"):
        LymphocyteTraining(settings, replace(data, woven=tuple(replace(each, weight=0.0) for each in made.woven)))
    table = tmp_path / "woven" / "weights.csv"
    names = sorted(each.name for each in (tmp_path / "woven").rglob("woven_*.png"))
    table.write_text("file,weight\n" + "".join(f"{name},{place % 2}\n" for place, name in enumerate(names)))
    read = read_lymphocyte_data([], [tmp_path / "woven"], recipe())
    # Two of five are not rejected, and one of them is validated on.
    assert len(read.woven) == len(read.validation) == 1
    assert read.split["validated on"] == "woven tiles"


def test_the_loss_of_a_crop_is_multiplied_by_its_tiles_weight(tiles):
    data = read_lymphocyte_data([tiles], [], recipe())
    system, told = LymphocyteTraining(recipe(), data), []
    work = SimpleNamespace(networks=system.build(), update=lambda _, loss: told.append(float(loss.detach())))
    crops = data.training[:2]
    losses = {}
    for name, weights in (("both", (1.0, 1.0)), ("first", (2.0, 0.0)), ("second", (0.0, 2.0)), ("more", (1.5, 0.5))):
        batch = as_batch([replace(each, weight=one) for each, one in zip(crops, weights, strict=True)], system.encode)
        system.step(work, batch)
        losses[name] = told[-1]
    assert losses["both"] == pytest.approx((losses["first"] + losses["second"]) / 2, rel=1e-4)
    assert losses["more"] == pytest.approx(0.75 * losses["first"] + 0.25 * losses["second"], rel=1e-4)


def test_a_picture_and_points_are_looked_at_from_the_shell(universal, tiles, tmp_path, capsys):
    image, out = tiles / "images" / "t0.png", tmp_path / "out"
    line = ["lymphocytes", str(image), "--classifier", str(universal / "bundle.safetensors"), "-o", str(out)]
    assert main([*line, "--pixel-size", "0.25"]) == 0
    seen = tifffile.imread(out / "t0_lymphocytes.tif")
    assert seen.shape == (192, 192)
    assert seen.dtype == np.float32
    points = tmp_path / "points.csv"
    points.write_text("y,x\n24,24\n60.5,100\n")
    assert main([*line, "--pixel-size", "0.25", "--points", str(points)]) == 0
    with (out / "t0_lymphocytes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["y"], row["x"]) for row in rows] == [("24", "24"), ("60.5", "100")]
    assert float(rows[0]["probability"]) == pytest.approx(seen[24, 24], abs=1e-3)
    points.write_text("y,x\n24,900\n")
    assert main([*line, "--points", str(points)]) == 1
    assert "lies outside of the picture of 192 x 192 pixels" in capsys.readouterr().err
    points.write_text("row,column\n1,2\n")
    assert main([*line, "--points", str(points)]) == 1
    assert "cannot be read as a table of points" in capsys.readouterr().err
    assert main([*line, "--pixel-size", "3"]) == 1
    assert "too far apart to rescale" in capsys.readouterr().err
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "t0.png")
    assert main([line[0], str(tmp_path / "t0.png"), *line[1:]]) == 1
    assert "Two pictures are called 't0'" in capsys.readouterr().err


def test_labels_without_classes_are_refused_in_a_sentence(tiles, tmp_path, capsys):
    plain = write_tiles(tmp_path / "plain", tiles=2)
    with pytest.raises(TrainingError, match=r"do not tell which nuclei are lymphocytes: none is .* \(but 'nucleus'\)"):
        read_lymphocyte_data([plain], [], recipe())
    assert main(["train", "lymphocytes", "--data", str(plain), "-o", str(tmp_path / "run"), *options()]) == 1
    assert "give labels with classes" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    data = read_training_data(tiles, pixel_size=0.25)
    with pytest.raises(TrainingError, match="training tiles have no nucleus of the class 'tumor'"):
        LymphocyteTraining(recipe(positive_class="tumor"), data)


def test_layouts_without_lymphocytes_are_refused_in_a_sentence(tiles, tmp_path):
    with pytest.raises(RecipeError, match="lymphocyte_share"):
        recipe(lymphocyte_share=0.0)
    with pytest.raises(TrainingError, match="Random layouts have no nuclei of the class 'mitosis'"):
        LymphocyteLayouts(recipe(positive_class="mitosis"))
    made = lymphocyte_tiles(recipe(**WOVEN), read_unlabelled_tiles(tiles, recipe()), tmp_path / "woven")
    empty = [replace(each, class_of=np.full_like(each.class_of, made.classes.index("spindle"))) for each in made.woven]
    with pytest.raises(TrainingError, match=r"layouts with lymphocytes"):
        LymphocyteTraining(recipe(), replace(made, woven=tuple(empty), validation=made.woven))
    with pytest.raises(RecipeError, match="clear radius is smaller"):
        recipe(center_radius=3.0, clear_radius=2.0)


def test_what_is_missing_on_the_line_is_said_in_a_sentence(universal, tmp_path, capsys):
    assert main(["train", "lymphocytes", "-o", str(tmp_path / "r"), *options()]) == 1
    assert "needs tiles whose labels tell lymphocytes" in capsys.readouterr().err
    assert main(["train", "lymphocytes", "-o", str(tmp_path / "r"), *options(**WOVEN)]) == 1
    assert "name their folder with '--unlabelled'" in capsys.readouterr().err
    assert main(["train", "lymphocytes", "--resume"]) == 1
    assert main(["lymphocytes", "x.png", "--classifier", "nuclei", "-o", str(tmp_path)]) == 1
    assert "holds a segmenter and not a classifier" in capsys.readouterr().err
    assert main(["train", "lymphocytes", "--estimate", "--resume", "-o", str(universal)]) == 0
    assert json.loads(capsys.readouterr().out)["memory_bytes"] > 0


@pytest.mark.parametrize("least", ["nan", "-0.1", "1.5"])
def test_a_least_probability_that_is_none_is_refused(tmp_path, capsys, least):
    line = ["lymphocytes", "x.png", "--classifier", "nobody", "-o", str(tmp_path / "out"), "--least", least]
    assert main(line) == 1
    assert f"A probability of {least} is not possible" in capsys.readouterr().err
