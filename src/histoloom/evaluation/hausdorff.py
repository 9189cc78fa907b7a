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
        inside = np.flatnonzero(runs)
        order = inside[np.argsort(runs[inside], kind="stable")]
        lengths = overlaps.lengths[order]
        ends = np.cumsum(lengths)
        # All pixels, object by object: each run counts up from its start.
        self._pixels = np.arange(ends[-1]) + np.repeat(overlaps.starts[order] - (ends - lengths), lengths)
        owners = np.repeat(runs[order], lengths)
        self._first = np.searchsorted(owners, np.arange(1, int(runs.max()) + 2))
        on_edge = edge_pixels(objects).ravel()[self._pixels]
        # As numbers that distances are measured in, so that nothing is converted pair by pair.
        self._points = np.stack(np.divmod(self._pixels, overlaps.shape[1]), axis=1).astype(np.float64)
        self._edge_points = self._points[on_edge]
        self._first_on_edge = np.searchsorted(owners[on_edge], np.arange(1, int(runs.max()) + 2))
        starts = self._first_on_edge[:-1]
        corners = [f.reduceat(each, starts) for each in self._edge_points.T for f in (np.minimum, np.maximum)]
        self.boxes = np.stack(corners, axis=1)

    def outside(self, index: int, others: _Objects, other: int) -> NDArray[np.float64]:
        """Return ``(N, 2)`` rows and columns of the pixels of an object that are none of another's."""
        own = slice(self._first[index], self._first[index + 1])
        points: NDArray[np.float64] = self._points[own][others.map[self._pixels[own]] != other + 1]
        return points

    def edge(self, index: int) -> NDArray[np.float64]:
        """Return ``(N, 2)`` rows and columns of an object's edge."""
        points: NDArray[np.float64] = self._edge_points[self._first_on_edge[index] : self._first_on_edge[index + 1]]
        return points

    def by_bound(self, box: NDArray[np.float64]) -> list[tuple[float, int]]:
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

    points, edge = objects.outside(index, others, other), others.edge(other)
    if not len(points):
        return 0
    if len(points) * len(edge) > _MOST_AT_ONCE:
        _, nearest = cKDTree(edge).query(points)
        return int(((points - edge[nearest]) ** 2).sum(axis=1).max())
    return int(cdist(points, edge, "sqeuclidean").min(axis=1).max())
