"""One comparison of truth and prediction, frozen so that it can be made in another thread."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError
from histoloom.evaluation import (
    OBJECT_TITLES,
    PIXEL_TITLES,
    Agreement,
    AgreementPalette,
    LegendEntry,
    PixelAgreement,
    agree_by_object,
    agree_by_pixel,
    looks_semantic,
    score_labels,
    split_into_pieces,
)
from histoloom.evaluation.label_files import Labels, ReadableLabels
from histoloom.evaluation.score_files import classes_are_scored, note_on_classes, read_pair
from histoloom.evaluation.scores import Scores, check_pixel_sizes

SideName = Literal["truth", "prediction"]
View = Literal["objects", "pixels"]

_LARGEST = 64 * 1024 * 1024


class SemanticMaskError(EvaluationError):
    """A side says what a pixel is and not which nucleus it belongs to, and nobody has said what to make of that.

    Parameters
    ----------
    side
        Which one it is.
    sentence
        What is wrong.
    """

    def __init__(self, side: SideName, sentence: str) -> None:
        super().__init__(sentence)
        self.side = side


@dataclass(frozen=True, eq=False)
class ComparedSide:
    """Truth or prediction, and what to do with it.

    Parameters
    ----------
    title
        What people call it.
    labels
        Whoever has them.
    are_instances
        Whether every label is one nucleus for certain.
    split
        Whether the pieces of a semantic mask become nuclei; None where nobody has said.
    """

    title: str
    labels: ReadableLabels
    are_instances: bool = False
    split: bool | None = None


@dataclass(frozen=True, eq=False)
class LabelPair:
    """Truth and prediction, read and fit for a comparison.

    Parameters
    ----------
    titles
        What people call them.
    truth, prediction
        Whole numbers ``(H, W)`` of one shape, one nucleus each but for 0.
    truth_classes, prediction_classes
        Class of each label, in both or neither.
    pixel_size
        µm per pixel, or None where neither side says.
    notes
        Sentences for people about what was found.
    ignored
        ``bool (H, W)``: True where pixels count for nothing; both maps are 0 there. None for nowhere.
    """

    titles: tuple[str, str]
    truth: NDArray[Any]
    prediction: NDArray[Any]
    truth_classes: Mapping[int, str] | None
    prediction_classes: Mapping[int, str] | None
    pixel_size: float | None
    notes: tuple[str, ...]
    ignored: NDArray[np.bool_] | None = None

    def scores(self, *, hausdorff: bool) -> Scores:
        """Return all scores; see `histoloom.evaluation.score_labels`."""
        return score_labels(
            self.truth,
            self.prediction,
            self.truth_classes,
            self.prediction_classes,
            ignore=self.ignored,
            hausdorff=hausdorff,
            split=False,
        )


@dataclass(frozen=True, eq=False)
class LabelComparison:
    """Where truth and prediction agree.

    Parameters
    ----------
    pair
        What was compared.
    by_object
        Objects, and what is wrong with them.
    seconds
        How long it took to read them and to compare their objects.
    """

    pair: LabelPair
    by_object: Agreement
    seconds: float

    @cached_property
    def by_pixel(self) -> NDArray[np.uint8]:
        """``uint8 (H, W)`` of `PixelAgreement`."""
        return agree_by_pixel(self.pair.truth, self.pair.prediction)

    @cached_property
    def pixels(self) -> tuple[int, ...]:
        """How many pixels have each value of it."""
        return tuple(int(np.count_nonzero(self.by_pixel == value)) for value in PixelAgreement)

    def values(self, view: View) -> NDArray[np.uint8]:
        """Return the map that is shown."""
        return self.by_object.map if view == "objects" else self.by_pixel

    def legend(self, view: View, palette: AgreementPalette) -> list[LegendEntry]:
        """Return what each value of the map means, with its colour and count."""
        if view == "objects":
            counts = self.by_object.counts
            return [
                LegendEntry(kind, OBJECT_TITLES[kind], color, f"{counts[kind.name.lower()]:,}")
                for kind, color in palette.object_colors().items()
            ]
        return [
            LegendEntry(kind, PIXEL_TITLES[kind], color, f"{self.pixels[kind]:,}")
            for kind, color in palette.pixel_colors().items()
        ]


def compare(
    truth: ComparedSide, prediction: ComparedSide, view: View, ignored: NDArray[np.bool_] | None = None
) -> LabelComparison:
    """Compare two sides.

    Parameters
    ----------
    truth, prediction
        What is compared.
    view
        What will be shown first; the other is made when it is asked for.
    ignored
        ``bool (H, W)``: True where pixels of the canvas count for nothing.

    Raises
    ------
    EvaluationError, LayoutError
        If one cannot be read, they differ in size or pixel size, or they are too large.
    SemanticMaskError
        If one looks semantic and nobody has said what to make of it.
    """
    start = time.perf_counter()
    pair = _without_ignored(_pair(truth, prediction), ignored)
    by_object = agree_by_object(pair.truth, pair.prediction)
    comparison = LabelComparison(pair, by_object, time.perf_counter() - start)
    if view == "pixels":
        _ = comparison.pixels  # kept, so that the viewer's thread need not count
    return comparison


def _pair(truth: ComparedSide, prediction: ComparedSide) -> LabelPair:
    one, other = read_pair(truth.labels, prediction.labels)
    # The first: pictures of other pixel sizes mostly have other sizes too, and this sentence says why.
    check_pixel_sizes(one.pixel_size, other.pixel_size)
    _check_sizes(one, other, (truth.title, prediction.title))
    one, other = _as_instances(one, truth, "truth"), _as_instances(other, prediction, "prediction")
    with_classes, about_classes = classes_are_scored(one.classes, other.classes)
    if one.classes is not None and other.classes is not None:
        about_classes += note_on_classes(one.classes.values(), other.classes.values())
    return LabelPair(
        (truth.title, prediction.title),
        one.label_map,
        other.label_map,
        one.classes if with_classes else None,
        other.classes if with_classes else None,
        one.pixel_size or other.pixel_size,
        tuple(dict.fromkeys([*one.notes, *other.notes, *about_classes])),
    )


def _without_ignored(pair: LabelPair, ignored: NDArray[np.bool_] | None) -> LabelPair:
    if ignored is None:
        return pair
    if ignored.shape != pair.truth.shape:
        note = "What is painted in the Ignore layer counts: these labels are of another size than the canvas."
        return replace(pair, notes=(*pair.notes, note))
    return replace(
        pair,
        truth=np.where(ignored, 0, pair.truth),
        prediction=np.where(ignored, 0, pair.prediction),
        ignored=ignored,
        notes=(*pair.notes, "What is painted in the Ignore layer counts for nothing."),
    )


def _check_sizes(one: Labels, other: Labels, titles: tuple[str, str]) -> None:
    for labels, title in zip((one, other), titles, strict=True):
        if labels.label_map.size > _LARGEST:
            height, width = labels.label_map.shape
            raise EvaluationError(
                f"'{title}' has {height:,} × {width:,} pixels, too many to compare live; cut a part out, or use "
                "'histoloom score'."
            )
    if one.label_map.shape != other.label_map.shape:
        (height, width), (rows, columns) = one.label_map.shape, other.label_map.shape
        raise EvaluationError(
            f"The truth '{titles[0]}' has {height} × {width} pixels and the prediction '{titles[1]}' {rows} × "
            f"{columns}; choose labels of the same picture."
        )


def _as_instances(labels: Labels, side: ComparedSide, name: SideName) -> Labels:
    if side.are_instances or side.split is False or not looks_semantic(labels.label_map):
        return labels
    if side.split is None:
        raise SemanticMaskError(
            name,
            f"The {name} '{side.title}' looks like a semantic mask, in which one label stands for many nuclei; "
            "shall its pieces become nuclei?",
        )
    label_map, classes = split_into_pieces(labels.label_map, labels.classes)
    return replace(labels, label_map=label_map, classes=classes)
