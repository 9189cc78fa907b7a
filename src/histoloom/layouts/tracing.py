"""From pixels to outlines: tracing along the cracks between pixels, without loss.

Contours through pixel centres (OpenCV's) lose one-pixel features and half a pixel all round; the cracks between pixels
give the mask back exactly, and two touching nuclei each get their own ring.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_EAST, _SOUTH, _WEST, _NORTH = range(4)


def trace_mask(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Trace a boolean mask ``(H, W)`` into rings of ``(y, x)`` corners at half-integers."""
    return trace_label_map(mask.astype(np.int32)).get(1, [])


def trace_label_map(label_map: NDArray[np.int32]) -> dict[int, list[NDArray[np.float64]]]:
    """Trace every label of a map.

    Parameters
    ----------
    label_map
        ``int (H, W)``, 0 is background.

    Returns
    -------
    dict
        For each label its rings, each ``float64 (N, 2)`` in ``(y, x)``: outer boundaries clockwise on the screen, holes
        counter-clockwise. Pixels joined only at a corner get rings of their own.
    """
    labels, starts, ends, headings, width = _crack_edges(label_map)
    if not len(labels):
        return {}
    following = _next_edges(labels, starts, ends, headings)
    ring_of, order = _edges_in_ring_order(following)
    previous = np.empty_like(following)
    previous[following] = np.arange(len(following))
    order = order[(headings[previous] != headings)[order]]
    vertices = np.stack([starts[order] // width - 0.5, starts[order] % width - 0.5], axis=1)
    vertices.flags.writeable = False
    first = np.flatnonzero(np.diff(ring_of[order], prepend=-1))
    owners = labels[order[first]].tolist()
    bounds = [*first.tolist(), len(order)]

    rings: dict[int, list[NDArray[np.float64]]] = {}
    for index, owner in enumerate(owners):
        rings.setdefault(owner, []).append(vertices[bounds[index] : bounds[index + 1]])
    return rings


def _crack_edges(
    label_map: NDArray[np.int32],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]:
    """Return label, start vertex, end vertex and heading of each unit edge, labels on the right-hand side."""
    padded = np.pad(label_map, 1)
    width = label_map.shape[1]
    columns = width + 1  # vertices per row; vertex (y, x) is the upper left corner of pixel (y, x)
    across = padded[:-1, 1:-1] != padded[1:, 1:-1]  # (H+1, W): cracks between rows
    along = padded[1:-1, :-1] != padded[1:-1, 1:]  # (H, W+1): cracks between columns
    parts = []
    y, x = np.nonzero(across)
    above, below = padded[y, x + 1], padded[y + 1, x + 1]
    left, right = y * columns + x, y * columns + x + 1
    parts.append((below, left, right, _EAST))
    parts.append((above, right, left, _WEST))
    y, x = np.nonzero(along)
    before, after = padded[y + 1, x], padded[y + 1, x + 1]
    top, bottom = y * columns + x, (y + 1) * columns + x
    parts.append((after, bottom, top, _NORTH))
    parts.append((before, top, bottom, _SOUTH))
    labels, starts, ends, headings = [], [], [], []
    for label, start, end, heading in parts:
        owned = label != 0
        labels.append(label[owned].astype(np.int64))
        starts.append(start[owned])
        ends.append(end[owned])
        headings.append(np.full(int(owned.sum()), heading))
    return (
        np.concatenate(labels),
        np.concatenate(starts),
        np.concatenate(ends),
        np.concatenate(headings),
        columns,
    )


def _next_edges(
    labels: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    headings: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return for each edge the one that follows it around its pixel region."""
    span = int(max(starts.max(), ends.max())) + 1
    leaving = labels * span + starts
    order = np.lexsort((headings, leaving))
    sorted_leaving = leaving[order]
    arriving = labels * span + ends
    candidate = np.searchsorted(sorted_leaving, arriving, side="left")
    alternative = np.minimum(candidate + 1, len(order) - 1)
    # Where two pixels of one label meet at a corner, turning right stays on the same pixel (4-connectivity).
    ambiguous = sorted_leaving[alternative] == arriving
    ambiguous &= alternative != candidate
    wanted = (headings + 1) % 4
    use_alternative = ambiguous & (headings[order[alternative]] == wanted)
    return np.asarray(order[np.where(use_alternative, alternative, candidate)])


def _edges_in_ring_order(following: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each edge's ring, named by the ring's lowest edge, and all edges in walking order from there.

    Pointer doubling (Wyllie 1979): after k rounds every edge has seen the next 2**k, so the longest ring takes
    log2(length) numpy passes where a walk would take a Python step for each edge.
    """
    ring, jump = np.arange(len(following)), following
    while True:
        lowest = np.minimum(ring, ring[jump])
        if np.array_equal(lowest, ring):
            break
        ring, jump = lowest, jump[jump]
    last = following == ring
    edges_left = np.where(last, 0, 1)
    jump = np.where(last, np.arange(len(following)), following)
    while True:
        more = edges_left[jump]
        if not more.any():
            break
        edges_left = edges_left + more
        jump = jump[jump]
    return ring, np.lexsort((-edges_left, ring))
