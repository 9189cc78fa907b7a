"""Shared memory through which woven pixels reach the viewer: a few slots, each large enough for one piece."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory

import numpy as np
from numpy.typing import NDArray

from histoloom.generators.weaving import PIECE_SIDE

SLOTS = 4
"""So many pieces can be under way at once."""

_SLOT_BYTES = PIECE_SIDE * PIECE_SIDE * 3


class SharedPixels:
    """Slots of RGB pixels in shared memory.

    The viewer creates the block and removes it; a viewer that is killed leaves that to Python's resource tracker.

    Parameters
    ----------
    name
        Of an existing block to attach to, or None to create one.
    """

    def __init__(self, name: str | None = None) -> None:
        self._owner = name is None
        if name is None:
            self._memory = SharedMemory(create=True, size=SLOTS * _SLOT_BYTES)
        elif sys.version_info >= (3, 13):
            self._memory = SharedMemory(name=name, track=False)
        else:
            with _untracked():
                self._memory = SharedMemory(name=name)
        self.name = self._memory.name

    def write(self, slot: int, pixels: NDArray[np.uint8]) -> None:
        """Put ``uint8 (H, W, 3)``, at most one piece, into a slot."""
        self._view(slot, pixels.shape)[...] = pixels

    def read(self, slot: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Return a copy of the picture of the given height and width in a slot."""
        return self._view(slot, (*shape, 3)).copy()

    def close(self) -> None:
        """Let go of the block, and remove it if it was created here."""
        self._memory.close()
        if self._owner:
            self._owner = False
            self._memory.unlink()

    def _view(self, slot: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        return np.ndarray(shape, np.uint8, self._memory.buf, slot * _SLOT_BYTES)


@contextmanager
def _untracked() -> Iterator[None]:
    # Before Python 3.13, attaching also registers the block with a resource tracker of the attaching process, which
    # would remove it from under the viewer when that process ends.
    register = resource_tracker.register
    resource_tracker.register = lambda *_: None
    try:
        yield
    finally:
        resource_tracker.register = register
