"""Diversity: how alike several pictures are, such as weaves of one layout from different seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weight of each scale, finest first (Wang et al. 2003, section 3.2)."""

_WINDOW = 11
_SIGMA = 1.5
_RANGE = 255.0
_LUMINANCE_GUARD = (0.01 * _RANGE) ** 2
_CONTRAST_GUARD = (0.03 * _RANGE) ** 2


def scale_count(height: int, width: int) -> int:
    """Return at how many scales pictures of this size in pixels can be compared, 1 to 5.

    The 11-pixel window must fit into the coarsest scale, so that five scales need sides of at least 176 pixels, four
    of 88, three of 44, two of 22.

    Raises
    ------
    EvaluationError
        If a side is under 11 pixels.
    """
    side = min(height, width)
    if side < _WINDOW:
        raise EvaluationError(
            f"Pictures of {height} x {width} pixels are too small to compare; give ones of at least "
            f"{_WINDOW} pixels a side."
        )
    return min(len(SCALE_WEIGHTS), 1 + int(np.log2(side // _WINDOW)))


def multiscale_similarity(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the multi-scale structural similarity (MS-SSIM) of two pictures, 0 to 1.

    After Wang, Simoncelli and Bovik, "Multiscale structural similarity for image quality assessment" (2003): Gaussian
    window of 11 pixels with sigma 1.5, only where it lies wholly in the picture; contrast and structure at every
    scale, luminance at the coarsest only; each scale is the 2 x 2 mean of the finer one. It is computed in each colour
    channel and averaged.

    Where a side is under 176 pixels the five scales do not fit: as many of the finest are used as do (`scale_count`),
    their weights divided by their sum. Such values are not comparable with those of larger pictures. A scale where
    the pictures are inverse to each other (negative structure, which has no real power) counts as 0.

    Parameters
    ----------
    first, second
        RGB pictures ``uint8 (H, W, 3)`` of one shape, at least 11 pixels a side.

    Returns
    -------
    float
        1 for equal pictures; lower, the more they differ. The order of the two does not matter.

    Raises
    ------
    EvaluationError
        If they are no RGB pictures of 8 bits, differ in shape, or are too small.
    """
    _check_pair(first, second)
    scales = scale_count(*first.shape[:2])
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    finer = first.astype(np.float64), second.astype(np.float64)
    similarity = np.ones(3)
    for scale, weight in enumerate(weights):
        if scale:
            finer = _halved(finer[0]), _halved(finer[1])
        luminance, contrast_structure = _compared(*finer)
        at_scale = luminance * contrast_structure if scale == scales - 1 else contrast_structure
        similarity *= at_scale.mean(axis=(0, 1)).clip(min=0) ** weight
    return float(similarity.mean())


def mean_pairwise_similarity(pictures: Sequence[NDArray[np.uint8]]) -> float:
    """Return the mean `multiscale_similarity` over all pairs of pictures, 0 to 1; the lower, the more diverse.

    Raises
    ------
    EvaluationError
        If there are fewer than two pictures, or two that cannot be compared.
    """
    return _mean_over_pairs(multiscale_similarity, pictures)


def mean_pairwise_l1(pictures: Sequence[NDArray[np.uint8]]) -> float:
    """Return the mean absolute difference over all pairs of pictures, as a fraction of the range of grey levels.

    0 for equal pictures, 1 for black against white; the higher, the more diverse.

    Raises
    ------
    EvaluationError
        If there are fewer than two pictures, or two that cannot be compared.
    """
    return _mean_over_pairs(_mean_absolute_difference, pictures)


def _mean_over_pairs(
    compare: Callable[[NDArray[np.uint8], NDArray[np.uint8]], float], pictures: Sequence[NDArray[np.uint8]]
) -> float:
    if len(pictures) < 2:
        raise EvaluationError(f"Diversity needs at least two pictures to compare, not {len(pictures)}; weave more.")
    return float(np.mean([compare(first, second) for first, second in combinations(pictures, 2)]))


def _mean_absolute_difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    _check_pair(first, second)
    return float(np.abs(first.astype(np.int16) - second).mean() / _RANGE)


def _check_pair(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> None:
    for picture in (first, second):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            raise EvaluationError(
                f"Only RGB pictures of 8 bits can be compared, not {picture.dtype} of shape {picture.shape}; "
                "convert them first."
            )
    if first.shape != second.shape:
        raise EvaluationError(
            f"Pictures of {first.shape[0]} x {first.shape[1]} and {second.shape[0]} x {second.shape[1]} pixels cannot "
            "be compared; crop them to one size."
        )


def _compared(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return luminance, and contrast times structure, in every window of two pictures ``(H, W, 3)``."""
    mean_first, mean_second = _windowed(first), _windowed(second)
    variances = _windowed(first * first) - mean_first**2 + _windowed(second * second) - mean_second**2
    covariance = _windowed(first * second) - mean_first * mean_second
    luminance = (2 * mean_first * mean_second + _LUMINANCE_GUARD) / (mean_first**2 + mean_second**2 + _LUMINANCE_GUARD)
    contrast_structure = (2 * covariance + _CONTRAST_GUARD) / (variances + _CONTRAST_GUARD)
    return luminance, contrast_structure


def _windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Gaussian means ``(H - 10, W - 10, 3)`` of the windows that lie wholly in the picture."""
    import cv2

    margin = _WINDOW // 2
    smoothed: NDArray[np.float64] = cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA)
    return smoothed[margin:-margin, margin:-margin]


def _halved(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of all whole 2 x 2 blocks of a picture ``(H, W, 3)``."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    blocks = picture[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3)
    halved: NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return halved
