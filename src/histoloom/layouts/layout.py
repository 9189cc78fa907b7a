"""The layout: where nuclei are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError
from histoloom.layouts.classes import DEFAULT_CLASS, DEFAULT_CLASSES, NucleusClass, classes_for
from histoloom.layouts.measures import measure_outlines
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.outline import Outline
from histoloom.layouts.scanlines import outline_spans, paint_spans
from histoloom.layouts.tissue_map import TissueMap
from histoloom.layouts.tracing import trace_label_map
from histoloom.tiles.tissue import tissue_cell_pixels
from histoloom.window import Window

DEFAULT_PIXEL_SIZE = 0.25
"""µm per pixel assumed when nothing says otherwise: a 40x objective."""

LEAST_PIXEL_SIZE, MOST_PIXEL_SIZE = 0.01, 100.0
"""µm per pixel that a layout may have: from beyond the microscope's resolution to beyond the naked eye's."""

MAX_ID = np.iinfo(np.int32).max

MOST_CANVAS_SIDE = 2**30
"""The largest height and width of a canvas in pixels."""

MAX_RASTER_PIXELS = 2**31
"""The largest label map made in one piece; larger canvases are rasterized by windows."""


@dataclass(frozen=True, eq=False)
class Layout:
    """The table of nuclei of one canvas; immutable, edits make a new one.

    Parameters
    ----------
    nuclei
        Nuclei by id.
    shape
        Height and width of the canvas in pixels.
    pixel_size
        µm per pixel.
    classes
        The classes that nuclei may have, in the order of their one-hot encoding.
    tissue_map
        Optional map of what lies between the nuclei.
    provenance
        Plain JSON values: recipe, seed, source file's hash; never a path or a patient's data.
    """

    nuclei: Mapping[int, Nucleus]
    shape: tuple[int, int]
    pixel_size: float = DEFAULT_PIXEL_SIZE
    classes: tuple[NucleusClass, ...] = DEFAULT_CLASSES
    tissue_map: TissueMap | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        height, width = self.shape
        if height < 1 or width < 1:
            raise LayoutError(
                f"A canvas of {height} x {width} pixels has no area; give a height and width of at least 1."
            )
        if height > MOST_CANVAS_SIDE or width > MOST_CANVAS_SIDE:
            raise LayoutError(
                f"A canvas of {height:.6g} x {width:.6g} pixels is too large; give a height and width of at most 2**30."
            )
        if not LEAST_PIXEL_SIZE <= self.pixel_size <= MOST_PIXEL_SIZE:
            raise LayoutError(
                f"A pixel size of {self.pixel_size} µm is not possible; give a number from {LEAST_PIXEL_SIZE:g} to "
                f"{MOST_PIXEL_SIZE:g}, such as 0.25."
            )
        names = {each.name for each in self.classes}
        for key, nucleus in self.nuclei.items():
            if key != nucleus.id or not 0 < key <= MAX_ID:
                raise LayoutError(
                    f"Nucleus id {nucleus.id} is not usable; ids are distinct whole numbers from 1 to {MAX_ID}."
                )
            if nucleus.class_name not in names:
                raise LayoutError(
                    f"Nucleus {nucleus.id} has the class '{nucleus.class_name}', which the layout does not list; "
                    "add it to the classes or reclass the nucleus."
                )
        object.__setattr__(self, "nuclei", MappingProxyType(dict(self.nuclei)))
        object.__setattr__(self, "shape", (int(height), int(width)))

    @classmethod
    def empty(cls, shape: tuple[int, int], pixel_size: float = DEFAULT_PIXEL_SIZE) -> Layout:
        """Return a layout without nuclei."""
        return cls({}, shape, pixel_size)

    @classmethod
    def from_nuclei(
        cls,
        nuclei: Iterable[Nucleus],
        shape: tuple[int, int],
        pixel_size: float = DEFAULT_PIXEL_SIZE,
        **other: Any,
    ) -> Layout:
        """Return a layout of the given nuclei; classes that the default table lacks are added to it."""
        table = {}
        for nucleus in nuclei:
            if nucleus.id in table:
                raise LayoutError(f"Two nuclei have the id {nucleus.id}; give each its own.")
            table[nucleus.id] = nucleus
        if "classes" not in other:
            names = [each.name for each in DEFAULT_CLASSES]
            other["classes"] = classes_for([*names, *(each.class_name for each in table.values())])
        return cls(table, shape, pixel_size, **other)

    @classmethod
    def from_label_map(
        cls,
        label_map: NDArray[np.integer[Any]],
        pixel_size: float = DEFAULT_PIXEL_SIZE,
        class_names: Mapping[int, str] | None = None,
        **other: Any,
    ) -> Layout:
        """Return the layout whose rasterization is ``label_map``.

        Parameters
        ----------
        label_map
            Integer ``(H, W)``; 0 is background, every other value one nucleus. Call
            `histoloom.layouts.repair_label_map` first on maps of unknown origin.
        pixel_size
            µm per pixel.
        class_names
            Class of each id; ids that are missing are of class ``"nucleus"``.
        **other
            Further fields of `Layout`.
        """
        if label_map.ndim != 2 or not np.issubdtype(label_map.dtype, np.integer):
            raise LayoutError(
                f"A label map must be a whole-number array (H, W), not {label_map.dtype} {label_map.shape}; "
                "repair it first."
            )
        if label_map.size and (label_map.min() < 0 or label_map.max() > MAX_ID):
            raise LayoutError(f"A label map holds ids outside 0..{MAX_ID}; renumber them first.")
        names = class_names or {}
        rings = trace_label_map(label_map.astype(np.int32, copy=False))
        ids = sorted(rings)
        outlines = [Outline.from_checked_rings(tuple(rings[label])) for label in ids]
        nuclei = Nucleus.create_many(ids, outlines, [names.get(label, DEFAULT_CLASS) for label in ids])
        shape = (label_map.shape[0], label_map.shape[1])
        return cls.from_nuclei(nuclei, shape, pixel_size, **other)

    @property
    def window(self) -> Window:
        """The whole canvas."""
        return Window.of_shape(self.shape)

    @cached_property
    def stacked(self) -> tuple[Nucleus, ...]:
        """All nuclei from the bottom to the top."""
        return tuple(sorted(self.nuclei.values(), key=_stacking))

    def nuclei_in(self, window: Window) -> list[Nucleus]:
        """Return the nuclei whose bounding boxes touch a window, from the bottom to the top."""
        if not self.nuclei:
            return []
        boxes = self._boxes
        touching = (
            (boxes[:, 0] < window.y1)
            & (boxes[:, 2] > window.y0)
            & (boxes[:, 1] < window.x1)
            & (boxes[:, 3] > window.x0)
        )
        return [self.stacked[index] for index in np.flatnonzero(touching)]

    def rasterize(self, window: Window | None = None) -> NDArray[np.int32]:
        """Return the label map ``int32 (H, W)`` of a window (default: the canvas); upper nuclei hide lower ones.

        Raises
        ------
        LayoutError
            If the window has more than `MAX_RASTER_PIXELS` pixels.
        """
        window = self.window if window is None else window
        height, width = window.shape
        if height * width > MAX_RASTER_PIXELS:
            raise LayoutError(
                f"A label map of {height} x {width} pixels would need {height * width * 4 / 2**30:.0f} GB of memory; "
                "rasterize it by windows."
            )
        canvas = np.zeros(window.shape, np.int32)
        # Runs of a large canvas all at once would need many times the memory of its pixels.
        for top in range(window.y0, window.y1, _BAND):
            band = Window(top, window.x0, min(top + _BAND, window.y1), window.x1)
            nuclei = self.nuclei_in(band)
            if nuclei:
                owners, rows, starts, stops = outline_spans([each.outline for each in nuclei], band)
                ids = np.array([each.id for each in nuclei], np.int32)
                paint_spans(canvas[top - window.y0 : band.y1 - window.y0], band, rows, starts, stops, ids[owners])
        return canvas

    def centroids(self) -> NDArray[np.float64]:
        """Return ``float (N, 2)`` centres of mass ``(y, x)`` in the order of ids."""
        return measure_outlines([self.nuclei[each].outline for each in sorted(self.nuclei)]).centroids

    def next_id(self) -> int:
        """Return an id that is free, and so are those that follow it: see `first_free_id`."""
        return first_free_id(self.nuclei)

    def next_z_order(self) -> int:
        """Return a z-order above all nuclei; a nucleus that has the highest possible must be lowered first."""
        return max((nucleus.z_order for nucleus in self.nuclei.values()), default=-1) + 1

    def with_nuclei(self, changes: Mapping[int, Nucleus | None]) -> Layout:
        """Return the layout with some nuclei added or replaced, and those given as None removed."""
        table = dict(self.nuclei)
        for key, nucleus in changes.items():
            if nucleus is None:
                table.pop(key, None)
            else:
                table[key] = nucleus
        edited = replace(self, nuclei=table)
        edited._inherit_order(self, changes)  # noqa: SLF001 - of the same class
        return edited

    def with_tissue_map(self, tissue_map: TissueMap | None) -> Layout:
        """Return the layout with another tissue map, or none."""
        edited = replace(self, tissue_map=tissue_map)
        for name in ("stacked", "_boxes"):
            if name in self.__dict__:
                edited.__dict__[name] = self.__dict__[name]
        return edited

    def tissue_pixels(self, window: Window | None = None) -> NDArray[np.uint8]:
        """Return the tissue of each pixel of a window (default: the canvas), ``uint8 (H, W)``; "any" without a map."""
        window = self.window if window is None else window
        return np.zeros(window.shape, np.uint8) if self.tissue_map is None else self.tissue_map.pixels(window)

    def with_tissue(self, window: Window, tissue: int) -> Layout:
        """Return the layout with every cell of its tissue map that a window touches made of one tissue.

        A layout without a map gets one, of "any" elsewhere.
        """
        return self.with_tissue_map((self.tissue_map or blank_tissue_map(self)).painted(window, tissue))

    def resized(self, shape: tuple[int, int]) -> Layout:
        """Return the layout on a canvas of another size; nuclei outside stay in the table."""
        return replace(self, shape=shape)

    def equals(self, other: Layout) -> bool:
        """Whether table, canvas, pixel size, classes and tissue map are the same; provenance may differ."""
        return (
            dict(self.nuclei) == dict(other.nuclei)
            and self.shape == other.shape
            and self.pixel_size == other.pixel_size
            and self.classes == other.classes
            and (other.tissue_map is None if self.tissue_map is None else self.tissue_map.equals(other.tissue_map))
        )

    @cached_property
    def _boxes(self) -> NDArray[np.int64]:
        bounds = measure_outlines([nucleus.outline for nucleus in self.stacked]).bounds
        return np.concatenate([np.ceil(bounds[:, :2]), np.floor(bounds[:, 2:]) + 1], axis=1).astype(np.int64)

    def _inherit_order(self, previous: Layout, changes: Mapping[int, Nucleus | None]) -> None:
        """Take stacking and boxes over from the layout before a small edit, since measuring all again is slow."""
        if "_boxes" not in previous.__dict__ or len(changes) > _FEW:
            return
        stacked = list(previous.stacked)
        boxes = previous._boxes
        old = [previous.nuclei[key] for key in changes if key in previous.nuclei]
        for nucleus in old:
            index = bisect_left(stacked, _stacking(nucleus), key=_stacking)
            del stacked[index]
            boxes = np.delete(boxes, index, axis=0)
        for new in changes.values():
            if new is not None:
                index = bisect_left(stacked, _stacking(new), key=_stacking)
                stacked.insert(index, new)
                boxes = np.insert(boxes, index, new.outline.window, axis=0)
        self.__dict__["stacked"] = tuple(stacked)
        self.__dict__["_boxes"] = boxes


def blank_tissue_map(layout: Layout) -> TissueMap:
    """Return a tissue map of "any" that covers a layout's canvas, in cells of the usual size."""
    return TissueMap.filled(layout.shape, tissue_cell_pixels(layout.pixel_size))


def first_free_id(taken: Collection[int], room: int = 1_000_000) -> int:
    """Return the id from which new nuclei can be numbered.

    Parameters
    ----------
    taken
        Ids that exist, from 1 to `MAX_ID`.
    room
        How many ids in a row shall be free from it on.

    Returns
    -------
    int
        The lowest id above all that exist; where that leaves too little room below `MAX_ID`, the lowest with as much
        room before the next id that exists, or the start of the longest run of free ids.
    """
    highest = max(taken, default=0)
    if highest <= MAX_ID - room:
        return highest + 1
    bounds = np.concatenate([[0], np.unique(np.fromiter(taken, np.int64, len(taken))), [MAX_ID + 1]])
    free = np.diff(bounds) - 1
    index = int(np.argmax(free >= room)) if (free >= room).any() else int(np.argmax(free))
    return int(bounds[index]) + 1


_FEW = 32
_BAND = 1024


def _stacking(nucleus: Nucleus) -> tuple[int, int]:
    return nucleus.z_order, nucleus.id
