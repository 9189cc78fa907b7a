"""From centroids to nuclei: each point grows into a stamp's shape as far as its neighbours leave room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histoloom.errors import LayoutError
from histoloom.keyed_random import keyed_hash
from histoloom.layouts.layout import Layout
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.outline import Outline
from histoloom.layouts.stamps import Stamp, require_class, stamp_outline
from histoloom.window import Window

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

_LEAST_DIAMETER = 2.0
"""µm; a point always becomes a nucleus, and at least one of this size."""


def grow_centroids(layout: Layout, centroids: ArrayLike, stamp: Stamp, seed: int = 0) -> dict[int, Nucleus]:
    """Grow new nuclei around points.

    Parameters
    ----------
    layout
        The nuclei that are there and keep their pixels; it is not changed.
    centroids
        ``float (N, 2)`` points ``(y, x)`` in canvas pixels; those outside the canvas are left out.
    stamp
        Class, size and shape to grow to where there is room.
    seed
        Fixes shapes and textures.

    Returns
    -------
    dict
        New nuclei by id, in the order of the points, above all that exist. Each keeps to the pixels nearer to its
        point than to any other (its Voronoi cell) and off existing nuclei, but is at least about 2 µm wide, even where
        its point lies on one. Only points that share a pixel share it as nuclei.

    Raises
    ------
    LayoutError
        If the points are not ``(N, 2)`` finite numbers, or the layout does not list the stamp's class.
    """
    from scipy.spatial import cKDTree

    points = np.asarray(centroids, np.float64)
    if points.size == 0:
        return {}
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise LayoutError("Centroids must be a list of points (y, x) with finite numbers; check the points layer.")
    require_class(stamp, layout)
    points = points[np.all((points >= -0.5) & (points < np.array(layout.shape) - 0.5), axis=1)]
    points = _without_repeats(points)
    if not len(points):
        return {}
    tree = cKDTree(points)
    first_id, z_order = layout.next_id(), layout.next_z_order()
    ids = np.arange(first_id, first_id + len(points))
    seeds = (keyed_hash(seed, ids, 0x5EED) & np.uint64(0xFFFFFFFF)).tolist()
    outlines = []
    for index, point in enumerate(points):
        wish = stamp_outline(stamp, (float(point[0]), float(point[1])), layout.pixel_size, seeds[index])
        outlines.append(_limited(layout, tree, points, index, wish))
    nuclei = Nucleus.create_many(
        ids.tolist(), outlines, [stamp.class_name] * len(points), [z_order] * len(points), seeds
    )
    return {nucleus.id: nucleus for nucleus in nuclei}


def _without_repeats(points: NDArray[np.float64]) -> NDArray[np.float64]:
    _, first = np.unique(points, axis=0, return_index=True)
    return points[np.sort(first)]


def _limited(layout: Layout, tree: cKDTree, points: NDArray[np.float64], index: int, wish: Outline) -> Outline:
    """Return the wished outline, or what of it lies in the point's own cell and on free ground."""
    from scipy.ndimage import label

    point = points[index]
    least = _least_disc(layout, point)
    window = wish.window.union(least.window).intersection(layout.window)
    if window.is_empty:
        return wish
    rows, columns = np.mgrid[window.slices]
    pixels = np.stack([rows, columns], axis=-1).astype(np.float64)
    own = _own_cell(tree, point, index, pixels)
    wanted = wish.mask(window)
    mask = wanted & own & (layout.rasterize(window) == 0)
    if np.array_equal(mask, wanted):
        return wish
    pieces, count = label(mask)
    if count:
        distance = np.where(mask, np.hypot(*np.moveaxis(pixels - point, -1, 0)), np.inf)
        mask = pieces == pieces.ravel()[int(distance.argmin())]
    smallest = least.mask(window) & own
    smallest[_pixel_of(point, window)] = True
    # A grown part away from the point (beyond a nucleus that covers it) is not a nucleus of this point.
    if not mask.any() or not (mask & smallest).any() or mask.sum() < smallest.sum():
        mask = smallest
    return Outline.from_mask(mask, (window.y0, window.x0))


def _own_cell(tree: cKDTree, point: NDArray[np.float64], index: int, pixels: NDArray[np.float64]) -> NDArray[np.bool_]:
    reach = float(np.hypot(*np.moveaxis(pixels - point, -1, 0)).max())
    own = np.ones(pixels.shape[:2], bool)
    mine = np.square(pixels - point).sum(axis=-1)
    data = tree.data
    for other in tree.query_ball_point(point, 2.0 * reach + 1.0):
        if other != index:
            theirs = np.square(pixels - data[other]).sum(axis=-1)
            own &= (mine < theirs) | ((mine == theirs) & (index < other))
    return own


def _least_disc(layout: Layout, point: NDArray[np.float64]) -> Outline:
    radius = max(_LEAST_DIAMETER / layout.pixel_size / 2.0, 1.0)
    return Outline.ellipse((float(point[0]), float(point[1])), (radius, radius), vertices=16)


def _pixel_of(point: NDArray[np.float64], window: Window) -> tuple[int, int]:
    row = min(max(round(float(point[0])), window.y0), window.y1 - 1) - window.y0
    column = min(max(round(float(point[1])), window.x0), window.x1 - 1) - window.x0
    return row, column
