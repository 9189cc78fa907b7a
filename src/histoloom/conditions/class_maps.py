"""One-hot classes and the instance contour: what pix2pixHD and its successors see."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions.contours import instance_contours
from histoloom.conditions.encoding import RecipeEncoding
from histoloom.errors import ConditionError
from histoloom.layouts import DEFAULT_CLASSES, Layout
from histoloom.recipes import Recipe, recipe_field
from histoloom.window import Window

_LARGEST_TABLE = 2**22


class ClassesRecipe(Recipe):
    """Which channels the classes of nuclei have."""

    classes: tuple[str, ...] = recipe_field(
        tuple(each.name for each in DEFAULT_CLASSES),
        "Classes",
        "Names of the classes, one channel each, in this order.",
        min_length=1,
    )
    background: bool = recipe_field(True, "Background", "Whether what lies between nuclei has a channel, the first.")
    contour: bool = recipe_field(True, "Contour", "Whether the contours of nuclei have a channel, the last.")


class ClassesEncoding(RecipeEncoding[ClassesRecipe]):
    """A channel of 0 and 1 for the background, each class, and the contours of nuclei (Wang et al. 2018, section 3.3).

    `decode` gives the class of each pixel, ``uint8 (H, W)``: 0 for background, k for the k-th class.
    """

    name: ClassVar[str] = "classes-and-contour"
    recipe_type: ClassVar[type[Recipe]] = ClassesRecipe

    @property
    def channels(self) -> tuple[str, ...]:
        """What each channel shows."""
        first = ("background",) if self.recipe.background else ()
        return (*first, *self.recipe.classes, *(("contour",) if self.recipe.contour else ()))

    def encode(
        self,
        layout: Layout,
        window: Window | None = None,
        picture: NDArray[np.uint8] | None = None,  # noqa: ARG002 - the protocol's
    ) -> NDArray[np.float32]:
        """Return ``float32 (C, H, W)`` of 0 and 1; see `Encoding.encode`."""
        window = layout.window if window is None else window
        values = np.zeros((len(self.channels), *window.shape), np.float32)
        indices = self.class_indices(layout, window)
        first = 0 if self.recipe.background else 1
        for index in range(first, len(self.recipe.classes) + 1):
            values[index - first] = indices == index
        if self.recipe.contour:
            values[-1] = instance_contours(layout, window)
        return values

    def decode(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the class of each pixel, ``uint8 (H, W)``: 0 for background, k for the k-th class."""
        first = 0 if self.recipe.background else 1
        hot = values[: len(self.recipe.classes) + 1 - first] > 0.5
        return np.asarray(np.where(hot.any(axis=0), hot.argmax(axis=0) + first, 0), np.uint8)

    def class_indices(self, layout: Layout, window: Window) -> NDArray[np.uint8]:
        """Return the class of each pixel of a window, ``uint8 (H, W)``: 0 for background, k for the k-th class."""
        known = {name: index for index, name in enumerate(self.recipe.classes, 1)}
        nuclei = layout.nuclei_in(window)
        for each in nuclei:
            if each.class_name not in known:
                raise ConditionError(
                    f"The layout has nuclei of the class '{each.class_name}', and the encoding only knows "
                    f"{', '.join(known)}; reclass them, or use a generator that knows the class."
                )
        ids = layout.rasterize(window)
        if not nuclei:
            return np.zeros(window.shape, np.uint8)
        keys = np.array(sorted(each.id for each in nuclei))
        classes = np.array([known[layout.nuclei[int(key)].class_name] for key in keys], np.uint8)
        if keys[-1] < _LARGEST_TABLE:
            table = np.zeros(keys[-1] + 1, np.uint8)
            table[keys] = classes
            return np.asarray(table.take(ids), np.uint8)
        places = np.searchsorted(keys, ids).clip(max=len(keys) - 1)
        return np.asarray(np.where(ids > 0, classes[places], 0), np.uint8)
