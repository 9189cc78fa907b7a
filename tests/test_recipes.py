"""Recipes are taken at their word, and seeds are whole numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from histoloom.errors import RecipeError
from histoloom.generators.texture import TextureRecipe
from histoloom.keyed_random import keyed_generator, keyed_hash
from histoloom.layouts import RandomLayoutRecipe, random_layout
from histoloom.layouts.polygons import hou_polygons
from histoloom.recipes import usable_seed

SMALL = RandomLayoutRecipe(height=64, width=64)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"density": "5"}, "'density' .* valid number"),
        ({"density": True}, "'density' .* valid number"),
        ({"height": True}, "'height' .* valid integer"),
        ({"height": "64"}, "'height' .* valid integer"),
        ({"density": float("nan")}, "'density' .* is not a number"),
        ({"density": float("inf")}, "'density' .* infinite"),
        ({"pixel_size": 1e-9}, "'pixel_size' .* greater than or equal to 0.01"),
        ({"rows": [[["a", 1], [2, 3]]]}, "'rows"),
        ({"depth": 3}, "'depth'"),
    ],
)
def test_a_value_of_another_type_is_refused_in_a_sentence(values, sentence, tmp_path):
    with pytest.raises(RecipeError, match=sentence):
        RandomLayoutRecipe.checked(**values)
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(values))
    with pytest.raises(RecipeError, match=sentence):
        RandomLayoutRecipe.from_file(path)


def test_whole_numbers_numpys_numbers_and_lists_are_taken():
    recipe = RandomLayoutRecipe.checked(
        density=5, height=np.int64(64), gradient=np.float32(0.5), rows=[[[1, 2], [3.5, np.float64(4)]]]
    )
    assert (recipe.density, recipe.height, recipe.gradient) == (5.0, 64, 0.5)
    assert recipe.rows == (((1.0, 2.0), (3.5, 4.0)),)
    assert RandomLayoutRecipe.checked(**json.loads(json.dumps(recipe.as_json()))) == recipe
    assert TextureRecipe.checked(boundary_blur=1, background="in place").boundary_blur == 1.0


@pytest.mark.parametrize(
    "draw", [usable_seed, lambda seed: random_layout(SMALL, seed), lambda seed: hou_polygons(None, seed)]
)
@pytest.mark.parametrize("seed", [-1, 2**63, 2**80, 1.5, 1.0, "1", None, True, float("nan")])
def test_a_seed_that_is_no_whole_number_in_range_is_refused_in_a_sentence(draw, seed):
    with pytest.raises(RecipeError, match=r"^A seed of .* is not usable; give a whole number from 0 to 2\*\*63 - 1\.$"):
        draw(seed)


def test_seeds_of_numpys_types_are_taken_and_kept_as_plain_numbers():
    layout = random_layout(SMALL, np.uint64(7))
    assert layout.equals(random_layout(SMALL, 7))
    assert type(layout.provenance["seed"]) is int
    assert random_layout(SMALL, 2**63 - 1).provenance["seed"] == 2**63 - 1


def test_keys_of_any_size_are_hashed_modulo_64_bits_and_fractions_are_refused():
    assert keyed_hash(2**80 + 5) == keyed_hash(5)
    assert keyed_hash(-1) == keyed_hash(2**64 - 1)
    assert np.array_equal(keyed_hash(np.array([2**70 + 1, -(2**70) + 2], object)), keyed_hash([1, 2]))
    assert keyed_generator(2**200).uniform() < 1
    with pytest.raises(TypeError):
        keyed_hash(1.5)
