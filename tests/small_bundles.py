"""Bundles of small networks with random weights, and layouts to weave with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from histoloom.conditions import (
    ClassesEncoding,
    ClassesRecipe,
    MaskAndStructureEncoding,
    NucleiAndTissueEncoding,
    NucleiAndTissueRecipe,
    StructureLabelsEncoding,
)
from histoloom.generators.networks.hou_refiner import refiner_from_recipe
from histoloom.generators.networks.loom import MARGIN, LoomNetwork, level_widths
from histoloom.generators.networks.mode_seeking_pix2pix import ModeSeekingGenerator
from histoloom.generators.networks.pix2pix import Pix2PixGenerator
from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.models import Bundle, BundleHeader, ConditionFacts, save_bundle

CLASSES = ("epithelial", "inflammatory")


def small_bundle(path: Path, system: str = "pix2pix", *, classes: bool = False, noises: bool = False, **facts) -> Path:
    """Save a bundle whose windows are 32 pixels wide."""
    encoding = StructureLabelsEncoding() if system == "pix2pix" else MaskAndStructureEncoding()
    if classes:
        encoding = ClassesEncoding(ClassesRecipe.checked(classes=CLASSES))
    channels = len(encoding.channels)
    torch.manual_seed(0)
    recipe = {"crop_size": 32, "width": 4, "depth": 4, "mode_seeking": "noises" if noises else "conditions"}
    network: torch.nn.Module = Pix2PixGenerator(channels, 4, 4)
    if system == "mode-seeking-pix2pix":
        recipe["noise_channels"] = 3
        network = ModeSeekingGenerator(channels, 4, 4, 3 if noises else 0)
    # Weights as they are drawn give grey; these give pictures in which mistakes show.
    weights = {name: (8.0 * each if "weight" in name else each).numpy() for name, each in network.state_dict().items()}
    settings = encoding.as_json()
    header = BundleHeader(
        **{
            "kind": "generator",
            "system": system,
            "recipe": recipe,
            "condition": ConditionFacts(encoding=settings["name"], channels=channels, settings=settings),
            "classes": CLASSES if classes else ("nucleus",),
            "pixel_size": 0.5,
            "normalization": "batch statistics",
            "step": 1200,
            **facts,
        }
    )
    save_bundle(Bundle(header, weights), path)
    return path


def small_loom(path: Path, classes: tuple[str, ...] = CLASSES, width: int = 3, **facts) -> Path:
    """Save a bundle of a narrow house generator, with the header that training writes."""
    encoding = NucleiAndTissueEncoding(NucleiAndTissueRecipe.checked(classes=classes))
    channels = len(encoding.channels)
    torch.manual_seed(0)
    network = LoomNetwork(channels, level_widths(width))
    # As for the other small networks; concentrations about .4 leave room for darker and for paler.
    weights = {
        name: (1.5 * each if "weight" in name else each).numpy().copy() for name, each in network.state_dict().items()
    }
    weights["out.bias"][:2] = 0.4
    settings = encoding.as_json()
    header = BundleHeader(
        **{
            "kind": "generator",
            "system": "loom",
            "recipe": {"crop_size": 96, "width": width, "reference_size": 64},
            "condition": ConditionFacts(encoding=settings["name"], channels=channels, settings=settings),
            "classes": ("nucleus", *classes),
            "pixel_size": 0.25,
            "normalization": "none",
            "halo": MARGIN,
            "tile_invariant": True,
            "step": 12_000,
            **facts,
        }
    )
    save_bundle(Bundle(header, weights), path)
    return path


def small_layout(shape: tuple[int, int] = (90, 75), pixel_size: float = 0.5, count: int = 12) -> Layout:
    random = np.random.default_rng(5)
    nuclei = [
        Nucleus.create(
            key,
            Outline.ellipse(tuple(random.random(2) * shape), tuple(4.0 + 3.0 * random.random(2))),
            CLASSES[key % 2],
        )
        for key in range(1, count + 1)
    ]
    return Layout.from_nuclei(nuclei, shape, pixel_size)


def small_refiner(path: Path, width: int = 4, strength: float = 4.0, **facts) -> Path:
    """Save a bundle of a narrow refiner that changes pictures visibly, with the header that training writes."""
    recipe = {"width": width, "blocks": 2, "kernel": 3, "layers": "paper", "reference_size": 64}
    torch.manual_seed(0)
    network = refiner_from_recipe(recipe)
    weights = {name: each.numpy().copy() for name, each in network.state_dict().items()}
    weights["last.weight"] *= strength
    header = BundleHeader(
        **{
            "kind": "generator",
            "system": "refiner",
            "recipe": recipe,
            "classes": ("nucleus",),
            "pixel_size": 0.25,
            "normalization": "none",
            "halo": network.margin,
            "tile_invariant": True,
            "step": 1500,
            **facts,
        }
    )
    save_bundle(Bundle(header, weights), path)
    return path
