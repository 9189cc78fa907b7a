"""How sharp the boundaries of a look's nuclei are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_NEARBY = 1.0
_DENOISING = 0.5
_BLUR_OF_MEASURING = 0.85
_SHARPEST, _SOFTEST = 0.1, 1.0
_USUAL = 0.3


def boundary_softness(gray: NDArray[np.float32], nuclei: NDArray[np.bool_], pixel_size: float) -> float:
    """Return the standard deviation in µm of the Gaussian that blurs the boundaries of nuclei.

    A step of height ``c`` that is blurred by a Gaussian of width ``s`` has the slope ``c / (s sqrt(2 pi))``. Height and
    slope are measured along the boundaries, and the median over the half with more contrast is taken.

    Parameters
    ----------
    gray
        Optical density ``float32 (H, W)``.
    nuclei
        ``bool (H, W)``.
    pixel_size
        µm per pixel.
    """
    import cv2

    gray = cv2.GaussianBlur(gray, (0, 0), _DENOISING)
    slope = cv2.magnitude(cv2.Sobel(gray, -1, 1, 0, scale=1 / 8), cv2.Sobel(gray, -1, 0, 1, scale=1 / 8))
    # The boundary found may be a pixel off the steepest place.
    around = np.ones((3, 3), np.uint8)
    slope = cv2.dilate(slope, around)
    mask = nuclei.astype(np.uint8)
    boundary = cv2.dilate(mask, around) != cv2.erode(mask, around)
    side = 2 * max(round(_NEARBY / pixel_size), 1) + 1
    nearby = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    height = (cv2.dilate(gray, nearby) - cv2.erode(gray, nearby))[boundary]
    if not len(height):
        return _USUAL
    clear = height >= np.median(height)
    width = float(np.median(height[clear] / np.maximum(slope[boundary][clear], 1e-4))) / np.sqrt(2.0 * np.pi)
    # The pixel grid and the measuring itself blur as well; what they add was measured on steps of known softness.
    return float(np.clip(np.sqrt(max(width**2 - _BLUR_OF_MEASURING**2, 0.0)) * pixel_size, _SHARPEST, _SOFTEST))
