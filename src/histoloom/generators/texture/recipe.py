"""The options of the texture weaver."""

from __future__ import annotations

from typing import Literal

from histoloom.recipes import Recipe, recipe_field


class TextureRecipe(Recipe):
    """How the texture weaver (Hou et al. 2019, section 4.1) makes tissue from a look."""

    background: Literal["quilted", "in place"] = recipe_field(
        "quilted",
        "Background",
        "Quilted: woven anew from the look for each seed. In place: the look's own background where it lies.",
    )
    boundary_blur: float = recipe_field(
        1.0,
        "Boundary blur",
        "Softness of the nuclear boundary, relative to the look's own nuclei; varies by a third among nuclei.",
        ge=0,
        le=4,
    )
    chromatin_contrast: float = recipe_field(
        1.0, "Chromatin contrast", "Coarseness of the chromatin, relative to the look's own nuclei.", ge=0, le=3
    )
    clearing_probability: float = recipe_field(
        0.5,
        "Clearing",
        "How many nuclei have a cleared (vesicular) interior, at most as far as the look's own.",
        ge=0,
        le=1,
    )
    vesicular: float = recipe_field(
        0.0,
        "Vesicular",
        "Share of nuclei whose interior is cleared however solid the look's own are, with dark membranes and nucleoli.",
        ge=0,
        le=1,
    )
    color_variation: float = recipe_field(
        0.08, "Colour variation", "Spread of density among nuclei of the same kind.", ge=0, le=0.5
    )
    cytoplasm: float = recipe_field(
        0.8, "Cytoplasm", "How much cytoplasm a nucleus brings along where the background is empty.", ge=0, le=1
    )
    lymphocyte_darkness: float = recipe_field(
        0.0,
        "Dark lymphocytes",
        "How far inflammatory nuclei are as dark as the look's darkest ones, and solid, and others no darker than is "
        "usual in the look: 0 not at all, all nuclei like the look's of their size; 1 wholly.",
        ge=0,
        le=1,
    )
