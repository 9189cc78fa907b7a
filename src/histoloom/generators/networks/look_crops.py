"""What networks see of a look: crops as large as those that they were trained on, at the same pixel size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_CROP = 32
"""Least height and width of a crop."""

_MOST_CROPS = 16
_SAME_SIZE = 0.05


def crops_of(pixels: NDArray[np.uint8], size: int) -> list[NDArray[np.uint8]]:
    """Return crops spread evenly over a picture; one that is too small is continued by reflection."""
    short = [max(size - side, 0) for side in pixels.shape[:2]]
    if any(short):
        pixels = np.pad(pixels, ((0, short[0]), (0, short[1]), (0, 0)), mode="symmetric")
    places = []
    for side in pixels.shape[:2]:
        count = min(max(side // size, 1), int(_MOST_CROPS**0.5))
        places.append(np.linspace(0, side - size, count).astype(int).tolist())
    return [pixels[y : y + size, x : x + size] for y in places[0] for x in places[1]]


def resampled_look(pixels: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Return a look's pixels enlarged by a factor; within 5 % of 1 they stay as they are."""
    if abs(factor - 1.0) < _SAME_SIZE:
        return pixels
    import cv2

    height, width = (max(round(side * factor), LEAST_CROP) for side in pixels.shape[:2])
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=way), np.uint8)
