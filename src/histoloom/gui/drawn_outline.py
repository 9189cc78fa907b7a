"""From shapes that people draw to outlines of nuclei."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histoloom.errors import LayoutError
from histoloom.layouts import Layout, Outline

_ELLIPSE_VERTICES = 48


def require_on_canvas(outline: Outline, layout: Layout) -> None:
    """Refuse a shape of which nothing lies on the canvas, where nobody would see it; raises `LayoutError`."""
    if outline.window.intersection(layout.window).is_empty:
        raise LayoutError("The nucleus would lie beside the canvas, where nobody sees it; draw inside the frame.")


def outline_of_shape(vertices: ArrayLike, shape_type: str) -> Outline:
    """Return the outline of a drawn shape.

    Parameters
    ----------
    vertices
        ``float (N, 2)`` in ``(y, x)`` canvas pixels; for an ellipse the four corners of its box.
    shape_type
        napari's name: polygon, rectangle, ellipse or path (which is closed).

    Raises
    ------
    LayoutError
        If the shape encloses nothing, such as a line.
    """
    points = np.asarray(vertices, np.float64).reshape(-1, 2)
    if shape_type == "ellipse":
        points = _ellipse(points)
    return filled_outline(points)


def filled_outline(ring: NDArray[np.float64]) -> Outline:
    """Return all that a closed line encloses; loops where it crosses itself are filled rather than cut out."""
    from shapely import LineString, get_parts, polygonize, unary_union, union_all
    from shapely.geometry import Polygon

    if len(ring) >= 3:
        closed = LineString(np.vstack([ring, ring[:1]]))
        enclosed = union_all(polygonize([unary_union(closed)]))
        rings = [np.asarray(part.exterior.coords)[:-1] for part in get_parts(enclosed) if isinstance(part, Polygon)]
        rings = [each for each in rings if Outline([each]).area >= 1.0]
        if rings:
            return Outline(rings)
    raise LayoutError("The shape encloses no area; draw around the nucleus.")


def editable_ring(outline: Outline, tolerance: float = 1.0) -> NDArray[np.float64]:
    """Return the largest ring ``float (N, 2)`` with few enough vertices to drag, at most ``tolerance`` pixels off."""
    from shapely import LinearRing, simplify

    ring = max(outline.rings, key=lambda each: Outline([each]).area)
    fewer = np.asarray(simplify(LinearRing(ring), tolerance).coords)[:-1]
    return fewer if len(fewer) >= 3 else ring


def with_ring(outline: Outline, ring: NDArray[np.float64]) -> Outline:
    """Return an outline whose largest ring has been replaced."""
    areas = [Outline([each]).area for each in outline.rings]
    largest = int(np.argmax(areas))
    others = [each for index, each in enumerate(outline.rings) if index != largest]
    return Outline([*filled_outline(ring).rings, *others])


def _ellipse(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    center = corners.mean(axis=0)
    first, second = (corners[1] - corners[0]) / 2.0, (corners[3] - corners[0]) / 2.0
    turn = np.linspace(0.0, 2.0 * np.pi, _ELLIPSE_VERTICES, endpoint=False)[:, None]
    return np.asarray(center + np.cos(turn) * first + np.sin(turn) * second)
