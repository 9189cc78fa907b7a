"""The random layout generators by name, for the command line and the dock."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, NamedTuple

from histoloom.layouts.layout import Layout
from histoloom.layouts.polygons import HouPolygonsRecipe, hou_polygons
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import RandomLayoutRecipe
from histoloom.recipes import Recipe


class LayoutGenerator(NamedTuple):
    """A way to make random layouts."""

    recipe_type: type[Recipe]
    generate: Callable[[Any, int], Layout]
    """From a recipe of that type and a seed."""


LAYOUT_GENERATORS: MappingProxyType[str, LayoutGenerator] = MappingProxyType(
    {
        "tissue": LayoutGenerator(RandomLayoutRecipe, random_layout),
        "hou": LayoutGenerator(HouPolygonsRecipe, hou_polygons),
    }
)
"""Name -> (recipe type, function)."""
