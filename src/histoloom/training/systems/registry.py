"""Systems by name; the module of one, and torch with it, is imported when it is first asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, cast

from histoloom.errors import RecipeError
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe

if TYPE_CHECKING:
    from histoloom.training.data import TrainingData
    from histoloom.training.systems.contract import System

SYSTEMS: dict[str, tuple[str, str]] = {
    "loom": ("histoloom.training.systems.loom_recipe:LoomRecipe", "histoloom.training.systems.loom:Loom"),
    "pix2pix": (
        "histoloom.training.systems.pix2pix_recipe:Pix2PixRecipe",
        "histoloom.training.systems.pix2pix:Pix2Pix",
    ),
    "mode-seeking-pix2pix": (
        "histoloom.training.systems.mode_seeking_recipe:ModeSeekingRecipe",
        "histoloom.training.systems.mode_seeking_pix2pix:ModeSeekingPix2Pix",
    ),
    "refiner": (
        "histoloom.training.systems.refiner_recipe:RefinerRecipe",
        "histoloom.training.systems.refiner:Refiner",
    ),
    "segmenter": (
        "histoloom.training.systems.segmenter_recipe:SegmenterRecipe",
        "histoloom.training.systems.segmenter:SegmenterTraining",
    ),
    "critic": (
        "histoloom.training.systems.critic_recipe:CriticRecipe",
        "histoloom.training.systems.critic:CriticTraining",
    ),
    "lymphocytes": (
        "histoloom.training.systems.lymphocytes_recipe:LymphocyteRecipe",
        "histoloom.training.systems.lymphocytes:LymphocyteTraining",
    ),
}
"""Name -> where recipe and system live, as ``module:attribute``."""


def register_system(name: str, recipe: str, system: str) -> None:
    """Make a system known by name; places as ``module:attribute``."""
    if SYSTEMS.setdefault(name, (recipe, system)) != (recipe, system):
        raise RecipeError(f"A system called '{name}' exists already; choose another name.")


def recipe_type(name: str) -> type[TrainingRecipe]:
    """Return a system's recipe, without importing torch; raises `RecipeError` if there is no such system."""
    if name not in SYSTEMS:
        raise RecipeError(f"There is no system called '{name}'; choose one of: {', '.join(sorted(SYSTEMS))}.")
    return cast("type[TrainingRecipe]", _at(SYSTEMS[name][0]))


def trains_segmenter(name: str) -> bool:
    """Whether a system trains segmenters, not generators; raises `RecipeError` if there is no such system."""
    return issubclass(recipe_type(name), SegmenterRecipe)


def system_for(recipe: TrainingRecipe, data: TrainingData) -> System:
    """Return the system that a recipe belongs to; raises `RecipeError` if there is none."""
    for recipe_place, system_place in SYSTEMS.values():
        if recipe_place == f"{type(recipe).__module__}:{type(recipe).__qualname__}":
            return cast("System", _at(system_place)(recipe, data))
    raise RecipeError(f"No system trains by a {type(recipe).__name__}; use the recipe of one.")


def _at(place: str) -> Any:
    module, attribute = place.split(":")
    return getattr(importlib.import_module(module), attribute)
