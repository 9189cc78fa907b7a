"""Overview levels for large pictures that come without a pyramid."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE_SIDE = 4096
"""Pictures with a longer side than this get smaller levels."""

_FACTOR = 4


def with_overview_levels(levels: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return levels (RGB ``uint8 (H, W, 3)``, dask) with smaller ones added until the last is at most 4096 on a side.

    Each added level is the mean of 4 x 4 pixels of the one before, worked out chunk by chunk on demand. The smallest
    one must read the whole picture once, and is then kept in memory (at most 48 MB).
    """
    added = list(levels)
    while max(added[-1].shape[:2]) > LARGE_SIDE and min(added[-1].shape[:2]) >= _FACTOR:
        added.append(_reduced(added[-1]))
    if len(added) > len(levels):
        added[-1] = _kept(added[-1])
    return tuple(added)


def _reduced(level: Any) -> Any:
    import dask.array as da

    height, width = (length // _FACTOR * _FACTOR for length in level.shape[:2])
    side = 1024 * _FACTOR
    trimmed = level[:height, :width]
    trimmed = trimmed.rechunk((min(side, trimmed.shape[0]), min(side, trimmed.shape[1]), 3))
    chunks = tuple(tuple(length // _FACTOR for length in axis) for axis in trimmed.chunks[:2])
    return da.map_blocks(
        _block_means, trimmed, dtype=np.uint8, chunks=(*chunks, (3,)), meta=np.empty((0, 0, 3), np.uint8)
    )


def _block_means(block: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = block.shape[0] // _FACTOR, block.shape[1] // _FACTOR
    total = np.zeros((height, width, 3), np.uint16)
    for y in range(_FACTOR):
        for x in range(_FACTOR):
            total += block[y : height * _FACTOR : _FACTOR, x : width * _FACTOR : _FACTOR]
    return np.asarray((total + _FACTOR * _FACTOR // 2) // (_FACTOR * _FACTOR), np.uint8)


def _kept(level: Any) -> Any:
    import dask.array as da

    return da.from_array(_KeptLevel(level), chunks=level.chunks, name=False, asarray=False)


class _KeptLevel:
    """An array that is computed at the first look and kept."""

    def __init__(self, level: Any) -> None:
        self.shape, self.dtype, self.ndim = level.shape, level.dtype, level.ndim
        self._level = level
        self._pixels: NDArray[np.uint8] | None = None
        self._lock = Lock()

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        with self._lock:
            if self._pixels is None:
                # Called from a worker thread, dask starts a pool of its own, so nobody waits for himself.
                self._pixels = np.asarray(self._level.compute(scheduler="threads"))
            return np.asarray(self._pixels[key])
