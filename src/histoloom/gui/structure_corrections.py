"""What people painted into the structure of a canvas: kept apart from what was computed, and undoable."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.window import Window

UNTOUCHED = 255
"""Value of pixels that nobody painted."""

Key = tuple[str, tuple[int, int]]
"""Kind of structure, and height and width of the canvas."""


class StructureCorrections:
    """Painted pixels for each kind of structure and size of the canvas.

    Parameters
    ----------
    on_changed
        Called with the key whenever painted pixels have changed by undo or redo.
    """

    def __init__(self, on_changed: Callable[[Key], object]) -> None:
        self._painted: dict[Key, NDArray[np.uint8]] = {}
        self._on_changed = on_changed

    def of(self, key: Key) -> NDArray[np.uint8] | None:
        """Return ``uint8 (H, W)`` with `UNTOUCHED` where nothing was painted, or None if nothing was anywhere."""
        return self._painted.get(key)

    def count(self, key: Key) -> int:
        """Return how many pixels are painted."""
        painted = self.of(key)
        return 0 if painted is None else int((painted != UNTOUCHED).sum())

    def forget(self) -> None:
        """Forget everything, as when another layout is opened."""
        self._painted.clear()

    def paint(self, key: Key, title: str, window: Window, after: NDArray[np.uint8]) -> StructureCommand:
        """Keep painted pixels ``uint8 (h, w)`` of a window, and return the command that undoes it."""
        before = self._array(key)[window.slices].copy()
        self._array(key)[window.slices] = after
        return StructureCommand(self, title, key, window, (before, after.copy()))

    def put(self, key: Key, window: Window, painted: NDArray[np.uint8]) -> None:
        """Take pixels over from the history."""
        self._array(key)[window.slices] = painted
        self._on_changed(key)

    def _array(self, key: Key) -> NDArray[np.uint8]:
        return self._painted.setdefault(key, np.full(key[1], UNTOUCHED, np.uint8))


class StructureCommand:
    """Painted structure in the history.

    Parameters
    ----------
    corrections
        Where it is kept; held weakly.
    title
        What was done.
    key, window
        What and where.
    states
        The window before and after.
    """

    def __init__(
        self,
        corrections: StructureCorrections,
        title: str,
        key: Key,
        window: Window,
        states: tuple[NDArray[Any], NDArray[Any]],
    ) -> None:
        self._corrections = weakref.ref(corrections)
        self._key, self._window, self._states = key, window, states
        self.title = title

    def do(self) -> None:
        """Paint it."""
        self._put(self._states[1])

    def undo(self) -> None:
        """Take the paint away."""
        self._put(self._states[0])

    def _put(self, painted: NDArray[np.uint8]) -> None:
        corrections = self._corrections()
        if corrections is not None:
            corrections.put(self._key, self._window, painted)
