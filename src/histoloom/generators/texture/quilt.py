"""Background of any size from one small picture: image quilting that any window can be cut from.

Image quilting (Efros and Freeman, SIGGRAPH 2001) lays patches of the source side by side, each chosen to fit what
already lies there, and cuts the seams where the two differ least. It works from left to right, so a pixel depends on
everything before it. Here patches are laid in four rounds by the parity of their row and column: a patch only looks at
its neighbours of earlier rounds, whose choices are keyed by the seed and their place. A pixel then depends on a bounded
neighbourhood, and a window of the canvas can be woven without the rest, byte for byte.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from histoloom.keyed_random import keyed_hash
from histoloom.window import Window

Cell = tuple[int, int]
Piece = tuple[int, NDArray[np.float32] | None]
"""Key of a patch, and its opacity at the coarse size (None: it is the lowest)."""

# Patches of the first two rounds touch only at corners, those of the last two have neighbours on all four sides.
_ROUNDS = ((0, 0), (1, 1), (0, 1), (1, 0))
_CANDIDATES = 16
_COARSE = 4
_MOST_PLANS = 4096
_MOST_COPIED = 3 * 1024**2


class Quilt:
    """An endless background quilted from a source; a pure function of (source, seed, canvas coordinates).

    Patches are chosen and seams are cut at a quarter of the size, where that is cheap; only the patches that a window
    shows are laid at full size.

    Parameters
    ----------
    source
        Optical density ``float32 (H, W, 3)``.
    patch
        Side of a patch in pixels; reduced for small sources.
    """

    def __init__(self, source: NDArray[np.float32], patch: int = 192) -> None:
        # Cropped to the coarse grid, so that the mirrored versions of both sizes agree.
        height, width = (length // _COARSE * _COARSE for length in source.shape[:2])
        source = source[:height, :width]
        self._patch = max(min(patch, min(height, width) * 3 // 4) // 8 * 8, 16)
        self._overlap = max(self._patch // 4 // 4 * 4, 4)
        self._step = self._patch - self._overlap
        self._sources = _orientations(source)
        self._coarse_sources = _orientations(_reduced(source))
        self._plans: OrderedDict[tuple[int, Cell], Piece] = OrderedDict()

    def read(self, seed: int, window: Window) -> NDArray[np.float32]:
        """Return optical density ``float32 (H, W, 3)`` of a window of the canvas."""
        import cv2

        step, side = self._step, self._patch
        cells = Window(
            (window.y0 - side) // step + 1,
            (window.x0 - side) // step + 1,
            -(-window.y1 // step),
            -(-window.x1 // step),
        )
        while len(self._plans) > _MOST_PLANS:
            self._plans.popitem(last=False)
        self._plan_all(seed, cells)
        output = np.zeros((*window.shape, 3), np.float32)
        for i, j in _in_order_of_rounds(cells):
            key, opacity = self._plans[seed, (i, j)]
            place = Window(i * step, j * step, i * step + side, j * step + side)
            part = place.intersection(window)
            piece = _cut(self._sources, side, 1, key)[part.relative_to(place).slices]
            below = output[part.relative_to(window).slices]
            if opacity is None:
                below[:] = piece
            else:
                full = cv2.resize(opacity, (side, side), interpolation=cv2.INTER_LINEAR)
                below += full[part.relative_to(place).slices][..., None] * (piece - below)
        return output

    def _plan_all(self, seed: int, cells: Window) -> None:
        """Plan the patches of a range of cells that have not been planned yet."""
        missing = [cell for cell in _in_order_of_rounds(cells) if (seed, cell) not in self._plans]
        if not missing:
            return
        rows, columns = [cell[0] for cell in missing], [cell[1] for cell in missing]
        for cell, piece in self._planned(seed, Window(min(rows), min(columns), max(rows) + 1, max(columns) + 1)):
            self._plans[seed, cell] = piece

    def _planned(self, seed: int, shown: Window) -> list[tuple[Cell, Piece]]:
        """Return the pieces of the shown cells."""
        # A patch of a late round needs its neighbours' patches, so each earlier round reaches one cell further.
        reach = (shown.expanded(2), shown.expanded(2), shown.expanded(1), shown)
        wide = reach[0]
        step, side = self._step // _COARSE, self._patch // _COARSE
        size = [length * step + self._overlap // _COARSE for length in wide.shape]
        picture = np.zeros((*size, 3), np.float32)
        plan: list[tuple[Cell, Piece]] = []
        for number, parity in enumerate(_ROUNDS):
            area = reach[number]
            members = _of_parity(area, parity)
            if not members:
                continue
            corners = [((i - wide.y0) * step, (j - wide.x0) * step) for i, j in members]
            views = [picture[y : y + side, x : x + side] for y, x in corners]
            at = np.array(members)
            keys = keyed_hash(seed, at[:, :1], at[:, 1:], np.arange(_CANDIDATES if number >= 2 else 1))
            alphas: list[NDArray[np.float32] | None]
            if number < 2:
                chosen = keys[:, 0].tolist()
                alphas = [None] * len(members)
                for view, key in zip(views, chosen, strict=True):
                    view[:] = _cut(self._coarse_sources, side, _COARSE, key)
            else:
                chosen, opacities = self._fitted(views, keys)
                alphas = list(opacities)
            plan += [
                (cell, (key, alpha))
                for cell, key, alpha in zip(members, chosen, alphas, strict=True)
                if shown.y0 <= cell[0] < shown.y1 and shown.x0 <= cell[1] < shown.x1
            ]
        return plan

    def _fitted(
        self, views: list[NDArray[np.float32]], keys: NDArray[np.uint64]
    ) -> tuple[list[int], NDArray[np.float32]]:
        """Choose for each place the candidate whose margins fit best, cut its seams, and lay it, all coarsely."""
        side, margin = self._patch // _COARSE, self._overlap // _COARSE
        candidates = [_cut(self._coarse_sources, side, _COARSE, key) for key in keys.reshape(-1).tolist()]
        # Every second pixel is enough to choose by.
        sampled = np.stack([candidate[::2, ::2] for candidate in candidates])
        below = np.stack(views)
        sampled = sampled.reshape(len(views), _CANDIDATES, *sampled.shape[1:]) - below[:, None, ::2, ::2]
        sampled *= sampled
        inner = slice(margin // 2, -(margin // 2))
        sampled[:, :, inner, inner] = 0.0
        best = sampled.sum(axis=(2, 3, 4)).argmin(axis=1)
        chosen = np.stack([candidates[_CANDIDATES * index + number] for index, number in enumerate(best.tolist())])
        opacities = _opacities(((chosen - below) ** 2).sum(axis=-1), margin)
        for view, patch, opacity in zip(views, chosen, opacities, strict=True):
            view += opacity[..., None] * (patch - view)
        return keys[np.arange(len(views)), best].tolist(), opacities


def _in_order_of_rounds(cells: Window) -> list[Cell]:
    return [cell for parity in _ROUNDS for cell in _of_parity(cells, parity)]


def _of_parity(cells: Window, parity: tuple[int, int]) -> list[Cell]:
    return [
        (i, j)
        for i in range(cells.y0 + (cells.y0 + parity[0]) % 2, cells.y1, 2)
        for j in range(cells.x0 + (cells.x0 + parity[1]) % 2, cells.x1, 2)
    ]


def _orientations(source: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the eight mirrored and turned versions; of small sources as copies, which are quicker to cut from."""
    versions = []
    for number in range(8):
        version = source[::-1] if number & 1 else source
        version = version[:, ::-1] if number & 2 else version
        version = version.transpose(1, 0, 2) if number & 4 else version
        versions.append(np.ascontiguousarray(version) if source.size <= _MOST_COPIED else version)
    return versions


def _cut(sources: list[NDArray[np.float32]], side: int, scale: int, key: int) -> NDArray[np.float32]:
    """Cut a square patch from the place, and in the orientation, that the key tells."""
    source = sources[key >> 40 & 7]
    # Places are multiples of the coarse grid, so that a patch and its small version show the same.
    rows = (source.shape[0] - side) * scale // _COARSE + 1
    columns = (source.shape[1] - side) * scale // _COARSE + 1
    y = key % rows * _COARSE // scale
    x = (key >> 20) % columns * _COARSE // scale
    return source[y : y + side, x : x + side]


def _reduced(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return block means over the coarse grid, cropped to whole blocks."""
    height, width = (length // _COARSE for length in picture.shape[:2])
    blocks = picture[: height * _COARSE, : width * _COARSE]
    return np.asarray(blocks.reshape(height, _COARSE, width, _COARSE, 3).mean(axis=(1, 3)), np.float32)


def _opacities(errors: NDArray[np.float32], margin: int) -> NDArray[np.float32]:
    """Return for each patch ``(N, P, P)`` 1 inside the cheapest seams along its four sides, 0 outside, soft between."""
    count, side = errors.shape[:2]
    bands = [
        errors[:, :margin].transpose(0, 2, 1),
        errors[:, ::-1][:, :margin].transpose(0, 2, 1),
        errors[:, :, :margin],
        errors[:, :, ::-1][:, :, :margin],
    ]
    seams = _cheapest_seams(np.concatenate(bands)).reshape(4, count, side)
    # Distance to the seam, from the patch's edge inwards; the outermost pixels always belong to what lies below.
    inside = np.clip(np.arange(margin) - seams[..., None] + 0.5, 0, 1).astype(np.float32)
    inside[..., 0] = 0.0
    top, bottom, left, right = inside
    opacity = np.ones((count, side, side), np.float32)
    opacity[:, :margin] *= top.transpose(0, 2, 1)
    opacity[:, ::-1][:, :margin] *= bottom.transpose(0, 2, 1)
    opacity[:, :, :margin] *= left
    opacity[:, :, ::-1][:, :, :margin] *= right
    return opacity


def _cheapest_seams(errors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return for each band ``(N, length, width)`` the cheapest path along its length: columns ``(N, length)``."""
    count, length, width = errors.shape
    cost = errors.copy()
    padded = np.full((count, width + 2), np.inf, np.float32)
    for row in range(1, length):
        padded[:, 1:-1] = cost[:, row - 1]
        cost[:, row] += np.minimum(np.minimum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    seams = np.empty((count, length), np.int64)
    every = np.arange(count)
    column = cost[:, -1].argmin(axis=1)
    seams[:, -1] = column
    for row in range(length - 2, -1, -1):
        options = np.clip(column[:, None] + np.array([-1, 0, 1]), 0, width - 1)
        column = options[every, cost[every[:, None], row, options].argmin(axis=1)]
        seams[:, row] = column
    return seams
