"""Scores of pixels: which class each has in truth and prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.evaluation.overlaps import Overlaps

BACKGROUND = "background"


@dataclass(frozen=True)
class PixelTally:
    """How many pixels of each class in the truth have which class in the prediction; tallies of images add up.

    Parameters
    ----------
    pixels
        ``(class in the truth, class in the prediction)`` -> number of pixels; the background is ``"background"``.
    """

    pixels: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def __add__(self, other: PixelTally) -> PixelTally:
        keys = self.pixels.keys() | other.pixels.keys()
        return PixelTally({key: self.pixels.get(key, 0) + other.pixels.get(key, 0) for key in keys})

    @property
    def classes(self) -> list[str]:
        """The classes that truth or prediction have, the background first."""
        named = {each for pair, count in self.pixels.items() if count for each in pair}
        return [each for each in (BACKGROUND,) if each in named] + sorted(named - {BACKGROUND})

    def scores(self) -> dict[str, float]:
        """Return the scores of nuclei of whatever class against background, and the means over classes.

        ``precision``, ``recall``, ``f1``, ``dice`` (which is F1) and ``iou`` are those of nuclear pixels. Empty truth
        and prediction agree: 1. Where one of them is empty: 0. ``mean_precision``, ``mean_recall``, ``mean_f1`` and
        ``mean_iou`` are means over the classes that truth or prediction have, background included; ``mean_accuracy``
        is that of the recall over the classes that the truth has (SMA of Li et al. 2022), and
        ``overall_accuracy`` the share of pixels that have the right class (OPA).
        """
        in_truth = sum(count for (truth, _), count in self.pixels.items() if truth != BACKGROUND)
        in_prediction = sum(count for (_, prediction), count in self.pixels.items() if prediction != BACKGROUND)
        in_both = sum(count for pair, count in self.pixels.items() if BACKGROUND not in pair)
        of_nuclei = _of_one_class(in_both, in_truth, in_prediction, neither=1.0)
        each = self.class_scores()
        total = sum(self.pixels.values())
        right = sum(count for (truth, prediction), count in self.pixels.items() if truth == prediction)
        present = [name for name in each if any(pair[0] == name and count for pair, count in self.pixels.items())]
        return {
            **of_nuclei,
            "dice": of_nuclei["f1"],
            **{f"mean_{key}": mean_of(scores[key] for scores in each.values()) for key in of_nuclei},
            "mean_accuracy": mean_of(each[name]["recall"] for name in present),
            "overall_accuracy": right / total if total else 1.0,
        }

    def class_scores(self) -> dict[str, dict[str, float]]:
        """Return precision, recall, F1 and IoU of the pixels of each class that truth or prediction have."""
        scores = {}
        for name in self.classes:
            truth = sum(count for pair, count in self.pixels.items() if pair[0] == name)
            prediction = sum(count for pair, count in self.pixels.items() if pair[1] == name)
            both = self.pixels.get((name, name), 0)
            scores[name] = _of_one_class(both, truth, prediction, neither=float("nan"))
        return scores


def tally_pixels(
    overlaps: Overlaps, truth_classes: Sequence[str], prediction_classes: Sequence[str], ignored: int = 0
) -> PixelTally:
    """Count the pixels of each class of truth and prediction.

    Parameters
    ----------
    overlaps
        Of both label maps.
    truth_classes, prediction_classes
        Class of each object, in the order of the tables.
    ignored
        How many pixels of background in both are not to count.
    """
    names = [BACKGROUND, *sorted({*truth_classes, *prediction_classes})]
    places = {name: index for index, name in enumerate(names)}
    of_truth, of_prediction = (
        np.array([places[each] for each in classes], np.int64) for classes in (truth_classes, prediction_classes)
    )
    one, other = overlaps.pairs.T
    table = np.zeros((len(names), len(names)), np.int64)
    np.add.at(table, (of_truth[one], of_prediction[other]), overlaps.shared)
    # What an object shares with none lies on background.
    np.add.at(table[:, 0], of_truth, overlaps.truth.areas)
    np.subtract.at(table[:, 0], of_truth[one], overlaps.shared)
    np.add.at(table[0], of_prediction, overlaps.prediction.areas)
    np.subtract.at(table[0], of_prediction[other], overlaps.shared)
    table[0, 0] = overlaps.shape[0] * overlaps.shape[1] - int(table.sum()) - ignored
    return PixelTally({(names[i], names[j]): int(table[i, j]) for i, j in np.ndindex(*table.shape)})


def area_under_roc(truth: NDArray[Any], probability: NDArray[Any]) -> float:
    """Return the area under the ROC curve of nuclear pixels (AUROC), 0 to 1.

    It is the chance that a pixel of a nucleus has a higher probability than one of background, ties counting one half
    (the rank statistic of Mann and Whitney; Hanley and McNeil 1982). For several images together, give their pixels one
    after the other.

    Parameters
    ----------
    truth
        Any shape; pixels other than 0 are of nuclei.
    probability
        Of a nucleus, or any score that grows with it; of the same shape, and finite.

    Returns
    -------
    float
        NaN where the truth has no nucleus, or no background.
    """
    nuclei = np.asarray(truth).ravel() != 0
    values = np.asarray(probability).ravel()
    of_nuclei, of_background = np.sort(values[nuclei]), np.sort(values[~nuclei])
    if not len(of_nuclei) or not len(of_background):
        return float("nan")
    below = np.searchsorted(of_background, of_nuclei, "left").sum(dtype=np.int64)
    not_above = np.searchsorted(of_background, of_nuclei, "right").sum(dtype=np.int64)
    return float((int(below) + int(not_above)) / 2 / (len(of_nuclei) * len(of_background)))


def mean_of(values: Any) -> float:
    """Return the mean of the finite values; NaN if there is none."""
    finite = [each for each in values if np.isfinite(each)]
    return float(np.mean(finite)) if finite else float("nan")


def share(part: float, whole: float, neither: float, *, empty: bool) -> float:
    """Return ``part / whole``; of nothing, ``neither`` where truth and prediction are both empty, else 0."""
    if whole:
        return float(part / whole)
    return neither if empty else 0.0


def _of_one_class(both: int, truth: int, prediction: int, neither: float) -> dict[str, float]:
    empty = not truth and not prediction
    return {
        "precision": share(both, prediction, neither, empty=empty),
        "recall": share(both, truth, neither, empty=empty),
        "f1": share(2 * both, truth + prediction, neither, empty=empty),
        "iou": share(both, truth + prediction - both, neither, empty=empty),
    }
