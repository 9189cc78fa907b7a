"""All scores of a predicted label map against the true one, of one image or pooled over several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError
from histoloom.evaluation.boundary_scores import MOST_CLASSES, BoundaryTally, tally_boundaries
from histoloom.evaluation.gland_scores import GlandTally, HausdorffTally, tally_glands, tally_hausdorff
from histoloom.evaluation.instances import looks_semantic, refuse_semantic, split_into_pieces
from histoloom.evaluation.object_scores import ObjectTally, tally_objects
from histoloom.evaluation.overlaps import ObjectTable, check_label_maps, measure_overlaps
from histoloom.evaluation.pixel_scores import BACKGROUND, PixelTally, area_under_roc, tally_pixels
from histoloom.layouts import Layout
from histoloom.layouts.classes import DEFAULT_CLASS

Classes = Mapping[int, str] | None
Scores = dict[str, Any]

_PIXEL_SIZES_AGREE = 0.02


@dataclass(frozen=True)
class LabelTally:
    """What the scores of labels are made of; the sum of several images' tallies has their pooled scores.

    Parameters
    ----------
    pixels, boundaries, objects, glands
        One for each family of scores.
    hausdorff
        Distances, or None where they were not asked for.
    """

    pixels: PixelTally = field(default_factory=PixelTally)
    boundaries: BoundaryTally = field(default_factory=BoundaryTally)
    objects: ObjectTally = field(default_factory=ObjectTally)
    glands: GlandTally = field(default_factory=GlandTally)
    hausdorff: HausdorffTally | None = None

    def __add__(self, other: LabelTally) -> LabelTally:
        one, two = self.hausdorff, other.hausdorff
        return LabelTally(
            self.pixels + other.pixels,
            self.boundaries + other.boundaries,
            self.objects + other.objects,
            self.glands + other.glands,
            None if one is None or two is None else one + two,
        )

    def scores(self) -> Scores:
        """Return all scores; see `score_labels` for what they are."""
        of_pixels, of_contours = self.pixels.class_scores(), self.boundaries.class_scores()
        of_objects = self.objects.class_scores()
        scores: Scores = self.pixels.scores() | self.boundaries.scores() | self.objects.scores() | self.glands.scores()
        scores["mean_dice_micc17"] = (scores["dice"] + scores["object_dice_micc17"]) / 2
        if self.hausdorff is not None:
            scores |= self.hausdorff.scores()
        names = [BACKGROUND, *sorted((of_pixels.keys() | of_objects.keys()) - {BACKGROUND})]
        none = float("nan")
        absent = dict.fromkeys(("precision", "recall", "f1", "iou"), none)
        scores["classes"] = {
            name: of_pixels.get(name, absent) | {"bf_score": of_contours.get(name, none)} | of_objects.get(name, {})
            for name in names
        }
        return scores


def pooled(tallies: Iterable[LabelTally]) -> LabelTally:
    """Return the tally of several images as if they were one."""
    first, *others = [*tallies] or [LabelTally()]
    for each in others:
        first = first + each
    return first


def score_labels(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    truth_classes: Classes = None,
    prediction_classes: Classes = None,
    *,
    probability: NDArray[Any] | None = None,
    ignore: NDArray[Any] | None = None,
    hausdorff: bool = True,
    split: bool | None = None,
) -> Scores:
    """Return all scores of one image's label map against the true one.

    Parameters
    ----------
    truth, prediction
        Whole numbers ``(H, W)`` of one shape; 0 is background, every other value one nucleus. Numbers mean nothing:
        the maps may be numbered in any way, with gaps.
    truth_classes, prediction_classes
        Class of each label, in both or neither; labels that are missing are of class ``"nucleus"``.
    probability
        ``(H, W)``, finite: of a nucleus at each pixel. Adds ``auroc``.
    ignore
        Boolean ``(H, W)``: pixels that count for nothing, such as regions without annotation. Nuclei end where they
        begin.
    hausdorff
        Whether to measure ``object_hausdorff``, which takes longer than all others.
    split
        What to do with a map that looks semantic (`looks_semantic`): None refuses it, True makes its pieces nuclei,
        False takes it as it is.

    Returns
    -------
    dict
        Of nuclear pixels whatever their class: ``precision``, ``recall``, ``f1``, ``dice``, ``iou``, ``bf_score``, and
        ``auroc`` where there is a probability. Means over the classes with the background: ``mean_precision``,
        ``mean_recall``, ``mean_f1``, ``mean_iou``, ``mean_accuracy``, ``mean_bf_score``; and ``overall_accuracy``. Of
        objects: ``object_dice_micc17``, its mean with ``dice`` as ``mean_dice_micc17``, ``aji``, ``aji_plus``, ``dq``,
        ``sq``, ``pq``, ``mpq_plus``, ``object_precision``, ``object_recall``, ``object_f1``, ``object_dice``,
        ``object_hausdorff`` in pixels, ``n_truth``, ``n_prediction``. ``classes`` holds for each class its
        ``precision``, ``recall``, ``f1``, ``iou``, ``bf_score``, and, but for the background, ``dq``, ``sq``, ``pq``,
        ``n_truth`` and ``n_prediction``. The documentation's page on scores defines each.

        Where truth and prediction are both empty they agree: every score is 1 and the Hausdorff distance 0. Where one
        of them is empty, every score of nuclei is 0 and the distance infinite. A class that neither has is NaN and no
        part of means. ``auroc`` is NaN where the truth has no nuclei, or nothing else.

    Raises
    ------
    EvaluationError
        If one is no label map, they differ in size, only one has classes, or one looks semantic.
    """
    tally = tally_labels(
        truth, prediction, truth_classes, prediction_classes, ignore=ignore, hausdorff=hausdorff, split=split
    )
    scores = tally.scores()
    if probability is not None:
        scores["auroc"] = pixel_auroc(truth, probability, ignore)
    return scores


def tally_labels(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    truth_classes: Classes = None,
    prediction_classes: Classes = None,
    *,
    ignore: NDArray[Any] | None = None,
    hausdorff: bool = True,
    split: bool | None = None,
) -> LabelTally:
    """Return what the scores of one image are made of, for pooling; parameters and errors as of `score_labels`."""
    check_label_maps(truth, prediction)
    if (truth_classes is None) != (prediction_classes is None):
        with_classes = "truth" if prediction_classes is None else "prediction"
        raise EvaluationError(f"Only the {with_classes} has classes of nuclei; give those of both, or of neither.")
    if split is not False:
        truth, truth_classes = _as_instances(truth, truth_classes, "truth", split)
        prediction, prediction_classes = _as_instances(prediction, prediction_classes, "prediction", split)
    ignored = 0
    if ignore is not None:
        outside = _checked_mask(ignore, truth.shape)
        ignored = int(np.count_nonzero(outside))
        truth, prediction = np.where(outside, 0, truth), np.where(outside, 0, prediction)
    overlaps = measure_overlaps(truth, prediction)
    of_truth = _class_of_each(overlaps.truth, truth_classes)
    of_prediction = _class_of_each(overlaps.prediction, prediction_classes)
    classes = len({*of_truth, *of_prediction})
    if classes > MOST_CLASSES:
        raise EvaluationError(f"{classes} classes of nuclei are too many to score; give at most {MOST_CLASSES}.")
    return LabelTally(
        tally_pixels(overlaps, of_truth, of_prediction, ignored),
        tally_boundaries(overlaps, of_truth, of_prediction),
        tally_objects(overlaps, of_truth, of_prediction),
        tally_glands(overlaps),
        tally_hausdorff(overlaps) if hausdorff else None,
    )


def score_layouts(truth: Layout, prediction: Layout, *, hausdorff: bool = True) -> Scores:
    """Return all scores of one layout against the true one; see `score_labels`.

    Their label maps are compared, in which upper nuclei hide lower ones. Classes count where both have others than
    ``"nucleus"``.

    Raises
    ------
    EvaluationError
        If they differ in size or pixel size.
    """
    check_pixel_sizes(truth.pixel_size, prediction.pixel_size)
    classes = [{key: nucleus.class_name for key, nucleus in each.nuclei.items()} for each in (truth, prediction)]
    known = all(set(each.values()) - {DEFAULT_CLASS} for each in classes)
    return score_labels(
        truth.rasterize(),
        prediction.rasterize(),
        *(classes if known else (None, None)),
        hausdorff=hausdorff,
        split=False,
    )


def check_pixel_sizes(truth: float | None, prediction: float | None) -> None:
    """Raise `EvaluationError` where both sizes, in µm per pixel, are known and differ by more than 2 %."""
    if truth is None or prediction is None:
        return
    if abs(truth / prediction - 1.0) > _PIXEL_SIZES_AGREE:
        raise EvaluationError(
            f"The truth has pixels of {truth:g} µm and the prediction of {prediction:g} µm; "
            "rescale one of them (nearest neighbour), or correct the pixel size that its file gives."
        )


def _as_instances(
    label_map: NDArray[Any], classes: Classes, name: Literal["truth", "prediction"], split: bool | None
) -> tuple[NDArray[Any], Classes]:
    if split is None:
        refuse_semantic(label_map, name)
    elif split and looks_semantic(label_map):
        return split_into_pieces(label_map, classes)
    return label_map, classes


def _class_of_each(objects: ObjectTable, classes: Classes) -> list[str]:
    if classes is None:
        return [DEFAULT_CLASS] * len(objects)
    names = [str(classes.get(label, DEFAULT_CLASS)) for label in objects.labels.tolist()]
    if BACKGROUND in names:
        raise EvaluationError(f"A class of nuclei cannot be called '{BACKGROUND}'; give those labels the number 0.")
    return names


def _checked_mask(ignore: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask: NDArray[Any] = np.asarray(ignore)
    if mask.shape != shape:
        raise EvaluationError(
            f"The mask of pixels to ignore has the shape {mask.shape} and the labels {shape}; give one of their size."
        )
    return np.asarray(mask != 0, bool)


def pixel_auroc(truth: NDArray[Any], probability: NDArray[Any], ignore: NDArray[Any] | None = None) -> float:
    """Return the area under the ROC curve of a probability of nuclei; see `score_labels` for what it is given.

    Raises
    ------
    EvaluationError
        If it is not one finite number for each pixel.
    """
    values = np.asarray(probability)
    if values.shape != truth.shape or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise EvaluationError(
            f"The probability is {values.dtype} of shape {values.shape}; give one finite number for each of the "
            f"{truth.shape[0]} x {truth.shape[1]} pixels."
        )
    counted = slice(None) if ignore is None else _checked_mask(ignore, truth.shape) == 0
    return area_under_roc(truth[counted], values[counted])
