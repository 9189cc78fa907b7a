"""A segmenter can be trained without any human label: real tiles lend their looks, and layouts are drawn."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from histoloom.cli import main
from histoloom.errors import TrainingError
from histoloom.jobs.training_order import read_order
from histoloom.models import inspect_bundle
from histoloom.runs import Run
from histoloom.training.segmenter_data import read_segmenter_data
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe
from histoloom.training.unlabelled_tiles import read_unlabelled_tiles
from tile_folders import write_tiles

TINY = {
    "architecture": "hover-unet", "width": 4, "steps": 2, "batch_size": 2, "crop_size": 32, "weave": 4,
    "layouts": "mixed", "layout_side": 96, "validation_crops": 2, "device": "cpu", "precision": "32-true",
}  # fmt: skip


def recipe(**changes):
    return SegmenterRecipe(**(TINY | changes))


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("data") / "tiles", tiles=3, side=192, nuclei=30)


def test_labels_beside_unlabelled_tiles_are_not_read(tiles, tmp_path):
    damaged = shutil.copytree(tiles, tmp_path / "damaged")
    for label in (damaged / "labels").iterdir():
        label.write_bytes(b"no label map")
    data = read_unlabelled_tiles(damaged, recipe(), licence="CC0")
    assert len(data.training) == 3
    assert not any(each.label_map.any() for each in data.training)
    shutil.rmtree(damaged / "labels")
    assert read_unlabelled_tiles(damaged, recipe()).sources[0].sha256 == data.sources[0].sha256


def test_tiles_of_another_pixel_size_are_rescaled(tiles):
    data = read_unlabelled_tiles(tiles, recipe(), tile_pixel_size=0.5)
    assert {each.image.shape for each in data.training} == {(384, 384, 3)}


def test_a_segmenter_is_trained_on_looks_alone_and_says_so(tiles, tmp_path):
    run = tmp_path / "run"
    options = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    line = [
        "train",
        "segmenter",
        "--unlabelled",
        str(tiles),
        "--licence",
        "CC0",
        "--generator",
        "texture",
        "-o",
        str(run),
    ]
    assert main([*line, *options]) == 0
    header = inspect_bundle(run / "bundle.safetensors")
    assert [each.licence for each in header.training_data] == ["CC0"]
    assert header.training_data[0].woven["generator"] == "texture"
    assert Run.open(run).environment["split"]["validated on"] == "woven tiles"
    assert read_order(run).unlabelled == (tiles.resolve(),)
    order = json.loads((run / "start" / "order.json").read_text(encoding="utf-8")) if (run / "start").is_dir() else {}
    assert order.get("unlabelled", [str(tiles.resolve())]) == [str(tiles.resolve())]


def test_an_estimate_is_of_tiles_with_nuclei(tiles, capsys):
    line = ["train", "segmenter", "--unlabelled", str(tiles), "--generator", "texture", "--estimate", "--weave", "64"]
    small = [
        "--layouts",
        "mixed",
        "--nuclear-variety",
        "1",
        "--layout-side",
        "192",
        "--crop-size",
        "64",
        "--width",
        "4",
    ]
    assert main([*line, *small]) == 0, capsys.readouterr().err
    assert json.loads(capsys.readouterr().out)["seconds_per_step"] > 0


def test_real_labels_may_be_added(tiles, tmp_path):
    data = read_segmenter_data(
        [tiles], [], recipe(), unlabelled=[tiles], generator="texture", weave_into=tmp_path / "w"
    )
    assert len(data.woven) == TINY["weave"]
    assert len(data.training) + len(data.validation) == 3
    assert all(each.label_map.any() for each in data.training)


def test_mixed_layouts_are_drawn_both_ways_and_at_several_densities(tiles):
    data = read_segmenter_data([], [], recipe(weave=6), unlabelled=[tiles], generator="texture")
    counts = [int(np.unique(each.label_map).size) - 1 for each in (*data.woven, *data.validation)]
    assert len(set(counts)) > 2


def test_what_cannot_be_learnt_from_is_said(tiles, tmp_path, capsys):
    with pytest.raises(TrainingError, match="only lend woven ones their looks"):
        read_segmenter_data([tiles], [], recipe(weave=0), unlabelled=[tiles])
    with pytest.raises(TrainingError, match="No training tile has nuclei whose layout could be woven"):
        read_segmenter_data([], [], recipe(layouts="shape"), unlabelled=[tiles], generator="texture")
    with pytest.raises(TrainingError, match=r"licences \(2\) is not that of the folders \(1\)"):
        read_segmenter_data([], [], recipe(), unlabelled=[tiles], licences=("CC0", "CC0"))
    with pytest.raises(TrainingError, match="are left out"):
        read_unlabelled_tiles(tiles, recipe(leave_out=("t0", "t1", "t2")))
    assert main(["train", "segmenter", "--unlabelled", str(tiles), "-o", str(tmp_path / "run")]) == 1
    assert "--weave" in capsys.readouterr().err
