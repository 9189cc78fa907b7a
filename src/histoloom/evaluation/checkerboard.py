"""Checkerboards: regular grids that networks leave in woven pictures, found as peaks of the spectrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError

GRIDS = (2, 4, 8)
"""Periods in pixels that are looked for: those of networks that double their size up to three times."""

MOST_OF_REAL = {2: 8.0, 4: 2.5, 8: 2.5}
"""`checkerboard_peaks` above these mean a grid. Real tiles of TNBC and CoNSeP reach 4.3, 1.4 and 1.3: what cameras and
compression leave has a period of two pixels."""

_LEAST_SIDE = 64
_BLOCK = 64
_NEAR, _FAR = 2, 6


def checkerboard_peaks(picture: NDArray[np.uint8]) -> dict[int, float]:
    """Return how far the spectrum at each grid's frequencies stands out from what lies around them.

    The picture is cut into squares of 64 pixels, each windowed (Hann), and their power spectra are averaged. A grid of
    period p has its power at the multiples of 1/p along rows, columns or both; tissue has a spectrum without lines. The
    ratio is that of a grid's strongest line to the mean of its surroundings, in all three colour channels together.

    Parameters
    ----------
    picture
        RGB ``uint8 (H, W, 3)``, at least 64 pixels a side.

    Returns
    -------
    dict
        Ratio for each of `GRIDS`; about 1 without a grid.

    Raises
    ------
    EvaluationError
        If it is no RGB picture of 8 bits, or too small.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise EvaluationError(
            f"Only RGB pictures of 8 bits can be looked at for grids, not {picture.dtype} of shape {picture.shape}; "
            "convert it first."
        )
    if min(picture.shape[:2]) < _LEAST_SIDE:
        raise EvaluationError(
            f"A picture of {picture.shape[0]} x {picture.shape[1]} pixels is too small to look for grids; give one of "
            f"at least {_LEAST_SIDE} a side."
        )
    power = _mean_power(picture)
    return {grid: max(_stands_out(power, *line) for line in _lines(grid)) for grid in GRIDS}


def has_checkerboard(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture shows a grid of 2, 4 or 8 pixels; see `checkerboard_peaks`."""
    return any(peak > MOST_OF_REAL[grid] for grid, peak in checkerboard_peaks(picture).items())


def _mean_power(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean power spectrum of overlapping squares, ``(64, 64)``, frequency 0 first."""
    window = np.hanning(_BLOCK + 1)[:-1]
    taper = window[:, None] * window
    total = np.zeros((_BLOCK, _BLOCK))
    for y in range(0, picture.shape[0] - _BLOCK + 1, _BLOCK // 2):
        for x in range(0, picture.shape[1] - _BLOCK + 1, _BLOCK // 2):
            square = picture[y : y + _BLOCK, x : x + _BLOCK].astype(np.float64)
            square -= square.mean(axis=(0, 1))
            spectrum = np.fft.fft2(square * taper[..., None], axes=(0, 1))
            total += (spectrum.real**2 + spectrum.imag**2).sum(axis=2)
    return total


def _lines(grid: int) -> list[tuple[int, int]]:
    """Return the frequencies of a grid that no coarser-stepped one has, in cycles per square."""
    step = _BLOCK // grid
    multiples = range(0, _BLOCK // 2 + 1, step)
    of_finer = {0, *range(0, _BLOCK // 2 + 1, 2 * step)} if grid > GRIDS[0] else {0}
    return [
        (row, sign * column)
        for row in multiples
        for column in multiples
        for sign in ((1, -1) if row and column else (1,))
        if row not in of_finer or column not in of_finer
    ]


def _stands_out(power: NDArray[np.float64], row: int, column: int) -> float:
    """Return the power at a frequency over the mean of a ring of frequencies around it."""
    offsets = np.arange(-_FAR, _FAR + 1)
    around = power[np.ix_((row + offsets) % _BLOCK, (column + offsets) % _BLOCK)]
    distance = np.maximum(np.abs(offsets)[:, None], np.abs(offsets))
    # Axes of their own are brighter in any picture, because what it shows goes on beyond its border.
    ring = around[distance > _NEAR]
    return float(power[row % _BLOCK, column % _BLOCK] / max(float(ring.mean()), 1e-9))
