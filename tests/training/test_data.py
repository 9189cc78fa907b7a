"""Tiles become training data: split, rescaled, and refused with a sentence."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from histoloom.errors import HistoloomError, TrainingError
from histoloom.training.data import read_training_data, read_training_folders
from histoloom.training.recipe import TrainingRecipe
from tile_folders import write_tiles


def test_tiles_are_read_with_their_labels(tmp_path):
    data = read_training_data(write_tiles(tmp_path / "tiles"), pixel_size=0.25, licence="CC0")
    assert len(data.training) + len(data.validation) == 4
    assert data.classes == ("nucleus",)
    assert data.split["by"] == "tile"
    (source,) = data.sources
    assert (source.name, source.licence, source.tiles) == ("tiles", "CC0", 4)
    assert source.validation_tiles == len(data.validation) == 1
    for picture in data.training:
        assert set(np.unique(picture.label_map)) == set(range(picture.class_of.size))
        assert picture.image[picture.label_map > 0].mean() < picture.image[picture.label_map == 0].mean() - 50


def test_masks_of_classes_are_split_into_nuclei_where_that_is_asked_for(tmp_path):
    folder = write_tiles(tmp_path / "tiles", tiles=2)
    for path in (folder / "labels").iterdir():
        mask = np.zeros((64, 64), np.uint8)
        mask[5:15, 5:15] = mask[5:15, 40:50] = 1
        mask[30:40, 5:15] = mask[30:40, 15:25] = mask[50:60, 50:60] = 2
        tifffile.imwrite(path, mask)
    (folder / "types").mkdir()
    for name in ("t0", "t1"):
        (folder / "types" / f"{name}.json").write_text('{"1": "tumor", "2": "spindle"}')
    for split_masks, count in ((False, 2), (True, 4)):
        data = read_training_folders([folder], TrainingRecipe(split_masks=split_masks))
        picture = data.training[0]
        assert picture.label_map.max() == count
        assert data.classes[picture.class_of[picture.label_map[35, 20]]] == "spindle"
        assert data.classes[picture.class_of[picture.label_map[10, 10]]] == "tumor"


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


def test_several_folders_are_split_each_by_itself_and_keep_their_licences(tmp_path):
    one = write_tiles(tmp_path / "one", tiles=4, patients=2)
    other = write_tiles(tmp_path / "other", tiles=3, classes="tumor")
    data = read_training_folders([one, other], TrainingRecipe(), licences=["CC0", "CC BY 4.0"])
    assert data.classes == ("nucleus", "tumor")
    assert [(each.name, each.licence, each.tiles) for each in data.sources] == [
        ("one", "CC0", 4),
        ("other", "CC BY 4.0", 3),
    ]
    assert [each["by"] for each in data.split["by"]] == ["patient", "tile"]
    assert len(data.training) + len(data.validation) == 7
    names = [{data.classes[index] for index in each.class_of[1:]} for each in (*data.training, *data.validation)]
    assert sorted(map(sorted, names)) == [["nucleus"]] * 4 + [["tumor"]] * 3
    alone = read_training_folders([one], TrainingRecipe())
    assert alone.sources[0].licence == "unknown"
    assert alone.split["by"] == "patient"


def test_tiles_to_leave_out_are_found_in_whichever_folder_has_them(tmp_path):
    folders = [write_tiles(tmp_path / "one", tiles=5), write_tiles(tmp_path / "other", tiles=3)]
    data = read_training_folders(folders, TrainingRecipe(leave_out=("t4", "t0")))
    assert [each.tiles for each in data.sources] == [3, 2]
    used = {name for part in data.split["by"] for key in ("training", "validation") for name in part[key]}
    assert used == {"t1", "t2", "t3"}
    with pytest.raises(TrainingError, match=r"no tile 'ink' to leave out in 'one', 'other'.*such as 't0'"):
        read_training_folders(folders, TrainingRecipe(leave_out=("t4", "ink")))
    with pytest.raises(TrainingError, match="'other' has one labelled tile that is not left out"):
        read_training_folders(folders, TrainingRecipe(leave_out=("t0", "t1")))


def test_licences_that_do_not_go_with_the_folders_are_refused(tmp_path):
    with pytest.raises(TrainingError, match=r"licences \(1\) is not that of the folders \(2\)"):
        read_training_folders([tmp_path, tmp_path], TrainingRecipe(), licences=["CC0"])
    with pytest.raises(TrainingError, match="at least one folder"):
        read_training_folders([], TrainingRecipe())
