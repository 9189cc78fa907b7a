"""Colours that pictures are given before they are segmented, and the floor that every trained segmenter must beat."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from small_tiles import drawn_tile

from dark_segmenter import dark_segmenter
from histoloom.cli import main
from histoloom.layouts.files import load_layout
from histoloom.segmenters import segmenter as segmenter_module
from histoloom.segmenters.otsu_watershed import otsu_nuclei
from histoloom.segmenters.segmenter import Segmenter
from histoloom.tiles.normalization import ColorStatistics


def dice(one, other):
    return 2 * ((one > 0) & (other > 0)).sum() / ((one > 0).sum() + (other > 0).sum())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return dark_segmenter(tmp_path_factory.mktemp("models") / "dark.safetensors")


def dark_tile(**settings):
    picture, label_map = drawn_tile(**settings)
    picture = (picture * 0.7).astype(np.uint8)
    picture[label_map > 0] //= 2
    return picture, label_map


def faint(picture):
    return (255 - (255.0 - picture) * 0.55).astype(np.uint8)


def test_faint_nuclei_are_found_with_the_colors_of_the_training_tiles(bundle):
    picture, label_map = dark_tile()
    segmenter = Segmenter.load(bundle)
    as_it_is = segmenter.segment(faint(picture), 0.25)
    given = segmenter.segment(faint(picture), 0.25, colors=ColorStatistics.of(picture))
    assert dice(as_it_is.label_map, label_map) < 0.5
    assert dice(given.label_map, label_map) > 0.9


def test_colors_are_those_of_the_whole_picture_whatever_its_blocks(bundle, monkeypatch):
    picture, _ = dark_tile(side=160, nuclei=30)
    picture[:, 80:] = faint(picture[:, 80:])
    colors = ColorStatistics.of(dark_tile(seed=1)[0])
    segmenter = Segmenter.load(bundle)
    whole = segmenter.segment(picture, 0.25, colors=colors)
    monkeypatch.setattr(segmenter_module, "_MOST_BLOCK", 64)
    in_blocks = segmenter.segment(picture, 0.25, colors=colors)
    assert dice(whole.label_map, in_blocks.label_map) > 0.99


def test_glass_is_left_as_it_is_and_that_is_said(bundle):
    found = Segmenter.load(bundle).segment(
        np.full((64, 64, 3), 255, np.uint8), 0.25, colors=ColorStatistics.of(dark_tile()[0])
    )
    assert found.count == 0
    assert "The picture shows no tissue to match the colours of, so they were left as they are." in found.notes


def test_the_command_normalizes_to_pictures(bundle, tmp_path, capsys):
    picture, label_map = dark_tile()
    Image.fromarray(picture).save(tmp_path / "dark.png")
    Image.fromarray(faint(picture)).save(tmp_path / "faint.png")
    Image.fromarray(np.full((64, 64, 3), 255, np.uint8)).save(tmp_path / "glass.png")
    line = ["segment", str(tmp_path / "faint.png"), "--segmenter", str(bundle), "--pixel-size", "0.25"]
    dark = str(tmp_path / "dark.png")
    assert main([*line, "-o", str(tmp_path / "out"), "--normalize-to", dark, "--normalize-to", dark]) == 0
    assert dice(load_layout(tmp_path / "out" / "faint_labels.tif").rasterize(), label_map) > 0.9
    assert main([*line, "-o", str(tmp_path / "other"), "--normalize-to", str(tmp_path / "glass.png")]) == 1
    assert "shows no tissue" in capsys.readouterr().err


def test_the_floor_finds_dark_nuclei_and_nothing_in_glass():
    picture, label_map = drawn_tile()
    found = otsu_nuclei(picture, 0.25)
    assert dice(found, label_map) > 0.9
    assert found.max() >= 6
    assert not otsu_nuclei(np.full((64, 64, 3), 255, np.uint8), 0.25).any()
