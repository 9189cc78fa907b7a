"""Nuclei of large pictures, found block by block and put together across the seams. Nothing here needs PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from histoloom.window import Window

_SAME = 0.5
"""Share of a nucleus that another block's nuclei cover above which it is one of these."""


@dataclass(frozen=True, eq=False)
class BlockNuclei:
    """What was found in one block.

    Parameters
    ----------
    label_map
        ``int32 (H, W)`` of the block with its margin, nuclei from 1 to N.
    facts
        ``float32 (N + 1, F)``: what is known of each nucleus.
    """

    label_map: NDArray[np.int32]
    facts: NDArray[np.float32]


def blocks_of(shape: tuple[int, int], side: int, margin: int) -> Iterator[tuple[Window, Window]]:
    """Yield the cores, which cover a picture without overlap, and the same with a margin where the picture goes on."""
    whole = Window.of_shape(shape)
    rows, columns = (_bounds(each, side) for each in shape)
    for y0, y1 in rows:
        for x0, x1 in columns:
            core = Window(y0, x0, y1, x1)
            yield core, core.expanded(margin).intersection(whole)


class MergedNuclei:
    """Puts blocks together.

    A nucleus belongs to the block in whose core its centre lies. Two blocks may see a nucleus at their seam a little
    differently, so each also takes those whose centre lies just outside its core, and one of which more than half is
    taken already is the same nucleus again.

    Parameters
    ----------
    shape
        Height and width of the picture.
    slack
        How far outside the core that is, in pixels.
    """

    def __init__(self, shape: tuple[int, int], slack: int) -> None:
        self._label_map = np.zeros(shape, np.int32)
        self._slack = slack
        self._facts: list[NDArray[np.float32]] = []
        self._count = 0

    def add(self, found: BlockNuclei, core: Window, outer: Window) -> None:
        """Take in the nuclei of a block, whose label map lies at ``outer``."""
        labels = found.label_map
        rows, columns = np.nonzero(labels)
        own = labels[rows, columns]
        count = len(found.facts)
        area = np.maximum(np.bincount(own, minlength=count), 1)
        place = self._label_map[outer.slices]
        taken = np.bincount(own, weights=place[rows, columns] > 0, minlength=count) / area
        reach = core.expanded(self._slack)
        y = np.bincount(own, weights=rows, minlength=count) / area + outer.y0
        x = np.bincount(own, weights=columns, minlength=count) / area + outer.x0
        kept = (y >= reach.y0) & (y < reach.y1) & (x >= reach.x0) & (x < reach.x1) & (taken <= _SAME)
        kept[0] = False
        table = np.zeros(count, np.int32)
        table[kept] = self._count + np.arange(1, int(kept.sum()) + 1)
        new = table[labels]
        free = (place == 0) & (new > 0)
        place[free] = new[free]
        self._count += int(kept.sum())
        self._facts.append(found.facts[kept])

    def result(self, least_pixels: int) -> BlockNuclei:
        """Return all nuclei, numbered from 1 without gaps; what seams have left smaller than so many pixels goes."""
        counts = np.bincount(self._label_map.ravel(), minlength=self._count + 1)
        kept = counts >= max(least_pixels, 1)
        kept[0] = False
        table = np.zeros(len(counts), np.int32)
        table[kept] = np.arange(1, int(kept.sum()) + 1)
        width = self._facts[0].shape[1] if self._facts else 0
        facts = np.concatenate([np.zeros((1, width), np.float32), *self._facts])
        kept[0] = True
        return BlockNuclei(np.asarray(table[self._label_map]), facts[kept])


def _bounds(length: int, side: int) -> list[tuple[int, int]]:
    count = -(-length // side)
    places = [round(index * length / count) for index in range(count + 1)]
    return list(pairwise(places))
