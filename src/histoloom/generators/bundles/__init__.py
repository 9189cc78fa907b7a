"""Weaving from trained bundles, whatever network they hold."""

from histoloom.generators.bundles.generator import BundleGenerator
from histoloom.generators.bundles.recipe import BundleRecipe

__all__ = ["BundleGenerator", "BundleRecipe"]
