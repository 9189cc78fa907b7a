"""The patches that a quilt may be made of: where in the source they lie, how they are turned, and which fit a place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoloom.keyed_random import keyed_hash

COARSE = 4
"""Patches are compared and seams are cut at this fraction of the size, where that is cheap."""

BLOCK = 16
"""Patches lie on a grid of this many pixels; their margins are first compared as means over such blocks."""

_MOST_PATCHES = 4096
_SEARCHED = 384
_STEPS_PER_DENSITY = 64.0
_MOST_STEPS = 127.0
_MOST_COPIED = 3 * 1024**2
_LIKE_DIRECTION = 0.2


class PatchTable:
    """Square patches of one source; a patch is known by its number.

    Parameters
    ----------
    source
        Optical density ``float32 (3, H, W)``, at least 16 x 16: channels come first, because arithmetic over a last
        axis of three is several times slower.
    side
        Side of a patch in pixels, a multiple of 16 and not larger than the source.
    margin
        Width in pixels of the frame by which a patch is fitted to its place.
    """

    def __init__(self, source: NDArray[np.float32], side: int, margin: int) -> None:
        # Cropped to the grid, so that mirrored versions of all sizes agree.
        height, width = (length // BLOCK * BLOCK for length in source.shape[1:])
        source = source[:, :height, :width]
        coarse = block_means(source, COARSE)
        self._side = side
        numbers = _alike_orientations(coarse)
        self._sources = [_oriented(source, number, copied=source.size <= _MOST_COPIED) for number in numbers]
        self._coarse_sources = [_oriented(coarse, number, copied=True) for number in numbers]
        blocks = [block_means(picture, BLOCK // COARSE) for picture in self._coarse_sources]
        places = [
            (orientation, y, x)
            for orientation, picture in enumerate(blocks)
            for y in range(picture.shape[1] - side // BLOCK + 1)
            for x in range(picture.shape[2] - side // BLOCK + 1)
        ]
        shuffled = np.argsort(keyed_hash(np.arange(len(places)), 0xB10C), kind="stable")[:_MOST_PATCHES]
        self._places = [places[index] for index in shuffled]

        cells = side // BLOCK
        rim = -(-margin // BLOCK)
        inside = np.zeros((cells, cells), bool)
        inside[rim : cells - rim, rim : cells - rim] = True
        self._frame = np.flatnonzero(~inside)
        margins = self._steps(np.stack([blocks[o][:, y : y + cells, x : x + cells] for o, y, x in self._places]))
        # A run of patches may start anywhere, so the first ones stand at the end again.
        self._searched = min(_SEARCHED, len(margins))
        self._margins = np.concatenate([margins, margins[: self._searched]])
        self._squares = np.einsum("nf,nf->n", self._margins, self._margins)

    def __len__(self) -> int:
        """How many patches there are."""
        return len(self._places)

    def cut(self, number: int) -> NDArray[np.float32]:
        """Return a patch ``(3, P, P)``."""
        orientation, y, x = self._places[number]
        y, x = y * BLOCK, x * BLOCK
        patch: NDArray[np.float32] = self._sources[orientation][:, y : y + self._side, x : x + self._side]
        return patch

    def cut_coarse(self, number: int) -> NDArray[np.float32]:
        """Return a patch at a quarter of the size, ``(3, P / 4, P / 4)``."""
        orientation, y, x = self._places[number]
        y, x, side = y * BLOCK // COARSE, x * BLOCK // COARSE, self._side // COARSE
        patch: NDArray[np.float32] = self._coarse_sources[orientation][:, y : y + side, x : x + side]
        return patch

    def fitting(self, below: NDArray[np.float32], starts: list[int], count: int) -> list[list[int]]:
        """Return for each place the numbers of the ``count`` patches with the most similar margins, the best one first.

        Parameters
        ----------
        below
            What lies in the N places, at a quarter of the size ``(N, 3, P / 4, P / 4)``.
        starts
            Only a run of some hundred patches from this number on is searched, so that not the same few patches are
            chosen everywhere.
        count
            How many numbers to return, at most.
        """
        found = []
        for start, wanted in zip(starts, self._steps(block_means(below, BLOCK // COARSE)), strict=True):
            run = slice(start, start + self._searched)
            distance = self._squares[run] - 2.0 * (self._margins[run] @ wanted)
            best = np.argsort(distance, kind="stable")[:count]
            found.append([(start + index) % len(self) for index in best.tolist()])
        return found

    def _steps(self, blocks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return margins ``(N, F)`` as whole numbers, whose sums are exact: the order of adding cannot matter."""
        margin = blocks.reshape(*blocks.shape[:2], -1)[..., self._frame].reshape(len(blocks), -1)
        margin = np.round(margin * np.float32(_STEPS_PER_DENSITY))
        return np.minimum(margin, np.float32(_MOST_STEPS), out=margin)


def block_means(pictures: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """Return means over square blocks ``(..., H / block, W / block)``, cropped to whole blocks."""
    height, width = (length // block * block for length in pictures.shape[-2:])
    rows = (
        sum(pictures[..., first:height:block, :width] for first in range(1, block))
        + pictures[..., :height:block, :width]
    )
    total = sum(rows[..., first::block] for first in range(1, block)) + rows[..., ::block]
    return np.asarray(total * np.float32(1.0 / block**2), np.float32)


def _oriented(picture: NDArray[np.float32], number: int, *, copied: bool) -> NDArray[np.float32]:
    """Return one of the eight mirrored and turned versions; copies are quicker to cut from."""
    picture = picture[:, ::-1] if number & 1 else picture
    picture = picture[:, :, ::-1] if number & 2 else picture
    picture = picture.transpose(0, 2, 1) if number & 4 else picture
    return np.ascontiguousarray(picture) if copied else picture


def _alike_orientations(picture: NDArray[np.float32]) -> list[int]:
    """Return the versions in which fibres run as in the picture; without a direction, that is all eight.

    Turned at will, muscle and aligned collagen become parquet.
    """
    down, right = np.gradient(picture.mean(axis=0))
    vertical, horizontal, mixed = (float((a * b).mean()) for a, b in ((down, down), (right, right), (down, right)))
    total = max(vertical + horizontal, 1e-12)
    straight, slanted = (vertical - horizontal) / total, 2.0 * mixed / total
    alike = []
    for number in range(8):
        mirrored = -1.0 if (number & 1) ^ (number >> 1 & 1) else 1.0
        transposed = -1.0 if number & 4 else 1.0
        change = np.hypot(straight * (transposed - 1.0), slanted * (mirrored - 1.0))
        if change <= _LIKE_DIRECTION:
            alike.append(number)
    return alike
