"""Bundles of small discriminators with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from histoloom.conditions import (
    MaskAndStructureEncoding,
    NucleiAndTissueEncoding,
    NucleiAndTissueRecipe,
    StructureLabelsEncoding,
)
from histoloom.importance.networks import JUDGES, judgement_facts, new_judge
from histoloom.models import Bundle, BundleHeader, ConditionFacts, save_bundle

_RECIPES: dict[str, dict[str, Any]] = {
    "critic": {"width": 4, "reference_size": 100, "crop_size": 100},
    "refiner": {"discriminator_width": 4, "layers": "paper", "crop_size": 96, "reference_size": 96},
    "pix2pix": {"discriminator_width": 4, "crop_size": 64},
    "mode-seeking-pix2pix": {"discriminator_width": 4, "crop_size": 64},
    "loom": {"discriminator_width": 4, "crop_size": 96, "reference_size": 96},
}
_ENCODINGS = {
    "pix2pix": StructureLabelsEncoding(),
    "mode-seeking-pix2pix": MaskAndStructureEncoding(),
    "loom": NucleiAndTissueEncoding(NucleiAndTissueRecipe.checked(classes=("epithelial",))),
}


def small_discriminator(path: Path, system: str = "critic", *, scale: float = 1.0, **facts: Any) -> Path:
    """Save a bundle of a system's discriminator.

    Parameters
    ----------
    path
        Ends in ``.safetensors``.
    system
        Whose.
    scale
        By what its weights are multiplied, so that logits differ.
    facts
        Of the header; ``recipe`` and ``judges`` are added to what is there.
    """
    assert system in JUDGES
    recipe = {**_RECIPES[system], **facts.pop("recipe", {})}
    encoding = _ENCODINGS.get(system)
    channels = len(encoding.channels) if encoding is not None else 0
    judges = judgement_facts(system, recipe, channels).model_copy(update=facts.pop("judges", {}))
    torch.manual_seed(0)
    weights = {}
    for name, each in new_judge(system, recipe, channels).network.state_dict().items():
        drawn = torch.randn(each.shape) / max(each[0].numel(), 1) ** 0.5 if each.dim() > 1 else torch.zeros(each.shape)
        if "norm" in name and each.dim() == 1 and name.endswith("weight"):
            drawn = torch.ones(each.shape)
        weights[name] = (scale * drawn).numpy().astype(np.float32)
    condition = None
    if encoding is not None:
        settings = encoding.as_json()
        condition = ConditionFacts(encoding=settings["name"], channels=channels, settings=settings)
    header = BundleHeader(
        **{
            "kind": "discriminator",
            "system": system,
            "recipe": recipe,
            "condition": condition,
            "pixel_size": 0.5,
            "normalization": "none",
            "step": 100,
            "judges": judges,
            **facts,
        }
    )
    save_bundle(Bundle(header, weights), path)
    return path
