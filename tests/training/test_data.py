"""Tiles become training data: split, rescaled, and refused with a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from histoloom.errors import HistoloomError, TrainingError
from histoloom.training.data import read_training_data
from tile_folders import write_tiles


def test_tiles_are_read_with_their_labels(tmp_path):
    data = read_training_data(write_tiles(tmp_path / "tiles"), pixel_size=0.25, licence="CC0")
    assert len(data.training) + len(data.validation) == 4
    assert data.classes == ("nucleus",)
    assert data.split["by"] == "tile"
    (source,) = data.sources
    assert (source.name, source.licence, source.tiles) == ("tiles", "CC0", 4)
    for picture in data.training:
        assert set(np.unique(picture.label_map)) == set(range(picture.class_of.size))
        assert picture.image[picture.label_map > 0].mean() < picture.image[picture.label_map == 0].mean() - 50


def test_no_patient_is_on_both_sides(tmp_path):
    folder = write_tiles(tmp_path / "tiles", tiles=8, patients=3)
    for seed in range(5):
        split = read_training_data(folder, pixel_size=0.25, validation_share=0.3, seed=seed).split
        assert split["by"] == "patient"
        sides = [{int(each[1:]) % 3 for each in split[part]} for part in ("training", "validation")]
        assert not sides[0] & sides[1]


def test_tiles_of_another_pixel_size_are_rescaled_with_their_labels(tmp_path):
    folder = write_tiles(tmp_path / "tiles")
    same = read_training_data(folder, pixel_size=0.25, tile_pixel_size=0.25)
    half = read_training_data(folder, pixel_size=0.5, tile_pixel_size=0.25)
    for before, after in zip(same.training, half.training, strict=True):
        assert after.image.shape == (32, 32, 3)
        assert after.label_map.shape == (32, 32)
        share = [np.mean(each.label_map > 0) for each in (before, after)]
        assert share[1] == pytest.approx(share[0], abs=0.03)


def test_a_folder_with_one_pair_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="at least two"):
        read_training_data(write_tiles(tmp_path / "tiles", tiles=1), pixel_size=0.25)


def test_pairs_of_differing_sizes_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(HistoloomError) as refused:
        read_training_data(write_tiles(tmp_path / "tiles", label_side=80), pixel_size=0.25)
    assert "80" in str(refused.value)
    assert "64" in str(refused.value)
