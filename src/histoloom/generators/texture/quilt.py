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

from histoloom.generators.texture.patches import BLOCK, COARSE, PatchTable
from histoloom.generators.texture.seams import opacities_within_corners, opacities_within_sides
from histoloom.keyed_random import keyed_hash
from histoloom.window import Window

Cell = tuple[int, int]
Piece = tuple[int, NDArray[np.float32] | None]
"""Number of a patch, and its opacity at the coarse size (None: it is the lowest)."""

# Patches of the first two rounds touch only at corners, those of the last two have neighbours on all four sides.
_ROUNDS = ((0, 0), (1, 1), (0, 1), (1, 0))
_CANDIDATES = 4
_MOST_PLANS = 4096


class Quilt:
    """An endless background quilted from a source; a pure function of (source, seed, canvas coordinates).

    Patches are chosen and seams are cut at a quarter of the size, where that is cheap; only the patches that a window
    shows are laid at full size.

    Parameters
    ----------
    source
        Optical density ``float32 (3, H, W)``.
    patch
        Side of a patch in pixels; reduced for small sources.
    """

    def __init__(self, source: NDArray[np.float32], patch: int = 192) -> None:
        side = max(min(patch, min(source.shape[1:]) * 3 // 4) // BLOCK * BLOCK, BLOCK)
        self._patch = side
        self._overlap = max(side // 4 // COARSE * COARSE, COARSE)
        self._step = self._patch - self._overlap
        self._table = PatchTable(source, side, self._overlap)
        self._plans: OrderedDict[tuple[int, Cell], Piece] = OrderedDict()

    def read(self, seed: int, window: Window) -> NDArray[np.float32]:
        """Return optical density ``float32 (3, H, W)`` of a window of the canvas."""
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
        output = np.zeros((3, *window.shape), np.float32)
        for i, j in _in_order_of_rounds(cells):
            number, opacity = self._plans[seed, (i, j)]
            place = Window(i * step, j * step, i * step + side, j * step + side)
            part = place.intersection(window)
            inside = part.relative_to(place).slices
            piece = self._table.cut(number)[:, *inside]
            below = output[:, *part.relative_to(window).slices]
            if opacity is None:
                below[:] = piece
            else:
                full = cv2.resize(opacity, (side, side), interpolation=cv2.INTER_LINEAR)
                change = piece - below
                change *= full[inside]
                below += change
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
        step, side, margin = (length // COARSE for length in (self._step, self._patch, self._overlap))
        picture = np.zeros((3, *(length * step + margin for length in wide.shape)), np.float32)
        plan: list[tuple[Cell, Piece]] = []
        for number, parity in enumerate(_ROUNDS):
            members = _of_parity(reach[number], parity)
            if not members:
                continue
            corners = [((i - wide.y0) * step, (j - wide.x0) * step) for i, j in members]
            views = [picture[:, y : y + side, x : x + side] for y, x in corners]
            at = np.array(members)
            keys = (keyed_hash(seed, at[:, 0], at[:, 1]) % np.uint64(len(self._table))).tolist()
            opacities: list[NDArray[np.float32]] | list[None] = [None] * len(members)
            if number == 0:
                for view, key in zip(views, keys, strict=True):
                    view[:] = self._table.cut_coarse(key)
            else:
                below = np.stack(views)
                if number >= 2:
                    keys = self._fitted(below, keys)
                changes = np.stack([self._table.cut_coarse(key) for key in keys]) - below
                cut = opacities_within_sides if number >= 2 else opacities_within_corners
                opacities = list(cut((changes * changes).sum(axis=1), margin))
                for view, change, opacity in zip(views, changes, opacities, strict=True):
                    view += opacity * change
            plan += [
                (cell, (key, opacity))
                for cell, key, opacity in zip(members, keys, opacities, strict=True)
                if shown.y0 <= cell[0] < shown.y1 and shown.x0 <= cell[1] < shown.x1
            ]
        return plan

    def _fitted(self, below: NDArray[np.float32], keys: list[int]) -> list[int]:
        """Choose for each place ``(N, 3, p, p)`` the patch whose margins fit best."""
        side, margin = below.shape[-1], self._overlap // COARSE
        candidates = self._table.fitting(below, keys, _CANDIDATES)
        frame = np.ones((side, side), np.float32)
        frame[margin:-margin, margin:-margin] = 0.0
        chosen = []
        for numbers, lower in zip(candidates, below, strict=True):
            errors = np.stack([self._table.cut_coarse(number) for number in numbers]) - lower
            errors *= errors
            errors *= frame
            chosen.append(numbers[int(errors.sum(axis=(1, 2, 3)).argmin())])
        return chosen


def _in_order_of_rounds(cells: Window) -> list[Cell]:
    return [cell for parity in _ROUNDS for cell in _of_parity(cells, parity)]


def _of_parity(cells: Window, parity: tuple[int, int]) -> list[Cell]:
    return [
        (i, j)
        for i in range(cells.y0 + (cells.y0 + parity[0]) % 2, cells.y1, 2)
        for j in range(cells.x0 + (cells.x0 + parity[1]) % 2, cells.x1, 2)
    ]
