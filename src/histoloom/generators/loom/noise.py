"""The noise that the house generator weaves from: of the canvas between nuclei, and each nucleus's own inside it.

Between nuclei, noise is a function of the seed and of canvas coordinates, at cells of 1, 2, 4 and 8 pixels and, smooth,
in octaves up to 128 pixels: single grains up to the sweep of a bundle of fibres. Inside a nucleus it is a function of
the nucleus's texture seed, in the nucleus's own frame, so a nucleus keeps its face when it is moved or turned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histoloom.keyed_random import keyed_hash, keyed_uniform
from histoloom.layouts import Nucleus
from histoloom.window import Window

LEVELS = (8, 4, 2, 1)
"""Pixels a cell, coarse to fine."""

WHITE_PLANES = (2, 2, 1, 1)
"""Planes of white noise at each of the `LEVELS`: one number a cell."""

OCTAVES = (16, 32, 64, 128)
"""Pixels between the nodes of smooth noise, which is seen at the coarsest level, two planes each."""

NUCLEUS_NUMBERS = 4
"""Numbers that a whole nucleus shares, seen at the coarsest level: how dark it is, how coarse its chromatin."""

NOISE_PLANES = (WHITE_PLANES[0] + 2 * len(OCTAVES) + NUCLEUS_NUMBERS, *WHITE_PLANES[1:])
"""Planes of noise at each of the `LEVELS`."""

SMOOTH_GAIN = 1.5
"""What interpolation between nodes takes from the standard deviation, on average, and this gives back."""

_WHITE, _SMOOTH, _NUMBERS, _OFFSET, _BANK = range(201, 206)
_BANK_SIDE = 256
_UNIT = math.sqrt(12.0)


def canvas_noise(
    ids: NDArray[np.int32], nuclei: Sequence[Nucleus], seed: int, window: Window
) -> tuple[NDArray[np.float32], ...]:
    """Return the noise of a window at each of the `LEVELS`.

    Parameters
    ----------
    ids
        Label map ``int32 (H, W)`` of the window.
    nuclei
        At least those that the label map shows.
    seed
        Of the weave.
    window
        Its corners are multiples of 8 pixels.

    Returns
    -------
    tuple
        ``float32 (NOISE_PLANES[i], H / LEVELS[i], W / LEVELS[i])`` for each level, about 0 with variance 1.
    """
    inside = (ids > 0).astype(np.float32)
    faces, numbers = _faces(ids, nuclei, seed, window)
    planes: list[NDArray[np.float32]] = []
    first = 0
    for cell, count in zip(LEVELS, WHITE_PLANES, strict=True):
        share = _pooled(inside, cell)
        # Variances add up: the ground's shrinks to make room for the nuclei's.
        ground = _white(seed, cell, count, window) * np.sqrt(1.0 - share)
        # The mean of cell² numbers has 1/cell² of their variance.
        planes.append(ground + cell * _pooled(faces[first : first + count], cell))
        first += count
    outside = 1.0 - _pooled(inside, LEVELS[0])
    smooth = np.concatenate([_smooth(seed, octave, window) for octave in OCTAVES]) * outside
    planes[0] = np.concatenate([planes[0], smooth, _pooled(numbers, LEVELS[0])])
    return tuple(np.ascontiguousarray(each, np.float32) for each in planes)


def _white(seed: int, cell: int, count: int, window: Window) -> NDArray[np.float32]:
    rows = np.arange(window.y0 // cell, window.y1 // cell)[:, None]
    columns = np.arange(window.x0 // cell, window.x1 // cell)
    plane = np.arange(count)[:, None, None]
    return _uniform(_WHITE, seed, cell, plane, rows, columns)


def _smooth(seed: int, octave: int, window: Window) -> NDArray[np.float32]:
    """Return two planes at the coarsest level's cells, bilinear between nodes ``octave`` pixels apart."""
    cell = LEVELS[0]
    axes = []
    for start, stop in ((window.y0, window.y1), (window.x0, window.x1)):
        place = (np.arange(start // cell, stop // cell) * cell + cell / 2) / octave
        node = np.floor(place).astype(np.int64)
        axes.append((node, (place - node).astype(np.float32)))
    (rows, down), (columns, across) = axes
    nodes = _uniform(
        _SMOOTH, seed, octave, np.arange(2)[:, None, None],
        np.arange(rows[0], rows[-1] + 2)[:, None], np.arange(columns[0], columns[-1] + 2),
    )  # fmt: skip
    row, column = rows - rows[0], columns - columns[0]
    down, across = down[:, None], across
    along = nodes[:, row] * (1 - down) + nodes[:, row + 1] * down
    values = along[:, :, column] * (1 - across) + along[:, :, column + 1] * across
    return np.asarray(values * SMOOTH_GAIN, np.float32)


def _faces(
    ids: NDArray[np.int32], nuclei: Sequence[Nucleus], seed: int, window: Window
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what nuclei bring along, 0 between them.

    Returns
    -------
    tuple
        White noise in their own frames, ``(sum(WHITE_PLANES), H, W)``, and `NUCLEUS_NUMBERS` planes that are the same
        all over a nucleus.
    """
    white = np.zeros((sum(WHITE_PLANES), ids.size), np.float32)
    numbers = np.zeros((NUCLEUS_NUMBERS, ids.size), np.float32)
    place = np.flatnonzero(ids)
    if len(place):
        ordered = sorted(nuclei, key=lambda nucleus: nucleus.id)
        index = np.searchsorted(np.array([nucleus.id for nucleus in ordered]), ids.ravel()[place])
        faces = keyed_hash(seed, np.array([nucleus.texture_seed for nucleus in ordered], np.uint64))
        numbers[:, place] = _uniform(_NUMBERS, np.arange(NUCLEUS_NUMBERS)[:, None], faces)[:, index]
        row, column = np.divmod(place, ids.shape[1])
        y, x = _in_frames(row + window.y0, column + window.x0, ordered, index)
        # Each face is a place of one large picture of noise: hashing every pixel anew would take ten times as long.
        offsets = (keyed_hash(_OFFSET, np.arange(2)[:, None], faces) % np.uint64(_BANK_SIDE)).astype(np.int64)
        y = (y + offsets[0][index]) % _BANK_SIDE
        x = (x + offsets[1][index]) % _BANK_SIDE
        white[:, place] = _bank()[:, y * _BANK_SIDE + x]
    return white.reshape(-1, *ids.shape), numbers.reshape(-1, *ids.shape)


def _in_frames(
    row: NDArray[np.intp], column: NDArray[np.intp], nuclei: Sequence[Nucleus], index: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pixels of the canvas in the frames of their nuclei, to the nearest pixel."""
    anchors = np.array([nucleus.anchor for nucleus in nuclei])
    angles = np.array([nucleus.angle for nucleus in nuclei])
    y, x = row - anchors[index, 0], column - anchors[index, 1]
    if angles.any():
        cosine, sine = np.cos(angles)[index], np.sin(angles)[index]
        y, x = y * cosine + x * sine, x * cosine - y * sine
    return np.floor(y + 0.5).astype(np.int64), np.floor(x + 0.5).astype(np.int64)


@lru_cache(maxsize=1)
def _bank() -> NDArray[np.float32]:
    place = np.arange(_BANK_SIDE**2)
    return _uniform(_BANK, np.arange(sum(WHITE_PLANES))[:, None], place)


def _uniform(*key: ArrayLike) -> NDArray[np.float32]:
    """Return uniform numbers about 0 with variance 1."""
    return np.asarray((keyed_uniform(*key) - 0.5) * _UNIT, np.float32)


def _pooled(planes: NDArray[np.float32], cell: int) -> NDArray[np.float32]:
    """Return the means of squares of pixels, added up in one order whatever the window, so that bytes are the same."""
    while cell > 1:
        rows = planes[..., ::2, :] + planes[..., 1::2, :]
        planes = (rows[..., ::2] + rows[..., 1::2]) * np.float32(0.25)
        cell //= 2
    return planes
