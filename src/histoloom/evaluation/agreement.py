"""Where truth and prediction agree: maps to show over a picture, and the list of what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from histoloom.evaluation.overlaps import Overlaps, check_label_maps, measure_overlaps

ErrorKind = Literal["split", "merged", "missed", "spurious"]


class PixelAgreement(IntEnum):
    """Values of a map of pixels."""

    NEITHER = 0
    BOTH = 1
    PREDICTION_ONLY = 2
    TRUTH_ONLY = 3


class ObjectAgreement(IntEnum):
    """Values of a map of objects."""

    NEITHER = 0
    MATCHED = 1
    SPLIT = 2
    MERGED = 3
    MISSED = 4
    SPURIOUS = 5


@dataclass(frozen=True)
class AgreementError:
    """One thing that a prediction has wrong.

    Parameters
    ----------
    kind
        ``"missed"`` and ``"split"`` are of a true object, ``"spurious"`` and ``"merged"`` of a predicted one.
    label
        That object's label.
    centroid
        Its centre ``(y, x)`` in pixels.
    area
        Its pixels.
    partners
        Labels on the other side: the predicted objects that a true one was split into, or the true ones merged.
    """

    kind: ErrorKind
    label: int
    centroid: tuple[float, float]
    area: int
    partners: tuple[int, ...] = ()


@dataclass(frozen=True)
class Agreement:
    """How the objects of truth and prediction agree.

    Parameters
    ----------
    map
        ``uint8 (H, W)`` of `ObjectAgreement`.
    errors
        What went wrong, from top to bottom.
    counts
        How many true objects were matched, and how many errors there are of each kind.
    """

    map: NDArray[np.uint8]
    errors: tuple[AgreementError, ...]
    counts: dict[str, int]


def agree_by_pixel(truth: NDArray[Any], prediction: NDArray[Any]) -> NDArray[np.uint8]:
    """Return for each pixel whether it is of a nucleus in both (TP), in the prediction only (FP), the truth only (FN).

    Parameters
    ----------
    truth, prediction
        Label maps or masks ``(H, W)`` of one shape; 0 is background.

    Returns
    -------
    NDArray[np.uint8]
        ``(H, W)`` of `PixelAgreement`.

    Raises
    ------
    EvaluationError
        If one is no label map, or they differ in size.
    """
    check_label_maps(truth, prediction)
    in_truth, in_prediction = (truth != 0).view(np.uint8), (prediction != 0).view(np.uint8)
    # 3 where only the truth is, 2 where only the prediction is; both would be 5, and are 1.
    values: NDArray[np.uint8] = in_truth * np.uint8(3) + in_prediction * np.uint8(2)
    values -= (in_truth & in_prediction) * np.uint8(4)
    return values


def agree_by_object(truth: NDArray[Any], prediction: NDArray[Any]) -> Agreement:
    """Return which objects are matched, split, merged, missed and spurious.

    A true and a predicted object are *matched* if their IoU is over 0.5, as in panoptic quality. An object lies in
    another if at least half of its pixels do, which matched ones always do. A predicted object is *merged* if two true
    ones or more lie in it; a true object is *split* if two predicted ones or more lie in it. True objects that are none
    of this are *missed*, predicted ones *spurious*; two that overlap too little for a match are both.

    In the map, an object that is matched shows as matched even if others lie in it, and these show as merged or split.
    A true object without a match that is split and merged at once counts as merged. Where objects of both sides share
    a pixel, it has the kind of the true one, unless that is matched and the other is not.

    Parameters
    ----------
    truth, prediction
        Label maps ``(H, W)`` of one shape; 0 is background, every other value one object.

    Returns
    -------
    Agreement
        The map, the errors and how many there are.

    Raises
    ------
    EvaluationError
        If one is no label map, or they differ in size.
    """
    overlaps = measure_overlaps(truth, prediction)
    in_prediction = 2 * overlaps.shared >= overlaps.truth.areas[overlaps.pairs[:, 0]]
    in_truth = 2 * overlaps.shared >= overlaps.prediction.areas[overlaps.pairs[:, 1]]
    merges = _groups(overlaps.pairs[in_prediction, ::-1])
    merged_truth = {index for group in merges.values() for index in group}
    matched_truth = set(overlaps.pairs[overlaps.matched, 0].tolist())
    splits = {
        index: group
        for index, group in _groups(overlaps.pairs[in_truth]).items()
        if index in matched_truth or index not in merged_truth
    }
    truth_kinds = np.full(len(overlaps.truth) + 1, ObjectAgreement.MISSED, np.uint8)
    prediction_kinds = np.full(len(overlaps.prediction) + 1, ObjectAgreement.SPURIOUS, np.uint8)
    truth_kinds[0] = prediction_kinds[0] = ObjectAgreement.NEITHER
    for kind, groups, of_one, of_group in (
        (ObjectAgreement.SPLIT, splits, truth_kinds, prediction_kinds),
        (ObjectAgreement.MERGED, merges, prediction_kinds, truth_kinds),
    ):
        of_one[[index + 1 for index in groups]] = kind
        of_group[[index + 1 for group in groups.values() for index in group]] = kind
    truth_kinds[overlaps.pairs[overlaps.matched, 0] + 1] = ObjectAgreement.MATCHED
    prediction_kinds[overlaps.pairs[overlaps.matched, 1] + 1] = ObjectAgreement.MATCHED
    errors = _errors(overlaps, truth_kinds, prediction_kinds, splits, merges)
    found = Counter(each.kind for each in errors)
    counts = {"matched": int(overlaps.matched.sum())} | {kind: found[kind] for kind in get_args(ErrorKind)}
    return Agreement(_painted(overlaps, truth_kinds, prediction_kinds), errors, counts)


def _groups(pairs: NDArray[np.int64]) -> dict[int, list[int]]:
    """Return the second members of pairs by their first, where there are two or more."""
    groups: dict[int, list[int]] = {}
    for one, other in pairs.tolist():
        groups.setdefault(one, []).append(other)
    return {one: others for one, others in groups.items() if len(others) > 1}


def _painted(
    overlaps: Overlaps, truth_kinds: NDArray[np.uint8], prediction_kinds: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    of_truth, of_prediction = truth_kinds[overlaps.truth_runs], prediction_kinds[overlaps.prediction_runs]
    yields = (of_truth == ObjectAgreement.NEITHER) | (
        (of_truth == ObjectAgreement.MATCHED) & (of_prediction != ObjectAgreement.NEITHER)
    )
    return overlaps.painted(np.where(yields, of_prediction, of_truth))


def _errors(
    overlaps: Overlaps,
    truth_kinds: NDArray[np.uint8],
    prediction_kinds: NDArray[np.uint8],
    splits: dict[int, list[int]],
    merges: dict[int, list[int]],
) -> tuple[AgreementError, ...]:
    sides = (
        (overlaps.truth, overlaps.prediction, _centroids(overlaps, overlaps.truth_runs)),
        (overlaps.prediction, overlaps.truth, _centroids(overlaps, overlaps.prediction_runs)),
    )

    def error(side: int, kind: ErrorKind, index: int, partners: Sequence[int] = ()) -> AgreementError:
        table, other, centroids = sides[side]
        y, x = centroids[index].tolist()
        labels = tuple(int(each) for each in other.labels[list(partners)])
        return AgreementError(kind, int(table.labels[index]), (y, x), int(table.areas[index]), labels)

    missed = np.flatnonzero(truth_kinds[1:] == ObjectAgreement.MISSED).tolist()
    spurious = np.flatnonzero(prediction_kinds[1:] == ObjectAgreement.SPURIOUS).tolist()
    errors = [error(0, "split", index, group) for index, group in splits.items()]
    errors += [error(1, "merged", index, group) for index, group in merges.items()]
    errors += [error(0, "missed", index) for index in missed]
    errors += [error(1, "spurious", index) for index in spurious]
    return tuple(sorted(errors, key=lambda each: (each.centroid, each.kind)))


def _centroids(overlaps: Overlaps, runs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the centres ``(N, 2)`` of all objects of one side."""
    rows, columns = np.divmod(overlaps.starts, overlaps.shape[1])
    areas = np.bincount(runs, overlaps.lengths)
    y = np.bincount(runs, overlaps.lengths * rows)
    x = np.bincount(runs, overlaps.lengths * (columns + (overlaps.lengths - 1) / 2))
    # A canvas that is covered wholly has no run of background to divide by.
    centres: NDArray[np.float64] = np.stack([y, x], axis=1)[1:] / areas[1:, None]
    return centres
