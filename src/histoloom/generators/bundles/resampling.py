"""Resampling from one pixel size to another, by window, with the bytes of the whole."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import BundleError
from histoloom.models import BundleHeader
from histoloom.models.header import PIXEL_SIZE_TOLERANCE
from histoloom.window import Window

_LEAST_SCALE, _MOST_SCALE = 0.2, 5.0


def network_pixels_per_pixel(header: BundleHeader, name: str, pixel_size: float, *, rescale: bool) -> float:
    """Return how many pixels of a network one of the canvas is wide; exactly 1 where they are taken for the same.

    Parameters
    ----------
    header, name
        Of the network's bundle.
    pixel_size
        µm per pixel of the canvas.
    rescale
        Whether they may differ.

    Raises
    ------
    BundleError
        If they differ and may not, or are too far apart.
    """
    factor = pixel_size / header.pixel_size
    if 1 / (1 + PIXEL_SIZE_TOLERANCE) <= factor <= 1 + PIXEL_SIZE_TOLERANCE:
        return 1.0
    sizes = f"'{name}' was trained at {header.pixel_size:g} µm per pixel and the canvas has"
    if not _LEAST_SCALE <= factor <= _MOST_SCALE:
        raise BundleError(f"{sizes} {pixel_size:g}, too far apart to rescale; choose another bundle.")
    if not rescale:
        raise BundleError(f"{sizes} {pixel_size:g}; switch 'Rescale' on in the recipe, or choose another bundle.")
    return factor


class Resampling:
    """From a canvas to one of the same area with larger or smaller pixels.

    Each pixel is a weighted sum of source pixels that depends on where it lies on its canvas, and on nothing else.

    Parameters
    ----------
    factor
        Source pixels per pixel.
    source_shape
        Height and width of the source; pixels beyond its border are its outermost ones.
    """

    def __init__(self, factor: float, source_shape: tuple[int, int]) -> None:
        self.factor = factor
        self._source_shape = source_shape
        self._reach = max(factor, 1.0)

    def source_window(self, window: Window) -> Window:
        """Return which source pixels a window is made of."""
        (rows, _), (columns, _) = self._taps(window.y0, window.y1, 0), self._taps(window.x0, window.x1, 1)
        return Window(int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)

    def resampled(self, picture: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
        """Return ``float32 (C, H, W)`` of a window, from ``(C, h, w)`` of its `source_window`."""
        source = self.source_window(window)
        rows, row_weights = self._taps(window.y0, window.y1, 0)
        columns, column_weights = self._taps(window.x0, window.x1, 1)
        tall = np.zeros((len(picture), window.shape[0], picture.shape[2]), np.float32)
        for places, weights in zip(rows, row_weights, strict=True):
            tall += picture[:, places - source.y0] * weights[:, None]
        result = np.zeros((len(picture), *window.shape), np.float32)
        for places, weights in zip(columns, column_weights, strict=True):
            result += tall[:, :, places - source.x0] * weights
        return result

    def _taps(self, start: int, stop: int, axis: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Return source pixels and their weights, ``(taps, length)`` each: a triangle as wide as the larger pixel."""
        centres = (np.arange(start, stop) + 0.5) * self.factor - 0.5
        count = 2 * math.ceil(self._reach) + 1
        places = np.floor(centres).astype(np.intp) + (np.arange(count) - count // 2)[:, None]
        weights = np.maximum(1.0 - np.abs(places - centres) / self._reach, 0.0)
        weights /= weights.sum(axis=0)
        return places.clip(0, self._source_shape[axis] - 1), weights.astype(np.float32)
