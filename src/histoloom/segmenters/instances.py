"""From maps to nuclei: watersheds that tell touching ones apart. Nothing here needs PyTorch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import SegmenterError

LEAST_AREA = 5.0
"""Smallest area of a nucleus in µm²; what is smaller is no nucleus."""

_MOST_CLASSES = 10
"""Values besides the background that a mask of classes may have; more are taken for nuclei."""

_KERNEL = 3.25
"""Width of the gradients' kernel in µm: 13 pixels at 40x. Graham et al. (2019) have 21 in their code, which smooth
small nuclei away; of true maps, crowded tiles come back whole more often with these."""

_OPENING = 1.25
"""Width of the disc by which markers are opened, in µm: 5 pixels at 40x, as in the same code."""

_EDGE = 0.03
"""Fall of the offsets, of 1 for the steepest, from which a pixel is of an edge."""

_BLUR = 0.75
"""Width of the blur of the relief in µm: 3 pixels at 40x, as in the same code."""

_DETECTED, _SEGMENTED = 0.07, 0.33
"""Thresholds of Hou et al. (2019), as in their code."""

_DEEP = 0.35
_DIP = 0.6
"""How much shallower than its two sides a neck must be, in pixels of depth at 40x, for them to be two nuclei."""


def instances_of(maps: Mapping[str, NDArray[np.float32]], pixel_size: float) -> NDArray[np.int32]:
    """Return the nuclei that maps show, in the way that belongs to the maps that are there.

    Parameters
    ----------
    maps
        ``"nucleus"`` ``(H, W)``, how probably each pixel is of one; and one or none of ``"offsets"`` ``(2, H, W)``,
        ``"detection"`` ``(H, W)`` and ``"distance"`` ``(H, W)``.
    pixel_size
        µm per pixel.

    Returns
    -------
    NDArray[np.int32]
        Label map ``(H, W)``, 0 for background, nuclei from 1 without gaps.
    """
    probability = maps["nucleus"]
    if "offsets" in maps:
        return instances_by_offsets(probability, maps["offsets"], pixel_size)
    if "detection" in maps:
        return instances_by_detection(probability, maps["detection"], pixel_size)
    if "distance" in maps:
        return instances_by_distance(probability > 0.5, maps["distance"], pixel_size)
    return split_mask(probability > 0.5, pixel_size)


def instances_by_offsets(
    probability: NDArray[np.float32], offsets: NDArray[np.float32], pixel_size: float, threshold: float = 0.5
) -> NDArray[np.int32]:
    """Return nuclei by HoVer-Net's post-processing (Graham et al. 2019, section III.C).

    Where two nuclei touch, offsets fall from 1 to -1. That is seen in Sobel gradients, and what is left of the nuclei
    without such edges marks one nucleus each. Two things differ from the authors' code: kernels have a width in µm,
    whatever the magnification, and gradients are taken relative to those of a fall from 1 to -1, where theirs are
    stretched between the extremes of whatever else is in the picture.

    Parameters
    ----------
    probability
        ``(H, W)``, of any nucleus.
    offsets
        ``(2, H, W)``: horizontal and vertical, in -1..1.
    pixel_size
        µm per pixel.
    threshold
        Probability from which a pixel is of a nucleus.

    Returns
    -------
    NDArray[np.int32]
        Label map ``(H, W)``, 0 for background.
    """
    import cv2

    nuclei = _without_specks(probability >= threshold, pixel_size)
    edges = np.maximum(*(_fall(each, axis, pixel_size) for each, axis in zip(offsets, (1, 0), strict=True)))
    edges[~nuclei] = 0.0
    marked = _filled(nuclei & (edges < _EDGE))
    side = max(round(_OPENING / pixel_size), 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    marked = cv2.morphologyEx(marked.astype(np.uint8), cv2.MORPH_OPEN, disc) > 0
    markers = _labelled(_without_specks(marked, pixel_size, LEAST_AREA / 4))
    relief = -cv2.GaussianBlur(np.where(nuclei, 1.0 - edges, 0.0).astype(np.float32), (0, 0), _sigma(_BLUR, pixel_size))
    return _grown(relief, markers, nuclei, pixel_size)


def instances_by_detection(
    segmentation: NDArray[np.float32], detection: NDArray[np.float32], pixel_size: float
) -> NDArray[np.int32]:
    """Return nuclei of Hou et al. (2019, section 4.4): detected centres grow over what is segmented.

    Parameters
    ----------
    segmentation, detection
        ``(H, W)`` probabilities of nuclei and of their centres.
    pixel_size
        µm per pixel.

    Returns
    -------
    NDArray[np.int32]
        Label map ``(H, W)``, 0 for background.
    """
    import cv2

    smooth = cv2.GaussianBlur(segmentation, (0, 0), 0.5)
    nuclei = _without_specks(smooth > _SEGMENTED, pixel_size)
    markers = _labelled((cv2.GaussianBlur(detection, (0, 0), 0.5) > _DETECTED) & nuclei)
    return _grown(-smooth, markers, nuclei, pixel_size, compactness=1.0)


def instances_by_distance(
    nuclei: NDArray[np.bool_], depth: NDArray[np.float32], pixel_size: float
) -> NDArray[np.int32]:
    """Return nuclei from how deep in its own nucleus each pixel lies.

    Parameters
    ----------
    nuclei
        ``bool (H, W)``.
    depth
        ``(H, W)``: 1 in the middle of each nucleus, 0 on its contour.
    pixel_size
        µm per pixel.

    Returns
    -------
    NDArray[np.int32]
        Label map ``(H, W)``, 0 for background.
    """
    import cv2

    nuclei = _without_specks(nuclei, pixel_size)
    smooth = cv2.GaussianBlur(depth.astype(np.float32), (0, 0), _sigma(_BLUR, pixel_size))
    markers = _labelled(_without_specks((smooth > _DEEP) & nuclei, pixel_size, LEAST_AREA / 4))
    return _grown(-smooth, markers, nuclei, pixel_size)


def split_mask(nuclei: NDArray[np.bool_], pixel_size: float) -> NDArray[np.int32]:
    """Return the nuclei of a mask ``bool (H, W)``, those that touch split at their necks.

    By a watershed of the distance to the background, where a dip between two maxima counts if it is deep enough; a
    network that tells nuclei apart knows better.

    Returns
    -------
    NDArray[np.int32]
        Label map ``(H, W)``, 0 for background.
    """
    import cv2
    from skimage.morphology import h_maxima

    nuclei = _without_specks(nuclei, pixel_size)
    padded = np.pad(nuclei, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    smooth = cv2.GaussianBlur(depth, (0, 0), _sigma(_BLUR, pixel_size))
    dip = _DIP * 0.25 / pixel_size
    # Whole steps, because heights of real numbers would find maxima of rounding errors.
    steps = np.round(smooth / dip * 8).astype(np.int32)
    markers = _labelled((h_maxima(steps, 8) > 0) & nuclei) if nuclei.any() else np.zeros(nuclei.shape, np.int32)
    return _grown(-smooth, markers, nuclei, pixel_size)


def _fall(offsets: NDArray[np.float32], axis: int, pixel_size: float) -> NDArray[np.float32]:
    """Return how steeply offsets fall along an axis: 1 for a fall from 1 to -1, 0 for none and where they rise."""
    import cv2

    size = int(np.clip(2 * round(_KERNEL / pixel_size / 2 - 0.5) + 1, 3, 31))
    derivative, smoothing = cv2.getDerivKernels(1, 0, size, normalize=True, ktype=cv2.CV_32F)
    along, across = derivative.ravel(), smoothing.ravel()
    # What the kernel answers to the steepest fall.
    along = along / np.abs(along).sum()
    kernels = (along, across) if axis == 1 else (across, along)
    fall = -cv2.sepFilter2D(np.clip(offsets, -1.0, 1.0), cv2.CV_32F, *kernels, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.maximum(fall, 0.0))


def _sigma(width: float, pixel_size: float) -> float:
    """Return the deviation of OpenCV's Gaussian kernel of a width in µm."""
    return max(0.3 * ((width / pixel_size - 1) * 0.5 - 1) + 0.8, 0.1)


def _grown(
    relief: NDArray[np.float32],
    markers: NDArray[np.int32],
    nuclei: NDArray[np.bool_],
    pixel_size: float,
    compactness: float = 0.0,
) -> NDArray[np.int32]:
    """Return markers grown over nuclei; those without a marker are nuclei, too."""
    from skimage.segmentation import watershed

    if not nuclei.any():
        return np.zeros(nuclei.shape, np.int32)
    pieces = _labelled(nuclei)
    with_marker = np.zeros(int(pieces.max()) + 1, bool)
    with_marker[pieces[markers > 0]] = True
    unmarked = nuclei & ~with_marker[pieces]
    markers = np.where(unmarked, pieces + markers.max(), markers)
    grown = np.asarray(watershed(relief, markers, mask=nuclei, compactness=compactness), np.int32)
    return without_small(grown, pixel_size)


def without_small(label_map: NDArray[np.int32], pixel_size: float, least_area: float = LEAST_AREA) -> NDArray[np.int32]:
    """Return a label map without nuclei below an area in µm², numbered from 1 without gaps."""
    counts = np.bincount(label_map.ravel())
    kept = counts * pixel_size**2 >= least_area
    kept[0] = False
    table = np.zeros(len(counts), np.int32)
    table[kept] = np.arange(1, int(kept.sum()) + 1)
    return np.asarray(table[label_map])


def _without_specks(mask: NDArray[np.bool_], pixel_size: float, least_area: float = LEAST_AREA) -> NDArray[np.bool_]:
    return np.asarray(without_small(_labelled(mask), pixel_size, least_area) > 0)


def _labelled(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    import cv2

    return np.asarray(cv2.connectedComponents(mask.astype(np.uint8), connectivity=4, ltype=cv2.CV_32S)[1], np.int32)


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask without holes."""
    outside = _labelled(np.pad(~mask, 1, constant_values=True))
    return np.asarray(outside != outside[0, 0])[1:-1, 1:-1]


def check_instances(label_map: NDArray[np.integer], name: str, advice: str) -> None:
    """Refuse a label map that shows classes of pixels where it should show single nuclei.

    It is taken for such a mask where it has at most ten values besides the background, in so many pieces that they
    cannot be nuclei.

    Parameters
    ----------
    label_map
        ``(H, W)``, 0 for background.
    name
        What the sentence calls it.
    advice
        What the sentence says to do, such as to split it with `split_mask`.

    Raises
    ------
    SegmenterError
        If it is one.
    """
    values = np.unique(label_map)
    values = values[values > 0]
    if not len(values) or len(values) > _MOST_CLASSES:
        return
    pieces = sum(int(_labelled(label_map == value).max()) for value in values)
    if pieces > 3 * len(values):
        raise SegmenterError(
            f"{name} is a mask of classes and not of single nuclei ({pieces} pieces have {len(values)} "
            f"value{'s' if len(values) > 1 else ''}); {advice}."
        )
