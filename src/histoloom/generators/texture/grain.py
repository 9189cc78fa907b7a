"""The grain of a look's eosin channel: the texture of chromatin and cytoplasm (Hou et al. 2019, section 4.1)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from histoloom.tiles.stains import optical_density, separate_stains

_FINEST = 2.0
"""µm; coarser structure is left to colour."""

_TURNS = 4
_JPEG_BLUR = 2.0


class Grain:
    """Endless fine structure without a direction, mean 0 and standard deviation 1, at two magnifications.

    Parameters
    ----------
    fine
        The grain at its own size, ``float32 (H, W)``.
    """

    def __init__(self, fine: NDArray[np.float32]) -> None:
        import cv2

        height, width = fine.shape
        self._levels = fine, cv2.resize(fine, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
        # Mirrored beside itself, so that it goes on without seams when indices wrap around.
        self._mirrored = [
            np.concatenate([rows, rows[:, ::-1]], axis=1)
            for rows in (np.concatenate([level, level[::-1]]) for level in self._levels)
        ]

    def upright(self, level: int, y: int, x: int, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the grain ``(h, w)`` from row ``y`` and column ``x`` on; level 1 is twice as coarse as level 0."""
        grain: NDArray[np.float32] = self._mirrored[level]
        height, width = grain.shape
        top, left = y % height, x % width
        if top + shape[0] <= height and left + shape[1] <= width:
            return np.asarray(grain[top : top + shape[0], left : left + shape[1]])
        rows = np.arange(top, top + shape[0]) % height
        columns = np.arange(left, left + shape[1]) % width
        return np.asarray(grain[rows[:, None], columns])

    def turned(
        self, level: int, y: float, x: float, angle: float, corner: tuple[int, int], shape: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return the grain ``(h, w)`` seen in a frame turned by ``angle`` radians about a point.

        That point shows row ``y`` and column ``x`` of the grain; ``corner`` is the result's first pixel relative to it.
        """
        import cv2

        cosine, sine = math.cos(angle), math.sin(angle)
        down, right = corner
        to_grain = np.array(
            [
                [cosine, -sine, right * cosine - down * sine + x],
                [sine, cosine, right * sine + down * cosine + y],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (shape[1], shape[0])
        level_grain = self._levels[level]
        return np.asarray(
            cv2.warpAffine(level_grain, to_grain, size, flags=flags, borderMode=cv2.BORDER_REFLECT), np.float32
        )


def find_grain(pixels: NDArray[np.uint8], pixel_size: float) -> Grain:
    """Take the grain of a picture.

    Parameters
    ----------
    pixels
        RGB ``uint8 (H, W, 3)``.
    pixel_size
        µm per pixel.
    """
    import cv2

    eosin = np.ascontiguousarray(separate_stains(pixels)[..., 1])
    gray = optical_density(pixels).mean(axis=2)
    # JPEG stores colour at half the resolution, so a stain channel alone is blocky; fine detail is that of density.
    eosin = cv2.GaussianBlur(eosin, (0, 0), _JPEG_BLUR) + (gray - cv2.GaussianBlur(gray, (0, 0), _JPEG_BLUR))
    fine = eosin - cv2.GaussianBlur(eosin, (0, 0), _FINEST / pixel_size)
    # Evened out, so that a nucleus textured from a smooth place and one from a rough place have like contrast.
    energy = cv2.GaussianBlur(fine**2, (0, 0), 2 * _FINEST / pixel_size)
    even = _scaled(fine / np.sqrt(energy + 0.25 * float(energy.mean()) + 1e-8))
    return Grain(_scaled(_without_direction(np.clip(even, -3, 3))))


def _without_direction(grain: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay a grain over itself at several angles: fibres show as fingerprints in nuclei otherwise."""
    import cv2

    height, width = grain.shape
    total = grain.copy()
    for turn in range(1, _TURNS):
        matrix = cv2.getRotationMatrix2D((0.37 * width * turn, 0.61 * height), 180.0 * turn / _TURNS, 1.0)
        total += cv2.warpAffine(grain, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    return total


def _scaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    centered = values - values.mean()
    return np.asarray(centered / max(float(centered.std()), 1e-6), np.float32)
