"""Colours of the Layout layer: by class, a shade for each nucleus, and one colour for what is selected.

napari offers two label colour maps. The direct one is rebuilt entry by entry (measured: 80 ms for 800 nuclei) and has
to re-map the whole picture each time, so it cannot follow edits. The cyclic one is a plain table; a table that is
longer than the highest id never cycles and gives each id its own row. Rows are changed in place and only the table is
sent to the graphics card, which takes a few milliseconds for any number of nuclei.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap
from numpy.typing import NDArray

from histoloom.keyed_random import keyed_uniform
from histoloom.layouts import Layout

if TYPE_CHECKING:
    from napari.layers import Labels

SELECTED_COLOR = (0.0, 1.0, 1.0)
"""Cyan, which neither haematoxylin nor eosin has."""

_SMALLEST_TABLE = 4096
_LARGEST_TABLE = 2**16 - 1  # what fits the texture that napari makes; ids beyond it share rows
_SHADE = 0.16


class LabelColors:
    """The colour table of one Labels layer.

    Parameters
    ----------
    layer
        The layer; its colour map is replaced.
    """

    def __init__(self, layer: Labels) -> None:
        self._layer = layer
        self._selection: frozenset[int] = frozenset()
        self._table: NDArray[np.float32] = np.zeros((0, 4), np.float32)

    def show(self, layout: Layout, new_class: str, selection: Collection[int] = ()) -> None:
        """Colour every nucleus of a layout, and ids that do not exist yet like the class that they will have."""
        size = _table_size(max(layout.nuclei, default=0))
        if len(self._table) != size:
            colormap = CyclicLabelColormap(colors=np.ones((size, 4), np.float32), background_value=0)
            self._table = colormap.colors
            self._fill(layout, new_class, selection)
            self._layer.colormap = colormap
            return
        self._fill(layout, new_class, selection)
        self._send()

    def update(self, layout: Layout, ids: Iterable[int], new_class: str, selection: Collection[int]) -> None:
        """Colour the given nuclei again after an edit, if their colours are not right already."""
        ids = list(ids)
        if _table_size(max(ids, default=0)) > len(self._table):
            self.show(layout, new_class, selection)
            return
        names = [layout.nuclei[key].class_name if key in layout.nuclei else new_class for key in ids]
        rows = np.array([self._row(key) for key in ids], np.int64)
        wanted = _colors(layout, np.array(ids, np.int64), names)
        wanted[[key in selection for key in ids], :3] = SELECTED_COLOR
        self._selection = frozenset(selection)
        # Strokes mostly bring ids whose rows were prepared by `show`; then nothing is sent.
        if len(ids) and not np.array_equal(self._table[rows], wanted):
            self._table[rows] = wanted
            self._send()

    def select(self, layout: Layout, new_class: str, selection: Collection[int]) -> None:
        """Colour what has been selected, and what no longer is."""
        self.update(layout, self._selection.symmetric_difference(selection), new_class, selection)

    def _fill(self, layout: Layout, new_class: str, selection: Collection[int]) -> None:
        names = np.full(len(self._table), new_class, object)
        for key in layout.nuclei:
            names[self._row(key)] = layout.nuclei[key].class_name
        self._table[:] = _colors(layout, np.arange(len(self._table)), names.tolist())
        for key in selection:
            self._table[self._row(key), :3] = SELECTED_COLOR
        self._table[0] = 0.0
        self._selection = frozenset(selection)

    def _row(self, key: int) -> int:
        # As napari cycles: row 0 is the background's, whatever the id.
        return (key - 1) % (len(self._table) - 1) + 1

    def _send(self) -> None:
        self._layer.events.colormap()


def _table_size(highest_id: int) -> int:
    # Room for many more ids, so that the table is not outgrown in the middle of a drawing.
    wanted = max(_SMALLEST_TABLE, highest_id + _SMALLEST_TABLE // 2)
    return min(1 << (wanted - 1).bit_length(), _LARGEST_TABLE)


def _colors(layout: Layout, ids: NDArray[np.int64], names: list[str]) -> NDArray[np.float32]:
    base = {each.name: np.array(each.color, np.float64) / 255.0 for each in layout.classes}
    fallback = next(iter(base.values()))
    rgb = np.array([base.get(name, fallback) for name in names]).reshape(-1, 3)
    shade = 1.0 + _SHADE * (2.0 * keyed_uniform(ids, 0xC0108) - 1.0)
    rgba = np.ones((len(ids), 4), np.float32)
    rgba[:, :3] = np.clip(rgb * shade[:, None], 0.0, 1.0)
    return rgba
