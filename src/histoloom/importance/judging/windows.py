"""Local maps of pictures of any size, from windows that overlap."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from histoloom.importance.judging.contract import JudgingNetwork
from histoloom.window import Window

MOST_SIDE = 1024
"""Largest side of a window of networks that take any; activations of one stay below some hundred megabytes."""


def local_map(
    shape: tuple[int, int], judge: JudgingNetwork, logits_of: Callable[[Window], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the logit of each square of ``judge.step`` pixels of a picture.

    Networks that judge a patch alike in every window give the same map whatever the windows are; of others, the
    windows overlap by half and are blended. Where logits are not centred in squares, they are interpolated between;
    squares at the border, beyond all centres, have the logit of their neighbours.

    Parameters
    ----------
    shape
        Height and width of the picture, at least ``judge.least_side``.
    judge
        Tells how its logits lie.
    logits_of
        Gives the logits ``(h, w)`` of a window.

    Returns
    -------
    ndarray
        ``float32 (ceil(H / step), ceil(W / step))``.
    """
    sums: dict[str, NDArray[np.float64]] = {}
    step = judge.step
    counts = [_lattice(side, judge) for side in shape]
    sums["value"], sums["weight"] = np.zeros(counts), np.zeros(counts)
    for y0, y1 in _spans(shape[0], judge):
        for x0, x1 in _spans(shape[1], judge):
            logits = logits_of(Window(y0, x0, y1, x1))
            place = (
                slice(y0 // step, y0 // step + logits.shape[0]),
                slice(x0 // step, x0 // step + logits.shape[1]),
            )
            weight = _tent(logits.shape[0])[:, None] * _tent(logits.shape[1])
            sums["value"][place] += logits * weight
            sums["weight"][place] += weight
    lattice = sums["value"] / sums["weight"]
    for axis, (side, count) in enumerate(zip(shape, counts, strict=True)):
        place = np.clip(np.arange(-(-side // step)) - judge.offset, 0, count - 1)
        before = np.minimum(place.astype(np.int64), max(count - 2, 0))
        share = np.expand_dims(place - before, 1 - axis)
        after = np.minimum(before + 1, count - 1)
        lattice = (1.0 - share) * lattice.take(before, axis) + share * lattice.take(after, axis)
    return np.asarray(lattice, np.float32)


def _lattice(side: int, judge: JudgingNetwork) -> int:
    """Return how many logits lie along a side."""
    if judge.side is None:
        return (side - judge.receptive_field) // judge.step + 1
    last = _starts(side, judge.side, judge)[-1]
    return (last + judge.side) // judge.step - round(2 * judge.offset)


def _spans(side: int, judge: JudgingNetwork) -> list[tuple[int, int]]:
    length = judge.side or MOST_SIDE
    return [(start, min(start + length, side)) for start in _starts(side, length, judge)]


def _starts(side: int, length: int, judge: JudgingNetwork) -> list[int]:
    """Return where windows begin, at multiples of a step."""
    if side <= length:
        return [0]
    step = judge.step
    if judge.side is None:
        # So that the first logit of a window is the one after the last of the window before.
        stride = ((length - judge.receptive_field) // step + 1) * step
        return [start for start in range(0, side, stride) if start + judge.receptive_field <= side]
    last, stride = (side - length) // step, max(length // (2 * step), 1)
    count = -(-last // stride) + 1
    return [round(index * last / max(count - 1, 1)) * step for index in range(count)]


def _tent(count: int) -> NDArray[np.float64]:
    place = np.arange(count)
    return np.asarray(np.minimum(place + 1, count - place), np.float64)
