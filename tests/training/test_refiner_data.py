"""Refiners are trained on pictures alone, whatever labels lie beside them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from histoloom.cli import main
from histoloom.errors import TrainingError
from histoloom.tiles.samples import embedded_sample
from histoloom.training.refiner_data import read_refiner_data
from histoloom.training.systems.refiner_recipe import RefinerRecipe


@pytest.fixture
def folder(tmp_path):
    whole = embedded_sample().read()
    path = tmp_path / "tiles"
    path.mkdir()
    for index, (y, x) in enumerate([(0, 0), (0, 96), (96, 0)]):
        Image.fromarray(whole[y : y + 160, x : x + 160]).save(path / f"tile_{index}.png")
    Image.fromarray(np.full((160, 160, 3), 250, np.uint8)).save(path / "white.png")
    return path


def test_tiles_without_labels_are_read_and_white_ones_left_out(folder):
    data = read_refiner_data([folder], RefinerRecipe(), licences=["CC0"])
    assert (len(data.training), len(data.validation)) == (2, 1)
    assert data.sources[0].licence == "CC0"
    assert (data.sources[0].tiles, data.sources[0].validation_tiles) == (3, 1)
    assert all(each.image.shape == (160, 160, 3) and not each.label_map.any() for each in data.training)


def test_tiles_of_another_pixel_size_are_rescaled(folder):
    data = read_refiner_data([folder, folder], RefinerRecipe(), tile_pixel_size=0.5)
    assert {each.image.shape for each in (*data.training, *data.validation)} == {(320, 320, 3)}
    assert len(data.training) == 4


def test_too_few_tiles_are_said(folder):
    with pytest.raises(TrainingError, match="'tiles' has fewer than two tiles with tissue"):
        read_refiner_data([folder], RefinerRecipe(leave_out=("tile_0", "tile_1")))
    with pytest.raises(TrainingError, match="needs real tiles"):
        read_refiner_data([], RefinerRecipe())


def test_the_line_estimates_a_training_on_them(folder, capsys):
    line = ["train", "refiner", "--data", str(folder), "--preset", "fast look", "--estimate", "--width", "4"]
    line += ["--discriminator-width", "4", "--batch-size", "2", "--first-pictures", "1", "--device", "cpu"]
    assert main(line) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] > 0
