"""The recipe of pix2pix."""

from __future__ import annotations

from typing import Literal

from histoloom.recipes import recipe_field
from histoloom.training.recipe import TrainingRecipe


class Pix2PixRecipe(TrainingRecipe):
    """pix2pix (Isola et al. 2017) on structure labels (Yasuno 2020); the defaults are the papers'.

    The latter trained 200 epochs of 480 blocks: 96,000 steps.
    """

    steps: int = recipe_field(96_000, "Steps", "How many training steps.", ge=1, le=100_000_000)
    width: int = recipe_field(64, "Width", "Channels of the generator's first layer.", ge=1, le=512)
    depth: int = recipe_field(8, "Depth", "How often the generator halves the size.", ge=2, le=10)
    discriminator_width: int = recipe_field(
        64, "Discriminator width", "Channels of the discriminator's first layer.", ge=1, le=512
    )
    l1_weight: float = recipe_field(100.0, "L1 weight", "Weight of the distance to the real tile.", ge=0.0, le=1e6)
    condition: Literal["structure labels", "classes and contour"] = recipe_field(
        "structure labels", "Condition", "What the generator sees."
    )
    structure: Literal["tile", "contours"] = recipe_field(
        "tile", "Structure of", "Where the edges of structure labels come from: the tile, or the nuclei's contours."
    )
