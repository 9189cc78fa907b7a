"""Axis-aligned pixel windows, the unit in which layouts are rasterized and tissue is woven."""

from __future__ import annotations

from typing import NamedTuple


class Window(NamedTuple):
    """Half-open rectangle of pixels: rows ``y0 <= y < y1``, columns ``x0 <= x < x1``."""

    y0: int
    x0: int
    y1: int
    x1: int

    @classmethod
    def of_shape(cls, shape: tuple[int, ...]) -> Window:
        """Return the window that covers an array of the given shape ``(H, W, ...)``."""
        return cls(0, 0, int(shape[0]), int(shape[1]))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels, never negative."""
        return max(self.y1 - self.y0, 0), max(self.x1 - self.x0, 0)

    @property
    def is_empty(self) -> bool:
        """Whether no pixel lies inside."""
        return self.y1 <= self.y0 or self.x1 <= self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices, for indexing the array that the window refers to."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def intersection(self, other: Window) -> Window:
        """Return the pixels in both windows (possibly an empty window)."""
        return Window(
            max(self.y0, other.y0),
            max(self.x0, other.x0),
            min(self.y1, other.y1),
            min(self.x1, other.x1),
        )

    def union(self, other: Window) -> Window:
        """Return the smallest window that holds both; an empty one adds nothing."""
        if self.is_empty:
            return other
        if other.is_empty:
            return self
        return Window(
            min(self.y0, other.y0),
            min(self.x0, other.x0),
            max(self.y1, other.y1),
            max(self.x1, other.x1),
        )

    def expanded(self, margin: int) -> Window:
        """Return the window grown by ``margin`` pixels on every side."""
        return Window(self.y0 - margin, self.x0 - margin, self.y1 + margin, self.x1 + margin)

    def relative_to(self, origin: Window) -> Window:
        """Return the same pixels in the coordinates of an array that starts at ``origin``."""
        return Window(self.y0 - origin.y0, self.x0 - origin.x0, self.y1 - origin.y0, self.x1 - origin.x0)

    def contains(self, other: Window) -> bool:
        """Whether every pixel of ``other`` lies inside."""
        return other.is_empty or self.intersection(other) == other
