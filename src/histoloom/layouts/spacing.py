"""Placing shapes so that they keep a distance: a hard-core point process with a bounded number of steps.

Each nucleus is covered by a capsule along its long axis, so that a gap between capsules is a gap between outlines, and
long nuclei may lie close side by side. First darts are thrown: every waiting nucleus tries some spots and takes the
first free one (simple sequential inhibition). Where the tissue is too dense for darts, the rest are put in anyway and
all nuclei that touch are pushed apart for a fixed number of steps; what still overlaps then gets a last throw
anywhere, and is given up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.layouts.capsules import Capsules

_DART_ROUNDS = 10
_MOST_TRIES = 8
_SEARCHES = 14
_MOST_CELLS = 2048
_STEPS_BETWEEN_SEARCHES = 10
_LAST_ROUNDS = 8
LAST_ROUND = 100
"""The round of a last throw, in which a nucleus should look anywhere."""

Propose = Callable[[NDArray[np.int64], int], NDArray[np.float64]]
"""From the indices of nuclei and the round: a spot ``(y, x)`` for each, NaN where it found none."""

Allow = Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.bool_]]
"""From indices and spots: whether each nucleus may lie there."""


@dataclass(frozen=True)
class Placement:
    """Where nuclei ended up.

    Parameters
    ----------
    centers
        ``float (N, 2)``; NaN for those that found no place.
    placed
        ``bool (N,)``.
    """

    centers: NDArray[np.float64]
    placed: NDArray[np.bool_]


def place_apart(
    capsules: Capsules,
    gap: float,
    propose: Propose,
    allow: Allow,
    *,
    first_centers: NDArray[np.float64] | None = None,
    softness: NDArray[np.float64] | None = None,
) -> Placement:
    """Find a place for each nucleus.

    Parameters
    ----------
    capsules
        Their shapes, N of them.
    gap
        Least distance between outlines, pixels.
    propose, allow
        Where a nucleus would like to lie, and where it may.
    first_centers
        ``float (M, 2)``: the first M nuclei lie here and stay.
    softness
        ``float (N,)`` in 0..1: nuclei below 1 are taken for smaller than they are, and so may overlap others.

    Returns
    -------
    Placement
        At most N nuclei; the work is bounded whether or not all find a place.
    """
    count = len(capsules)
    bodies = capsules if softness is None else capsules.scaled(softness)
    table = _Table(bodies, gap, np.full((count, 2), np.nan), np.ones(count, bool))
    if first_centers is not None and len(first_centers):
        fixed = len(first_centers)
        table.centers[:fixed] = first_centers
        table.movable[:fixed] = False
    _throw_darts(table, propose, allow, range(_DART_ROUNDS))
    if len(table.waiting):
        _push_apart(table, propose, allow)
        _throw_darts(table, propose, allow, (LAST_ROUND,) * _LAST_ROUNDS)
    return Placement(table.centers, ~np.isnan(table.centers[:, 0]))


def make_room(capsules: Capsules, gap: float, centers: NDArray[np.float64]) -> Placement:
    """Push nuclei at ``centers`` ``(N, 2)`` apart where they touch; those that still do give way to earlier ones."""
    count = len(capsules)
    everyone = np.arange(count)
    table = _Table(capsules, gap, centers.copy(), np.ones(count, bool))
    _settle(table, everyone, lambda indices, _spots: np.ones(len(indices), bool))
    table.centers[~table.kept(everyone, table.centers)] = np.nan
    return Placement(table.centers, ~np.isnan(table.centers[:, 0]))


@dataclass
class _Table:
    """The state of a placement: who lies where, and who may move."""

    bodies: Capsules
    gap: float
    centers: NDArray[np.float64]
    movable: NDArray[np.bool_]

    @property
    def waiting(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.movable & np.isnan(self.centers[:, 0]))

    @property
    def lying(self) -> NDArray[np.int64]:
        return np.flatnonzero(~np.isnan(self.centers[:, 0]))

    def intrusion(
        self,
        first: NDArray[np.int64],
        second: NDArray[np.int64],
        first_centers: NDArray[np.float64],
        second_centers: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return for each pair how far it must part (at most 0: not at all) and the direction from first to second."""
        distance, direction = self.bodies.distances(first, second, second_centers - first_centers)
        return self.gap - distance, direction

    def kept(self, indices: NDArray[np.int64], spots: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which nuclei stay when each gives way to those before it."""
        keep = np.ones(len(indices), bool)
        first, second = self.neighbours(indices, spots, 0.0)
        depth, _ = self.intrusion(indices[first], indices[second], spots[first], spots[second])
        clashing = depth > 1e-6
        for earlier, later in zip(first[clashing].tolist(), second[clashing].tolist(), strict=True):
            if keep[earlier] and keep[later]:
                keep[later] = False
        return keep

    def neighbours(
        self, indices: NDArray[np.int64], spots: NDArray[np.float64], slack: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return pairs of positions in ``indices`` (lower first, in order) whose reaches meet or nearly do."""
        from scipy.spatial import cKDTree

        if len(spots) < 2:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        reaches = self.bodies.reaches[indices] + self.gap / 2.0
        # One search as wide as the two longest nuclei would find mostly strangers; the long ones get their own.
        ordinary = float(np.quantile(reaches, 0.7))
        long_ones = np.flatnonzero(reaches > ordinary)
        tree = cKDTree(spots)
        pairs = tree.query_pairs(2.0 * ordinary + slack, output_type="ndarray").astype(np.int64)
        if len(long_ones):
            near = cKDTree(spots[long_ones]).sparse_distance_matrix(
                tree, 2.0 * float(reaches.max()) + slack, output_type="ndarray"
            )
            apart, near = near["v"], np.stack([long_ones[near["i"]], near["j"]], axis=1)
            found_once = (near[:, 0] < near[:, 1]) | (reaches[near[:, 1]] <= ordinary)
            met = found_once & (apart > 2.0 * ordinary + slack) & (near[:, 0] != near[:, 1])
            met &= apart < reaches[near[:, 0]] + reaches[near[:, 1]] + slack
            pairs = np.concatenate([pairs, np.sort(near[met], axis=1)])
        apart = spots[pairs[:, 0]] - spots[pairs[:, 1]]
        pairs = pairs[np.hypot(apart[:, 0], apart[:, 1]) < reaches[pairs[:, 0]] + reaches[pairs[:, 1]] + slack]
        # The tree's order is an accident of its build; sums and choices must not depend on it.
        order = np.argsort(pairs[:, 1] * np.int64(len(spots)) + pairs[:, 0])
        return pairs[order, 0], pairs[order, 1]


def _throw_darts(table: _Table, propose: Propose, allow: Allow, rounds: range | tuple[int, ...]) -> None:
    for throw, round_number in enumerate(rounds):
        waiting = table.waiting
        if not len(waiting):
            return
        owners = np.repeat(waiting, min(throw + 1, _MOST_TRIES) if round_number < LAST_ROUND else _MOST_TRIES)
        spots = propose(owners, round_number)
        found = ~np.isnan(spots[:, 0])
        owners, spots = owners[found], spots[found]
        free = allow(owners, spots)
        owners, spots = owners[free], spots[free]
        free = ~_hits_lying(table, owners, spots)
        owners, first = np.unique(owners[free], return_index=True)
        spots = spots[free][first]
        kept = table.kept(owners, spots)
        table.centers[owners[kept]] = spots[kept]


def _hits_lying(table: _Table, owners: NDArray[np.int64], spots: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which nuclei would touch one that lies already."""
    from scipy.spatial import cKDTree

    hits = np.zeros(len(owners), bool)
    lying = table.lying
    if not len(lying) or not len(owners):
        return hits
    centers, reaches, radii = table.centers[lying], table.bodies.reaches + table.gap / 2.0, table.bodies.radii
    tree = cKDTree(centers)
    # Most darts fall right onto a nucleus, which the distance of the centres tells without looking at shapes.
    apart, nearest = tree.query(spots)
    hits = np.asarray(apart < radii[owners] + radii[lying[nearest]] + table.gap)
    open_ones = np.flatnonzero(~hits)
    if not len(open_ones):
        return hits
    reach = float(reaches[owners[open_ones]].max() + reaches[lying].max())
    near = cKDTree(spots[open_ones]).sparse_distance_matrix(tree, reach, output_type="ndarray")
    dart, other, apart = open_ones[near["i"]], lying[near["j"]], near["v"]
    unsure = apart < reaches[owners[dart]] + reaches[other]
    dart, other = dart[unsure], other[unsure]
    depth, _ = table.intrusion(owners[dart], other, spots[dart], table.centers[other])
    hits[dart[depth > 0.0]] = True
    return hits


def _push_apart(table: _Table, propose: Propose, allow: Allow) -> None:
    waiting = table.waiting
    table.centers[waiting] = propose(waiting, _DART_ROUNDS)
    crowded = waiting[~np.isnan(table.centers[waiting, 0])]
    _settle(table, crowded, allow)
    # What was there first stays; of those put in last, the ones that still touch are given up.
    lying = table.lying
    order = np.lexsort((lying, np.isin(lying, waiting), table.movable[lying]))
    lying = lying[order]
    here = table.centers[lying]
    kept = table.kept(lying, here)
    table.centers[lying[~kept]] = np.nan


def _settle(table: _Table, crowded: NDArray[np.int64], allow: Allow) -> None:
    """Push nuclei around the crowded ones apart until none touch, for a bounded number of steps."""
    for _ in range(_SEARCHES):
        if not len(crowded):
            return
        crowded = _push_neighbourhoods(table, crowded, allow)


def _push_neighbourhoods(table: _Table, crowded: NDArray[np.int64], allow: Allow) -> NDArray[np.int64]:
    """Push nuclei around the crowded ones apart for some steps; return those that still touch."""
    lying = table.lying
    longest = float(table.bodies.reaches[lying].max()) + table.gap
    may_move, near = _neighbourhood(table.centers[lying], table.centers[crowded], longest)
    lying, may_move = lying[near], (may_move & table.movable[lying])[near]
    here = table.centers[lying]
    slack = 0.5 * float(np.median(table.bodies.radii[lying]))
    farthest = slack / _STEPS_BETWEEN_SEARCHES
    first, second = table.neighbours(lying, here, 2.0 * slack)
    depth, direction = np.zeros(len(first)), np.zeros((len(first), 2))
    touching = stale = np.arange(len(first))
    for _ in range(_STEPS_BETWEEN_SEARCHES):
        a, b = first[stale], second[stale]
        depth[stale], direction[stale] = table.intrusion(lying[a], lying[b], here[a], here[b])
        touching = np.flatnonzero(depth > 0.0)
        if not len(touching):
            break
        a, b = first[touching], second[touching]
        # A little more than needed, so that pairs do not creep towards contact for ever.
        push = direction[touching] * (depth[touching] * np.where(may_move[a] & may_move[b], 0.55, 1.1) + 0.02)[:, None]
        move = np.stack(
            [_summed(b, push[:, c], len(lying)) - _summed(a, push[:, c], len(lying)) for c in (0, 1)], axis=1
        )
        length = np.hypot(move[:, 0], move[:, 1])
        move *= np.minimum(1.0, farthest / np.maximum(length, 1e-9))[:, None]
        active = np.flatnonzero(may_move & (length > 0.0))
        there = here[active] + move[active]
        free = allow(lying[active], there)
        here[active[free]] = there[free]
        moved = np.zeros(len(lying), bool)
        moved[active[free]] = True
        stale = np.flatnonzero(moved[first] | moved[second])
    table.centers[lying] = here
    return np.asarray(lying[np.unique(np.concatenate([first[touching], second[touching]]))])


def _neighbourhood(
    points: NDArray[np.float64], middles: NDArray[np.float64], reach: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which points lie about one reach from a middle, and which up to three.

    Those within one may be moved; since the others are looked at and stay, no move goes unnoticed.
    """
    low = points.min(axis=0)
    cell = max(reach, float((points.max(axis=0) - low).max()) / _MOST_CELLS)
    places = ((points - low) / cell).astype(np.int64)
    cells = np.zeros(places.max(axis=0) + 1, bool)
    cells[tuple(((middles - low) / cell).astype(np.int64).T)] = True
    inner = _widened(cells)
    outer = _widened(_widened(inner))
    return inner[tuple(places.T)], outer[tuple(places.T)]


def _widened(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which cells are set or touch one that is."""
    wide = cells.copy()
    wide[1:] |= cells[:-1]
    wide[:-1] |= cells[1:]
    result = wide.copy()
    result[:, 1:] |= wide[:, :-1]
    result[:, :-1] |= wide[:, 1:]
    return result


def _summed(indices: NDArray[np.int64], values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return np.asarray(np.bincount(indices, values, count), np.float64)
