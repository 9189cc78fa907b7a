"""From rings under the even-odd rule to polygons with holes, as GeoJSON and shapely want them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoloom.layouts.outline import Outline


def even_odd_polygons(outline: Outline) -> list[list[NDArray[np.float64]]]:
    """Return polygons, each a shell followed by its holes, that cover what the outline covers.

    A ring inside an even number of others is a shell, inside an odd number a hole of the smallest shell around it.
    Rings keep their vertices and, among shells, their order.
    """
    rings = outline.rings
    if len(rings) == 1:
        return [[rings[0]]]
    from shapely import Polygon, area, contains_properly, covers, prepare

    shapes = [Polygon(ring) for ring in rings]
    shapes = [shape if shape.is_valid else shape.buffer(0) for shape in shapes]
    for shape in shapes:
        prepare(shape)
    areas = area(shapes)
    around = [
        [
            other
            for other in range(len(rings))
            if other != index
            and areas[other] > areas[index]
            and (contains_properly(shapes[other], shape) or covers(shapes[other], shape))
        ]
        for index, shape in enumerate(shapes)
    ]
    polygons: dict[int, list[NDArray[np.float64]]] = {
        index: [rings[index]] for index in range(len(rings)) if len(around[index]) % 2 == 0
    }
    for index in range(len(rings)):
        if len(around[index]) % 2:
            shells = [other for other in around[index] if other in polygons]
            polygons[min(shells, key=lambda shell: float(areas[shell]))].append(rings[index])
    return list(polygons.values())
