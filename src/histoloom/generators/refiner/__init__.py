"""Refined first pictures (Hou et al. 2019, section 4.2): texture, and a network that has seen real tissue."""

from histoloom.generators.refiner.generator import RefinerGenerator
from histoloom.generators.refiner.pictures import PictureRefiner
from histoloom.generators.refiner.recipe import RefinerWeaveRecipe

__all__ = ["PictureRefiner", "RefinerGenerator", "RefinerWeaveRecipe"]
