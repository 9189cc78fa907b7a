"""The ways to make layouts from layouts, by name: *replica*, *shape*, and the *what-if* changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import MappingProxyType
from typing import Any, NamedTuple

from histoloom.errors import LayoutError
from histoloom.keyed_random import keyed_hash
from histoloom.layouts.layout import Layout
from histoloom.layouts.transforms import ReplicaRecipe, ShapeRecipe, replica, shape_variant
from histoloom.layouts.what_if import (
    GrowRecipe,
    MalignantRecipe,
    MultiplyRecipe,
    PleomorphismRecipe,
    ReclassRecipe,
    grow,
    malignant,
    multiply,
    pleomorphism,
    reclass,
)
from histoloom.recipes import Recipe


class LayoutVariant(NamedTuple):
    """A way to make a set of layouts from others."""

    recipe_type: type[Recipe]
    change: Callable[[Layout, Any, int], Layout]
    """From a layout, a recipe of that type and a seed."""


LAYOUT_VARIANTS: MappingProxyType[str, LayoutVariant] = MappingProxyType(
    {
        "replica": LayoutVariant(ReplicaRecipe, replica),
        "shape": LayoutVariant(ShapeRecipe, shape_variant),
        "grow": LayoutVariant(GrowRecipe, grow),
        "multiply": LayoutVariant(MultiplyRecipe, multiply),
        "pleomorphism": LayoutVariant(PleomorphismRecipe, pleomorphism),
        "reclass": LayoutVariant(ReclassRecipe, reclass),
        "malignant": LayoutVariant(MalignantRecipe, malignant),
    }
)
"""Name -> (recipe type, function)."""


def varied_layouts(
    layouts: Iterable[Layout], name: str, recipe: Recipe | None = None, *, copies: int = 1, seed: int = 0
) -> Iterator[Layout]:
    """Yield a set of layouts made from others.

    Parameters
    ----------
    layouts
        The layouts of the training tiles, say.
    name
        One of `LAYOUT_VARIANTS`.
    recipe
        Of the type that belongs to the name; default: its defaults.
    copies
        How many variants of each layout; Yasuno (2020, section 2.3) makes its sets two or three times the first one's
        size, which are one or two.
    seed
        Fixes all of them: a layout's variants depend on it, on the layout's place and on the copy, and on nothing else.

    Raises
    ------
    LayoutError
        If there is no such set, or the recipe belongs to another.
    """
    if name not in LAYOUT_VARIANTS:
        raise LayoutError(f"There is no set of layouts called '{name}'; choose one of {', '.join(LAYOUT_VARIANTS)}.")
    variant = LAYOUT_VARIANTS[name]
    if recipe is not None and type(recipe) is not variant.recipe_type:
        raise LayoutError(
            f"The set '{name}' needs a {variant.recipe_type.__name__}, not a {type(recipe).__name__}; give that."
        )
    chosen = variant.recipe_type() if recipe is None else recipe
    return (
        variant.change(layout, chosen, int(keyed_hash(seed, index, copy)) & 0x7FFFFFFF)
        for index, layout in enumerate(layouts)
        for copy in range(copies)
    )
