"""Areas, centres and boxes of many outlines in one numpy pass; one at a time, tables of 50,000 would be slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from histoloom.layouts.outline import Outline


class OutlineMeasures(NamedTuple):
    """What `measure_outlines` finds, one row for each outline."""

    areas: NDArray[np.float64]
    """``float (N,)``, square pixels."""
    centroids: NDArray[np.float64]
    """``float (N, 2)``, centres of mass ``(y, x)``."""
    bounds: NDArray[np.float64]
    """``float (N, 4)``, ``(y_min, x_min, y_max, x_max)``."""


def measure_outlines(outlines: Sequence[Outline]) -> OutlineMeasures:
    """Measure outlines.

    Parameters
    ----------
    outlines
        Any number of shapes, each of one or more rings.

    Returns
    -------
    OutlineMeasures
        In the order given. Shapes without area have the mean of their vertices as centroid.
    """
    if not outlines:
        return OutlineMeasures(np.zeros(0), np.zeros((0, 2)), np.zeros((0, 4)))
    rings = [ring for outline in outlines for ring in outline.rings]
    lengths = np.array([len(ring) for ring in rings])
    ring_counts = np.array([len(outline.rings) for outline in outlines])
    vertices = np.concatenate(rings)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    first_ring = np.cumsum(ring_counts) - ring_counts
    first_vertex = starts[first_ring]
    vertex_counts = np.add.reduceat(lengths, first_ring)

    low = np.minimum.reduceat(vertices, first_vertex)
    high = np.maximum.reduceat(vertices, first_vertex)

    # Sums of products lose digits far from the origin, so every outline is measured from its own corner.
    local = vertices - np.repeat(low, vertex_counts, axis=0)
    following = np.arange(1, len(vertices) + 1)
    following[ends - 1] = starts
    after = local[following]
    cross = local[:, 1] * after[:, 0] - after[:, 1] * local[:, 0]
    doubled = np.add.reduceat(cross, first_vertex)
    moments = np.add.reduceat((local + after) * cross[:, None], first_vertex) / 3.0
    flat = np.abs(doubled) < 2e-9
    means = np.add.reduceat(local, first_vertex) / vertex_counts[:, None]
    centroids = np.where(flat[:, None], means, moments / np.where(flat, 1.0, doubled)[:, None])
    return OutlineMeasures(np.abs(doubled) / 2.0, centroids + low, np.concatenate([low, high], axis=1))
