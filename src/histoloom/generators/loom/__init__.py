"""The house generator: weaves from nuclei, the tissue between them, noise of its own, and a look."""

from histoloom.generators.loom.generator import LoomGenerator
from histoloom.generators.loom.recipe import LoomWeaveRecipe

__all__ = ["LoomGenerator", "LoomWeaveRecipe"]
