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

_MOST_SAMPLES = 250_000

_ROUNDING_STEP = 8.0
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
    sigma: float = recipe_field(0.35, "Smoothing", "Sigma of the Gaussian before it.", unit="µm", ge=0.0, le=5.0)
    automatic: bool = recipe_field(
        True, "Automatic thresholds", "Find the thresholds in the picture, by the share of strong pixels."
    )
    strong_fraction: float = recipe_field(
        0.3,
        "Strong pixels",
        "Share of pixels above the upper threshold, before thinning, where thresholds are automatic.",
        gt=0.0,
        lt=1.0,
        multiple_of=0.01,
    )
    low: float = recipe_field(
        8.0, "Lower threshold", "Slope at which Canny goes on following an edge.", unit="levels/µm", ge=0.0, le=1e6
    )
    high: float = recipe_field(
        20.0,
        "Upper threshold",
        "Slope at which an edge starts; for LoG, the step across zero in levels/µm²; zero crossing does not use it.",
        unit="levels/µm",
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
    is_diagonal: bool = False

    def strengths(self) -> NDArray[np.float32]:
        y, x = _sampled(self.y).astype(np.float32), _sampled(self.x).astype(np.float32)
        return np.asarray(np.hypot(y, x) / np.float32(self.gain * STEPS_PER_LEVEL), np.float32)

    def marked(self, recipe: EdgeRecipe, pixel_size: float) -> NDArray[np.bool_]:
        unit = pixel_size * self.gain * STEPS_PER_LEVEL
        if recipe.detector == "canny":
            return _canny(self.y, self.x, recipe.low * unit, recipe.high * unit)
        return _thinned(self, recipe.high * unit)


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
    per_um = pixel_size**2 if recipe.detector == "log" else pixel_size
    strengths = response.strengths().ravel()
    rank = min(int(len(strengths) * (1.0 - recipe.strong_fraction)), len(strengths) - 1)
    high = round(float(np.partition(strengths, rank)[rank]) / per_um, 3)
    low = round(WEAK_TO_STRONG * high, 3)
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
    # Neighbours at corners lie the square root of 2 apart.
    return _Gradient(padded[1:, :-1] - padded[:-1, 1:], padded[1:, 1:] - padded[:-1, :-1], float(np.sqrt(2.0)), True)


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


def _canny(y: NDArray[np.int16], x: NDArray[np.int16], low: float, high: float) -> NDArray[np.bool_]:
    import cv2

    # A threshold of 0 would make flat ground an edge.
    return np.asarray(cv2.Canny(x, y, max(low, 1.0), max(high, 1.0), L2gradient=True) > 0)


def _thinned(gradient: _Gradient, threshold: float) -> NDArray[np.bool_]:
    """Return pixels above a threshold whose gradient is the largest across the edge."""
    y, x = gradient.y.astype(np.float32), gradient.x.astype(np.float32)
    square_y, square_x = y * y, x * x
    strength = square_y + square_x
    padded = np.pad(strength, 1)
    height, width = strength.shape

    def at(dy: int, dx: int) -> NDArray[np.float32]:
        return padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    # The diagonals of Roberts: "x" runs down to the right, "y" down to the left.
    (xy, xx), (yy, yx) = ((1, 1), (1, -1)) if gradient.is_diagonal else ((0, 1), (1, 0))
    crest_x = (square_x >= square_y) & (strength >= at(-xy, -xx)) & (strength > at(xy, xx))
    crest_y = (square_y >= square_x) & (strength >= at(-yy, -yx)) & (strength > at(yy, yx))
    return np.asarray((strength > np.float32(threshold) ** 2) & (crest_x | crest_y))


def _crossing_steps(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return, at pixels below zero that have a neighbour at or above it, the largest step to such a one; else 0."""
    negative = values < 0.0
    steps = np.zeros_like(values)
    for axis in (0, 1):
        first = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        second = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        crossing = negative[first] != negative[second]
        step = np.where(crossing, np.abs(values[first] - values[second]), np.float32(0.0))
        np.maximum(steps[first], step, out=steps[first])
        np.maximum(steps[second], step, out=steps[second])
    steps[~negative] = 0.0
    return steps


def _sampled(values: NDArray[Any]) -> NDArray[Any]:
    """Return an even selection of large arrays; a threshold needs no more."""
    flat = values.reshape(-1)
    return flat[:: max(len(flat) // _MOST_SAMPLES, 1)]
