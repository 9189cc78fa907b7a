"""Rows of epithelium: nuclei in line along curves, standing across them as in a palisade, and glands of such rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SMALLEST = 0.5
_BEYOND = 2.0
"""How many diameters beyond the canvas glands are drawn: about as far as one that is seen keeps others away."""


@dataclass(frozen=True)
class RowPlan:
    """Places of nuclei in rows.

    Parameters
    ----------
    centers
        ``float (N, 2)`` in pixels, ``(y, x)``.
    angles
        ``float (N,)``, radians counter-clockwise from the horizontal: the direction across the curve.
    """

    centers: NDArray[np.float64]
    angles: NDArray[np.float64]


def plan_rows(
    generator: np.random.Generator,
    curves: Sequence[NDArray[np.float64]],
    spacing: float,
    layers: int,
    layer_distance: float,
    disorder: float,
) -> RowPlan:
    """Line up nuclei along curves.

    Parameters
    ----------
    generator
        Source of the disorder.
    curves
        Each ``float (N >= 2, 2)`` in pixels; a curve that ends where it begins is closed.
    spacing
        Distance of neighbours along the curve, pixels.
    layers, layer_distance
        How many rows lie behind each other (to the left of the curve's direction on the screen) and how far apart,
        pixels.
    disorder
        0 sets them on a ruler, 1 scatters them by half a spacing.

    Returns
    -------
    RowPlan
        In order along the first curve's first layer, its second layer, and so on.
    """
    centers, angles = [np.zeros((0, 2))], [np.zeros(0)]
    for curve in curves:
        steps = np.hypot(*np.diff(curve, axis=0).T)
        length = float(steps.sum())
        if length <= 0.0:
            continue
        closed = is_closed(curve)
        travelled = np.concatenate([[0.0], np.cumsum(steps)])
        for layer in range(layers):
            # Layers inside a closed curve are shorter, by Steiner's formula, and hold fewer nuclei.
            room = length - (2.0 * np.pi * layer * layer_distance if closed else 0.0)
            count = int(room / spacing)
            if count < 1:
                break
            # Every second layer stands in the gaps of the one before, as pseudostratified epithelium does.
            shift = 0.5 * (layer % 2)
            places = (np.arange(count) + shift + (0.0 if closed else 0.25)) * (length / count)
            places = places + generator.normal(0.0, 0.15 * disorder * spacing, count)
            places = _bounded(places, length, closed)
            points = _along(curve, travelled, places)
            ahead = _along(curve, travelled, _bounded(places + spacing / 2.0, length, closed))
            behind = _along(curve, travelled, _bounded(places - spacing / 2.0, length, closed))
            tangent = ahead - behind
            tangent /= np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), 1e-9)[:, None]
            normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
            depth = layer * layer_distance + generator.normal(0.0, 0.12 * disorder * layer_distance, count)
            centers.append(points + normal * depth[:, None])
            angles.append(np.arctan2(-normal[:, 0], normal[:, 1]) + generator.normal(0.0, 0.2 * disorder, count))
    return RowPlan(np.concatenate(centers), np.concatenate(angles))


def gland_curves(
    generator: np.random.Generator,
    shape: tuple[int, int],
    density: float,
    diameter: float,
    clearance: float,
) -> list[NDArray[np.float64]]:
    """Return closed curves of gland bases, none within ``clearance`` of another, as a window into tissue has them.

    Some of them lie partly outside; a canvas that is smaller than a gland shows parts of one, too. Those that lie
    wholly outside are drawn as well and left out, so that there is as much room for glands at a border as elsewhere.

    Parameters
    ----------
    generator
        Source of places and shapes.
    shape
        Canvas height and width, pixels.
    density
        Glands wanted in each square pixel, on average over seeds; fewer are returned where they do not fit.
    diameter, clearance
        Pixels.

    Returns
    -------
    list
        Each ``float (65, 2)``, the first point repeated at the end; it runs so that the lumen is on the left.
    """
    turn = np.linspace(0.0, 2.0 * np.pi, 65)
    margin = _BEYOND * diameter
    expected = density * (shape[0] + 2.0 * margin) * (shape[1] + 2.0 * margin)
    count = int(expected) + int(generator.uniform() < expected % 1.0) if density > 0.0 else 0
    # More than would fit if all were as small as any may be are not tried for.
    least = _SMALLEST * diameter + clearance
    count = min(count, math.ceil((shape[0] + 2.0 * margin) * (shape[1] + 2.0 * margin) / least**2))
    centers, reaches = np.zeros((count, 2)), np.zeros(count)
    curves: list[NDArray[np.float64]] = []
    for _ in range(40 * count):
        if len(curves) >= count:
            break
        center = generator.uniform((-margin, -margin), (shape[0] + margin, shape[1] + margin))
        radius = diameter / 2.0 * float(np.clip(generator.normal(1.0, 0.18), _SMALLEST, 1.6))
        stretch = generator.uniform(1.0, 1.6)
        tilt = generator.uniform(0.0, np.pi)
        phases = generator.uniform(0.0, 2.0 * np.pi, 3)
        amplitudes = generator.normal(0.0, (0.05, 0.035, 0.02))
        wobble = 1.0 + sum(
            amplitude * np.cos(order * turn + phase)
            for order, amplitude, phase in zip((2, 3, 4), amplitudes, phases, strict=True)
        )
        reach = radius * np.sqrt(stretch) * float(np.max(wobble))
        found = len(curves)
        apart = centers[:found] - center
        if np.any(np.hypot(apart[:, 0], apart[:, 1]) < reaches[:found] + reach + clearance):
            continue
        x, y = radius * np.sqrt(stretch) * np.cos(turn) * wobble, radius / np.sqrt(stretch) * np.sin(turn) * wobble
        curve = np.stack([y * np.cos(tilt) - x * np.sin(tilt), y * np.sin(tilt) + x * np.cos(tilt)], axis=1) + center
        curve[-1] = curve[0]
        centers[found], reaches[found] = center, reach
        curves.append(lumen_on_the_left(curve))
    return [each for each in curves if (each.max(axis=0) >= 0.0).all() and (each.min(axis=0) < shape).all()]


def lumen_on_the_left(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a closed curve so directed that what it encloses lies on its left; open curves stay as drawn."""
    if not is_closed(curve):
        return curve
    y, x = curve[:-1, 0], curve[:-1, 1]
    doubled_area = float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
    # Rows grow downwards on the screen, so a positive area is a clockwise walk with the inside on the right.
    return curve[::-1].copy() if doubled_area > 0.0 else curve


def is_closed(curve: NDArray[np.float64]) -> bool:
    """Whether a curve ends where it begins and encloses something."""
    return len(curve) > 3 and bool(np.allclose(curve[0], curve[-1]))


def _along(
    curve: NDArray[np.float64], travelled: NDArray[np.float64], places: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.stack([np.interp(places, travelled, curve[:, axis]) for axis in (0, 1)], axis=1)


def _bounded(places: NDArray[np.float64], length: float, closed: bool) -> NDArray[np.float64]:
    return np.asarray(places % length if closed else np.clip(places, 0.0, length))
