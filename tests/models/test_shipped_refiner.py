"""The refiner that comes with histoloom is small, makes first pictures more real, and leaves nuclei where they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from histoloom.evaluation.refinement import LEAST_CHANGE, UNMOVED, check_refinement
from histoloom.generators import generator_named
from histoloom.generators.refiner import PictureRefiner, RefinerWeaveRecipe
from histoloom.importance.critic import Critic
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import preset_recipe
from histoloom.models import inspect_bundle
from histoloom.models.shipped import shipped_folder
from histoloom.segmenters.segmenter import Segmenter
from histoloom.tiles.looks import Look
from histoloom.tiles.reading import open_tile
from histoloom.tiles.tile import Tile

BUNDLE = shipped_folder() / "refiner.safetensors"
CARD = Path(__file__).resolve().parents[2] / "docs" / "models"
HELD_OUT = ("06_1", "06_2", "07_1", "07_2")


def test_it_and_the_critic_are_small_enough_to_come_along():
    assert sum((shipped_folder() / f"{name}.safetensors").stat().st_size for name in ("refiner", "critic")) <= 6e6


def test_the_recipe_beside_the_card_is_the_one_that_was_trained():
    recipe = json.loads((CARD / "refiner.recipe.json").read_text(encoding="utf-8"))
    assert recipe == json.loads(json.dumps(inspect_bundle(BUNDLE).recipe))


def test_its_tiles_may_be_trained_on_for_others():
    assert {each.licence for each in inspect_bundle(BUNDLE).training_data} == {"CC BY 4.0", "Apache-2.0"}


@pytest.mark.realdata
def test_it_makes_pictures_of_held_out_looks_more_real_and_leaves_their_labels(shared_data):
    critic, finder = Critic.load("critic"), Segmenter.load("nuclei")
    by_name = generator_named("refiner")
    weights, falls = [], []
    for index, name in enumerate(HELD_OUT):
        with open_tile(shared_data / "tnbc_p01-08" / "images" / f"{name}.png") as tile:
            pixels = tile.read()
        layout = random_layout(preset_recipe("colon glands", height=224, width=224), index)
        look = Look.from_tile(Tile.from_array(pixels, 0.25))
        texture = generator_named("texture")
        before = texture.prepare(look, texture.recipe_type(), 0.25).weave(layout, index)
        after = PictureRefiner(BUNDLE).refine(before, 0.25, pixels)
        check = check_refinement(before, after, layout, finder)
        assert LEAST_CHANGE < check.change < 5
        falls.append(check.before["dice"] - check.after["dice"])
        weights.append([critic.judge(each, 0.25, reference=pixels).weight() for each in (before, after)])
    assert np.mean(falls) < UNMOVED
    assert np.median(np.array(weights)[:, 1]) > 1.5 * np.median(np.array(weights)[:, 0])
    woven = by_name.prepare(look, RefinerWeaveRecipe(), 0.25).weave(layout, index)
    assert np.abs(woven.astype(int) - after).mean() < 1.0
