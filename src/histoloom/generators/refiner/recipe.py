"""What can be chosen when tissue is woven and refined."""

from __future__ import annotations

from histoloom.generators.texture.recipe import TextureRecipe
from histoloom.recipes import recipe_field


class RefinerWeaveRecipe(TextureRecipe):
    """How the refiner weaves: the texture weaver's options for the first picture, and what is made of it."""

    refinement: float = recipe_field(
        1.0, "Refinement", "How much of the refiner's change is made; 0 shows the first picture.", ge=0.0, le=1.0
    )
    rescale: bool = recipe_field(
        True,
        "Rescale",
        "Weave at the pixel size that the network was trained at and resample, where the canvas has another.",
    )
