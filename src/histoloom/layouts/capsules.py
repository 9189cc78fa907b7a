"""Capsules: a segment with a radius, the simplest body that hugs round and long nuclei alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Capsules:
    """Capsules centred on the origin, N of them.

    Parameters
    ----------
    halves
        ``float (N, 2)``: from the origin to one end of the segment, ``(y, x)``; the other end lies opposite.
    radii
        ``float (N,)``.
    """

    halves: NDArray[np.float64]
    radii: NDArray[np.float64]

    @classmethod
    def covering(cls, rings: NDArray[np.float64], angles: NDArray[np.float64]) -> Capsules:
        """Cover rings ``(N, V, 2)`` about the origin whose long axes point ``angles`` (radians) from the horizontal."""
        axis = np.stack([-np.sin(angles), np.cos(angles)], axis=1)
        y, x = rings[:, :, 0], rings[:, :, 1]
        along = np.abs(y * axis[:, :1] + x * axis[:, 1:])
        across = np.abs(x * axis[:, :1] - y * axis[:, 1:])
        # Capsules are convex, so what holds the vertices holds the edges.
        radii = np.minimum(across.max(axis=1) * 1.0001, np.sqrt(np.square(along) + np.square(across)).max(axis=1))
        cap = np.sqrt(np.maximum(np.square(radii)[:, None] - np.square(across), 0.0))
        half_lengths = np.maximum((along - cap).max(axis=1), 0.0)
        return cls(axis * half_lengths[:, None], radii)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.radii)

    def scaled(self, factors: NDArray[np.float64]) -> Capsules:
        """Return the capsules with every size multiplied by ``factors (N,)``."""
        return Capsules(self.halves * factors[:, None], self.radii * factors)

    @cached_property
    def reaches(self) -> NDArray[np.float64]:
        """``float (N,)``: no point lies farther from the origin."""
        return np.asarray(np.hypot(self.halves[:, 0], self.halves[:, 1]) + self.radii)

    def distances(
        self, first: NDArray[np.int64], second: NDArray[np.int64], apart: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how far pairs of capsules lie from each other.

        Parameters
        ----------
        first, second
            ``int (P,)``, indices of the capsules of each pair.
        apart
            ``float (P, 2)``, from the centre of the first to the centre of the second.

        Returns
        -------
        distances, directions
            ``float (P,)``, below 0 where they overlap, and unit vectors ``float (P, 2)`` from first to second.
        """
        u_y, u_x = self.halves[first].T
        v_y, v_x = self.halves[second].T
        w_y, w_x = apart.T
        u_square, v_square = u_y * u_y + u_x * u_x, v_y * v_y + v_x * v_x
        u_safe, v_safe = np.maximum(u_square, 1e-12), np.maximum(v_square, 1e-12)
        # Segments that do not cross come closest at an end of one of them: four distances from a point to a segment.
        best_y, best_x = w_y, w_x
        best = np.full(len(first), np.inf)
        for sign in (-1.0, 1.0):
            end_y, end_x = w_y + sign * v_y, w_x + sign * v_x
            place = np.clip((end_y * u_y + end_x * u_x) / u_safe, -1.0, 1.0)
            between_y, between_x = end_y - place * u_y, end_x - place * u_x
            square = between_y * between_y + between_x * between_x
            closer = square < best
            best = np.where(closer, square, best)
            best_y, best_x = np.where(closer, between_y, best_y), np.where(closer, between_x, best_x)

            end_y, end_x = sign * u_y - w_y, sign * u_x - w_x
            place = np.clip((end_y * v_y + end_x * v_x) / v_safe, -1.0, 1.0)
            between_y, between_x = place * v_y - end_y, place * v_x - end_x
            square = between_y * between_y + between_x * between_x
            closer = square < best
            best = np.where(closer, square, best)
            best_y, best_x = np.where(closer, between_y, best_y), np.where(closer, between_x, best_x)
        best = np.sqrt(best)
        turn = u_x * v_y - u_y * v_x
        with np.errstate(divide="ignore", invalid="ignore"):
            s = (w_x * v_y - w_y * v_x) / turn
            t = (w_x * u_y - w_y * u_x) / turn
        crossing = (np.abs(turn) > 1e-12) & (np.abs(s) <= 1.0) & (np.abs(t) <= 1.0)
        # Crossing ones part along the line of their centres, and any fixed way where the centres coincide.
        best_y, best_x = np.where(crossing, w_y, best_y), np.where(crossing, w_x, best_x)
        length = np.hypot(best_y, best_x)
        lost = length < 1e-9
        directions = np.stack([np.where(lost, 0.0, best_y), np.where(lost, 1.0, best_x)], axis=1)
        directions /= np.where(lost, 1.0, length)[:, None]
        return np.where(crossing, 0.0, best) - self.radii[first] - self.radii[second], directions
