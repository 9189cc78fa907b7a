"""Scores of objects: aggregated Jaccard index, panoptic quality and the second Dice of MICCAI 2017's contest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from histoloom.evaluation.overlaps import Overlaps
from histoloom.evaluation.pixel_scores import mean_of, share


@dataclass(frozen=True)
class PanopticTally:
    """Matched and unmatched objects of one kind; tallies of images add up.

    Parameters
    ----------
    matched
        Pairs of objects with an IoU over 0.5.
    iou
        The sum of their IoUs.
    in_truth, in_prediction
        How many objects there are.
    """

    matched: int = 0
    iou: float = 0.0
    in_truth: int = 0
    in_prediction: int = 0

    def __add__(self, other: PanopticTally) -> PanopticTally:
        return PanopticTally(
            self.matched + other.matched,
            self.iou + other.iou,
            self.in_truth + other.in_truth,
            self.in_prediction + other.in_prediction,
        )

    def scores(self, neither: float = 1.0) -> dict[str, float]:
        """Return ``dq`` (detection), ``sq`` (segmentation) and ``pq`` (their product): Kirillov et al. 2019, section 4.

        No objects in truth and prediction: ``neither``. No match otherwise: 0.
        """
        empty = not self.in_truth and not self.in_prediction
        quality = {
            "dq": share(2 * self.matched, self.in_truth + self.in_prediction, neither, empty=empty),
            "sq": share(self.iou, self.matched, neither, empty=empty),
        }
        return {**quality, "pq": neither if empty else quality["dq"] * quality["sq"]}


@dataclass(frozen=True)
class ObjectTally:
    """What the scores of objects are made of; tallies of images add up.

    Parameters
    ----------
    intersection, union
        Pixels, for the aggregated Jaccard index.
    matched_intersection, matched_union
        The same where every object has one partner at most (AJI+).
    ensemble_shared, ensemble_areas
        Pixels, for the second Dice of MICCAI 2017's contest.
    any_class
        Objects of whatever class.
    by_class
        Objects of each class.
    """

    intersection: int = 0
    union: int = 0
    matched_intersection: int = 0
    matched_union: int = 0
    ensemble_shared: int = 0
    ensemble_areas: int = 0
    any_class: PanopticTally = field(default_factory=PanopticTally)
    by_class: Mapping[str, PanopticTally] = field(default_factory=dict)

    def __add__(self, other: ObjectTally) -> ObjectTally:
        none = PanopticTally()
        names = sorted(self.by_class.keys() | other.by_class.keys())
        return ObjectTally(
            self.intersection + other.intersection,
            self.union + other.union,
            self.matched_intersection + other.matched_intersection,
            self.matched_union + other.matched_union,
            self.ensemble_shared + other.ensemble_shared,
            self.ensemble_areas + other.ensemble_areas,
            self.any_class + other.any_class,
            {name: self.by_class.get(name, none) + other.by_class.get(name, none) for name in names},
        )

    def scores(self) -> dict[str, float]:
        """Return the scores of objects.

        Empty truth and prediction agree: 1. Where one of them is empty, or nothing overlaps: 0.

        ``object_dice_micc17`` is the second definition of MICCAI 2017's contest, over all pairs that overlap. ``aji``
        is that of Kumar et al. 2017, algorithm 1, as HoVer-Net's authors compute it: a predicted object may serve
        several true ones. In ``aji_plus`` (of HoVer-Net's authors, too) each serves one, and the sum of the IoUs is
        the largest possible. ``dq``, ``sq`` and ``pq`` count objects of whatever class; ``mpq_plus`` is the mean of the
        classes' ``pq`` over those that truth or prediction have: of pooled tallies, that of the CoNIC challenge; the
        mean of it over images is the mPQ of PanNuke.
        """
        empty = not self.any_class.in_truth and not self.any_class.in_prediction
        return {
            "object_dice_micc17": share(2 * self.ensemble_shared, self.ensemble_areas, 1.0, empty=empty),
            "aji": share(self.intersection, self.union, 1.0, empty=empty),
            "aji_plus": share(self.matched_intersection, self.matched_union, 1.0, empty=empty),
            **self.any_class.scores(),
            "mpq_plus": 1.0 if empty else mean_of(each["pq"] for each in self.class_scores().values()),
            "n_truth": self.any_class.in_truth,
            "n_prediction": self.any_class.in_prediction,
        }

    def class_scores(self) -> dict[str, dict[str, float]]:
        """Return ``dq``, ``sq``, ``pq`` and the numbers of objects of each class; NaN where there are none."""
        return {
            name: {**each.scores(float("nan")), "n_truth": each.in_truth, "n_prediction": each.in_prediction}
            for name, each in self.by_class.items()
        }


def tally_objects(overlaps: Overlaps, truth_classes: Sequence[str], prediction_classes: Sequence[str]) -> ObjectTally:
    """Count what the scores of objects are made of.

    Parameters
    ----------
    overlaps
        Of both label maps.
    truth_classes, prediction_classes
        Class of each object, in the order of the tables.
    """
    truth, prediction = overlaps.truth.areas, overlaps.prediction.areas
    covered = int(truth.sum() + prediction.sum())
    best = best_partners(overlaps, overlaps.ious)
    alone = np.ones(len(truth), bool)
    alone[overlaps.pairs[best, 0]] = False
    unused = np.ones(len(prediction), bool)
    unused[overlaps.pairs[best, 1]] = False
    union = int(overlaps.unions[best].sum() + truth[alone].sum() + prediction[unused].sum())
    one_to_one = int(overlaps.shared[_best_matching(overlaps)].sum())
    return ObjectTally(
        intersection=int(overlaps.shared[best].sum()),
        union=union,
        matched_intersection=one_to_one,
        matched_union=covered - one_to_one,
        ensemble_shared=int(overlaps.shared.sum()),
        ensemble_areas=int((truth[overlaps.pairs[:, 0]] + prediction[overlaps.pairs[:, 1]]).sum()),
        any_class=PanopticTally(
            int(overlaps.matched.sum()), float(overlaps.ious[overlaps.matched].sum()), len(truth), len(prediction)
        ),
        by_class=_panoptic_by_class(overlaps, truth_classes, prediction_classes),
    )


def best_partners(overlaps: Overlaps, strength: NDArray[np.number]) -> NDArray[np.int64]:
    """Return for each true object that overlaps any predicted one the strongest of its pairs.

    Of equally strong ones it is that with the predicted object that begins first, row by row.

    Parameters
    ----------
    overlaps
        Of both label maps.
    strength
        ``(M,)``, of each pair.

    Returns
    -------
    NDArray[np.int64]
        Places in ``overlaps.pairs``.
    """
    order = np.lexsort((overlaps.pairs[:, 1], -strength, overlaps.pairs[:, 0]))
    _, first = np.unique(overlaps.pairs[order, 0], return_index=True)
    return np.asarray(order[first], np.int64)


def _best_matching(overlaps: Overlaps) -> NDArray[np.int64]:
    """Return the pairs that give every object one partner at most, and of all such the largest sum of IoUs."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    count, others = len(overlaps.truth), len(overlaps.prediction)
    if not len(overlaps.pairs):
        return np.zeros(0, np.int64)
    # Of equal sums that with the larger intersections: then the score does not hang on who wins a tie.
    weights = 1.0 + overlaps.ious + 1e-7 * overlaps.shared / overlaps.shared.max()
    # A column of its own lets each true object stay alone, for a matching must give all of them a column.
    rows = np.concatenate([overlaps.pairs[:, 0], np.arange(count)])
    columns = np.concatenate([overlaps.pairs[:, 1], others + np.arange(count)])
    graph = csr_array((np.concatenate([weights, np.ones(count)]), (rows, columns)), shape=(count, others + count))
    chosen_rows, chosen_columns = min_weight_full_bipartite_matching(graph, maximize=True)
    partner = np.full(count, -1)
    partner[chosen_rows] = chosen_columns
    return np.flatnonzero(partner[overlaps.pairs[:, 0]] == overlaps.pairs[:, 1])


def _panoptic_by_class(
    overlaps: Overlaps, truth_classes: Sequence[str], prediction_classes: Sequence[str]
) -> dict[str, PanopticTally]:
    of_truth, of_prediction = np.array(truth_classes, object), np.array(prediction_classes, object)
    pairs, ious = overlaps.pairs[overlaps.matched], overlaps.ious[overlaps.matched]
    same = of_truth[pairs[:, 0]] == of_prediction[pairs[:, 1]]
    tallies = {}
    for name in sorted({*truth_classes, *prediction_classes}):
        both = same & (of_truth[pairs[:, 0]] == name)
        tallies[name] = PanopticTally(
            int(both.sum()), float(ious[both].sum()), int((of_truth == name).sum()), int((of_prediction == name).sum())
        )
    return tallies
