"""Cells of one fixed size that are anchored at the canvas's origin: what is woven in them is the same in any window."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from histoloom.window import Window


def cells_of(window: Window, side: int) -> list[Window]:
    """Return the cells of ``side`` pixels that a window of the canvas touches, row by row."""
    rows = range(window.y0 // side * side, window.y1, side)
    columns = range(window.x0 // side * side, window.x1, side)
    return [Window(y, x, y + side, x + side) for y in rows for x in columns]


def put_together(
    window: Window, parts: Iterable[Window], weave: Callable[[Window], NDArray[np.float32]], channels: int = 3
) -> NDArray[np.float32]:
    """Return a window of what is woven part by part.

    Parameters
    ----------
    window
        Of the canvas.
    parts
        Windows that cover it; they may reach beyond it.
    weave
        Returns ``float32 (C, H, W)`` of one of them.
    channels
        C, which is 6 where two pictures are woven at once.

    Returns
    -------
    NDArray[np.float32]
        ``(C, H, W)`` of the window.
    """
    result = np.empty((channels, *window.shape), np.float32)
    for part in parts:
        shared = part.intersection(window)
        picture = weave(part)
        result[:, *shared.relative_to(window).slices] = picture[:, *shared.relative_to(part).slices]
    return result


def rounded_picture(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return RGB ``uint8 (H, W, 3)`` of a picture ``(3, H, W)`` in 0..255."""
    return np.ascontiguousarray((picture + np.float32(0.5)).astype(np.uint8).transpose(1, 2, 0))
