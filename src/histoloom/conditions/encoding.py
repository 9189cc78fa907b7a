"""What every encoding promises: a name, a recipe, and the way from a layout to what a generator sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import ConditionError
from histoloom.layouts import Layout
from histoloom.recipes import Recipe
from histoloom.window import Window


class Encoding(Protocol):
    """A named way to make a condition; immutable.

    A condition of a window is that part of the condition of the whole canvas, byte by byte. Bundles record `as_json`,
    and `histoloom.conditions.encoding_from_json` gives the encoding back.
    """

    name: ClassVar[str]
    """What bundles call it."""

    @property
    def channels(self) -> tuple[str, ...]:
        """What each channel shows."""

    @property
    def needs_picture(self) -> bool:
        """Whether `encode` wants a picture."""

    def halo(self, pixel_size: float) -> int | None:
        """Return how many pixels of the picture around a window decide about it, or None for all of them."""

    def resolved(self, picture: NDArray[np.uint8], pixel_size: float) -> Self:
        """Return the encoding with thresholds that a picture decides about replaced by their numbers for this one."""

    def encode(
        self, layout: Layout, window: Window | None = None, picture: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        """Return the condition ``float32 (C, H, W)`` of a window (default: the canvas).

        Parameters
        ----------
        layout
            Where nuclei are.
        window
            Which pixels; those off the canvas have nuclei, where these stick out, but no structure.
        picture
            RGB ``uint8 (H, W, 3)`` of the whole canvas, for encodings that need one.

        Raises
        ------
        ConditionError
            If a picture is missing or not of the canvas's size, or the layout has a class that the encoding lacks.
        """

    def decode(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Return what of the layout a condition holds without loss; each encoding says what that is."""

    def as_json(self) -> dict[str, Any]:
        """Return name and recipe as plain JSON values."""


R = TypeVar("R", bound=Recipe)


class RecipeEncoding(ABC, Generic[R]):
    """Base of encodings that are a name and one flat recipe.

    Parameters
    ----------
    recipe
        Default: the recipe's defaults.
    """

    name: ClassVar[str]
    recipe_type: ClassVar[type[Recipe]]

    def __init__(self, recipe: R | None = None) -> None:
        # The type variable is bound by each subclass, together with its recipe_type.
        self.recipe: R = cast("R", self.recipe_type() if recipe is None else recipe)

    @property
    @abstractmethod
    def channels(self) -> tuple[str, ...]:
        """What each channel shows."""

    @abstractmethod
    def encode(
        self, layout: Layout, window: Window | None = None, picture: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        """Return the condition ``float32 (C, H, W)``; see `Encoding.encode`."""

    @abstractmethod
    def decode(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Return what of the layout a condition holds without loss."""

    @property
    def needs_picture(self) -> bool:
        """Whether `encode` wants a picture."""
        return False

    def halo(self, pixel_size: float) -> int | None:  # noqa: ARG002 - others need it
        """Return how many pixels of the picture around a window decide about it, or None for all of them."""
        return 0

    def resolved(self, picture: NDArray[np.uint8], pixel_size: float) -> Self:  # noqa: ARG002
        """Return the encoding itself: no picture decides about anything in it."""
        return self

    def as_json(self) -> dict[str, Any]:
        """Return name and recipe as plain JSON values."""
        return {"name": self.name, "recipe": self.recipe.as_json()}

    def __eq__(self, other: object) -> bool:
        """Whether the other has the same name and recipe."""
        return type(self) is type(other) and self.recipe == getattr(other, "recipe", None)

    def __hash__(self) -> int:
        """Hash by name and recipe."""
        return hash((self.name, self.recipe))

    def __repr__(self) -> str:
        """Show the recipe."""
        return f"{type(self).__name__}({self.recipe!r})"


def picture_part(
    name: str, layout: Layout, picture: NDArray[np.uint8] | None, window: Window, halo: int | None
) -> tuple[NDArray[np.uint8], Window]:
    """Return the part of a picture that decides about a window, and where on the canvas it lies.

    Raises
    ------
    ConditionError
        If there is no picture, or one of another size than the canvas.
    """
    if picture is None:
        raise ConditionError(
            f"The encoding '{name}' needs a picture, and none was given; give a tile, or take contours as its source."
        )
    if tuple(picture.shape[:2]) != layout.shape:
        raise ConditionError(
            f"The picture has {picture.shape[0]} x {picture.shape[1]} pixels and the layout "
            f"{layout.shape[0]} x {layout.shape[1]}; give a picture of the whole canvas."
        )
    part = layout.window if halo is None else window.expanded(halo).intersection(layout.window)
    return picture[part.slices], part


def on_window(values: NDArray[np.bool_], part: Window, window: Window) -> NDArray[np.bool_]:
    """Return what of ``values``, which lie at ``part``, falls into a window; False elsewhere."""
    result = np.zeros(window.shape, bool)
    common = part.intersection(window)
    if not common.is_empty:
        result[common.relative_to(window).slices] = values[common.relative_to(part).slices]
    return result
