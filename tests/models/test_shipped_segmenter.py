"""The segmenter that comes with histoloom is small, and finds nuclei in tiles that it never saw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from histoloom.evaluation.scores import score_labels
from histoloom.generators.registry import generator_named
from histoloom.layouts import RandomLayoutRecipe, random_layout
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.models import inspect_bundle
from histoloom.models.shipped import shipped_folder
from histoloom.segmenters.segmenter import Segmenter
from histoloom.tiles.samples import embedded_sample

BUNDLE = shipped_folder() / "nuclei.safetensors"
CARD = Path(__file__).resolve().parents[2] / "docs" / "models"


@pytest.fixture(scope="module")
def nuclei():
    return Segmenter.load()


def test_it_is_small_enough_to_come_along():
    assert BUNDLE.stat().st_size <= 8e6


def test_the_recipe_beside_the_card_is_the_one_that_was_trained():
    recipe = json.loads((CARD / "nuclei.recipe.json").read_text(encoding="utf-8"))
    assert recipe == json.loads(json.dumps(inspect_bundle(BUNDLE).recipe))


def test_it_finds_the_nuclei_of_a_stain_that_it_never_saw(nuclei):
    found = nuclei.segment(embedded_sample())
    areas = np.bincount(found.label_map.ravel())[1:] * found.pixel_size**2
    assert found.count > 100
    assert 10 < np.median(areas) < 80


def test_it_finds_woven_nuclei_where_the_layout_has_them(nuclei):
    layout = random_layout(RandomLayoutRecipe(height=256, width=256), seed=1)
    loom = generator_named("loom")
    woven = loom.prepare(loom.named_looks[0], loom.recipe_type(), 0.25).weave(layout, 1)
    scores = score_labels(layout.rasterize(), nuclei.segment(woven, 0.25).label_map, hausdorff=False)
    assert scores["dice"] > 0.7
    assert scores["aji"] > 0.5


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("folder", "tile", "dice", "aji"),
    [("tnbc_p01-08", "07_2", 0.8, 0.62), ("consep_train", "train_21", 0.84, 0.58)],
)
def test_it_finds_the_nuclei_of_held_out_tiles_at_both_magnifications(nuclei, shared_data, folder, tile, dice, aji):
    import cv2

    opened, layout = open_tile_folder(shared_data / folder).open(tile)
    with opened:
        picture = opened.read()
    truth = layout.rasterize()
    scores = score_labels(truth, nuclei.segment(picture, 0.25).label_map, hausdorff=False)
    assert scores["dice"] > dice
    assert scores["aji"] > aji
    reduced = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    found = nuclei.segment(reduced, 0.5)
    assert "enlarged 2 times" in " ".join(found.notes)
    scores = score_labels(truth[1::2, 1::2], found.label_map, hausdorff=False)
    assert scores["dice"] > dice - 0.02
    assert scores["aji"] > aji - 0.05
