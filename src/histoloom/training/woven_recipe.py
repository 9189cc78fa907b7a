"""What a recipe says of woven tiles."""

from __future__ import annotations

from typing import Literal

from histoloom.recipes import Recipe, recipe_field


class WovenTilesRecipe(Recipe):
    """How many crops are of woven tiles, and which tiles are woven for a training."""

    woven_share: float = recipe_field(
        0.5, "Woven share", "Share of the crops that are of woven tiles, where there are any; the others are real.",
        ge=0.0, le=1.0,
    )  # fmt: skip
    weave: int = recipe_field(
        0, "Weave", "Tiles that are woven before the training begins; 0 for none.", ge=0, le=100_000
    )
    layouts: Literal["shape", "replica", "random", "polygons", "mixed"] = recipe_field(
        "shape",
        "Layouts",
        "Of woven tiles: those of training tiles, turned and rescaled ('shape') or as they are ('replica'); or drawn "
        "as tissue has nuclei ('random') or as Hou et al. draw them ('polygons'), or as either in turn, polygons as of "
        "tissue of all densities ('mixed').",
    )
    layout_preset: str = recipe_field(
        "", "Layout preset", "Of random layouts, such as 'colon glands'; empty for each preset in turn."
    )
    layout_side: int = recipe_field(
        384, "Layout side", "Height and width of woven tiles; replicas are as large as their tile.", unit="px",
        ge=64, le=4096,
    )  # fmt: skip
    nuclear_variety: float = recipe_field(
        0.0,
        "Nuclear variety",
        "How much more nuclei vary than those that the weaver finds in a look, which are its darkest: paler, darker, "
        "and vesicular ones. Only the texture weaver can vary them; 0 is as the look has them, 1 is for learning "
        "without labels.",
        ge=0.0, le=1.0,
    )  # fmt: skip
    looks: Literal["training tiles", "named"] = recipe_field(
        "training tiles",
        "Looks",
        "Of woven tiles: each that of a random training tile or one without labels, or one that the generator knows by "
        "name.",
    )
