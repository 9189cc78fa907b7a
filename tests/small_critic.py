"""Bundles of small critics with random weights."""

from __future__ import annotations

from pathlib import Path

import torch

from histoloom.generators.networks.critic import CriticNetwork
from histoloom.importance.networks import judgement_facts
from histoloom.models import Bundle, BundleHeader, save_bundle


def small_critic(
    path: Path, *, reference_size: int = 0, pixel_size: float = 0.5, strength: float = 2.0, **judges: float
) -> Path:
    """Save a critic that says something else of every place.

    Parameters
    ----------
    path
        The file.
    reference_size
        Least side of the reference that it wants; 0 for none.
    pixel_size
        µm per pixel.
    strength
        What its logits are multiplied by.
    judges
        Ratio, slope or intercept.
    """
    torch.manual_seed(1)
    recipe = {"width": 2, "reference_size": reference_size}
    network = CriticNetwork(2, with_reference=reference_size > 0)
    weights = {name: each.numpy().copy() for name, each in network.state_dict().items()}
    facts = judgement_facts("critic", recipe)
    header = BundleHeader(
        kind="discriminator",
        system="critic",
        recipe=recipe,
        pixel_size=pixel_size,
        normalization="none",
        judges=facts.model_copy(update={"slope": strength, **judges}),
    )
    save_bundle(Bundle(header, weights), path)
    return path
