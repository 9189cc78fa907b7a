"""Outlines of nuclei: closed rings under the even-odd rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histoloom.errors import LayoutError
from histoloom.layouts.scanlines import outline_spans
from histoloom.layouts.tracing import trace_mask
from histoloom.window import Window

FARTHEST_COORDINATE = 2.0**30
"""Outlines reach no farther than this from the canvas's corner, in pixels; all arithmetic with them stays exact."""

_MOST_MASK_PIXELS = 2**31


class Outline:
    """The shape of one nucleus as one or more closed rings; immutable.

    A pixel belongs to the shape if its centre, at integer ``(y, x)``, lies inside an odd number of rings. Holes and
    split pieces are therefore just more rings. A shape traced from a mask runs along the edges between pixels, at
    half-integers, and gives that mask back exactly.

    Parameters
    ----------
    rings
        Each ``float (N, 2)`` with N >= 3, in ``(y, x)`` pixels; the closing vertex is not repeated.

    Raises
    ------
    LayoutError
        If there is no ring, or a ring has fewer than three vertices or a value that is not finite or lies beyond
        `FARTHEST_COORDINATE`.
    """

    def __init__(self, rings: Iterable[ArrayLike]) -> None:
        checked = [_checked_ring(ring) for ring in rings]
        if not checked:
            raise LayoutError("An outline has no ring; give at least three points for each nucleus.")
        self.rings: tuple[NDArray[np.float64], ...] = tuple(checked)

    @classmethod
    def from_checked_rings(cls, rings: tuple[NDArray[np.float64], ...]) -> Outline:
        """Return the outline of rings known to be read-only, finite ``float64 (N >= 3, 2)``, without checking them.

        For code that makes thousands of outlines from one checked array; everything else calls the constructor.
        """
        outline = cls.__new__(cls)
        outline.rings = rings
        return outline

    @classmethod
    def from_mask(cls, mask: NDArray[np.bool_], origin: tuple[int, int] = (0, 0)) -> Outline:
        """Trace a boolean mask ``(H, W)`` whose pixel (0, 0) lies at ``origin``; rasterizing gives it back."""
        rings = trace_mask(mask)
        if not rings:
            raise LayoutError("The mask of a nucleus is empty; draw at least one pixel.")
        return cls(ring + np.asarray(origin, np.float64) for ring in rings)

    @classmethod
    def ellipse(
        cls,
        center: tuple[float, float],
        radii: tuple[float, float],
        angle: float = 0.0,
        vertices: int = 32,
    ) -> Outline:
        """Return an ellipse with the given (y, x) centre, half axes in pixels and angle in radians."""
        turn = np.linspace(0.0, 2.0 * np.pi, vertices, endpoint=False)
        ring = np.stack([radii[0] * np.sin(turn), radii[1] * np.cos(turn)], axis=1)
        return cls([ring]).rotated(angle, (0.0, 0.0)).translated(*center)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """Smallest and largest coordinates, ``(y_min, x_min, y_max, x_max)``."""
        low = np.min([ring.min(axis=0) for ring in self.rings], axis=0)
        high = np.max([ring.max(axis=0) for ring in self.rings], axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @cached_property
    def window(self) -> Window:
        """The pixels that the shape may cover, unclipped."""
        y_min, x_min, y_max, x_max = self.bounds
        return Window(math.ceil(y_min), math.ceil(x_min), math.floor(y_max) + 1, math.floor(x_max) + 1)

    @cached_property
    def area(self) -> float:
        """Area in square pixels; rings of opposite direction (holes) are subtracted."""
        return abs(sum(_signed_area(ring) for ring in self.rings))

    @cached_property
    def centroid(self) -> tuple[float, float]:
        """Centre of mass ``(y, x)``; for shapes without area, the mean of the vertices."""
        areas = np.array([_signed_area(ring) for ring in self.rings])
        total = areas.sum()
        if abs(total) < 1e-9:
            mean = np.concatenate(self.rings).mean(axis=0)
            return float(mean[0]), float(mean[1])
        centers = np.array([_ring_moment(ring) for ring in self.rings])
        center = centers.sum(axis=0) / total
        return float(center[0]), float(center[1])

    def mask(self, window: Window | None = None) -> NDArray[np.bool_]:
        """Rasterize to a boolean mask of ``window`` (default: `Outline.window`)."""
        window = self.window if window is None else window
        height, width = window.shape
        if height * width > _MOST_MASK_PIXELS:
            raise LayoutError(
                f"A mask of {height} x {width} pixels does not fit into memory; ask for a smaller window of it."
            )
        mask = np.zeros(window.shape, bool)
        _, rows, starts, stops = outline_spans([self], window)
        for row, start, stop in zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True):
            mask[row - window.y0, start - window.x0 : stop - window.x0] = True
        return mask

    def translated(self, dy: float, dx: float) -> Outline:
        """Return the shape moved by ``(dy, dx)`` pixels."""
        shift = np.array([dy, dx], np.float64)
        return Outline(ring + shift for ring in self.rings)

    def rotated(self, angle: float, center: tuple[float, float] | None = None) -> Outline:
        """Return the shape turned by ``angle`` radians (from +y towards +x) about ``center`` (default: centroid)."""
        pivot = np.asarray(self.centroid if center is None else center, np.float64)
        cosine, sine = math.cos(angle), math.sin(angle)
        turn = np.array([[cosine, sine], [-sine, cosine]])
        return Outline((ring - pivot) @ turn + pivot for ring in self.rings)

    def scaled(self, factor: float, center: tuple[float, float] | None = None) -> Outline:
        """Return the shape enlarged by ``factor`` about ``center`` (default: centroid)."""
        if not (math.isfinite(factor) and factor > 0):
            raise LayoutError(f"A nucleus cannot be scaled by {factor}; use a factor above 0.")
        pivot = np.asarray(self.centroid if center is None else center, np.float64)
        return Outline((ring - pivot) * factor + pivot for ring in self.rings)

    def __eq__(self, other: object) -> bool:
        """Whether both have the same rings, vertex by vertex."""
        if not isinstance(other, Outline):
            return NotImplemented
        return len(self.rings) == len(other.rings) and all(
            np.array_equal(a, b) for a, b in zip(self.rings, other.rings, strict=True)
        )

    def __hash__(self) -> int:
        """Hash by vertices, so that equal shapes meet in caches."""
        return hash(tuple(ring.tobytes() for ring in self.rings))

    def __repr__(self) -> str:
        """Show the size, not the vertices."""
        return f"Outline({len(self.rings)} rings, {self.area:.0f} px²)"


def as_rings(outlines: Sequence[Outline]) -> list[list[list[list[float]]]]:
    """Return outlines as nested lists of ``[y, x]``, for JSON; exact, since JSON keeps doubles."""
    return [[ring.tolist() for ring in outline.rings] for outline in outlines]


def _checked_ring(ring: ArrayLike) -> NDArray[np.float64]:
    array = np.array(ring, np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or len(array) < 3:
        raise LayoutError("A ring of an outline has fewer than three points; draw a closed shape.")
    if not (np.abs(array) <= FARTHEST_COORDINATE).all():
        if not np.isfinite(array).all():
            raise LayoutError("An outline has a coordinate that is not a number; draw it again.")
        raise LayoutError(
            "An outline has a coordinate more than 2**30 pixels from the canvas's corner; check that it is in pixels."
        )
    array.flags.writeable = False
    return array


def _signed_area(ring: NDArray[np.float64]) -> float:
    local = ring - ring[0]
    following = np.roll(local, -1, axis=0)
    return 0.5 * float(np.sum(local[:, 1] * following[:, 0] - following[:, 1] * local[:, 0]))


def _ring_moment(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    local = ring - ring[0]
    following = np.roll(local, -1, axis=0)
    cross = local[:, 1] * following[:, 0] - following[:, 1] * local[:, 0]
    moment = ((local + following) * cross[:, None]).sum(axis=0) / 6.0
    return np.asarray(moment + ring[0] * cross.sum() / 2.0)
