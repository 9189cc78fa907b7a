"""The recipe of the study of mode-seeking-pix2pix: its arms, sizes and presets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from histoloom.recipes import recipe_field
from histoloom.studies.grid import Cell
from histoloom.studies.study_tiles import StudyRecipe
from histoloom.training.systems.mode_seeking_recipe import ModeSeekingRecipe

FULL = "full"

ARMS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType({
    FULL: ("Full system", {}),
    "no-structure-map": ("No structure map", {"structure_map": False}),
    "no-mode-seeking": ("No mode-seeking term", {"mode_seeking": "none"}),
    "conditional-discriminator": ("Conditional discriminator", {"conditional_discriminator": True}),
})  # fmt: skip
"""The full system and the paper's three ablations (section 4.2): name -> title, what of the recipe differs."""

OPTIONAL_ARMS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType({
    "between-noises": ("Mode seeking between noises", {"mode_seeking": "noises"}),
    "unbounded": ("Mode-seeking term without bound", {"mode_seeking_bound": 1e6}),
})  # fmt: skip
"""Arms that the paper does not have, on request."""


class ModeSeekingStudyRecipe(StudyRecipe):
    """Full system and ablations (Allender et al. 2020, section 4.2) on the same tiles; the defaults are the paper's."""

    seeds: int = recipe_field(3, "Seeds", "How often each arm is trained.", ge=1, le=100)
    between_noises: bool = recipe_field(
        False, "Between noises", "Also train with mode seeking between noises (Mao et al. 2019)."
    )
    unbounded: bool = recipe_field(False, "Unbounded", "Also train with the paper's ratio, which has no bound.")

    steps: int = recipe_field(60_000, "Steps", "How many training steps each cell takes.", ge=1, le=100_000_000)
    width: int = recipe_field(64, "Width", "Channels of the generator's first layer.", ge=1, le=512)
    discriminator_width: int = recipe_field(
        64, "Discriminator width", "Channels of the discriminator's first layer.", ge=1, le=512
    )
    depth: int = recipe_field(8, "Depth", "How often the generator halves the size.", ge=3, le=10)
    crop_size: int = recipe_field(256, "Crop size", "Height and width of a crop.", unit="px", ge=16, le=8192)
    learning_rate: float = recipe_field(2e-4, "Learning rate", "Adam's learning rate.", gt=0.0, le=1.0)
    l1_weight: float = recipe_field(10.0, "L1 weight", "Weight of the distance to the real tile.", ge=0.0, le=1e6)
    mode_seeking_weight: float = recipe_field(
        10.0, "Mode-seeking weight", "Weight of the mode-seeking term.", gt=0.0, le=1e6
    )
    mode_seeking_bound: float = recipe_field(
        2.0, "Mode-seeking bound", "Largest value of the term, which has none in the paper.", gt=0.0, le=1e6
    )
    checkpoint_every: int = recipe_field(
        5000, "Checkpoint every", "Steps between checkpoints; a kill loses at most these.", ge=1, le=100_000_000
    )
    preview_every: int = recipe_field(5000, "Preview every", "Steps between previews.", ge=1, le=100_000_000)

    crops_per_tile: int = recipe_field(
        4, "Crops per tile", "Crops of each held-out tile that are measured on.", ge=1, le=64
    )
    structures: int = recipe_field(
        4,
        "Structures",
        "Structure maps of other crops, and its own, that each held-out mask is woven with.",
        ge=2,
        le=64,
    )
    noises: int = recipe_field(4, "Noises", "Weaves of each held-out crop that differ in noise only.", ge=2, le=64)

    @property
    def arms(self) -> dict[str, tuple[str, Mapping[str, Any]]]:
        """Name -> title and what of the training recipe differs, the full system first."""
        asked = {"between-noises": self.between_noises, "unbounded": self.unbounded}
        return {**ARMS, **{name: arm for name, arm in OPTIONAL_ARMS.items() if asked[name]}}

    def cells(self) -> list[Cell]:
        """Return all trainings: one seed of every arm, then the next, so that arms can be compared early."""
        shared = {name: getattr(self, name) for name in _SHARED} | {"validation_share": self.held_out_share}
        return [
            Cell(arm, seed, ModeSeekingRecipe.checked(**(shared | dict(differing)), seed=seed))
            for seed in range(self.seeds)
            for arm, (_, differing) in self.arms.items()
        ]


GROWING = ("seeds", "between_noises", "unbounded")
"""Fields that only add cells to a grid, so that a study can go on with more of them."""

_SHARED = (
    "steps",
    "width",
    "discriminator_width",
    "depth",
    "crop_size",
    "pixel_size",
    "learning_rate",
    "l1_weight",
    "mode_seeking_weight",
    "mode_seeking_bound",
    "checkpoint_every",
    "preview_every",
    "split_by",
    "device",
    "precision",
)

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "paper": {},
    "small": {
        "width": 16, "discriminator_width": 16, "depth": 7, "crop_size": 128, "steps": 1200, "checkpoint_every": 200,
        "preview_every": 400, "device": "cpu", "precision": "32-true",
    },
})  # fmt: skip
"""``paper``: width and size as in its tables. ``small``: under an hour on one CPU core."""
