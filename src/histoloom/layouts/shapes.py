"""Shapes of nuclei: smooth closed curves of few Fourier terms, thousands at once.

Nuclei are nearly convex, a little lopsided, and the longer they are the more they taper and bend. An ellipse with
terms of order 2 to 5 on its radius holds all of that, and its outline cannot spike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoloom.layouts.outline import Outline

VERTICES = 24
"""Vertices of an outline: on a nucleus of 10 µm at 0.25 µm/px the chords stay within a fifth of a pixel of it."""

_GRID = 64.0
_ORDERS = np.array([2, 3, 4, 5])


def nucleus_rings(
    generator: np.random.Generator,
    diameters: NDArray[np.float64],
    elongations: NDArray[np.float64],
    irregularities: NDArray[np.float64],
    vertices: int = VERTICES,
) -> NDArray[np.float64]:
    """Draw random nuclei centred on the origin with their long axes along x.

    Parameters
    ----------
    generator
        Source of the shapes.
    diameters
        ``float (N,)`` in pixels: each shape has the area of a disc of this diameter.
    elongations
        ``float (N,)``, length over width, at least 1.
    irregularities
        ``float (N,)`` in 0..1: 0 gives ellipses.
    vertices
        Vertices of each ring.

    Returns
    -------
    NDArray[np.float64]
        ``float (N, vertices, 2)`` in ``(y, x)``, centre of mass at the origin.
    """
    count = len(diameters)
    turn = np.linspace(0.0, 2.0 * np.pi, vertices, endpoint=False)
    long_axis, short_axis = np.sqrt(elongations), 1.0 / np.sqrt(elongations)
    taper = np.clip(0.25 * (elongations - 1.5), 0.0, 0.5)
    x = long_axis[:, None] * np.cos(turn)
    y = short_axis[:, None] * np.sin(turn) * np.abs(np.sin(turn)) ** taper[:, None]

    amplitudes = generator.normal(size=(count, len(_ORDERS))) * 0.4 * irregularities[:, None] / _ORDERS
    phases = generator.uniform(0.0, 2.0 * np.pi, (count, len(_ORDERS)))
    waves = np.cos(turn[None, None, :] * _ORDERS[None, :, None] + phases[:, :, None])
    radius = np.clip(1.0 + np.einsum("no,nov->nv", amplitudes, waves), 0.55, 1.45)
    bend = generator.normal(size=count) * irregularities * np.clip(elongations - 1.0, 0.0, 1.5) * 0.35
    x, y = x * radius, y * radius
    y = y + (bend * short_axis)[:, None] * (np.square(x / long_axis[:, None]) - 0.5)

    next_x, next_y = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    cross = x * next_y - next_x * y
    doubled_area = cross.sum(axis=1)
    center_x = ((x + next_x) * cross).sum(axis=1) / (3.0 * doubled_area)
    center_y = ((y + next_y) * cross).sum(axis=1) / (3.0 * doubled_area)
    scale = diameters * np.sqrt(np.pi / 2.0 / np.abs(doubled_area))
    return np.asarray(np.stack([y - center_y[:, None], x - center_x[:, None]], axis=2) * scale[:, None, None])


def turned(rings: NDArray[np.float64], angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn rings ``(N, V, 2)`` about the origin by ``angles (N,)`` radians, as `Outline.rotated` does.

    A long axis along x then points ``angle`` counter-clockwise from the horizontal on the screen.
    """
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    y, x = rings[:, :, 0], rings[:, :, 1]
    return np.stack([y * cosine - x * sine, y * sine + x * cosine], axis=2)


def outlines_of(rings: NDArray[np.float64]) -> list[Outline]:
    """Return one outline for each ring of ``float (N, V, 2)``, in canvas pixels.

    Vertices are put on a grid of 1/64 pixel: whole-pixel moves are then exact, and files stay short.
    """
    snapped = np.round(rings * _GRID) / _GRID
    snapped.flags.writeable = False
    return [Outline.from_checked_rings((ring,)) for ring in snapped]
