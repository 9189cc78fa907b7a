"""Judging a picture part by part: what must be judged (again), what a critic has to see for it, and the whole."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from histoloom.importance import Judgement
from histoloom.importance.weights import Bounds
from histoloom.window import Window

PART_SIDE = 512
"""Most pixels that a critic sees along each side at once, so that the newest stroke need not wait for long."""


class JudgedParts:
    """The logits of one picture, as far as they are known, and where they are out of date.

    Parameters
    ----------
    shape
        Height and width of the picture in pixels.
    step
        Pixels from one logit to the next.
    receptive_field
        Side in pixels of the square that a logit depends on.
    whole
        Whether the picture is only judged as a whole, as by critics that see its layout, or that say of a patch what
        depends on what is around it.
    """

    def __init__(self, shape: tuple[int, int], step: int, receptive_field: int, *, whole: bool = False) -> None:
        self.shape = shape
        self.revision = 0
        self._step = step
        self._margin = step * math.ceil(receptive_field / 2 / step)
        self._least = step * math.ceil(receptive_field / step)
        self._whole = whole
        rows, columns = (-(-side // step) for side in shape)
        self._logits = np.full((rows, columns), np.nan, np.float32)
        self._ratio = 1.0
        # The revision of the latest change in each logit's square; 0 where it is judged as it is.
        self._stale_since = np.zeros((rows, columns), np.int64)
        self.change(Window.of_shape(shape))

    @property
    def is_stale(self) -> bool:
        """Whether anything is left to judge."""
        return bool(self._stale_since.any())

    @property
    def is_whole(self) -> bool:
        """Whether all of the picture has been judged at some time."""
        return not bool(np.isnan(self._logits).any())

    @property
    def progress(self) -> float:
        """The share of the picture that has been judged, in 0..1."""
        return 1.0 - float(np.isnan(self._logits).mean())

    def change(self, window: Window) -> None:
        """Note that pixels have changed, and what is seen of them with them."""
        self.revision += 1
        whole = Window.of_shape(self.shape)
        touched = whole if self._whole else window.expanded(self._margin).intersection(whole)
        self._stale_since[self._cells_of(touched).slices] = self.revision

    def next_cells(self) -> Window | None:
        """Return which logits to ask for next, the latest change first; None where all is well."""
        if not self.is_stale:
            return None
        if self._whole or max(self.shape) <= PART_SIDE:
            return Window.of_shape(self._logits.shape)
        latest = self._stale_since == self._stale_since.max()
        most = max((PART_SIDE - 2 * self._margin) // self._step, PART_SIDE // 2 // self._step, 1)
        y0, y1 = _span(latest.any(axis=1), most)
        x0, x1 = _span(latest[y0:y1].any(axis=0), most)
        return Window(y0, x0, y1, x1)

    def seen_by(self, cells: Window) -> Window:
        """Return the pixels that a critic has to see to judge these cells."""
        window = self._pixels_of(cells).expanded(self._margin).intersection(Window.of_shape(self.shape))
        # At a corner, less than a receptive field would be left.
        (y0, y1), (x0, x1) = (
            self._at_least(*ends, side)
            for ends, side in zip(((window.y0, window.y1), (window.x0, window.x1)), self.shape, strict=True)
        )
        return Window(y0, x0, y1, x1)

    def patch(self, cells: Window, judgement: Judgement, bounds: Bounds | None) -> tuple[Window, NDArray[np.float32]]:
        """Return the pixels whose weights change with an answer, and their weights ``float32 (H, W)``.

        Parameters
        ----------
        cells
            What was asked for.
        judgement
            The answer for `seen_by` of them.
        bounds
            The least and the largest weight that is shown; None for any.
        """
        grid = Window.of_shape(self._logits.shape)
        # Weights between logits are interpolated: a logit is seen half a step into its neighbours.
        shown, needed = cells.expanded(1).intersection(grid), cells.expanded(2).intersection(grid)
        logits = self._logits[needed.slices].copy()
        inside = Window(cells.y0 - needed.y0, cells.x0 - needed.x0, cells.y1 - needed.y0, cells.x1 - needed.x0)
        logits[inside.slices] = self._answered(cells, judgement)
        # What is not known yet weighs 1.
        logits[np.isnan(logits)] = -math.log(judgement.ratio)
        around, target = self._pixels_of(needed), self._pixels_of(shown)
        weights = Judgement(logits, self._step, around.shape, judgement.ratio).weight_map(bounds)
        top, left = target.y0 - around.y0, target.x0 - around.x0
        return target, weights[top : top + target.shape[0], left : left + target.shape[1]]

    def take(self, cells: Window, judgement: Judgement, revision: int) -> None:
        """Take an answer for these cells, which was asked for at a revision."""
        self._logits[cells.slices] = self._answered(cells, judgement)
        self._ratio = judgement.ratio
        since = self._stale_since[cells.slices]
        since[since <= revision] = 0

    def judgement(self) -> Judgement:
        """Return the judgement of the whole picture; see `is_whole`."""
        return Judgement(self._logits.copy(), self._step, self.shape, self._ratio)

    def _at_least(self, start: int, end: int, side: int) -> tuple[int, int]:
        end = min(max(end, start + self._least), side)
        # Windows start where a logit's square does.
        start = min(start, max(end - self._least, 0) // self._step * self._step)
        return start, end

    def _answered(self, cells: Window, judgement: Judgement) -> NDArray[np.float32]:
        seen = self.seen_by(cells)
        top, left = cells.y0 - seen.y0 // self._step, cells.x0 - seen.x0 // self._step
        height, width = cells.shape
        return judgement.logits[top : top + height, left : left + width]

    def _cells_of(self, window: Window) -> Window:
        """Return the cells that hold pixels of a window."""
        step = self._step
        return Window(window.y0 // step, window.x0 // step, -(-window.y1 // step), -(-window.x1 // step))

    def _pixels_of(self, cells: Window) -> Window:
        scaled = Window(*(self._step * each for each in cells))
        return scaled.intersection(Window.of_shape(self.shape))


def _span(marked: NDArray[np.bool_], most: int) -> tuple[int, int]:
    """Return the first place that is marked and the end of the last one that is less than ``most`` beyond it."""
    places = np.flatnonzero(marked)
    start = int(places[0])
    return start, int(places[places < start + most][-1]) + 1
