"""Structure maps: a picture in black and white, by a threshold (mode-seeking-pix2pix, section on structure maps)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions.channels import STEPS_PER_LEVEL, Channel, channel_plane
from histoloom.conditions.smoothing import smoothed, smoothing_reach
from histoloom.recipes import Recipe, recipe_field

Method = Literal["otsu", "fixed", "local"]


class StructureMapRecipe(Recipe):
    """What of a picture counts as structure."""

    method: Method = recipe_field(
        "otsu",
        "Threshold",
        "Otsu finds it in the whole picture, fixed is the level given, local is the mean around each pixel.",
    )
    channel: Channel = recipe_field("grey", "Channel", "What of the picture is looked at.")
    sigma: float = recipe_field(0.2, "Smoothing", "Sigma of the Gaussian before it.", unit="µm", ge=0.0, le=5.0)
    level: float = recipe_field(160.0, "Level", "The fixed threshold, as a grey level.", ge=0.0, le=255.0)
    neighbourhood: float = recipe_field(
        12.0, "Neighbourhood", "Side of the square whose mean is the local threshold.", unit="µm", gt=0.0, le=100.0
    )
    offset: float = recipe_field(
        4.0,
        "Offset",
        "How many levels structure differs at least from the local mean.",
        ge=-100.0,
        le=100.0,
    )
    side: Literal["darker", "brighter"] = recipe_field(
        "darker", "Structure is", "Which side of the threshold is structure; what is stained is dark in every channel."
    )


def structure_map_halo(recipe: StructureMapRecipe, pixel_size: float) -> int | None:
    """Return how many pixels around a window decide about the map in it; None (Otsu's method) for the whole picture."""
    if recipe.method == "otsu":
        return None
    reach = smoothing_reach(recipe.sigma / pixel_size)
    return reach + _half_side(recipe, pixel_size) if recipe.method == "local" else reach


def resolved_structure_map(
    picture: NDArray[np.uint8], recipe: StructureMapRecipe, pixel_size: float
) -> StructureMapRecipe:
    """Return the recipe with Otsu's method replaced by the fixed level that it finds in all of a picture."""
    if recipe.method != "otsu":
        return recipe
    return _resolved(_plane(picture, recipe, pixel_size), recipe)


def structure_map(picture: NDArray[np.uint8], recipe: StructureMapRecipe, pixel_size: float) -> NDArray[np.bool_]:
    """Return where a picture has structure.

    Parameters
    ----------
    picture
        RGB ``uint8 (H, W, 3)``.
    recipe
        What counts as structure.
    pixel_size
        µm per pixel, by which the recipe's lengths become pixels.

    Returns
    -------
    NDArray[np.bool_]
        ``(H, W)``.

    Raises
    ------
    ConditionError
        If the picture is not RGB ``uint8``.
    """
    return found_structure(picture, recipe, pixel_size)[0]


def found_structure(
    picture: NDArray[np.uint8], recipe: StructureMapRecipe, pixel_size: float
) -> tuple[NDArray[np.bool_], StructureMapRecipe]:
    """Return what `structure_map` and `resolved_structure_map` return, for the price of one."""
    plane = _plane(picture, recipe, pixel_size)
    if recipe.method == "otsu":
        recipe = _resolved(plane, recipe)
    if recipe.method == "local":
        return _beyond_local_mean(plane, recipe, _half_side(recipe, pixel_size)), recipe
    level = recipe.level * STEPS_PER_LEVEL
    return np.asarray(plane <= level if recipe.side == "darker" else plane > level), recipe


def _plane(picture: NDArray[np.uint8], recipe: StructureMapRecipe, pixel_size: float) -> NDArray[np.uint16]:
    return smoothed(channel_plane(picture, recipe.channel), recipe.sigma / pixel_size)


def _resolved(plane: NDArray[np.uint16], recipe: StructureMapRecipe) -> StructureMapRecipe:
    import cv2

    levels = (plane // STEPS_PER_LEVEL).astype(np.uint8)
    level, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return recipe.model_copy(update={"method": "fixed", "level": float(level) + 0.5})


def _half_side(recipe: StructureMapRecipe, pixel_size: float) -> int:
    return max(round(recipe.neighbourhood / pixel_size / 2.0), 1)


def _beyond_local_mean(plane: NDArray[np.uint16], recipe: StructureMapRecipe, half: int) -> NDArray[np.bool_]:
    import cv2

    side = 2 * half + 1
    # Sums of whole numbers in double precision are exact, so no pixel depends on where its window starts.
    sums = cv2.boxFilter(plane, cv2.CV_64F, (side, side), normalize=False, borderType=cv2.BORDER_REPLICATE)
    offset = recipe.offset * STEPS_PER_LEVEL
    if recipe.side == "darker":
        return np.asarray((plane + offset) * float(side * side) < sums)
    return np.asarray((plane - offset) * float(side * side) > sums)
