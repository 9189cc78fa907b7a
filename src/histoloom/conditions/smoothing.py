"""Gaussian smoothing of fixed-point planes, and how far it reaches."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_REACH_IN_SIGMAS = 3.5
_LEAST_SIGMA = 0.2
"""Pixels; below it the Gaussian is one pixel wide."""


def smoothing_reach(sigma: float) -> int:
    """Return how many pixels away a Gaussian of ``sigma`` pixels still looks."""
    return math.ceil(_REACH_IN_SIGMAS * sigma) if sigma >= _LEAST_SIGMA else 0


def smoothed(plane: NDArray[np.uint16], sigma: float) -> NDArray[np.uint16]:
    """Return a plane ``uint16 (H, W)`` smoothed by a Gaussian of ``sigma`` pixels, mirrored at its borders."""
    import cv2

    reach = smoothing_reach(sigma)
    if not reach:
        return plane
    # For 16-bit integers OpenCV's Gaussian is computed in fixed point, the same for any window.
    size = 2 * reach + 1
    return np.asarray(cv2.GaussianBlur(plane, (size, size), sigma), np.uint16)
