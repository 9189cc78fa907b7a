"""The discriminators that systems train judge as critics do, with the very logits that training saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_system import tiny_data

from histoloom.generators.networks.canonical_stain import canonical_pictures, relative_concentrations, stain_rows
from histoloom.importance.critic import Critic
from histoloom.importance.networks import judgement_facts
from histoloom.models import Bundle, BundleHeader, save_bundle
from histoloom.tiles.stain_summary import StainSummary
from histoloom.training.systems.loom_recipe import LoomRecipe
from histoloom.training.systems.mode_seeking_recipe import ModeSeekingRecipe
from histoloom.training.systems.pix2pix_recipe import Pix2PixRecipe
from histoloom.training.systems.registry import system_for
from small_bundles import small_layout
from tissue_pictures import tissue_picture

SIDE = 96
SMALL = {"width": 4, "discriminator_width": 4, "depth": 5, "crop_size": SIDE}
RECIPES = [
    Pix2PixRecipe(**SMALL),
    Pix2PixRecipe(**SMALL, condition="classes and contour"),
    ModeSeekingRecipe(**SMALL),
    ModeSeekingRecipe(**SMALL, conditional_discriminator=True),
    LoomRecipe(width=2, discriminator_width=4, crop_size=SIDE, reference_size=SIDE),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda each: f"{type(each).__name__}{RECIPES.index(each)}")
def test_a_system_s_discriminator_says_as_a_critic_what_it_said_in_training(tmp_path, recipe):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    system = system_for(recipe, tiny_data())
    network = system.build()["discriminator"].eval()
    with torch.no_grad():
        for each in network.parameters():
            each.mul_(2.0)
    encoding = system.encoding
    facts = judgement_facts(system.name, recipe.as_json(), system.condition.channels)
    header = BundleHeader(
        kind="discriminator",
        system=system.name,
        recipe=recipe.as_json(),
        condition=system.condition,
        classes=tiny_data().classes,
        pixel_size=0.25,
        normalization="batch statistics",
        judges=facts,
    )
    save_bundle(Bundle(header, {n: e.numpy() for n, e in network.state_dict().items()}), tmp_path / "d.safetensors")
    picture, reference = tissue_picture((SIDE, SIDE)), tissue_picture((SIDE, SIDE), seed=2)
    layout = small_layout((SIDE, SIDE), 0.25)
    layout = replace(layout, nuclei={key: replace(each, class_name="nucleus") for key, each in layout.nuclei.items()})

    critic = Critic.load(tmp_path / "d.safetensors")
    judged = critic.judge(picture, 0.25, reference=reference, layout=layout)

    seen = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None].float() / 127.5 - 1.0
    condition = torch.from_numpy(encoding.encode(layout, picture=picture if encoding.needs_picture else None))[None]
    with torch.no_grad():
        if isinstance(recipe, LoomRecipe):
            stains = stain_rows([StainSummary.of(reference)])
            beside = torch.from_numpy(reference.transpose(2, 0, 1).copy())[None].float() / 127.5 - 1.0
            canonical = [canonical_pictures(relative_concentrations(each, stains)) for each in (seen, beside)]
            fine, coarse = network(canonical[0], condition, canonical[1])[0]
            wanted = 0.5 * (fine + coarse.repeat_interleave(2, 2).repeat_interleave(2, 3))[0, 0]
        else:
            wanted = network(torch.cat([condition, seen], 1) if critic.needs_layout else seen)[0]
    inner = judged.logits
    if isinstance(recipe, Pix2PixRecipe):
        inner, wanted = inner[1:-1, 1:-1], wanted[0]
    assert critic.needs_reference == isinstance(recipe, LoomRecipe)
    np.testing.assert_allclose(inner, np.broadcast_to(wanted.numpy(), inner.shape), atol=2e-5)
    assert np.ptp(judged.logits) > 0 or isinstance(recipe, ModeSeekingRecipe)
