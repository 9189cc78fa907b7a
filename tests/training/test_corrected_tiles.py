"""Corrected tiles give better labels to what is trained on, and what is held out is never trained on."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from test_segmenter_training import discs, recipe

from histoloom.errors import HistoloomError, TrainingError
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.models import load_bundle
from histoloom.runs import Run
from histoloom.training.corrected_tiles import place_in
from histoloom.training.engine import train
from histoloom.training.segmenter_data import read_segmenter_data
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe
from tile_folders import write_tiles

RECIPE = SegmenterRecipe(pixel_size=0.25)


def correction(folder, name, image, label_map, class_name="nucleus", ignored=None):
    for each in ("images", "labels", "types"):
        (folder / each).mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / "images" / f"{name}.tif", image)
    tifffile.imwrite(folder / "labels" / f"{name}.tif", label_map.astype(np.int32))
    classes = {str(label): class_name for label in np.unique(label_map).tolist() if label}
    (folder / "types" / f"{name}.json").write_text(json.dumps(classes))
    if ignored is not None:
        Image.fromarray(ignored.astype(np.uint8) * 255).save(folder / "labels" / f"{name}_ignore.png")
    return folder


def block(shape, *corners, side=6):
    label_map = np.zeros(shape, np.int32)
    for label, (y, x) in enumerate(corners, start=1):
        label_map[y : y + side, x : x + side] = label
    return label_map


def pixels_of(folder, name):
    tile, _ = open_tile_folder(folder).open(name)
    return tile.read()


def by_picture(pictures, image):
    return [each for each in pictures if np.array_equal(each.image, image)]


def test_tiles_keep_their_roles_and_get_the_corrected_labels(tmp_path):
    folder = write_tiles(tmp_path / "tiles", tiles=4)
    before = read_segmenter_data([folder], [], RECIPE)
    held_out = next(iter(before.split["validation"]))
    trained = before.split["training"][0]
    fixes = tmp_path / "fixes"
    for place, name in enumerate((held_out, trained)):
        ignored = block((64, 64), (40, 40), side=10) if place else None
        fixed = block((64, 64), (5, 5), (30, 9 + place))
        correction(fixes, f"fix{place}", pixels_of(folder, name), fixed, ignored=ignored)

    after = read_segmenter_data([folder], [], RECIPE, corrected=[fixes])
    assert (len(after.training), len(after.validation)) == (len(before.training), len(before.validation))
    (validated,) = by_picture(after.validation, pixels_of(folder, held_out))
    np.testing.assert_array_equal(validated.label_map, block((64, 64), (5, 5), (30, 9)))
    assert not by_picture(after.training, pixels_of(folder, held_out))
    (learnt,) = by_picture(after.training, pixels_of(folder, trained))
    np.testing.assert_array_equal(learnt.label_map, block((64, 64), (5, 5), (30, 10)))
    assert learnt.ignored.sum() == 100
    assert after.sources[0].sha256 != before.sources[0].sha256
    assert len(after.sources) == 1


def test_a_new_tile_is_trained_on_and_never_held_out(tmp_path):
    folder = write_tiles(tmp_path / "tiles", tiles=4)
    image = np.random.default_rng(9).integers(0, 255, (80, 70, 3)).astype(np.uint8)
    fixes = correction(tmp_path / "fixes", "new", image, block((80, 70), (10, 10)))
    before, after = (read_segmenter_data([folder], [], RECIPE, corrected=each) for each in ([], [fixes]))
    assert len(by_picture(after.training, image)) == 1
    assert len(after.training) == len(before.training) + 1
    assert [len(each.label_map) for each in after.validation] == [len(each.label_map) for each in before.validation]
    assert [each.name for each in after.sources] == ["tiles", "fixes"]


def test_pieces_of_a_corrected_tile_and_tiles_around_one_are_recognized(tmp_path):
    image = np.random.default_rng(3).integers(0, 255, (64, 128, 3)).astype(np.uint8)
    pieces = tmp_path / "pieces"
    correction(pieces, "left", image[:, :64], block((64, 64), (1, 1)))
    correction(pieces, "right", image[:, 64:], block((64, 64), (1, 1)))
    whole = correction(tmp_path / "whole", "whole", image, block((64, 128), (20, 10), (30, 100)))
    data = read_segmenter_data([pieces], [], RECIPE, corrected=[whole])
    assert (len(data.training), len(data.validation)) == (1, 1)
    for each in (*data.training, *data.validation):
        is_left = np.array_equal(each.image, image[:, :64])
        np.testing.assert_array_equal(each.label_map > 0, block((64, 64), (20, 10) if is_left else (30, 36)) > 0)

    part = correction(tmp_path / "part", "part", image[10:50, 10:60], block((40, 50), (2, 2), (20, 20)))
    data = read_segmenter_data([pieces], [], RECIPE, corrected=[part])
    (left,) = by_picture((*data.training, *data.validation), image[:, :64])
    np.testing.assert_array_equal(left.label_map[10:50, 10:60] > 0, block((40, 50), (2, 2), (20, 20)) > 0)
    assert left.label_map[1, 1] > 0
    assert len(data.training) == 1


def test_a_piece_is_found_where_it_lies_and_nowhere_else():
    picture = np.random.default_rng(1).integers(0, 255, (60, 50, 3)).astype(np.uint8)
    assert place_in(picture[7:27, 11:41], picture) == (7, 11)
    other = picture[7:27, 11:41].copy()
    other[5, 5] += 1
    assert place_in(other, picture) is None
    assert place_in(picture, picture[:20]) is None
    assert place_in(np.zeros((5, 5, 3), np.uint8), np.zeros((9, 9, 3), np.uint8)) == (0, 0)


def test_corrections_alone_are_refused(tmp_path):
    fixes = write_tiles(tmp_path / "fixes", tiles=2)
    with pytest.raises(TrainingError, match="Corrected tiles need folders of real tiles beside them"):
        read_segmenter_data([], [fixes], RECIPE, corrected=[fixes])


def test_a_training_begins_with_the_weights_of_another(tmp_path):
    settings, data = recipe(architecture="unet", width=2, learning_rate=1e-12, average_decay=0.0, steps=1), discs()
    first = train(recipe(architecture="unet", width=2), data, tmp_path / "first")
    newest = first.bundle_path(8)
    run = train(settings, data, tmp_path / "second", begin_from=newest)
    for key, each in load_bundle(newest).weights.items():
        if "running" not in key and "num_batches" not in key:
            torch.testing.assert_close(torch.from_numpy(load_bundle(run.bundle).weights[key]), torch.from_numpy(each))
    begun = Run.open(tmp_path / "second").environment["begun_with"]
    assert begun == {"weights_sha256": load_bundle(newest).header.weights_sha256, "step": 8, "classes": ["nucleus"]}

    for changes, sentence in (
        ({"width": 4}, "are of another network than the recipe's; train by the recipe that they were trained by"),
        ({"architecture": "fcdensenet", "width": 0}, "are of another network than the recipe's"),
    ):
        with pytest.raises(TrainingError, match=sentence):
            train(recipe(**{"architecture": "unet", **changes}), data, tmp_path / "third", begin_from=newest)
    with pytest.raises(HistoloomError, match=r"gone\.safetensors"):
        train(settings, data, tmp_path / "third", begin_from=tmp_path / "gone.safetensors")
    assert not (tmp_path / "third").exists()


def test_a_network_goes_on_to_tell_apart_what_it_did(tmp_path):
    settings = recipe(architecture="unet", width=2, steps=8)
    both = ("epithelial", "inflammatory")
    first = train(settings, discs(classes=both), tmp_path / "first")
    fewer = discs(classes=("epithelial",))
    run = train(settings, fewer, tmp_path / "second", begin_from=first.bundle)
    assert load_bundle(run.bundle).header.classes == both
    resumed = train(settings, fewer, tmp_path / "second", resume_from=run.checkpoint_path(4))
    assert load_bundle(resumed.bundle).header.weights_sha256 == load_bundle(run.bundle).header.weights_sha256
    with pytest.raises(TrainingError, match="tell apart epithelial, inflammatory, and the tiles have spindle"):
        train(settings, discs(classes=("spindle",)), tmp_path / "third", begin_from=first.bundle)
