"""Both pix2pix systems train by the one loop, in every variant of their papers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_system import tiny_data

from histoloom.conditions import StructureMapRecipe, encoding_from_json, resolved_structure_map, structure_map
from histoloom.errors import RecipeError
from histoloom.models import load_bundle
from histoloom.training.augmentation import augmented_crop
from histoloom.training.batches import Batches
from histoloom.training.data import LabelledPicture
from histoloom.training.engine import train
from histoloom.training.events import StepsDone
from histoloom.training.memory import estimate_memory
from histoloom.training.systems.mode_seeking_recipe import ModeSeekingRecipe
from histoloom.training.systems.pix2pix_recipe import Pix2PixRecipe
from histoloom.training.systems.registry import recipe_type, system_for

SMALL = {
    "steps": 2,
    "width": 4,
    "discriminator_width": 4,
    "depth": 5,
    "crop_size": 32,
    "log_every": 1,
    "validation_crops": 1,
    "previews": 1,
    "device": "cpu",
    "precision": "32-true",
}
VARIANTS = [
    Pix2PixRecipe(**SMALL),
    Pix2PixRecipe(**SMALL, condition="classes and contour"),
    Pix2PixRecipe(**SMALL, structure="contours", gradient_clip=1.0),
    ModeSeekingRecipe(**SMALL),
    ModeSeekingRecipe(**SMALL, structure_map=False),
    ModeSeekingRecipe(**SMALL, mode_seeking="none"),
    ModeSeekingRecipe(**SMALL, mode_seeking="noises", noise_channels=3),
    ModeSeekingRecipe(**SMALL, conditional_discriminator=True, batch_size=2),
]


@pytest.mark.parametrize("jitter", [0.0, 0.3])
def test_all_crops_of_a_tile_share_its_thresholds_however_they_are_stained(jitter):
    shape = (96, 96)
    image = np.full((*shape, 3), 230, np.uint8)
    image[:, 48:] = 120  # the right half is dark, and in either half alone Otsu would look for structure
    image += np.random.default_rng(0).integers(0, 12, image.shape).astype(np.uint8)
    tile = LabelledPicture(image, np.zeros(shape, np.int32), np.zeros(1, np.uint8))
    data = replace(tiny_data(), training=(tile, *tiny_data().training))
    recipe = ModeSeekingRecipe(**SMALL | {"depth": 4}, stain_jitter=jitter, scale_spread=0.0)
    system = system_for(recipe, data)
    threshold = resolved_structure_map(image, StructureMapRecipe(), 0.25)
    shares = []
    for seed in range(12):
        crop = augmented_crop(tile, recipe, 0.25, np.random.default_rng(seed))
        assert (crop.as_stained is None) == (jitter == 0.0)
        structure = system.encode(crop)[1]
        plain = crop.image if crop.as_stained is None else crop.as_stained
        np.testing.assert_array_equal(structure, structure_map(plain, threshold, 0.25))
        shares.append(structure.mean())
    assert {0.0, 1.0} <= set(shares)


@pytest.mark.parametrize("recipe", VARIANTS, ids=lambda each: f"{type(each).__name__}{VARIANTS.index(each)}")
def test_every_variant_trains_and_its_bundle_can_be_woven_with(tmp_path, recipe):
    told = []
    run = train(recipe, tiny_data(), tmp_path / "run", on_event=told.append)
    losses = next(each.losses for each in told if isinstance(each, StepsDone))
    assert ("mode seeking" in losses) == (getattr(recipe, "mode_seeking", "none") != "none")
    bundle = load_bundle(run.bundle, kind="generator", classes=["nucleus"], pixel_size=0.25)
    assert bundle.header.normalization == "batch statistics"
    assert not bundle.header.tile_invariant
    encoding = encoding_from_json(bundle.header.condition.settings)
    assert len(encoding.channels) == bundle.header.condition.channels
    system = system_for(recipe_type(bundle.header.system).checked(**bundle.header.recipe), tiny_data())
    network = system.build()["generator"]
    network.load_state_dict({name: torch.from_numpy(each.copy()) for name, each in bundle.weights.items()})
    batch = Batches(tiny_data(), recipe, system.encode).at(0)
    with torch.no_grad():
        assert system.weave(network, batch).shape == batch.image.shape


def test_the_condition_of_pix2pix_is_the_papers_grey_label():
    recipe = Pix2PixRecipe(**SMALL)
    system = system_for(recipe, tiny_data())
    condition = Batches(tiny_data(), recipe, system.encode).at(0).condition
    assert condition.shape == (1, 1, 32, 32)
    assert set(np.round(np.unique(condition.numpy()) * 255)) <= {0, 128, 255}


def test_the_second_condition_is_another_crop():
    recipe = ModeSeekingRecipe(**SMALL)
    system = system_for(recipe, tiny_data())
    batch = Batches(tiny_data(), recipe, system.encode, system.compares_conditions).at(0)
    assert batch.other_condition.shape == batch.condition.shape == (1, 2, 32, 32)
    assert not torch.equal(batch.condition, batch.other_condition)


def test_memory_grows_with_batch_and_crop_and_holds_what_adam_keeps():
    system = system_for(Pix2PixRecipe(**SMALL), tiny_data())
    one, batch, crop = (estimate_memory(system, *each) for each in ((1, 32), (4, 32), (1, 64)))
    weights = sum(each.numel() * 4 for network in system.build().values() for each in network.parameters())
    assert one > 4 * weights
    assert one < batch
    assert one < crop


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"learning_rate": -1}, "'learning_rate' is not usable"),
        ({"mode_seeking_weight": 1}, "'mode_seeking_weight' is not usable"),
        ({"depth": "deep"}, "'depth' is not usable"),
    ],
)
def test_wrong_recipes_are_refused_in_one_sentence(values, sentence):
    with pytest.raises(RecipeError, match=sentence):
        Pix2PixRecipe.checked(**values)


def test_unknown_systems_are_refused_with_those_that_exist():
    with pytest.raises(RecipeError, match="mode-seeking-pix2pix, pix2pix"):
        recipe_type("dreams")
