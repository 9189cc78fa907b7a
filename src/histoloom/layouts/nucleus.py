"""One nucleus: the row of a layout's table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from histoloom.errors import LayoutError
from histoloom.keyed_random import keyed_hash
from histoloom.layouts.classes import DEFAULT_CLASS
from histoloom.layouts.measures import measure_outlines
from histoloom.layouts.outline import FARTHEST_COORDINATE, Outline

_ANCHOR_STEP = 64.0

FARTHEST_ANCHOR = 4.0 * FARTHEST_COORDINATE
"""Anchors stay behind where an outline is redrawn, so they may lie farther out than it."""

MOST_SEED = 2**32 - 1
"""The largest texture seed."""

MOST_Z_ORDER = 2**53
"""The largest z-order, up or down: what JSON's readers keep exact."""


@dataclass(frozen=True)
class Nucleus:
    """A nucleus with its shape, its class and the frame in which its texture lives.

    Parameters
    ----------
    id
        Stable positive integer; also its value in the label map.
    outline
        Its shape in canvas pixels.
    class_name
        Name of its class.
    z_order
        Higher lies on top; equal ones are stacked by id.
    texture_seed
        32-bit key of its texture, kept through every edit.
    anchor, angle
        Origin ``(y, x)`` in canvas pixels and turn in radians of the nucleus's own coordinates. They follow the nucleus
        when it is moved or turned, and stay when only its outline changes, so it keeps its face.

    Raises
    ------
    LayoutError
        If z-order, texture seed, anchor or angle is out of range.
    """

    id: int
    outline: Outline
    class_name: str = DEFAULT_CLASS
    z_order: int = 0
    texture_seed: int = 0
    anchor: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0

    def __post_init__(self) -> None:
        # Compared in this way round, NaN is refused, too.
        y, x = self.anchor
        if not (
            0 <= self.texture_seed <= MOST_SEED
            and -MOST_Z_ORDER <= self.z_order <= MOST_Z_ORDER
            and -FARTHEST_ANCHOR <= y <= FARTHEST_ANCHOR
            and -FARTHEST_ANCHOR <= x <= FARTHEST_ANCHOR
            and -math.inf < self.angle < math.inf
        ):
            raise LayoutError(
                f"Nucleus {self.id} has a z-order, texture seed, anchor or angle that is out of range; "
                "draw it again, or make the layout again from its source."
            )

    @classmethod
    def create(
        cls,
        id: int,  # noqa: A002 - the table's column is called id
        outline: Outline,
        class_name: str = DEFAULT_CLASS,
        z_order: int = 0,
        texture_seed: int | None = None,
    ) -> Nucleus:
        """Return a new nucleus anchored at its centroid; without a texture seed, one follows from its id."""
        seed = seed_of_id(id) if texture_seed is None else texture_seed
        return cls(id, outline, class_name, z_order, seed, _snapped(outline.centroid))

    @classmethod
    def create_many(
        cls,
        ids: Sequence[int],
        outlines: Sequence[Outline],
        class_names: Sequence[str],
        z_orders: Sequence[int] | None = None,
        texture_seeds: Sequence[int] | None = None,
    ) -> list[Nucleus]:
        """Return what `create` returns for each row, much faster for thousands of them."""
        measures = measure_outlines(outlines)
        anchors = (np.round(measures.centroids * _ANCHOR_STEP) / _ANCHOR_STEP).tolist()
        seeds = (
            (keyed_hash(list(ids), 0x5EED) & np.uint64(0xFFFFFFFF)).tolist() if texture_seeds is None else texture_seeds
        )
        stack = [0] * len(outlines) if z_orders is None else z_orders
        return [
            cls(int(key), outline, name, int(z_order), int(seed), (anchor[0], anchor[1]))
            for key, outline, name, z_order, seed, anchor in zip(
                ids, outlines, class_names, stack, seeds, anchors, strict=True
            )
        ]

    def moved(self, dy: float, dx: float) -> Nucleus:
        """Return the nucleus moved by ``(dy, dx)`` pixels."""
        anchor = (self.anchor[0] + dy, self.anchor[1] + dx)
        return replace(self, outline=self.outline.translated(dy, dx), anchor=anchor)

    def rotated(self, angle: float, center: tuple[float, float] | None = None) -> Nucleus:
        """Return the nucleus turned by ``angle`` radians about ``center`` (default: its centroid)."""
        pivot = self.outline.centroid if center is None else center
        cosine, sine = math.cos(angle), math.sin(angle)
        y, x = self.anchor[0] - pivot[0], self.anchor[1] - pivot[1]
        anchor = (y * cosine - x * sine + pivot[0], y * sine + x * cosine + pivot[1])
        return replace(
            self,
            outline=self.outline.rotated(angle, pivot),
            anchor=anchor,
            angle=self.angle + angle,
        )

    def scaled(self, factor: float, center: tuple[float, float] | None = None) -> Nucleus:
        """Return the nucleus enlarged by ``factor`` about ``center`` (default: centroid); texture keeps its grain."""
        pivot = self.outline.centroid if center is None else center
        anchor = (
            (self.anchor[0] - pivot[0]) * factor + pivot[0],
            (self.anchor[1] - pivot[1]) * factor + pivot[1],
        )
        return replace(self, outline=self.outline.scaled(factor, pivot), anchor=anchor)

    def reshaped(self, outline: Outline) -> Nucleus:
        """Return the nucleus with another outline and the same texture frame."""
        return replace(self, outline=outline)

    def reclassed(self, class_name: str) -> Nucleus:
        """Return the nucleus with another class."""
        return replace(self, class_name=class_name)


def seed_of_id(id: int) -> int:  # noqa: A002
    """Return the texture seed that a nucleus gets from its id when nothing else is known."""
    return int(keyed_hash(id, 0x5EED)) & 0xFFFFFFFF


def _snapped(point: tuple[float, float]) -> tuple[float, float]:
    # On a grid of 1/64 pixel, moves by whole pixels are exact in floating point, and so is the texture after a drag.
    return round(point[0] * _ANCHOR_STEP) / _ANCHOR_STEP, round(point[1] * _ANCHOR_STEP) / _ANCHOR_STEP
