"""Seams: where one patch of a quilt ends and its neighbour begins (Efros and Freeman 2001, section 2.1).

All functions take the squared differences between patches ``(N, P, P)`` and what already lies in their places, and
return how much of each patch is laid, ``float32 (N, P, P)``: 1 inside the cheapest seams, 0 outside, soft between.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray


def opacities_within_sides(errors: NDArray[np.float32], margin: int) -> NDArray[np.float32]:
    """Cut seams along the four sides of patches whose outermost ``margin`` pixels overlap their neighbours."""
    count, side = errors.shape[:2]
    along_sides = [
        errors[:, :margin].transpose(0, 2, 1),
        errors[:, ::-1][:, :margin].transpose(0, 2, 1),
        errors[:, :, :margin],
        errors[:, :, ::-1][:, :, :margin],
    ]
    seams = _cheapest_seams(np.concatenate(along_sides)).reshape(4, count, side)
    # Distance to the seam, from the patch's edge inwards; the outermost pixels always belong to what lies below.
    inside = np.clip(np.arange(margin) - seams[..., None] + 0.5, 0, 1).astype(np.float32)
    inside[..., 0] = 0.0
    top, bottom, left, right = inside
    opacity = np.ones((count, side, side), np.float32)
    opacity[:, :margin] *= top.transpose(0, 2, 1)
    opacity[:, ::-1][:, :margin] *= bottom.transpose(0, 2, 1)
    opacity[:, :, :margin] *= left
    opacity[:, :, ::-1][:, :, :margin] *= right
    return opacity


def opacities_within_corners(errors: NDArray[np.float32], margin: int) -> NDArray[np.float32]:
    """Cut seams across the four corners of patches that overlap their neighbours only there."""
    count, side = errors.shape[:2]
    corners = [_turned(errors, number)[:, :margin, :margin] for number in range(4)]
    inside = _beyond_cheapest_diagonals(np.concatenate(corners)).reshape(4, count, margin, margin)
    opacity = np.ones((count, side, side), np.float32)
    for number in range(4):
        _turned(opacity, number)[:, :margin, :margin] = inside[number]
    return opacity


def _turned(patches: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """Return a view in which another corner is the upper left one."""
    patches = patches[:, ::-1] if number & 1 else patches
    return patches[:, :, ::-1] if number & 2 else patches


def _cheapest_seams(errors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return for each band ``(N, length, width)`` the cheapest path along its length: columns ``(N, length)``."""
    count, length, width = errors.shape
    # Rows first, so that each step works on memory that lies together; infinity keeps the path inside.
    cost = np.full((length, count, width + 2), np.inf, np.float32)
    cost[:, :, 1:-1] = errors.transpose(1, 0, 2)
    left, middle, right = cost[:, :, :-2], cost[:, :, 1:-1], cost[:, :, 2:]
    for row in range(1, length):
        cheapest = np.minimum(left[row - 1], right[row - 1])
        np.minimum(cheapest, middle[row - 1], out=cheapest)
        middle[row] += cheapest
    steps = (right < np.minimum(left, middle)).astype(np.int64) - (left <= np.minimum(middle, right))
    every = np.arange(count)
    seams = np.empty((length, count), np.int64)
    seams[-1] = middle[-1].argmin(axis=1)
    for row in range(length - 2, -1, -1):
        seams[row] = seams[row + 1] + steps[row, every, seams[row + 1]]
    return seams.T


def _beyond_cheapest_diagonals(errors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return for each square ``(N, m, m)`` 1 to the lower right of the cheapest path from lower left to upper right."""
    count, margin, _ = errors.shape
    last = 2 * margin - 2
    rows, columns, steps = _diagonal_grid(margin)
    # A path of steps up or right; after each step it is known by its column.
    cost = np.full((last + 1, count, margin + 1), np.inf, np.float32)
    cost[steps, :, columns + 1] = errors[:, rows, columns].T
    for step in range(1, last + 1):
        cost[step, :, 1:] += np.minimum(cost[step - 1, :, 1:], cost[step - 1, :, :-1])
    every = np.arange(count)
    paths = np.empty((last + 1, count), np.int64)
    paths[last] = margin - 1
    for step in range(last - 1, -1, -1):
        column = paths[step + 1]
        paths[step] = column - (cost[step, every, column] < cost[step, every, column + 1])
    inside = np.empty((count, margin, margin), np.float32)
    inside[:, rows, columns] = np.clip(columns - paths[steps].T + 0.5, 0, 1)
    return inside


@cache
def _diagonal_grid(margin: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return row, column and number of steps from the lower left corner of every pixel of a square."""
    rows, columns = (each.reshape(-1) for each in np.indices((margin, margin)))
    return rows, columns, margin - 1 - rows + columns
