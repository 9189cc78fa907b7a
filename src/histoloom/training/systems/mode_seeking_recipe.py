"""The recipe of mode-seeking-pix2pix."""

from __future__ import annotations

from typing import Literal

from histoloom.recipes import recipe_field
from histoloom.training.recipe import TrainingRecipe


class ModeSeekingRecipe(TrainingRecipe):
    """mode-seeking-pix2pix (Allender et al. 2020); the defaults are the paper's, which does not say for how long."""

    steps: int = recipe_field(60_000, "Steps", "How many training steps.", ge=1, le=100_000_000)
    decay_from: float = recipe_field(
        1.0, "Decay from", "Share of the steps after which the learning rate falls linearly to 0; 1 for never.",
        ge=0.0, le=1.0,
    )  # fmt: skip
    width: int = recipe_field(64, "Width", "Channels of the generator's first layer.", ge=1, le=512)
    depth: int = recipe_field(8, "Depth", "How often the generator halves the size.", ge=3, le=10)
    discriminator_width: int = recipe_field(
        64, "Discriminator width", "Channels of the discriminator's first layer.", ge=1, le=512
    )
    l1_weight: float = recipe_field(10.0, "L1 weight", "Weight of the distance to the real tile.", ge=0.0, le=1e6)
    mode_seeking: Literal["conditions", "noises", "none"] = recipe_field(
        "conditions", "Mode seeking", "Between two conditions (the paper), two noises (Mao et al. 2019), or not at all."
    )
    mode_seeking_weight: float = recipe_field(
        10.0, "Mode-seeking weight", "Weight of the mode-seeking term.", ge=0.0, le=1e6
    )
    mode_seeking_bound: float = recipe_field(
        2.0, "Mode-seeking bound", "Largest value of the term, which has none in the paper.", gt=0.0, le=1e6
    )
    noise_channels: int = recipe_field(
        8, "Noise channels", "Length of the noise vector for mode seeking between noises.", ge=1, le=512
    )
    structure_map: bool = recipe_field(True, "Structure map", "Whether the generator sees one beside the mask.")
    structure: Literal["tile", "contours"] = recipe_field(
        "tile", "Structure of", "Where structure maps come from: the tile, or the nuclei's contours."
    )
    conditional_discriminator: bool = recipe_field(
        False, "Conditional discriminator", "Whether the discriminator sees the condition, as pix2pix's does."
    )
