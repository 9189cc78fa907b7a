"""What can be chosen when tissue is woven from a bundle."""

from __future__ import annotations

from typing import Literal

from histoloom.recipes import Recipe, recipe_field

StructureSource = Literal["automatic", "accepted", "contours", "texture weaver"]


class BundleRecipe(Recipe):
    """How a layout is made into what a trained network has learnt to see."""

    structure: StructureSource = recipe_field(
        "automatic",
        "Structure of",
        "Where edges or structure come from, for networks that see them: what was accepted in the Structure dock, the "
        "contours of the nuclei, or a picture that the texture weaver makes of the layout; automatic takes what was "
        "accepted where it fits, and contours elsewhere.",
    )
    rescale: bool = recipe_field(
        False,
        "Rescale",
        "Weave at the pixel size that the network was trained at and resample, where the canvas has another.",
    )
    unknown_classes_as: str = recipe_field(
        "",
        "Unknown classes as",
        "Class as which nuclei are woven whose own class the network does not know; empty refuses them.",
    )
