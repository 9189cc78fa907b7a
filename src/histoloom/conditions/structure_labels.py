"""The grey label of canny-label-pix2pix: background 0, nucleus 128, edge 255."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions.contours import instance_contours
from histoloom.conditions.edges import EdgeRecipe, detect_edges, edge_halo, resolved_edges
from histoloom.conditions.encoding import RecipeEncoding, on_window, picture_part
from histoloom.layouts import Layout
from histoloom.recipes import Recipe, recipe_field
from histoloom.window import Window

BACKGROUND, NUCLEUS, EDGE = 0, 128, 255
"""Values of the paper's labels (Yasuno 2020, section 3.2)."""

Source = Literal["tile", "picture", "contours"]
"""Where structure comes from: the real tile that the layout belongs to; any other picture, such as one that another
generator wove for the layout; or the contours of the nuclei alone, where there is no picture."""


class StructureLabelsRecipe(EdgeRecipe):
    """Which edges the structure labels have."""

    source: Source = recipe_field(
        "tile", "Edges of", "The real tile, any other picture of the same layout, or the contours of the nuclei only."
    )


class StructureLabelsEncoding(RecipeEncoding[StructureLabelsRecipe]):
    """One channel: 0 background, 128/255 nucleus, 1 edge; edges lie on top (Yasuno 2020, section 3.2 and figure 3).

    The paper's edges are Canny's of the tile, which is the default. `decode` gives the paper's ``uint8`` label.
    """

    name: ClassVar[str] = "structure-labels"
    recipe_type: ClassVar[type[Recipe]] = StructureLabelsRecipe

    @property
    def channels(self) -> tuple[str, ...]:
        """What each channel shows."""
        return ("structure label",)

    @property
    def needs_picture(self) -> bool:
        """Whether `encode` wants a picture."""
        return self.recipe.source != "contours"

    def halo(self, pixel_size: float) -> int | None:
        """Return how many pixels of the picture around a window decide about it, or None for all of them."""
        return edge_halo(self.recipe, pixel_size) if self.needs_picture else 0

    def resolved(self, picture: NDArray[np.uint8], pixel_size: float) -> Self:
        """Return the encoding with automatic thresholds replaced by their numbers for a picture."""
        if not self.needs_picture:
            return self
        numbers = resolved_edges(picture, self.recipe, pixel_size).model_dump(include={"automatic", "low", "high"})
        return type(self)(self.recipe.model_copy(update=numbers))

    def encode(
        self, layout: Layout, window: Window | None = None, picture: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        """Return ``float32 (1, H, W)`` in 0..1; see `Encoding.encode`."""
        return np.asarray(self.labels(layout, window, picture)[None] / np.float32(255.0), np.float32)

    def labels(
        self, layout: Layout, window: Window | None = None, picture: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """Return the label ``uint8 (H, W)`` as the paper draws it: `BACKGROUND`, `NUCLEUS`, `EDGE`."""
        window = layout.window if window is None else window
        if self.needs_picture:
            pixels, part = picture_part(self.name, layout, picture, window, self.halo(layout.pixel_size))
            edges = np.zeros(part.shape, bool)
            if not part.is_empty:
                edges = detect_edges(pixels, self.recipe, layout.pixel_size)
            edges = on_window(edges, part, window)
        else:
            edges = instance_contours(layout, window)
        return structure_labels(layout.rasterize(window), edges)

    def decode(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the label ``uint8 (H, W)`` as the paper draws it."""
        return np.asarray(np.round(values[0] * 255.0), np.uint8)


def structure_labels(label_map: NDArray[np.int32], edges: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return ``uint8 (H, W)``: `EDGE` where there is an edge, else `NUCLEUS` or `BACKGROUND`."""
    labels = np.where(label_map > 0, np.uint8(NUCLEUS), np.uint8(BACKGROUND))
    labels[edges] = EDGE
    return labels
