"""One plane of a picture, in fixed-point numbers.

Edges and thresholds must come out the same for a window and for the whole picture, pixel by pixel. Floating-point
filters do not promise that (the order of sums depends on a pixel's place in a vector), integer ones do; so a plane is
``uint16`` in steps of 1/32 grey level, and comes from tables of integers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import ConditionError
from histoloom.tiles.stains import HEMATOXYLIN_EOSIN, optical_density, separate_stains

Channel = Literal["grey", "haematoxylin", "eosin", "lightness", "red", "green", "blue"]

STEPS_PER_LEVEL = 32
"""Steps of a plane in one grey level; 255 levels then fit 13 bits, and their Sobel gradients 16."""


def channel_plane(picture: NDArray[np.uint8], channel: Channel) -> NDArray[np.uint16]:
    """Return one channel of a picture; stained is dark in every one of them.

    Parameters
    ----------
    picture
        RGB ``uint8 (H, W, 3)``.
    channel
        ``grey`` is ITU-R BT.601 luma. ``haematoxylin`` and ``eosin`` are the light that would pass through that stain
        alone, with the stain vectors of Ruifrok and Johnston (2001): fixed ones, so that a window and the whole agree.
        ``lightness`` is CIE L*, scaled to 0..255.

    Returns
    -------
    NDArray[np.uint16]
        ``(H, W)``, 0 (black) to 8160 (white): grey levels times `STEPS_PER_LEVEL`.

    Raises
    ------
    ConditionError
        If the picture is not RGB ``uint8``.
    """
    import cv2

    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ConditionError(
            f"Structure is found in RGB pictures uint8 (H, W, 3), not in {picture.dtype} {picture.shape}; convert it."
        )
    tables = _tables(channel)
    total: NDArray[np.int32] | None = None
    for index in range(3):
        if not tables.parts[index].any():
            continue
        part = cv2.LUT(np.ascontiguousarray(picture[..., index]), tables.parts[index])
        total = part if total is None else cv2.add(total, part, dst=total)
    if total is None:
        raise ConditionError(f"The channel '{channel}' takes nothing from a picture; choose another.")
    return np.asarray(tables.values.take(total - tables.lowest), np.uint16)


class _Tables(NamedTuple):
    parts: NDArray[np.int32]
    """``(3, 256)``: what each value of red, green and blue adds to an index."""
    lowest: int
    values: NDArray[np.uint16]
    """The plane's value at each index, from the lowest one on."""


@cache
def _tables(channel: Channel) -> _Tables:
    levels = np.arange(256, dtype=np.float64)
    if channel in {"haematoxylin", "eosin"}:
        # Columns of the inverse basis: the concentrations of unit densities, which separate_stains knows best.
        black = np.eye(3, dtype=np.uint8) * 254 + 1
        density = optical_density(black).astype(np.float64)
        weights = np.linalg.solve(density, separate_stains(black, HEMATOXYLIN_EOSIN).astype(np.float64))
        weight = weights[:, 0 if channel == "haematoxylin" else 1]
        single = optical_density(np.arange(256, dtype=np.uint8)).astype(np.float64)
        return _made(weight[:, None] * single, 4096.0, lambda c: 255.0 * 10.0 ** -np.maximum(c, 0.0))
    if channel == "lightness":
        linear = np.where(levels <= 0.04045 * 255, levels / 255 / 12.92, ((levels / 255 + 0.055) / 1.055) ** 2.4)
        return _made(np.array([0.2126, 0.7152, 0.0722])[:, None] * linear, 65536.0, _lightness)
    shares = {"grey": (0.299, 0.587, 0.114), "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}[channel]
    return _made(np.array(shares, np.float64)[:, None] * levels, 512.0, lambda value: value)


def _made(
    parts: NDArray[np.float64], scale: float, value: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> _Tables:
    whole = np.round(parts * scale).astype(np.int32)
    lowest, highest = int(whole.min(axis=1).sum()), int(whole.max(axis=1).sum())
    values = value(np.arange(lowest, highest + 1) / scale) * STEPS_PER_LEVEL
    return _Tables(whole, lowest, np.round(np.clip(values, 0, 255 * STEPS_PER_LEVEL)).astype(np.uint16))


def _lightness(luminance: NDArray[np.float64]) -> NDArray[np.float64]:
    root = np.where(luminance > (6 / 29) ** 3, np.cbrt(luminance), luminance / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.asarray((116.0 * root - 16.0) * 2.55)
