"""Which objects of two label maps overlap, and by how much: the one table that all scores of labels are taken from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError

_LARGEST_LOOKUP = 1 << 22


@dataclass(frozen=True)
class ObjectTable:
    """The objects of one label map, in the order in which they begin, row by row.

    That order, and not the labels, settles ties, so that renumbering a map changes no score.

    Parameters
    ----------
    labels
        ``int64 (N,)``.
    areas
        ``int64 (N,)``, in pixels.
    """

    labels: NDArray[np.int64]
    areas: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Overlaps:
    """Two label maps of one canvas as runs of equal pixels, and the objects of both that overlap.

    Parameters
    ----------
    shape
        Height and width in pixels.
    starts, lengths
        ``int64 (R,)``: runs of pixels of one row in which neither map changes, in reading order.
    truth_runs, prediction_runs
        ``int64 (R,)``: for each run its object's place in the table plus one, or 0 on background.
    truth, prediction
        The objects of both maps.
    pairs
        ``int64 (M, 2)``: places in both tables of objects that share a pixel, sorted.
    shared
        ``int64 (M,)``: how many pixels each pair shares.
    """

    shape: tuple[int, int]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    truth_runs: NDArray[np.int64]
    prediction_runs: NDArray[np.int64]
    truth: ObjectTable
    prediction: ObjectTable
    pairs: NDArray[np.int64]
    shared: NDArray[np.int64]

    @cached_property
    def unions(self) -> NDArray[np.int64]:
        """``(M,)``: how many pixels each pair covers together."""
        return self.truth.areas[self.pairs[:, 0]] + self.prediction.areas[self.pairs[:, 1]] - self.shared

    @cached_property
    def ious(self) -> NDArray[np.float64]:
        """``(M,)``: intersection over union of each pair, above 0 to 1."""
        return self.shared / self.unions

    @cached_property
    def matched(self) -> NDArray[np.bool_]:
        """``(M,)``: whether a pair's IoU is over 0.5, which each object has with one other at most."""
        return 2 * self.shared > self.unions

    def painted(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a picture ``(H, W)`` of one value for each run."""
        return np.repeat(values, self.lengths).reshape(self.shape)

    def swapped(self) -> Overlaps:
        """Return the same table with truth and prediction exchanged."""
        order = np.lexsort((self.pairs[:, 0], self.pairs[:, 1]))
        return Overlaps(
            self.shape,
            self.starts,
            self.lengths,
            self.prediction_runs,
            self.truth_runs,
            self.prediction,
            self.truth,
            self.pairs[order, ::-1],
            self.shared[order],
        )


def measure_overlaps(truth: NDArray[Any], prediction: NDArray[Any]) -> Overlaps:
    """Return which objects of two label maps overlap.

    Parameters
    ----------
    truth, prediction
        Whole numbers ``(H, W)`` of one shape; 0 is background, every other value one object.

    Raises
    ------
    EvaluationError
        If one is no label map, or they differ in size.
    """
    check_label_maps(truth, prediction)
    height, width = truth.shape
    one, other = np.ascontiguousarray(truth).ravel(), np.ascontiguousarray(prediction).ravel()
    changes = np.empty(one.size, bool)
    np.not_equal(one[1:], one[:-1], out=changes[1:])
    changes[1:] |= other[1:] != other[:-1]
    # A run that went on in the next row would have no centre.
    changes[::width] = True
    starts = np.flatnonzero(changes)
    lengths = np.diff(starts, append=one.size)
    truth_runs, truth_table = _numbered(one[starts], lengths)
    prediction_runs, prediction_table = _numbered(other[starts], lengths)
    pairs, shared = _shared_pixels(truth_runs, prediction_runs, lengths, len(prediction_table))
    return Overlaps(
        (height, width), starts, lengths, truth_runs, prediction_runs, truth_table, prediction_table, pairs, shared
    )


def check_label_maps(truth: NDArray[Any], prediction: NDArray[Any]) -> None:
    """Raise `EvaluationError` unless both are label maps ``(H, W)`` of one size."""
    for name, each in (("truth", truth), ("prediction", prediction)):
        if each.ndim != 2 or each.dtype.kind not in "iub" or not each.size:
            raise EvaluationError(
                f"The {name} is {each.dtype} of shape {each.shape} and not a label map; "
                "give whole numbers (H, W) with 0 as background."
            )
        if each.dtype.kind == "i" and int(each.min()) < 0:
            raise EvaluationError(f"The {name} holds negative labels; give 0 for background and numbers above 0.")
    if truth.shape != prediction.shape:
        raise EvaluationError(
            f"The truth has {truth.shape[0]} x {truth.shape[1]} pixels and the prediction {prediction.shape[0]} x "
            f"{prediction.shape[1]}; give both for the same picture."
        )


def edge_pixels(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pixels of a map ``(H, W)`` have another value, or the map's end, above, below, left or right."""
    edges = np.zeros(values.shape, bool)
    across, down = values[:, 1:] != values[:, :-1], values[1:] != values[:-1]
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    edges[[0, -1]] = True
    edges[:, [0, -1]] = True
    return edges


def _numbered(values: NDArray[Any], lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], ObjectTable]:
    """Return each run's object, counted from 1 in the order in which they begin, and the table of objects."""
    highest = int(values.max())
    if highest < _LARGEST_LOOKUP:
        positions = values.astype(np.int64)
        firsts = np.full(highest + 1, len(values))
        # Written backwards, so that the first run of each label is what stays.
        firsts[positions[::-1]] = np.arange(len(values) - 1, -1, -1)
        found = np.flatnonzero(firsts < len(values))
        found = found[found != 0]
        labels = found[np.argsort(firsts[found])]
        lookup = np.zeros(highest + 1, np.int64)
        lookup[labels] = np.arange(1, len(labels) + 1)
        runs = lookup[positions]
    else:
        distinct, first, inverse = np.unique(values, return_index=True, return_inverse=True)
        order = np.argsort(np.where(distinct == 0, -1, first))
        with_background = bool((distinct == 0).any())
        places = np.empty(len(distinct), np.int64)
        places[order] = np.arange(len(distinct)) + (0 if with_background else 1)
        runs = places[inverse]
        labels = distinct[order[1:] if with_background else order].astype(np.int64)
    areas = np.bincount(runs, weights=lengths, minlength=len(labels) + 1)[1:]
    return runs, ObjectTable(labels, areas.astype(np.int64))


def _shared_pixels(
    truth_runs: NDArray[np.int64], prediction_runs: NDArray[np.int64], lengths: NDArray[np.int64], predictions: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    both = (truth_runs > 0) & (prediction_runs > 0)
    keys = (truth_runs[both] - 1) * max(predictions, 1) + prediction_runs[both] - 1
    distinct, inverse = np.unique(keys, return_inverse=True)
    shared = np.bincount(inverse, weights=lengths[both], minlength=len(distinct)).astype(np.int64)
    pairs = np.stack(np.divmod(distinct, max(predictions, 1)), axis=1)
    return pairs.reshape(-1, 2), shared
