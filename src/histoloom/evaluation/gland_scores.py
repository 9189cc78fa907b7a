"""The scores of the GlaS contest: object F1, object Dice and object Hausdorff (Sirinukunwattana et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.evaluation.hausdorff import PairDistances
from histoloom.evaluation.object_scores import best_partners
from histoloom.evaluation.overlaps import Overlaps
from histoloom.evaluation.pixel_scores import share


@dataclass(frozen=True)
class GlandTally:
    """What the contest's scores are made of; tallies of images add up.

    Parameters
    ----------
    found
        Predicted objects that cover more than half of the true object that they overlap most.
    in_truth, in_prediction
        How many objects there are.
    truth_dice, prediction_dice
        Dice with its partner times its area, summed over the objects of each side.
    truth_area, prediction_area
        Pixels of objects.
    """

    found: int = 0
    in_truth: int = 0
    in_prediction: int = 0
    truth_dice: float = 0.0
    prediction_dice: float = 0.0
    truth_area: int = 0
    prediction_area: int = 0

    def __add__(self, other: GlandTally) -> GlandTally:
        return GlandTally(
            self.found + other.found,
            self.in_truth + other.in_truth,
            self.in_prediction + other.in_prediction,
            self.truth_dice + other.truth_dice,
            self.prediction_dice + other.prediction_dice,
            self.truth_area + other.truth_area,
            self.prediction_area + other.prediction_area,
        )

    def scores(self) -> dict[str, float]:
        """Return ``object_precision``, ``object_recall``, ``object_f1`` and ``object_dice``.

        A predicted object is right if it covers more than half of the true object that it overlaps most.
        Object Dice is that of each object and the one of the other side that it overlaps most, weighted by area, and
        the mean of both sides. Empty truth and prediction agree: 1. Where one of them is empty: 0.
        """
        empty = not self.in_truth and not self.in_prediction
        of_truth = share(self.truth_dice, self.truth_area, 1.0, empty=empty)
        of_prediction = share(self.prediction_dice, self.prediction_area, 1.0, empty=empty)
        return {
            "object_precision": share(self.found, self.in_prediction, 1.0, empty=empty),
            "object_recall": share(self.found, self.in_truth, 1.0, empty=empty),
            "object_f1": share(2 * self.found, self.in_truth + self.in_prediction, 1.0, empty=empty),
            "object_dice": (of_truth + of_prediction) / 2,
        }


@dataclass(frozen=True)
class HausdorffTally:
    """Distances of objects from their partners in pixels, times their areas; tallies of images add up.

    Parameters
    ----------
    truth_distance, prediction_distance
        Summed over the objects of each side.
    truth_area, prediction_area
        Pixels of those objects.
    one_sided
        Images with objects in truth or prediction only, which have no distances.
    images
        All images.
    """

    truth_distance: float = 0.0
    prediction_distance: float = 0.0
    truth_area: int = 0
    prediction_area: int = 0
    one_sided: int = 0
    images: int = 0

    def __add__(self, other: HausdorffTally) -> HausdorffTally:
        return HausdorffTally(
            self.truth_distance + other.truth_distance,
            self.prediction_distance + other.prediction_distance,
            self.truth_area + other.truth_area,
            self.prediction_area + other.prediction_area,
            self.one_sided + other.one_sided,
            self.images + other.images,
        )

    def scores(self) -> dict[str, float]:
        """Return ``object_hausdorff`` in pixels, 0 or more, the less the better.

        Empty truth and prediction: 0. Where one of them is empty it is infinite, as in the contest's code; images of
        that kind are left out of pooled distances unless there are no others.
        """
        if self.one_sided and not self.truth_area:
            return {"object_hausdorff": float("inf")}
        if not self.truth_area:
            return {"object_hausdorff": 0.0}
        both = self.truth_distance / self.truth_area + self.prediction_distance / self.prediction_area
        return {"object_hausdorff": both / 2}


def tally_glands(overlaps: Overlaps) -> GlandTally:
    """Count what object F1 and object Dice are made of."""
    mirrored = overlaps.swapped()
    of_prediction = best_partners(mirrored, mirrored.shared)
    partners = mirrored.pairs[of_prediction, 1]
    found = 2 * mirrored.shared[of_prediction] > overlaps.truth.areas[partners]
    return GlandTally(
        int(found.sum()),
        len(overlaps.truth),
        len(overlaps.prediction),
        _weighted_dice(overlaps),
        _weighted_dice(mirrored),
        int(overlaps.truth.areas.sum()),
        int(overlaps.prediction.areas.sum()),
    )


def tally_hausdorff(overlaps: Overlaps) -> HausdorffTally:
    """Measure how far every object lies from its partner.

    The partner is the object of the other side that it overlaps most, or, where it overlaps none, the nearest by this
    same distance.
    """
    truth_area, prediction_area = int(overlaps.truth.areas.sum()), int(overlaps.prediction.areas.sum())
    if not truth_area or not prediction_area:
        return HausdorffTally(one_sided=int(truth_area != prediction_area), images=1)
    distances = PairDistances(overlaps)
    mirrored = overlaps.swapped()
    to_prediction = _partners(overlaps)
    to_truth = _partners(mirrored)
    of_truth = [
        distances.between(index, partner) if partner >= 0 else distances.nearest_prediction(index)
        for index, partner in enumerate(to_prediction.tolist())
    ]
    of_prediction = [
        distances.between(partner, index) if partner >= 0 else distances.nearest_truth(index)
        for index, partner in enumerate(to_truth.tolist())
    ]
    return HausdorffTally(
        float(np.dot(of_truth, overlaps.truth.areas)),
        float(np.dot(of_prediction, overlaps.prediction.areas)),
        truth_area,
        prediction_area,
        images=1,
    )


def _weighted_dice(overlaps: Overlaps) -> float:
    best = best_partners(overlaps, overlaps.shared)
    one, other = overlaps.pairs[best].T
    areas = overlaps.truth.areas[one]
    return float((areas * 2 * overlaps.shared[best] / (areas + overlaps.prediction.areas[other])).sum())


def _partners(overlaps: Overlaps) -> NDArray[np.int64]:
    """Return for each true object the place of the predicted one that it overlaps most, or -1."""
    best = best_partners(overlaps, overlaps.shared)
    partners = np.full(len(overlaps.truth), -1)
    partners[overlaps.pairs[best, 0]] = overlaps.pairs[best, 1]
    return partners
