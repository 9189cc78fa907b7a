"""Real pictures made unreal in one way each: blurred, stained otherwise, enlarged or shrunk, put together of pieces."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from histoloom.tiles.stains import optical_density, rgb_from_optical_density, tissue_mask

_USUAL_AXES = np.array([[0.2, 0.2, 0.2], [0.1, 0.0, -0.1]])
"""Where there are too few tiles to measure them."""

_SEAM_REACH = 24
"""Pixels on each side of a seam in which a place shows that it is there."""


def blurred(image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Return RGB ``uint8 (H, W, 3)`` out of focus: a Gaussian blur with a standard deviation in pixels."""
    import cv2

    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(sigma, 0.05)), np.uint8)


def stain_shifted(image: NDArray[np.uint8], shift: Sequence[float] | NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return RGB ``uint8 (H, W, 3)`` stained more or less, or in another hue.

    Parameters
    ----------
    image
        The picture; white stays white.
    shift
        What is added to the logarithm of the optical density of each RGB channel, ``(3,)``.
    """
    return rgb_from_optical_density(optical_density(image) * np.exp(np.asarray(shift, np.float32)))


def stain_axes(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Return how stains vary from tile to tile: two directions of `stain_shifted`, each one standard deviation long.

    They are the first principal components of the logarithm of the mean optical density of each tile's tissue: mostly
    how strong the stains are, and the balance of haematoxylin and eosin.

    Parameters
    ----------
    images
        Tiles, RGB ``uint8 (H, W, 3)``; those without tissue say nothing.

    Returns
    -------
    NDArray
        ``(2, 3)``, the larger one first.
    """
    tissues = [image[tissue_mask(image)] for image in images]
    means = [np.log(np.maximum(optical_density(each).mean(axis=0), 1e-3)) for each in tissues if len(each)]
    if len(means) < 4:
        return _USUAL_AXES
    apart = np.asarray(means, np.float64) - np.mean(means, axis=0)
    _, lengths, directions = np.linalg.svd(apart, full_matrices=False)
    return np.asarray(lengths[:2, None] / math.sqrt(len(means) - 1) * directions[:2])


def shift_of(axes: NDArray[np.float64], deviations: float, angle: float) -> NDArray[np.float64]:
    """Return a shift for `stain_shifted` of so many standard deviations, in a direction between the two axes."""
    return np.asarray(deviations * np.array([math.cos(angle), math.sin(angle)]) @ axes)


def magnified(
    image: NDArray[np.uint8], factor: float, size: int, center: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Return ``uint8 (size, size, 3)`` of a picture, enlarged by a factor (below 1: shrunk).

    Parameters
    ----------
    image
        RGB ``uint8 (H, W, 3)``.
    factor
        Above 0; where the picture is too small to be shrunk so far, it is shrunk as far as it goes.
    size
        Height and width of what is returned.
    center
        Place in the picture, ``(y, x)``, around which it is taken as far as its border allows; default: its middle.
    """
    import cv2

    height, width = image.shape[:2]
    side = min(max(round(size / factor), 2), height, width)
    middle = (height / 2, width / 2) if center is None else center
    y, x = (min(max(round(at - side / 2), 0), whole - side) for at, whole in zip(middle, (height, width), strict=True))
    way = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    resized = cv2.resize(image[y : y + side, x : x + side], (size, size), interpolation=way)
    return np.asarray(resized, np.uint8)


def pieced_together(
    image: NDArray[np.uint8], side: int, random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a picture whose squares have changed places, and where that can be seen.

    Parameters
    ----------
    image
        RGB ``uint8 (H, W, 3)``.
    side
        Of the squares in pixels; at the picture's border they are cut.
    random
        Decides where the first square begins and which goes where.

    Returns
    -------
    tuple
        ``uint8 (H, W, 3)`` and, near the seams, True: ``bool (H, W)``.
    """
    height, width = image.shape[:2]
    start = [-int(random.integers(side)) if side < whole else -(side // 2) for whole in (height, width)]
    rows, columns = (range(first, whole, side) for first, whole in zip(start, (height, width), strict=True))
    pieced, seams = image.copy(), np.zeros((height, width), np.bool_)
    for top in rows:
        for left in columns:
            into = (slice(max(top, 0), min(top + side, height)), slice(max(left, 0), min(left + side, width)))
            tall, wide = (each.stop - each.start for each in into)
            y, x = int(random.integers(height - tall + 1)), int(random.integers(width - wide + 1))
            pieced[into] = image[y : y + tall, x : x + wide]
    for edge in rows:
        seams[max(edge - _SEAM_REACH, 0) : max(edge + _SEAM_REACH, 0)] |= edge > 0
    for edge in columns:
        seams[:, max(edge - _SEAM_REACH, 0) : max(edge + _SEAM_REACH, 0)] |= edge > 0
    return pieced, seams
