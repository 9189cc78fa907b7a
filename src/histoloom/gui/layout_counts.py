"""How many nuclei, of which classes and sizes: counted as edits come in."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from histoloom.layouts import Layout, LayoutEdit
from histoloom.layouts.measures import measure_outlines


class LayoutCounts:
    """Counts of one layout; an edit costs as much as it changes, not as much as the layout holds.

    Parameters
    ----------
    layout
        What is counted.
    """

    def __init__(self, layout: Layout) -> None:
        self.reset(layout)

    def reset(self, layout: Layout) -> None:
        """Count another layout from the beginning."""
        self._square_mm = layout.shape[0] * layout.shape[1] * layout.pixel_size**2 * 1e-6
        self._pixel_size = layout.pixel_size
        nuclei = list(layout.nuclei.values())
        areas = measure_outlines([each.outline for each in nuclei]).areas
        self._diameters = {each.id: self._diameter(float(area)) for each, area in zip(nuclei, areas, strict=True)}
        self._classes = Counter({each.name: 0 for each in layout.classes})
        self._classes.update(each.class_name for each in nuclei)

    def follow(self, edit: LayoutEdit) -> None:
        """Take an edit into account."""
        for nucleus in edit.before.values():
            if nucleus is not None:
                self._classes[nucleus.class_name] -= 1
                self._diameters.pop(nucleus.id, None)
        for nucleus in edit.after.values():
            if nucleus is not None:
                self._classes[nucleus.class_name] += 1
                self._diameters[nucleus.id] = self._diameter(nucleus.outline.area)

    @property
    def total(self) -> int:
        """Number of nuclei."""
        return len(self._diameters)

    @property
    def by_class(self) -> dict[str, int]:
        """Number of nuclei of each class."""
        return dict(self._classes)

    @property
    def per_square_mm(self) -> float:
        """Nuclei in each square millimetre of the canvas."""
        return self.total / self._square_mm

    @property
    def diameters(self) -> NDArray[np.float64]:
        """Equivalent diameters in µm, ``float (N,)``: of the discs with the same areas."""
        return np.fromiter(self._diameters.values(), np.float64, len(self._diameters))

    def _diameter(self, area: float) -> float:
        return 2.0 * math.sqrt(max(area, 0.0) / math.pi) * self._pixel_size
