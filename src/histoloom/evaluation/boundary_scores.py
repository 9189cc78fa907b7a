"""The BF score: how well the contours of each class coincide, within a tolerance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.evaluation.overlaps import Overlaps, edge_pixels
from histoloom.evaluation.pixel_scores import BACKGROUND, mean_of, share

TOLERANCE = 0.0075
"""How far contours may lie apart, as a share of the image's diagonal: the default of MATLAB's ``bfscore``."""

ANY_NUCLEUS = "any nucleus"
"""In a tally, nuclei of whatever class."""

MOST_CLASSES = 30
"""Without the background: one bit for each, and for background and any nucleus, in truth and prediction."""

_BAND_BYTES = 1 << 18

_Bits = NDArray[np.unsignedinteger[Any]]
_Counts = tuple[int, int, int, int]


@dataclass(frozen=True)
class BoundaryTally:
    """How many contour pixels there are, and how many lie near the other's contour; tallies of images add up.

    Parameters
    ----------
    counts
        For each class ``(near, all)`` contour pixels of the prediction, then of the truth.
    """

    counts: Mapping[str, _Counts] = field(default_factory=dict)

    def __add__(self, other: BoundaryTally) -> BoundaryTally:
        none = (0, 0, 0, 0)
        keys = [*self.counts, *(key for key in other.counts if key not in self.counts)]
        added = {}
        for key in keys:
            a, b = self.counts.get(key, none), other.counts.get(key, none)
            added[key] = (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])
        return BoundaryTally(added)

    def scores(self) -> dict[str, float]:
        """Return ``bf_score`` of nuclei against background, and ``mean_bf_score`` over the classes, background too.

        The BF score is the F1 of the share of the prediction's contour that lies within the tolerance of the truth's,
        and the other way round (Csurka et al. 2013). Empty truth and prediction: 1; one of them: 0.
        """
        each = self.class_scores()
        return {
            "bf_score": _bf_score(self.counts.get(ANY_NUCLEUS, (0, 0, 0, 0)), neither=1.0),
            "mean_bf_score": mean_of(each.values()),
        }

    def class_scores(self) -> dict[str, float]:
        """Return the BF score of each class; NaN for one that neither truth nor prediction have."""
        return {name: _bf_score(counts, float("nan")) for name, counts in self.counts.items() if name != ANY_NUCLEUS}


def tally_boundaries(
    overlaps: Overlaps,
    truth_classes: Sequence[str],
    prediction_classes: Sequence[str],
    tolerance: float | None = None,
) -> BoundaryTally:
    """Count contour pixels of each class of truth and prediction, and those that lie near the other's.

    Contour pixels of a class are those of it with a pixel of something else, or the image's edge, above, below, left
    or right of them. Touching nuclei of one class have no contour between them.

    Parameters
    ----------
    overlaps
        Of both label maps.
    truth_classes, prediction_classes
        Class of each object, in the order of the tables.
    tolerance
        In pixels (default: `TOLERANCE` times the diagonal); pixels as far apart as that still match.
    """
    names = [BACKGROUND, *sorted({*truth_classes, *prediction_classes})]
    reach = TOLERANCE * math.hypot(*overlaps.shape) if tolerance is None else tolerance
    places = {name: index for index, name in enumerate(names)}
    truth, prediction = (
        overlaps.painted(np.array([0, *(places[each] for each in classes)], np.uint8)[runs])
        for runs, classes in (
            (overlaps.truth_runs, truth_classes),
            (overlaps.prediction_runs, prediction_classes),
        )
    )
    several = len(names) > 2
    counts = dict(
        zip([*names, ANY_NUCLEUS], _near_and_all(truth, prediction, len(names), reach, several), strict=False)
    )
    if not several:
        counts[ANY_NUCLEUS] = counts.get(names[-1], (0, 0, 0, 0)) if len(names) > 1 else (0, 0, 0, 0)
    return BoundaryTally(counts)


def _bf_score(counts: _Counts, neither: float) -> float:
    near_prediction, prediction, near_truth, truth = counts
    empty = not prediction and not truth
    precision = share(near_prediction, prediction, neither, empty=empty)
    recall = share(near_truth, truth, neither, empty=empty)
    return precision if empty else share(2 * precision * recall, precision + recall, neither, empty=False)


def _near_and_all(
    truth: NDArray[np.uint8], prediction: NDArray[np.uint8], classes: int, reach: float, with_any: bool
) -> list[_Counts]:
    """Return the counts of each class, and of nuclei of any class where asked for, all at once.

    In a picture of bits, bit ``c`` is on where class ``c`` has its contour in the truth, and bit ``kinds + c`` where it
    has it in the prediction.
    """
    kinds = classes + with_any
    sizes = (np.uint8, np.uint16, np.uint32, np.uint64)
    size = next(each for each in sizes if 2 * kinds <= 8 * np.dtype(each).itemsize)
    contours = _contours(truth, size, 0) | _contours(prediction, size, kinds)
    if with_any:
        for first_bit, class_map in ((0, truth), (kinds, prediction)):
            nuclei = class_map > 0
            contours |= np.where(edge_pixels(nuclei) & nuclei, size(1 << (first_bit + classes)), size(0))
    places = np.flatnonzero(contours != 0)
    near, contours = _within(contours, reach).ravel()[places], contours.ravel()[places]
    upper, lower = size(kinds), size((1 << kinds) - 1)
    near_truth, near_prediction = (contours >> upper) & near & lower, contours & (near >> upper) & lower
    of_truth, of_prediction = contours & lower, contours >> upper
    columns = [_counted(each, kinds) for each in (near_truth, of_prediction, near_prediction, of_truth)]
    return [(a, b, c, d) for a, b, c, d in zip(*columns, strict=True)]


def _contours(class_map: NDArray[np.uint8], kind: type[np.unsignedinteger[Any]], first_bit: int) -> _Bits:
    bits = np.left_shift(kind(1 << first_bit), class_map, dtype=kind)
    bits *= edge_pixels(class_map)
    return bits


def _within(bits: _Bits, reach: float) -> _Bits:
    """Return for each pixel the bits of all pixels within a distance, in bands that fit into the cache."""
    height, width = bits.shape
    rows = max(_BAND_BYTES // (width * bits.itemsize), 64)
    margin = math.floor(reach)
    near = np.empty_like(bits)
    for top in range(0, height, rows):
        start = max(top - margin, 0)
        band = _spread(bits[start : top + rows + margin], reach)
        near[top : top + rows] = band[top - start : top - start + rows]
    return near


def _spread(bits: _Bits, reach: float) -> _Bits:
    height, width = bits.shape
    margin = math.floor(reach)
    if not margin:
        return bits
    # With empty pixels all around, a shift in any direction is one of the whole row of pixels.
    padded = np.zeros((height + 2 * margin + 1, width + margin), bits.dtype)
    padded[margin : margin + height, :width] = bits
    pixels = padded.ravel()
    near, column = pixels.copy(), pixels.copy()
    half = 0
    # From the disk's left and right ends inwards its columns only grow, so that each grows out of the last.
    for offset in range(margin, -1, -1):
        for up in range(half + 1, math.isqrt(math.floor(reach * reach - offset * offset)) + 1):
            shift = up * padded.shape[1]
            column[shift:] |= pixels[:-shift]
            column[:-shift] |= pixels[shift:]
            half = up
        if offset:
            near[offset:] |= column[:-offset]
            near[:-offset] |= column[offset:]
        else:
            near |= column
    spread: _Bits = near.reshape(padded.shape)[margin : margin + height, :width]
    return spread


def _counted(bits: _Bits, classes: int) -> list[int]:
    return [int(np.count_nonzero(bits & bits.dtype.type(1 << each))) for each in range(classes)]
