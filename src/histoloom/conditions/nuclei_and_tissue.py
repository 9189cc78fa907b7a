"""What the house generator sees: nuclei, their classes and contours, the tissue between them, and edges where known."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions.contours import contours_of_ids
from histoloom.conditions.encoding import RecipeEncoding
from histoloom.layouts import Layout
from histoloom.recipes import Recipe, recipe_field
from histoloom.tiles.tissue import TISSUES
from histoloom.window import Window

TISSUE_REACH = 8
"""Pixels beyond a window whose tissue has a say in it: half a cell of a tissue map at 0.25 µm a pixel."""

CLASS_ALIASES = {"tumor": "epithelial"}
"""Classes that are seen as another one where the encoding lacks them: what CoNSeP calls epithelial is malignant too."""


class NucleiAndTissueRecipe(Recipe):
    """Which classes of nuclei have a channel."""

    classes: tuple[str, ...] = recipe_field(
        ("epithelial", "inflammatory", "spindle", "other"),
        "Classes",
        "Names of the classes that have a channel; nuclei of any other class are nuclei of no class in particular.",
    )


class NucleiAndTissueEncoding(RecipeEncoding[NucleiAndTissueRecipe]):
    """Channels in 0..1: nucleus, each class, contour, each kind of tissue but "any", edges known, edge.

    All are 0 or 1 but those of tissue, which are the share of a kind within `TISSUE_REACH`: a tissue map's cells are
    squares, tissue is not, and a network that is shown squares weaves squares.

    The last two let one network serve layouts with and without structure labels: where "edges known" is 0, the lack
    of an edge says nothing. `encode` knows of no edges; `with_edges` adds them. `decode` gives the class of each
    pixel, ``uint8 (H, W)``: 0 for background, 1 for a nucleus of no class in particular, k + 2 for the k-th class.
    """

    name: ClassVar[str] = "nuclei-and-tissue"
    recipe_type: ClassVar[type[Recipe]] = NucleiAndTissueRecipe

    @property
    def channels(self) -> tuple[str, ...]:
        """What each channel shows."""
        return ("nucleus", *self.recipe.classes, "contour", *TISSUES[1:], "edges known", "edge")

    @property
    def class_channels(self) -> slice:
        """Which channels show classes."""
        return slice(1, 1 + len(self.recipe.classes))

    @property
    def tissue_channels(self) -> slice:
        """Which channels show the tissue between nuclei."""
        first = 2 + len(self.recipe.classes)
        return slice(first, first + len(TISSUES) - 1)

    @property
    def edge_channels(self) -> slice:
        """Which channels show whether edges are known, and edges."""
        return slice(-2, None)

    def class_index(self, name: str) -> int:
        """Return which channel among the classes a class has, or -1 for none."""
        known = self.recipe.classes
        seen_as = name if name in known else CLASS_ALIASES.get(name, name)
        return known.index(seen_as) if seen_as in known else -1

    def encode(
        self,
        layout: Layout,
        window: Window | None = None,
        picture: NDArray[np.uint8] | None = None,  # noqa: ARG002 - the protocol's
    ) -> NDArray[np.float32]:
        """Return ``float32 (C, H, W)``; see `Encoding.encode`."""
        window = layout.window if window is None else window
        nuclei = layout.nuclei_in(window.expanded(1))
        index_of = {nucleus.id: self.class_index(nucleus.class_name) for nucleus in nuclei}
        return self.encode_ids(layout.rasterize(window.expanded(1)), index_of, surrounding_tissue(layout, window))

    def encode_ids(
        self, ids: NDArray[np.int32], index_of: dict[int, int], tissue: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Return the condition of a label map, for those who have no layout.

        Parameters
        ----------
        ids
            Label map ``int32 (H + 2, W + 2)``: a pixel more on each side, for the contours.
        index_of
            `class_index` of each label.
        tissue
            ``uint8 (H + 2 TISSUE_REACH, W + 2 TISSUE_REACH)``, indices into `histoloom.tiles.tissue.TISSUES`; see
            `surrounding_tissue`.
        """
        inner = ids[1:-1, 1:-1]
        values = np.zeros((len(self.channels), *inner.shape), np.float32)
        values[0] = inner > 0
        classes = values[self.class_channels]
        labels = np.array(sorted(index_of), np.int32)
        indices = np.array([index_of[label] for label in labels.tolist()], np.int32)
        if len(labels):
            class_of_pixel = indices[np.searchsorted(labels, inner).clip(max=len(labels) - 1)]
            for index in np.unique(indices[indices >= 0]):
                classes[index] = (class_of_pixel == index) & (inner > 0)
        values[1 + len(self.recipe.classes)] = contours_of_ids(ids)
        for index, channel in enumerate(values[self.tissue_channels], 1):
            here = np.asarray(tissue == index, np.uint8)
            if here.any():
                channel[:] = _shares(here)
        return values

    def with_edges(self, values: NDArray[np.float32], edges: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the condition with known edges ``bool (H, W)``."""
        result = values.copy()
        result[-2] = 1.0
        result[-1] = edges
        return result

    def decode(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the class of each pixel, ``uint8 (H, W)``: 0 background, 1 no class in particular, k + 2 the k-th."""
        classes = values[self.class_channels] > 0.5
        known = classes.argmax(axis=0) + 2 if len(classes) else 1
        return np.asarray(np.where(values[0] > 0.5, np.where(classes.any(axis=0), known, 1), 0), np.uint8)


def surrounding_tissue(layout: Layout, window: Window) -> NDArray[np.uint8]:
    """Return the tissue of a window and `TISSUE_REACH` pixels around it."""
    return layout.tissue_pixels(window.expanded(TISSUE_REACH))


def _shares(here: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean of 0 and 1 over squares around each pixel that has one; in integers, so that windows agree."""
    import cv2

    side = 2 * TISSUE_REACH + 1
    sums = cv2.boxFilter(here, cv2.CV_32S, (side, side), normalize=False)
    return np.asarray(sums[TISSUE_REACH:-TISSUE_REACH, TISSUE_REACH:-TISSUE_REACH], np.float32) / np.float32(side**2)
