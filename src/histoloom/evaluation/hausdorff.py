"""Hausdorff distances between objects of two label maps, exact to the pixel."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from histoloom.evaluation.overlaps import Overlaps, edge_pixels

_MOST_AT_ONCE = 1 << 18


class PairDistances:
    """Hausdorff distances between the objects of two label maps, each measured once.

    The Hausdorff distance of two objects is the farthest that a pixel of either lies from the other, in pixels.

    Parameters
    ----------
    overlaps
        Of both label maps; both have objects.
    """

    def __init__(self, overlaps: Overlaps) -> None:
        truth, prediction = overlaps.painted(overlaps.truth_runs), overlaps.painted(overlaps.prediction_runs)
        self._truth = _Objects(truth, overlaps.truth_runs, overlaps)
        self._prediction = _Objects(prediction, overlaps.prediction_runs, overlaps)
        self._known: dict[tuple[int, int], float] = {}

    def between(self, truth: int, prediction: int) -> float:
        """Return the distance of a true and a predicted object, given by their places in the tables."""
        key = truth, prediction
        if key not in self._known:
            one_way = _farthest(self._truth, truth, self._prediction, prediction)
            other_way = _farthest(self._prediction, prediction, self._truth, truth)
            self._known[key] = math.sqrt(max(one_way, other_way))
        return self._known[key]

    def nearest_prediction(self, truth: int) -> float:
        """Return the smallest distance of a true object from any predicted one."""
        least = float("inf")
        for bound, prediction in self._prediction.by_bound(self._truth.boxes[truth]):
            if bound >= least:
                break
            least = min(least, self.between(truth, prediction))
        return least

    def nearest_truth(self, prediction: int) -> float:
        """Return the smallest distance of a predicted object from any true one."""
        least = float("inf")
        for bound, truth in self._truth.by_bound(self._prediction.boxes[prediction]):
            if bound >= least:
                break
            least = min(least, self.between(truth, prediction))
        return least


class _Objects:
    """The pixels of each object of one label map."""

    def __init__(self, objects: NDArray[np.int64], runs: NDArray[np.int64], overlaps: Overlaps) -> None:
        self.map = objects.ravel()
        self._width = overlaps.shape[1]
        inside = np.flatnonzero(runs)
        order = inside[np.argsort(runs[inside], kind="stable")]
        lengths = overlaps.lengths[order]
        ends = np.cumsum(lengths)
        # All pixels, object by object: each run counts up from its start.
        self._pixels = np.arange(ends[-1]) + np.repeat(overlaps.starts[order] - (ends - lengths), lengths)
        owners = np.repeat(runs[order], lengths)
        self._first = np.searchsorted(owners, np.arange(1, int(runs.max()) + 2))
        on_edge = edge_pixels(objects).ravel()[self._pixels]
        self._edge_pixels = self._pixels[on_edge]
        self._first_on_edge = np.searchsorted(owners[on_edge], np.arange(1, int(runs.max()) + 2))
        rows, columns = np.divmod(self._edge_pixels, self._width)
        starts = self._first_on_edge[:-1]
        self.boxes = np.stack(
            [f.reduceat(each, starts) for each in (rows, columns) for f in (np.minimum, np.maximum)], axis=1
        )

    def pixels(self, index: int) -> NDArray[np.int64]:
        """Return all pixels of an object, counted in reading order."""
        part: NDArray[np.int64] = self._pixels[self._first[index] : self._first[index + 1]]
        return part

    def edge(self, index: int) -> NDArray[np.int64]:
        """Return ``(N, 2)`` rows and columns of an object's edge."""
        part = self._edge_pixels[self._first_on_edge[index] : self._first_on_edge[index + 1]]
        return self.coordinates(part)

    def coordinates(self, pixels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return ``(N, 2)`` rows and columns."""
        return np.stack(np.divmod(pixels, self._width), axis=1)

    def by_bound(self, box: NDArray[np.int64]) -> list[tuple[float, int]]:
        """Return the objects with the distance that they have at least from one in a box, nearest first.

        Where one object reaches farther up than the other, its topmost pixel is that much away from it.
        """
        bounds = np.abs(self.boxes - box).max(axis=1)
        order = np.argsort(bounds, kind="stable")
        return list(zip(bounds[order].tolist(), order.tolist(), strict=True))


def _farthest(objects: _Objects, index: int, others: _Objects, other: int) -> int:
    """Return the squared distance of an object's pixel that is farthest from another object."""
    from scipy.spatial import cKDTree
    from scipy.spatial.distance import cdist

    pixels = objects.pixels(index)
    outside = pixels[others.map[pixels] != other + 1]
    if not len(outside):
        return 0
    points, edge = objects.coordinates(outside), others.edge(other)
    if len(points) * len(edge) > _MOST_AT_ONCE:
        _, nearest = cKDTree(edge).query(points)
        return int(((points - edge[nearest]) ** 2).sum(axis=1).max())
    return int(cdist(points, edge, "sqeuclidean").min(axis=1).max())
