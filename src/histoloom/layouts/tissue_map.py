"""The tissue map: what lies between the nuclei, in coarse cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError
from histoloom.tiles.tissue import ANY, TISSUES
from histoloom.window import Window


@dataclass(frozen=True, eq=False)
class TissueMap:
    """What lies between the nuclei, coarsely; pixel ``(y, x)`` lies in cell ``(y // cell_size, x // cell_size)``.

    A map may be smaller or larger than its canvas: beyond it lies "any", which leaves the choice to the generator.

    Parameters
    ----------
    values
        ``uint8 (h, w)``, indices into `TISSUES`. Not to be changed: edits make a new map.
    cell_size
        Side of one cell in layout pixels, at least 1.

    Raises
    ------
    LayoutError
        If values or cell size are not usable.
    """

    values: NDArray[np.uint8]
    cell_size: int

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.dtype != np.uint8:
            raise LayoutError(
                f"A tissue map must be a uint8 array (h, w), not {self.values.dtype} {self.values.shape}; convert it."
            )
        if self.values.max(initial=0) >= len(TISSUES):
            raise LayoutError(
                f"A tissue map holds the value {self.values.max()}, but tissues are numbered from 0 to "
                f"{len(TISSUES) - 1} ({', '.join(TISSUES)}); renumber it."
            )
        if self.cell_size < 1:
            raise LayoutError(f"A tissue map has cells of {self.cell_size} pixels; give them a side of at least 1.")

    @classmethod
    def filled(cls, shape: tuple[int, int], cell_size: int, tissue: int = ANY) -> TissueMap:
        """Return a map of one tissue that covers a canvas of a height and width in pixels."""
        rows, columns = (-(-side // cell_size) for side in shape)
        return cls(np.full((rows, columns), tissue, np.uint8), cell_size)

    def equals(self, other: TissueMap | None) -> bool:
        """Whether cells and their values are the same."""
        return other is not None and self.cell_size == other.cell_size and np.array_equal(self.values, other.values)

    def pixels(self, window: Window) -> NDArray[np.uint8]:
        """Return the tissue of each pixel of a window, ``uint8 (H, W)``."""
        return self._taken(np.arange(window.y0, window.y1), np.arange(window.x0, window.x1), self.cell_size)

    def cropped(self, window: Window) -> TissueMap:
        """Return the map of a canvas that is a window of this one; it says the same of every pixel."""
        # The largest cell that both the map's grid and the window's corner are multiples of keeps the crop exact.
        cell = math.gcd(self.cell_size, window.y0, window.x0)
        height, width = window.shape
        rows = window.y0 // cell + np.arange(-(-height // cell))
        columns = window.x0 // cell + np.arange(-(-width // cell))
        return TissueMap(self._taken(rows, columns, self.cell_size // cell), cell)

    def painted(self, window: Window, tissue: int) -> TissueMap:
        """Return the map with every cell that a window (in pixels) touches made of one tissue."""
        values = self.values.copy()
        cell = self.cell_size
        values[max(window.y0 // cell, 0) : max(-(-window.y1 // cell), 0)][
            :, max(window.x0 // cell, 0) : max(-(-window.x1 // cell), 0)
        ] = tissue
        return TissueMap(values, cell)

    def changed_window(self, other: TissueMap) -> Window:
        """Return the smallest window, in pixels, outside which another map of equal cells says the same."""
        if self.cell_size != other.cell_size or self.values.shape != other.values.shape:
            sides = [np.array(each.values.shape) * each.cell_size for each in (self, other)]
            return Window.of_shape(tuple(np.maximum(*sides).tolist()))
        rows, columns = np.nonzero(self.values != other.values)
        if not len(rows):
            return Window(0, 0, 0, 0)
        cell = self.cell_size
        return Window(
            int(rows.min()) * cell,
            int(columns.min()) * cell,
            (int(rows.max()) + 1) * cell,
            (int(columns.max()) + 1) * cell,
        )

    def shares(self) -> dict[str, float]:
        """Return the share of the cells that each tissue has, by name, in 0..1."""
        counts = np.bincount(self.values.ravel(), minlength=len(TISSUES)) / max(self.values.size, 1)
        return dict(zip(TISSUES, counts.tolist(), strict=True))

    def _taken(self, rows: NDArray[np.int64], columns: NDArray[np.int64], side: int) -> NDArray[np.uint8]:
        """Return the values at rows and columns of a grid that is finer by a factor; "any" beyond the map."""
        taken = np.full((len(rows), len(columns)), ANY, np.uint8)
        places = []
        for indices, size in ((rows // side, self.values.shape[0]), (columns // side, self.values.shape[1])):
            inside = np.flatnonzero((indices >= 0) & (indices < size))
            places.append((inside, indices[inside]))
        (into_rows, from_rows), (into_columns, from_columns) = places
        taken[np.ix_(into_rows, into_columns)] = self.values[np.ix_(from_rows, from_columns)]
        return taken
