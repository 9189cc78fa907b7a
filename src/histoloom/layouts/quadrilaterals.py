"""The random quadrilateral transform: a bilinear map, and its inverse for points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

_ORIENTATION = -1.0
"""Sign of the area that right and down span, in ``(y, x)``, where the map does not fold.

It folds at a corner that has wandered beyond its neighbours' diagonal."""


@dataclass(frozen=True)
class BilinearQuadrilateral:
    """The map that spreads a convex quadrilateral of a source canvas over a whole target canvas.

    Target ``(v, u)`` in the unit square shows the source at ``corner + u * right + v * down + u * v * twist``, as
    Pillow's QUAD transform has it.

    Parameters
    ----------
    source_shape, target_shape
        Height and width in pixels.
    corner, right, down, twist
        ``float (2,)`` in ``(y, x)``.
    """

    source_shape: tuple[float, float]
    target_shape: tuple[float, float]
    corner: NDArray[np.float64]
    right: NDArray[np.float64]
    down: NDArray[np.float64]
    twist: NDArray[np.float64]

    @classmethod
    def random(cls, generator: np.random.Generator, target_shape: tuple[float, float], wander: float) -> Self:
        """Return a random map.

        Parameters
        ----------
        generator
            Source of the four corners.
        target_shape
            Height and width of the target in pixels.
        wander
            How far each corner lies from the source canvas's own, uniformly from 0 to this fraction of the target's
            sides, along each axis; the source is larger than the target by as much.
        """
        target = np.array(target_shape)
        margin = wander * target
        source = target + margin
        upper_left, lower_left, lower_right, upper_right = generator.uniform(0.0, 1.0, (4, 2)) * margin
        upper_right = np.array([upper_right[0], source[1] - upper_right[1]])
        lower_left = np.array([source[0] - lower_left[0], lower_left[1]])
        lower_right = source - lower_right
        right, down = upper_right - upper_left, lower_left - upper_left
        twist = lower_right - upper_left - right - down
        shape = (float(source[0]), float(source[1]))
        return cls(shape, target_shape, upper_left, right, down, twist)

    def to_source(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map target points ``(N, 2)`` to the source."""
        v, u = (points / np.array(self.target_shape)).T[:, :, None]
        return np.asarray(self.corner + u * self.right + v * self.down + u * v * self.twist)

    def to_target(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map source points ``(N, 2)`` to the target; NaN where the map has no inverse (far outside).

        Eliminating ``u`` leaves a quadratic equation for ``v``; the root wanted is the one that is single-valued on
        the quadrilateral, whose denominator keeps its sign there.
        """
        offset = points - self.corner
        # offset - v * down is parallel to right + v * twist, so that their cross product a v² + b v + c vanishes.
        a = -_cross(self.down, self.twist)
        b = _cross(offset, self.twist) - _cross(self.down, self.right)
        c = _cross(offset, self.right)
        discriminant = b * b - 4.0 * a * c
        with np.errstate(invalid="ignore", divide="ignore"):
            root = np.sqrt(discriminant)
            # Citardauq's form stays exact as the twist goes to 0 and the equation becomes linear.
            sign = _ORIENTATION
            v = -2.0 * c / (b + sign * root)
            along = self.right + v[:, None] * self.twist
            u = ((offset - v[:, None] * self.down) * along).sum(axis=1) / np.square(along).sum(axis=1)
            # Beyond the line where the map folds over, a point has no place of its own.
            fold = _cross(along, self.down + u[:, None] * self.twist) * sign
        unfolded = np.where((fold > 0.0)[:, None], np.stack([v, u], axis=1), np.nan)
        return np.asarray(unfolded * np.array(self.target_shape))


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
