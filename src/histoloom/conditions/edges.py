"""Edges of a picture by the detectors that Yasuno (2020) tried: one boolean plane each.

That paper names Roberts, Prewitt, Sobel, the Laplacian of Gaussian, zero crossings and Canny (its section 2.3), settles
on Canny, and gives no parameters. The definitions and the automatic thresholds here are those common to image
processing toolboxes: thinned gradients, and for Canny a share of the pixels that may not be edges.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from histoloom.conditions.channels import STEPS_PER_LEVEL, Channel, channel_plane
from histoloom.conditions.smoothing import smoothed, smoothing_reach
from histoloom.recipes import Recipe, recipe_field

Detector = Literal["canny", "roberts", "prewitt", "sobel", "log", "zero_crossing"]

WEAK_TO_STRONG = 0.4
"""Canny's lower threshold as a part of the upper one, where thresholds are automatic."""

_MOST_SAMPLES = 100_000

_ROUNDING_STEP = STEPS_PER_LEVEL / 2.0
"""Steps across zero up to this come from rounding a smoothed plane to whole numbers, also on plain ground."""


class EdgeRecipe(Recipe):
    """Where a picture has edges."""

    detector: Detector = recipe_field(
        "canny",
        "Detector",
        "Canny follows weak edges that hang together with strong ones; Roberts, Prewitt and Sobel are thinned "
        "gradients; LoG and zero crossing mark sign changes of the Laplacian of a Gaussian.",
    )
    channel: Channel = recipe_field("grey", "Channel", "What of the picture is looked at.")
    sigma: float = recipe_field(0.5, "Smoothing", "Sigma of the Gaussian before it.", unit="µm", ge=0.0, le=5.0)
    automatic: bool = recipe_field(
        True, "Automatic thresholds", "Find the thresholds in the picture, by the share of strong pixels."
    )
    strong_fraction: float = recipe_field(
        0.2,
        "Strong pixels",
        "Share of pixels above the upper threshold, before thinning, where thresholds are automatic.",
        gt=0.0,
        lt=1.0,
        multiple_of=0.01,
    )
    low: float = recipe_field(
        8.0,
        "Lower threshold",
        "Slope in grey levels per µm at which Canny goes on following an edge.",
        unit="/µm",
        ge=0.0,
        le=1e6,
    )
    high: float = recipe_field(
        20.0,
        "Upper threshold",
        "Slope in grey levels per µm at which an edge starts; for LoG, the step across zero per µm²; "
        "zero crossing does not use it.",
        unit="/µm",
        ge=0.0,
        le=1e6,
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.automatic and self.detector == "canny" and self.low > self.high:
            raise ValueError("the lower threshold lies above the upper one")
        return self


def edge_halo(recipe: EdgeRecipe, pixel_size: float) -> int | None:
    """Return how many pixels around a window decide about the edges in it, or None for the whole picture.

    None is what automatic thresholds need, and Canny, which follows an edge as far as it goes (except where its two
    thresholds are the same).
    """
    if recipe.automatic and recipe.detector != "zero_crossing":
        return None
    if recipe.detector == "canny" and recipe.low < recipe.high:
        return None
    # One pixel for the derivative, one for thinning, one that OpenCV's Canny leaves free at borders.
    return smoothing_reach(recipe.sigma / pixel_size) + 3


def resolved_edges(picture: NDArray[np.uint8], recipe: EdgeRecipe, pixel_size: float) -> EdgeRecipe:
    """Return the recipe with automatic thresholds replaced by their numbers for a picture.

    Parameters
    ----------
    picture
        RGB ``uint8 (H, W, 3)``: all of it, since a part would give other numbers.
    recipe
        How edges are found; returned as it is if nothing in it is automatic.
    pixel_size
        µm per pixel.
    """
    if not recipe.automatic or recipe.detector == "zero_crossing":
        return recipe
    return _resolved(_response(picture, recipe, pixel_size), recipe, pixel_size)


def detect_edges(picture: NDArray[np.uint8], recipe: EdgeRecipe, pixel_size: float) -> NDArray[np.bool_]:
    """Return where a picture has edges.

    Parameters
    ----------
    picture
        RGB ``uint8 (H, W, 3)``.
    recipe
        How they are found.
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
    return found_edges(picture, recipe, pixel_size)[0]


def found_edges(
    picture: NDArray[np.uint8], recipe: EdgeRecipe, pixel_size: float
) -> tuple[NDArray[np.bool_], EdgeRecipe]:
    """Return what `detect_edges` and `resolved_edges` return, for the price of one."""
    response = _response(picture, recipe, pixel_size)
    if recipe.automatic and recipe.detector != "zero_crossing":
        recipe = _resolved(response, recipe, pixel_size)
    return response.marked(recipe, pixel_size), recipe


class _Gradient(NamedTuple):
    """Derivatives as whole numbers, ``gain`` times the slope in steps per pixel."""

    y: NDArray[Any]
    x: NDArray[Any]
    gain: float

    def strengths(self) -> NDArray[np.float32]:
        y, x = _sampled(self.y).astype(np.float32), _sampled(self.x).astype(np.float32)
        return np.asarray(np.hypot(y, x) / np.float32(self.gain * STEPS_PER_LEVEL), np.float32)

    def marked(self, recipe: EdgeRecipe, pixel_size: float) -> NDArray[np.bool_]:
        import cv2

        unit = pixel_size * self.gain * STEPS_PER_LEVEL
        # With two equal thresholds nothing is followed, and OpenCV's Canny only thins what lies above them.
        low = recipe.low if recipe.detector == "canny" else recipe.high
        # A threshold of 0 would make flat ground an edge.
        found = cv2.Canny(self.x, self.y, max(low * unit, 1.0), max(recipe.high * unit, 1.0), L2gradient=True)
        return np.asarray(found > 0)


class _Laplacian(NamedTuple):
    """Sign changes of the second derivative, by their step in steps of the plane per pixel²; 0 where there is none."""

    steps: NDArray[np.float32]

    def strengths(self) -> NDArray[np.float32]:
        found = self.steps[self.steps > 0.0]
        values = _sampled(found if len(found) else np.zeros(1, np.float32))
        return np.asarray(values / np.float32(STEPS_PER_LEVEL), np.float32)

    def marked(self, recipe: EdgeRecipe, pixel_size: float) -> NDArray[np.bool_]:
        least = _ROUNDING_STEP if recipe.detector == "zero_crossing" else recipe.high * pixel_size**2 * STEPS_PER_LEVEL
        return np.asarray(self.steps > np.float32(least))


def _response(picture: NDArray[np.uint8], recipe: EdgeRecipe, pixel_size: float) -> _Gradient | _Laplacian:
    plane = smoothed(channel_plane(picture, recipe.channel), recipe.sigma / pixel_size)
    return _RESPONSES[recipe.detector](plane.view(np.int16))


def _resolved(response: _Gradient | _Laplacian, recipe: EdgeRecipe, pixel_size: float) -> EdgeRecipe:
    # Two digits, as forms show them, so that a threshold survives being looked at.
    per_um = pixel_size**2 if recipe.detector == "log" else pixel_size
    strengths = response.strengths().ravel()
    rank = min(int(len(strengths) * (1.0 - recipe.strong_fraction)), len(strengths) - 1)
    high = round(float(np.partition(strengths, rank)[rank]) / per_um, 2)
    low = round(WEAK_TO_STRONG * high, 2)
    return recipe.model_copy(update={"automatic": False, "high": high, "low": low})


def _sobel(plane: NDArray[np.int16]) -> _Gradient:
    import cv2

    return _Gradient(cv2.Sobel(plane, cv2.CV_16S, 0, 1), cv2.Sobel(plane, cv2.CV_16S, 1, 0), 8.0)


def _prewitt(plane: NDArray[np.int16]) -> _Gradient:
    import cv2

    across, along = np.array([-1.0, 0.0, 1.0]), np.ones(3)
    return _Gradient(
        cv2.sepFilter2D(plane, cv2.CV_16S, along, across), cv2.sepFilter2D(plane, cv2.CV_16S, across, along), 6.0
    )


def _roberts(plane: NDArray[np.int16]) -> _Gradient:
    padded = np.pad(plane, ((0, 1), (0, 1)), mode="edge")
    right_down, left_down = padded[1:, 1:] - padded[:-1, :-1], padded[1:, :-1] - padded[:-1, 1:]
    # The two diagonals, turned to rows and columns.
    return _Gradient(right_down + left_down, right_down - left_down, 2.0)


def _laplacian(plane: NDArray[np.int16]) -> _Laplacian:
    import cv2

    return _Laplacian(_crossing_steps(cv2.Laplacian(plane, cv2.CV_32F, ksize=1)))


_RESPONSES: MappingProxyType[str, Callable[[NDArray[np.int16]], _Gradient | _Laplacian]] = MappingProxyType(
    {
        "canny": _sobel,
        "roberts": _roberts,
        "prewitt": _prewitt,
        "sobel": _sobel,
        "log": _laplacian,
        "zero_crossing": _laplacian,
    }
)


def _crossing_steps(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return, at pixels below zero that have a neighbour at or above it, the largest step to such a one; else 0."""
    import cv2

    highest = cv2.dilate(values, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    steps = highest - values
    steps[(values >= 0.0) | (highest < 0.0)] = 0.0
    return np.asarray(steps, np.float32)


def _sampled(values: NDArray[Any]) -> NDArray[Any]:
    """Return an even selection of large arrays; a threshold needs no more."""
    flat = values.reshape(-1)
    return flat[:: max(len(flat) // _MOST_SAMPLES, 1)]
