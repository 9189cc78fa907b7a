"""Regions to ignore on disk: beside a tile or in a folder of their own, for training and for scores."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from histoloom.cli import main
from histoloom.errors import LayoutError
from histoloom.evaluation import score_labels
from histoloom.evaluation.label_files import label_file
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.training.data import read_training_data
from tile_folders import write_tiles


def left_half(side=64):
    mask = np.zeros((side, side), np.uint8)
    mask[:, : side // 2] = 255
    return mask


@pytest.fixture
def tiles(tmp_path):
    return write_tiles(tmp_path / "tiles")


@pytest.mark.parametrize("place", ["images/t1_ignore.png", "ignore/t1.png", "labels/t1_ignore.tif", "t1_ignore.bmp"])
def test_masks_are_found_and_are_neither_pictures_nor_labels(tiles, place):
    before = open_tile_folder(tiles)
    (tiles / "ignore").mkdir()
    Image.fromarray(left_half()).save(tiles / place)
    opened = open_tile_folder(tiles)
    assert opened.ids == before.ids
    assert [each.labels for each in opened.pairs] == [each.labels for each in before.pairs]
    assert opened.description == f"{before.description}, 1 with regions to ignore"
    np.testing.assert_array_equal(opened.ignored("t1", (64, 64)), left_half() > 0)
    assert opened.ignored("t0", (64, 64)) is None
    assert opened.content_sha256() != before.content_sha256()


@pytest.mark.parametrize("pixel_size", [0.25, 0.5])
def test_training_data_have_the_regions_at_their_pixel_size(tiles, pixel_size):
    before = read_training_data(tiles, pixel_size=pixel_size, tile_pixel_size=0.25)
    Image.fromarray(np.stack([left_half()] * 3, axis=-1)).save(tiles / "images" / "t1_ignore.png")
    data = read_training_data(tiles, pixel_size=pixel_size, tile_pixel_size=0.25)
    found = [each.ignored for each in (*data.training, *data.validation) if each.ignored is not None]
    side = round(64 * 0.25 / pixel_size)
    assert [each.tolist() for each in found] == [(left_half(side) > 0).tolist()]
    assert data.sources[0].sha256 != before.sources[0].sha256


def test_a_mask_of_another_size_is_refused_in_one_sentence(tiles):
    Image.fromarray(left_half(32)).save(tiles / "images" / "t1_ignore.png")
    with pytest.raises(LayoutError, match=r"regions to ignore in 't1_ignore.png' are 32 x 32 pixels and their picture"):
        read_training_data(tiles, pixel_size=0.25)


def test_scores_leave_the_regions_out_that_lie_beside_the_truth(tiles, tmp_path, capsys):
    predicted = tmp_path / "predicted"
    predicted.mkdir()
    for name, of in (("t0", "t0"), ("t1", "t2")):
        shutil.copy(tiles / "labels" / f"{of}.tif", predicted / f"{name}_labels.tif")
    truth, found = (label_file(tiles / "labels" / f"{name}.tif").read().label_map for name in ("t1", "t2"))
    wanted = score_labels(truth, found, ignore=left_half())

    def said(*words):
        assert main(["score", *map(str, words), "--json", "--no-hausdorff"]) == 0
        output = capsys.readouterr()
        return json.loads(output.out), output.err

    one = (tiles / "labels" / "t1.tif", predicted / "t1_labels.tif")
    whole, _ = said(*one)
    masks = tmp_path / "masks"
    masks.mkdir()
    Image.fromarray(left_half()).save(masks / "t1.png")
    given, _ = said(*one, "--ignore", masks / "t1.png")
    folders, _ = said(tiles, predicted, "--ignore", masks)
    shutil.move(masks, tiles / "ignore")
    beside, note = said(*one)
    assert "1 image with regions to ignore" in note
    together, note = said(tiles, predicted)
    assert "1 image with regions to ignore" in note
    assert whole["dice"] != wanted["dice"]
    for scores in (given, beside, folders["per_image"]["t1"], together["per_image"]["t1"]):
        assert (scores["dice"], scores["pq"]) == (wanted["dice"], wanted["pq"])
    assert together["per_image"]["t0"]["dice"] == 1


def test_masks_that_do_not_serve_are_answered_with_one_sentence(tiles, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    for words, sentence in (
        (["--ignore", str(tmp_path / "none")], "No mask in the folder 'none' has the name of a picture, such as 't0'"),
        (["--ignore", str(tmp_path / "gone")], "What '--ignore' names, 'gone', is not a folder of masks"),
        (["--ignore", str(tiles / "images" / "t0.png")], "is not a folder of masks"),
    ):
        assert main(["score", str(tiles), str(tiles), *words]) == 1
        assert sentence in capsys.readouterr().err
