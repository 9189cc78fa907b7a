"""The texture weaver: tissue from the textures of one real tile, without training."""

from histoloom.generators.texture.recipe import TextureRecipe
from histoloom.generators.texture.weaver import PreparedTexture, TextureWeaver

__all__ = ["PreparedTexture", "TextureRecipe", "TextureWeaver"]
