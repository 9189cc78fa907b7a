"""A layout that is edited many times a second and asked for small windows only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from histoloom.layouts import Layout, Nucleus, TissueMap
from histoloom.window import Window


class NearbyNuclei:
    """The nuclei of a layout with their bounding boxes, so that an edit costs what it changes, not the whole table.

    Parameters
    ----------
    layout
        The layout to begin with.
    """

    def __init__(self, layout: Layout) -> None:
        self._nuclei: dict[int, Nucleus] = {}
        self._rows: dict[int, int] = {}
        self._ids = np.zeros(0, np.int64)
        self._boxes = np.zeros((0, 4), np.int64)
        self._frame = replace(layout, nuclei={})
        self.change(layout.nuclei)

    @property
    def window(self) -> Window:
        """The whole canvas."""
        return self._frame.window

    def change(self, rows: Mapping[int, Nucleus | None]) -> None:
        """Add or replace nuclei; those given as None are removed."""
        self._reserve(len(self._nuclei) + len(rows))
        for key, nucleus in rows.items():
            if nucleus is None:
                self._remove(key)
            else:
                row = self._rows.setdefault(key, len(self._nuclei))
                self._nuclei[key] = nucleus
                self._ids[row] = key
                self._boxes[row] = nucleus.outline.window

    def set_tissue(self, tissue_map: TissueMap | None) -> None:
        """Replace the tissue map."""
        self._frame = self._frame.with_tissue_map(tissue_map)

    def near(self, window: Window) -> Layout:
        """Return the layout with only those nuclei whose bounding boxes touch a window."""
        boxes = self._boxes[: len(self._nuclei)]
        touching = (
            (boxes[:, 0] < window.y1)
            & (boxes[:, 2] > window.y0)
            & (boxes[:, 1] < window.x1)
            & (boxes[:, 3] > window.x0)
        )
        ids = self._ids[: len(self._nuclei)][touching].tolist()
        return replace(self._frame, nuclei={key: self._nuclei[key] for key in ids})

    def whole(self) -> Layout:
        """Return the layout with all nuclei."""
        return replace(self._frame, nuclei=self._nuclei)

    def _remove(self, key: int) -> None:
        if key not in self._nuclei:
            return
        # The last row moves into the gap.
        row, last = self._rows.pop(key), len(self._nuclei) - 1
        del self._nuclei[key]
        if row != last:
            moved = int(self._ids[last])
            self._rows[moved] = row
            self._ids[row], self._boxes[row] = moved, self._boxes[last]

    def _reserve(self, count: int) -> None:
        if count > len(self._ids):
            missing = max(count, 2 * len(self._ids)) - len(self._ids)
            self._ids = np.concatenate([self._ids, np.zeros(missing, np.int64)])
            self._boxes = np.concatenate([self._boxes, np.zeros((missing, 4), np.int64)])
