"""What can be chosen when tissue is woven with the house generator."""

from __future__ import annotations

from histoloom.recipes import Recipe, recipe_field


class LoomWeaveRecipe(Recipe):
    """How the house generator weaves."""

    rescale: bool = recipe_field(
        True,
        "Rescale",
        "Weave at the pixel size that the network was trained at and resample, where the canvas has another.",
    )
    accepted_edges: bool = recipe_field(
        True, "Accepted edges", "Follow the edges that were accepted in the Structure dock, where there are any."
    )
