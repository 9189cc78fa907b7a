"""Stamps: the nuclei that one click places."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from histoloom.errors import LayoutError
from histoloom.keyed_random import keyed_generator, keyed_hash
from histoloom.layouts.layout import Layout
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.outline import Outline
from histoloom.layouts.shapes import nucleus_rings, outlines_of, turned


@dataclass(frozen=True)
class Stamp:
    """A kind of nucleus to place.

    Parameters
    ----------
    class_name
        Its class.
    diameter
        Of the disc with the same area, µm.
    elongation
        Length over width, at least 1.
    orientation
        Direction of the long axis in degrees counter-clockwise from the right; None turns each one at random.
    irregularity
        0 stamps ellipses, 1 wild shapes; each stamp of one kind is a shape of its own.
    """

    class_name: str
    diameter: float
    elongation: float = 1.0
    orientation: float | None = None
    irregularity: float = 0.2

    def __post_init__(self) -> None:
        if not (math.isfinite(self.diameter) and self.diameter > 0.0):
            raise LayoutError(f"A stamp of {self.diameter} µm has no size; give a diameter above 0.")
        if not (math.isfinite(self.elongation) and self.elongation >= 1.0):
            raise LayoutError(f"An elongation of {self.elongation} is not possible; give length over width, 1 or more.")
        if not 0.0 <= self.irregularity <= 1.0:
            raise LayoutError(f"An irregularity of {self.irregularity} is not possible; give a number from 0 to 1.")


STAMPS: MappingProxyType[str, Stamp] = MappingProxyType(
    {
        "lymphocyte": Stamp("inflammatory", 7.0, 1.1, None, 0.15),
        "plasma cell": Stamp("inflammatory", 8.0, 1.3, None, 0.15),
        "neutrophil": Stamp("inflammatory", 8.5, 1.5, None, 0.8),
        "epithelial": Stamp("epithelial", 8.0, 1.5, None, 0.3),
        "epithelial, tall": Stamp("epithelial", 8.0, 2.2, 90.0, 0.25),
        "spindle": Stamp("spindle", 7.0, 3.2, None, 0.3),
        "endothelial": Stamp("spindle", 5.5, 4.0, None, 0.3),
        "tumor": Stamp("tumor", 11.0, 1.3, None, 0.45),
        "tumor, large": Stamp("tumor", 16.0, 1.3, None, 0.55),
    }
)
"""Ready-made stamps by name."""


def stamp_outline(stamp: Stamp, center: tuple[float, float], pixel_size: float, seed: int) -> Outline:
    """Return the outline of a stamp at ``center`` (y, x) in pixels of ``pixel_size`` µm; the seed fixes its shape."""
    generator = keyed_generator(seed, 0x57A3)
    diameter = np.array([stamp.diameter / pixel_size])
    rings = nucleus_rings(generator, diameter, np.array([stamp.elongation]), np.array([stamp.irregularity]))
    angle = generator.uniform(0.0, np.pi) if stamp.orientation is None else math.radians(stamp.orientation)
    return outlines_of(turned(rings, np.array([angle])) + np.asarray(center, np.float64))[0]


def stamp_nucleus(stamp: Stamp, center: tuple[float, float], layout: Layout, seed: int) -> Nucleus:
    """Return a new nucleus stamped on a layout.

    Parameters
    ----------
    stamp
        What to place.
    center
        Where, ``(y, x)`` in canvas pixels.
    layout
        Gives the pixel size, the next free id and the top of the stack; it is not changed.
    seed
        Fixes shape, turn and texture; give each click its own.

    Returns
    -------
    Nucleus
        With an id that the layout does not have, above all others. `Layout.with_nuclei` adds it.

    Raises
    ------
    LayoutError
        If the point is not finite, or the layout does not list the stamp's class.
    """
    if not (math.isfinite(center[0]) and math.isfinite(center[1])):
        raise LayoutError("A nucleus cannot be stamped at a point that is not a number; click on the canvas.")
    require_class(stamp, layout)
    outline = stamp_outline(stamp, center, layout.pixel_size, seed)
    key = layout.next_id()
    texture = int(keyed_hash(seed, key, 0x5EED)) & 0xFFFFFFFF
    return Nucleus.create(key, outline, stamp.class_name, layout.next_z_order(), texture)


def require_class(stamp: Stamp, layout: Layout) -> None:
    """Raise `LayoutError` unless the layout lists the stamp's class."""
    if all(each.name != stamp.class_name for each in layout.classes):
        raise LayoutError(
            f"The layout does not list the class '{stamp.class_name}'; add it to the classes or choose another stamp."
        )
