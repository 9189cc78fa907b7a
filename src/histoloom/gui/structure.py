"""Structure of a canvas: found live, shown in the Structure layer, corrected by painting, accepted as a condition."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from histoloom.conditions import AcceptedStructure, EdgeRecipe, StructureMapRecipe
from histoloom.errors import HistoloomError
from histoloom.gui.canvas_layers import STRUCTURE, WOVEN
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.status_card import Level
from histoloom.gui.structure_corrections import UNTOUCHED, Key, StructureCorrections
from histoloom.gui.structure_finding import (
    SHOWN_VALUES,
    Kind,
    Source,
    StructureFound,
    find_structure,
    read_tile_for,
)
from histoloom.layouts import Layout
from histoloom.window import Window

if TYPE_CHECKING:
    from napari.layers import Labels

    from histoloom.gui.canvas import Canvas

_PAUSE_MS = 120
_STROKE_MS = 200
_LARGEST_PREVIEW = 4096 * 4096
_STRUCTURE, _NUCLEUS = 2, 1

_structures: weakref.WeakKeyDictionary[Canvas, Structure] = weakref.WeakKeyDictionary()


def structure_of(canvas: Canvas) -> Structure:
    """Return the structure of a canvas, made at the first call; it outlives the dock, as the history needs."""
    structure = _structures.get(canvas)
    if structure is None:
        structure = _structures[canvas] = Structure(canvas)
    return structure


class Structure(QObject):
    """What is looked for, what was found, and what people painted into it.

    Parameters
    ----------
    canvas
        The canvas; held weakly.
    """

    found = Signal(object)
    """A `StructureFound`, when it is shown."""
    told = Signal(object, str)
    """(level, sentence)."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__()
        self._canvas = weakref.ref(canvas)
        self._call = LatestCall(self)
        self._pause = _timer(self, _PAUSE_MS, self._find)
        self._after_stroke = _timer(self, _STROKE_MS, self._show)
        self._commit_soon = _timer(self, 0, self._commit)
        self._kind: Kind = "labels"
        self._source: Source = "tile"
        self._recipes: dict[Kind, Any] = {"labels": EdgeRecipe(), "map": StructureMapRecipe()}
        self._is_live = False
        self._see_through = True
        self._latest: StructureFound | None = None
        self._latest_kind: Kind = "labels"
        self._shown: NDArray[np.uint8] | None = None
        self._layer: weakref.ref[Labels] | None = None
        self._woven: weakref.ref[Any] | None = None
        self._tile: Any = canvas.tile
        self.corrections = StructureCorrections(self._on_history)
        canvas.layout_edited.connect(self._on_edited)
        canvas.layout_replaced.connect(self._on_replaced)
        canvas.tile_changed.connect(self._on_tile)

    @property
    def kind(self) -> Kind:
        """Labels of three values, or a map in black and white."""
        return self._kind

    @property
    def source(self) -> Source:
        """Where structure is looked for."""
        return self._source

    @property
    def latest(self) -> StructureFound | None:
        """What was found last, without what was painted."""
        return self._latest

    @property
    def is_settled(self) -> bool:
        """Whether everything asked for is shown."""
        waiting = (self._pause, self._after_stroke, self._commit_soon)
        return not self._call.is_busy and not any(each.isActive() for each in waiting)

    @property
    def painted(self) -> int:
        """How many pixels are painted."""
        canvas = self._canvas()
        return 0 if canvas is None else self.corrections.count((self._kind, canvas.layout.shape))

    def set_live(self, live: bool) -> None:
        """Follow tile, layout and parameters, or stop following."""
        self._is_live = live
        if live:
            self._pause.start()
        else:
            self._pause.stop()
            self._call.cancel()

    def look_for(self, kind: Kind, recipe: EdgeRecipe | StructureMapRecipe, source: Source) -> None:
        """Choose what is looked for and where; what was painted into this kind stays."""
        self._commit()
        self._kind, self._source = kind, source
        self._recipes[kind] = recipe
        self._follow_woven()
        self.renew()

    def renew(self) -> None:
        """Look again, after a short pause in which more may change."""
        if self._is_live:
            self._pause.start()

    def set_see_through(self, see_through: bool) -> None:
        """Show the tissue where there is no structure, or black as in the paper's figures."""
        self._see_through = see_through
        layer = self._found_layer()
        if layer is not None:
            layer.colormap = _colormap(see_through)

    def paint_with(self, value: int) -> None:
        """Let the next strokes in the Structure layer be edge (2), nucleus (1) or background (0)."""
        canvas = self._canvas()
        if canvas is None:
            return
        layer = self._ready_layer(canvas)
        layer.visible = True
        canvas.viewer.layers.selection.active = layer
        if value:
            layer.selected_label = value
        layer.mode = "paint" if value else "erase"

    def drop_corrections(self, title: str = "Drop corrections of the structure") -> None:
        """Take everything painted away, as one step of the history."""
        canvas = self._canvas()
        if canvas is None or not self.painted:
            return
        self._commit()
        shape = canvas.layout.shape
        canvas.push(
            self.corrections.paint(
                (self._kind, shape), title, Window.of_shape(shape), np.full(shape, UNTOUCHED, np.uint8)
            )
        )
        self._show()

    def accept(self) -> AcceptedStructure | None:
        """Give the canvas what is shown as its condition, and return it; None if nothing is shown yet."""
        canvas = self._canvas()
        if canvas is None:
            return None
        self._commit()
        latest = self._latest
        if latest is None or latest.values.shape != canvas.layout.shape:
            self.told.emit(Level.ATTENTION, "There is no structure to accept yet; wait until it is shown.")
            return None
        painted = self.corrections.of((self._latest_kind, canvas.layout.shape))
        corrected = np.zeros(canvas.layout.shape, bool) if painted is None else painted != UNTOUCHED
        labels = SHOWN_VALUES.take(self._with_corrections(latest.values, self._latest_kind))
        accepted = AcceptedStructure(labels, latest.encoding, corrected)
        canvas.accept_structure(accepted)
        note = f", {corrected.sum():,} pixels corrected by hand" if corrected.any() else ""
        self.told.emit(Level.OK, f"Accepted as condition: {(labels == 255).mean():.1%} structure pixels{note}.")
        return accepted

    def _on_edited(self, _edit: object, final: bool) -> None:
        if final:
            self.renew()

    def _on_replaced(self, _layout: Layout) -> None:
        canvas = self._canvas()
        if canvas is not None and not canvas.history.undoable and not canvas.history.redoable:
            self.corrections.forget()
        self._latest = None
        self.renew()

    def _on_tile(self) -> None:
        canvas = self._canvas()
        if canvas is None or canvas.tile is self._tile:
            return
        self._tile = canvas.tile
        if self._source == "tile":
            self.drop_corrections("Drop corrections of another tile's structure")
        self.renew()

    def _follow_woven(self) -> None:
        """Look again whenever the woven picture changes, while it is the source."""
        canvas = self._canvas()
        layer = None if canvas is None else canvas.layers.find(WOVEN)
        known = self._woven() if self._woven is not None else None
        if layer is not None and layer is not known:
            layer.events.set_data.connect(self._on_woven)
            self._woven = weakref.ref(layer)

    def _on_woven(self, _event: object = None) -> None:
        if self._source == "picture":
            self.renew()

    def _find(self) -> None:
        canvas = self._canvas()
        if canvas is None or not canvas.is_open:
            return
        layout = canvas.layout
        if layout.shape[0] * layout.shape[1] > _LARGEST_PREVIEW:
            self.told.emit(
                Level.ATTENTION, "The canvas is too large for a live preview; look at a part of at most 4096 × 4096."
            )
            return
        try:
            read = self._reader(canvas, layout)
        except HistoloomError as error:
            self._latest = None
            self.told.emit(Level.ATTENTION, str(error))
            return
        kind = self._kind
        self._call.start(
            partial(find_structure, layout, self._recipes[kind], self._source, read),
            partial(self._on_found, kind),
            self._on_failed,
        )

    def _reader(self, canvas: Canvas, layout: Layout) -> Callable[[], NDArray[np.uint8]]:
        """Return what reads the picture that structure is looked for in, in another thread."""
        if self._source == "contours":
            return lambda: np.zeros((0, 0, 3), np.uint8)
        if self._source == "tile":
            if canvas.tile is None:
                raise HistoloomError(
                    "There is no real tile on the canvas; open one, or look at the woven tissue or the contours."
                )
            return partial(read_tile_for, layout, canvas.tile)
        self._follow_woven()
        layer = canvas.layers.find(WOVEN)
        if layer is None:
            raise HistoloomError("Nothing is woven yet; switch live weaving on in the Weave dock.")
        # Live weaving writes into these pixels.
        return partial(np.array, layer.data)

    def _on_found(self, kind: Kind, found: StructureFound) -> None:
        canvas = self._canvas()
        if canvas is None or found.values.shape != canvas.layout.shape:
            return
        self._latest, self._latest_kind = found, kind
        self._show()
        self.found.emit(found)

    def _on_failed(self, error: Exception) -> None:
        self._latest = None
        text = str(error) if isinstance(error, HistoloomError) else f"The structure cannot be found ({error})."
        self.told.emit(Level.ERROR, text)

    def _on_history(self, key: Key) -> None:
        canvas = self._canvas()
        if canvas is not None and key == (self._kind, canvas.layout.shape):
            self._show()

    def _show(self) -> None:
        """Write what was found and painted into the layer, unless a stroke is under way in it."""
        canvas, latest = self._canvas(), self._latest
        if canvas is None or latest is None:
            return
        layer = self._ready_layer(canvas)
        if self._shown is not None and not np.array_equal(layer.data, self._shown):
            self._after_stroke.start()
            return
        values = self._with_corrections(latest.values, self._latest_kind)
        self._shown = values
        np.copyto(layer.data, values)
        layer.refresh(extent=False, highlight=False)

    def _with_corrections(self, values: NDArray[np.uint8], kind: Kind) -> NDArray[np.uint8]:
        painted = self.corrections.of((kind, (values.shape[0], values.shape[1])))
        return values.copy() if painted is None else np.where(painted == UNTOUCHED, values, painted)

    def _found_layer(self) -> Labels | None:
        canvas = self._canvas()
        return None if canvas is None else canvas.layers.find(STRUCTURE)

    def _ready_layer(self, canvas: Canvas) -> Labels:
        layer = canvas.layers.structure(canvas.layout)
        is_new = self._layer is None or self._layer() is not layer
        if is_new or self._shown is None or self._shown.shape != layer.data.shape:
            self._shown = np.array(layer.data)
        if is_new:
            self._layer = weakref.ref(layer)
            layer.colormap = _colormap(self._see_through)
            layer.events.paint.connect(self._on_paint)
        return layer

    def _on_paint(self, _event: object) -> None:
        # Fills send the event before napari has written the pixels.
        self._commit_soon.start()

    def _commit(self) -> None:
        """Take pixels that differ from what was shown as painted."""
        self._commit_soon.stop()
        canvas, layer, shown = self._canvas(), self._found_layer(), self._shown
        if canvas is None or layer is None or shown is None or layer.data.shape != shown.shape:
            return
        data = np.asarray(layer.data)
        rows, columns = np.nonzero(data != shown)
        if not len(rows):
            return
        if self._latest is None:
            self._take_back(layer, shown)
            return
        window = Window(int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
        painted = data[window.slices].copy()
        # Other labels than ours stand for structure, and a map has no nuclei.
        painted[painted > (_NUCLEUS if self._latest_kind == "labels" else 0)] = _STRUCTURE
        key: Key = (self._latest_kind, shown.shape)
        before = self.corrections.of(key)
        old = np.full(window.shape, UNTOUCHED, np.uint8) if before is None else before[window.slices]
        touched = _touched(painted, data[window.slices] != shown[window.slices], int(layer.brush_size))
        after = np.where(touched, painted, old)
        canvas.push(self.corrections.paint(key, "Correct the structure", window, after))
        self._shown = data.copy()
        self._show()

    def _take_back(self, layer: Labels, shown: NDArray[np.uint8]) -> None:
        np.copyto(layer.data, shown)
        layer.refresh(extent=False, highlight=False)
        self.told.emit(Level.ATTENTION, "There is no structure to correct yet; wait until it is shown.")


def _touched(painted: NDArray[np.uint8], changed: NDArray[np.bool_], brush_size: int) -> NDArray[np.bool_]:
    """Return which pixels a stroke has touched.

    napari only tells of those that it changed. An edge that was painted along as an edge must stay one as well when
    parameters change, so gaps in the stroke as wide as the brush, of the value that was painted, belong to it.
    """
    import cv2

    touched = changed.copy()
    kernel = np.ones((brush_size + 2, brush_size + 2), np.uint8)
    for value in np.unique(painted[changed]).tolist():
        own = (changed & (painted == value)).astype(np.uint8)
        touched |= (cv2.morphologyEx(own, cv2.MORPH_CLOSE, kernel) > 0) & (painted == value)
    return touched


def _timer(parent: QObject, milliseconds: int, call: Callable[[], object]) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(call)
    return timer


def _colormap(see_through: bool) -> Any:
    from napari.utils.colormaps import DirectLabelColormap

    background = (0.0, 0.0, 0.0, 0.0 if see_through else 1.0)
    grey = (128 / 255, 128 / 255, 128 / 255, 1.0)
    white = (1.0, 1.0, 1.0, 1.0)
    return DirectLabelColormap(color_dict={0: background, 1: grey, 2: white, None: white})
