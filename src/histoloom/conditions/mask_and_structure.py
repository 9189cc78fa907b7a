"""Mask and structure map: what mode-seeking-pix2pix sees."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions.contours import instance_contours
from histoloom.conditions.encoding import RecipeEncoding, on_window, picture_part
from histoloom.conditions.structure_labels import Source
from histoloom.conditions.structure_maps import (
    StructureMapRecipe,
    resolved_structure_map,
    structure_map,
    structure_map_halo,
)
from histoloom.layouts import Layout
from histoloom.recipes import Recipe, recipe_field
from histoloom.window import Window


class MaskAndStructureRecipe(StructureMapRecipe):
    """Which structure map goes with the mask."""

    source: Source = recipe_field(
        "tile",
        "Structure of",
        "The real tile, any other picture of the same layout, or the contours of the nuclei only.",
    )


class MaskAndStructureEncoding(RecipeEncoding[MaskAndStructureRecipe]):
    """Two channels of 0 and 1: where nuclei are, and where the picture has structure.

    `decode` gives both as ``bool (2, H, W)``.
    """

    name: ClassVar[str] = "mask-and-structure"
    recipe_type: ClassVar[type[Recipe]] = MaskAndStructureRecipe

    @property
    def channels(self) -> tuple[str, ...]:
        """What each channel shows."""
        return ("nucleus", "structure")

    @property
    def needs_picture(self) -> bool:
        """Whether `encode` wants a picture."""
        return self.recipe.source != "contours"

    def halo(self, pixel_size: float) -> int | None:
        """Return how many pixels of the picture around a window decide about it, or None for all of them."""
        return structure_map_halo(self.recipe, pixel_size) if self.needs_picture else 0

    def resolved(self, picture: NDArray[np.uint8], pixel_size: float) -> Self:
        """Return the encoding with Otsu's threshold replaced by its number for a picture."""
        if not self.needs_picture:
            return self
        numbers = resolved_structure_map(picture, self.recipe, pixel_size).model_dump(include={"method", "level"})
        return type(self)(self.recipe.model_copy(update=numbers))

    def encode(
        self, layout: Layout, window: Window | None = None, picture: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        """Return ``float32 (2, H, W)`` of 0 and 1; see `Encoding.encode`."""
        window = layout.window if window is None else window
        if self.needs_picture:
            pixels, part = picture_part(self.name, layout, picture, window, self.halo(layout.pixel_size))
            structure = np.zeros(part.shape, bool)
            if not part.is_empty:
                structure = structure_map(pixels, self.recipe, layout.pixel_size)
            structure = on_window(structure, part, window)
        else:
            structure = instance_contours(layout, window)
        return np.stack([layout.rasterize(window) > 0, structure]).astype(np.float32)

    def decode(self, values: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return mask and structure map, ``bool (2, H, W)``."""
        return np.asarray(values > 0.5)
