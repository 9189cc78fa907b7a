"""Windows of one fixed size that cover a canvas, and how pictures woven in them are blended into one.

A network whose pixels depend on everything that it sees can only give the same pixels again if it sees the same window
again, so the windows are a function of the canvas alone and not of the region that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from histoloom.window import Window

_OVERLAP = 0.25


@dataclass(frozen=True)
class AnchoredWindows:
    """The windows of one canvas.

    Parameters
    ----------
    shape
        Height and width of the canvas.
    side
        Height and width of each window; along a canvas that is shorter, one window sticks out of it.
    """

    shape: tuple[int, int]
    side: int

    def meeting(self, window: Window) -> list[Window]:
        """Return the windows that share pixels with another, row by row."""
        rows, columns = (_starts(length, self.side) for length in self.shape)
        found = (Window(y, x, y + self.side, x + self.side) for y in rows for x in columns)
        return [each for each in found if not each.intersection(window).is_empty]

    def weights(self, anchored: Window) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return how much each row and column of a window counts, ``float32 (side,)`` each.

        The product of both, summed over all windows that hold a pixel, is 1.
        """
        rows, columns = (_weights(length, self.side) for length in self.shape)
        return rows[anchored.y0], columns[anchored.x0]


@lru_cache(maxsize=64)
def _starts(length: int, side: int) -> tuple[int, ...]:
    """Return where windows begin: the first at 0, the last ending with the canvas, evenly between."""
    if length <= side:
        return (0,)
    count = -(-(length - side) // (side - int(side * _OVERLAP))) + 1
    return tuple(index * (length - side) // (count - 1) for index in range(count))


@lru_cache(maxsize=64)
def _weights(length: int, side: int) -> dict[int, NDArray[np.float32]]:
    starts = _starts(length, side)
    total = np.zeros(max(length, side))
    weights = {}
    for index, start in enumerate(starts):
        weight = np.ones(side)
        # From just above 0 to just below 1 over what two windows share; at the canvas's border nothing is shared.
        if index > 0:
            shared = starts[index - 1] + side - start
            weight[:shared] = np.minimum(weight[:shared], _ramp(shared))
        if index < len(starts) - 1:
            shared = start + side - starts[index + 1]
            weight[-shared:] = np.minimum(weight[-shared:], _ramp(shared)[::-1])
        weights[start] = weight
        total[start : start + side] += weight
    return {start: (each / total[start : start + side]).astype(np.float32) for start, each in weights.items()}


def _ramp(count: int) -> NDArray[np.float64]:
    places = (np.arange(count) + 0.5) / count
    return np.asarray(places * places * (3.0 - 2.0 * places))
