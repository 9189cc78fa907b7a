"""The Sketch layer: closed shapes become nuclei, open ones are curves, and outlines are edited by their vertices."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from histoloom.errors import LayoutError
from histoloom.gui.canvas_layers import SKETCH
from histoloom.gui.canvas_part import CanvasPart
from histoloom.gui.drawn_outline import editable_ring, outline_of_shape, require_on_canvas, with_ring
from histoloom.gui.selection_edits import counted
from histoloom.gui.tools import Tool
from histoloom.layouts import Layout, LayoutEdit, Nucleus

if TYPE_CHECKING:
    from napari.layers import Shapes

    from histoloom.gui.canvas import Canvas

MOST_EDITED = 50
"""Shapes layers are slow with many shapes; dense nuclei live in the Layout layer."""


_OPEN = frozenset({"path", "line"})

Curves = list[NDArray[np.float64]]


class Sketch(CanvasPart):
    """What happens to shapes.

    Parameters
    ----------
    canvas
        Whose nuclei are sketched.
    """

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._edited: dict[int, NDArray[np.float64]] = {}
        self._known: Curves = []
        self._is_ours = False
        self._is_waiting = False
        canvas.layout_edited.connect(self._on_layout_edited)
        canvas.layout_replaced.connect(self._on_layout_replaced)

    def attach(self, layer: Shapes) -> None:
        """Follow what is drawn in a Sketch layer; one that was deleted comes back with its curves."""
        # Outlines that were being edited went with the former layer: that ended their editing, and deleted no nucleus.
        self._edited = {}
        if self._known:
            self._show([])
        layer.events.data.connect(self._on_data)

    @property
    def edited(self) -> frozenset[int]:
        """Ids of the nuclei whose outlines lie in the Sketch layer for editing."""
        return frozenset(self._edited)

    def clear(self) -> None:
        """Empty the Sketch layer, without a step of the history."""
        self._known = []
        self._show([])

    def show_curves(self, curves: Curves) -> None:
        """Put curves into the layer in place of those there, without a step of the history."""
        self._known = [each.copy() for each in curves]
        if curves and self._layer is None:
            self._canvas.layers.sketch(self._canvas.layout)
        else:
            self._show(list(self._edited))

    def edit_outlines(self) -> None:
        """Put the selected nuclei's outlines into the Sketch layer, where their vertices can be dragged."""
        canvas = self._canvas
        ids = sorted(canvas.selection)
        if not ids:
            canvas.edit_message("No nucleus is selected; click one with the Select tool first.")
            return
        if len(ids) > MOST_EDITED:
            canvas.edit_message(f"At most {MOST_EDITED} outlines can be edited at a time; select fewer nuclei.")
            return
        canvas.tool = Tool.SKETCH
        self._show(ids)
        layer = self._layer
        if layer is not None:
            layer.mode = "direct"
        canvas.edit_message("Drag the vertices; the nucleus follows when you let go. Escape ends the editing.")

    def finish_drawing(self) -> None:
        """Finish the shape that is being drawn, and take it over now."""
        layer = self._layer
        if layer is not None and str(layer.mode).startswith("add_"):
            # Choosing a mode, even the same one, is napari's public way to finish a shape.
            mode = layer.mode
            layer.mode = "pan_zoom"
            layer.mode = mode
        self.settle()

    def settle(self) -> None:
        """Take over what has been finished in the Sketch layer but not been taken over yet."""
        if self._is_waiting:
            self.flush()

    def finish_or_close(self) -> None:
        """Close the shape that is being drawn; if outlines are being edited, end that and choose the Select tool."""
        self.finish_drawing()
        if self._edited:
            self.flush()
            self._show([])
            self._canvas.tool = Tool.SELECT

    def flush(self) -> None:
        """Take what has been drawn, dragged or deleted in the Sketch layer into the table now."""
        self._is_waiting = False
        layer = self._layer
        if layer is None:
            self._edited = {}
            return
        if self._is_ours:
            return
        shapes = [np.asarray(each, np.float64)[:, -2:] for each in layer.data]
        owners = self._owners(layer)
        changes: dict[int, Nucleus | None] = {}
        curves: Curves = []
        drew = is_touched = False
        for vertices, owner, shape_type in zip(shapes, owners, layer.shape_type, strict=True):
            if str(shape_type) in _OPEN:
                curves.append(vertices)
            elif owner not in self._edited:
                drew = True
                self._add(vertices, str(shape_type), changes)
            elif not np.array_equal(vertices, self._edited[owner]):
                is_touched = True
                self._reshape(owner, vertices, changes)
        erased = [key for key in self._edited if key not in owners]
        changes.update(dict.fromkeys(erased))
        self._take_curves(curves)
        if drew or is_touched or erased:
            self._commit(changes, drew)

    @property
    def curves(self) -> Curves:
        """Open paths and lines, ``float (N, 2)`` in canvas pixels, along which rows of nuclei can stand."""
        return [] if self._layer is None else [each.copy() for each in self._known]

    @property
    def _layer(self) -> Shapes | None:
        canvas = self._canvas_reference()
        return None if canvas is None else canvas.layers.find(SKETCH)

    def _on_data(self, event: Any) -> None:
        if self._is_ours or self._is_waiting or str(event.action) not in {"added", "changed", "removed"}:
            return
        # napari is in the middle of its own bookkeeping; shapes may only be taken away once it has finished.
        self._is_waiting = True
        QTimer.singleShot(0, self._flush_later)

    def _flush_later(self) -> None:
        if self._is_waiting and self._canvas_reference() is not None:
            self.flush()

    def _owners(self, layer: Shapes) -> list[int]:
        column = layer.features.get("nucleus")
        if column is None:
            return [0] * len(layer.data)
        return [0 if value is None or value != value else int(value) for value in column]

    def _take_curves(self, curves: Curves) -> None:
        before = self._known
        if len(curves) == len(before) and all(map(np.array_equal, curves, before)):
            return
        self._known = curves
        verb = "Draw" if len(curves) > len(before) else "Remove" if len(curves) < len(before) else "Reshape"
        number = abs(len(curves) - len(before)) or 1
        title = f"{verb} a curve" if number == 1 else f"{verb} {number} curves"
        self._canvas.push(CurvesCommand(self._canvas, title, before, curves))

    def _reshape(self, key: int, vertices: NDArray[np.float64], changes: dict[int, Nucleus | None]) -> None:
        nucleus = self._canvas.layout.nuclei.get(key)
        if nucleus is not None:
            try:
                changes[key] = nucleus.reshaped(with_ring(nucleus.outline, vertices))
            except LayoutError as error:
                self._canvas.edit_message(str(error))

    def _add(self, vertices: NDArray[np.float64], shape_type: str, changes: dict[int, Nucleus | None]) -> None:
        canvas = self._canvas
        added = sum(key not in canvas.layout.nuclei for key in changes)
        key = canvas.layout.next_id() + added
        try:
            outline = outline_of_shape(vertices, shape_type)
            require_on_canvas(outline, canvas.layout)
        except LayoutError as error:
            canvas.edit_message(str(error))
            return
        changes[key] = Nucleus.create(key, outline, canvas.class_name, canvas.layout.next_z_order() + added)

    def _commit(self, changes: dict[int, Nucleus | None], drew: bool) -> None:
        canvas = self._canvas
        edited = [key for key in self._edited if changes.get(key, True) is not None]
        edit = LayoutEdit.of(counted("Sketch", max(len(changes), 1)), canvas.layout, changes)
        self._edited = {key: self._edited[key] for key in edited}
        canvas.apply(edit)
        if drew or edit.is_empty:
            self._show(edited)

    def _on_layout_edited(self, edit: LayoutEdit, final: bool) -> None:
        touched = self._edited.keys() & edit.after.keys()
        if final and touched and not self._is_ours:
            self._show([key for key in self._edited if key in self._canvas.layout.nuclei])

    def _on_layout_replaced(self, _layout: Layout) -> None:
        if not self._edited:
            return
        # The outlines are those of the former layout, whose ids mean other nuclei now.
        self._show([])
        if self._canvas.tool is Tool.SKETCH:
            self._canvas.tool = Tool.SELECT

    def _show(self, ids: list[int]) -> None:
        layer = self._layer
        if layer is None:
            self._edited = {}
            return
        nuclei = self._canvas.layout.nuclei
        rings = {key: editable_ring(nuclei[key].outline) for key in ids if key in nuclei}
        mode = layer.mode
        curves = self._known
        self._is_ours = True
        try:
            if len(layer.data):
                layer.data = []
            if rings:
                layer.add(list(rings.values()), shape_type="polygon")
            if curves:
                layer.add(curves, shape_type="path")
            layer.features = {"nucleus": np.array([*rings, *[0] * len(curves)], np.int64)}
            layer.feature_defaults = {"nucleus": [0]}
            layer.mode = mode
        finally:
            self._is_ours = False
        self._edited = {
            key: np.asarray(shape, np.float64)[:, -2:] for key, shape in zip(rings, layer.data, strict=False)
        }


class CurvesCommand:
    """One change of the curves in the history.

    Parameters
    ----------
    canvas
        Where it was made.
    title
        What was done.
    before, after
        All curves, ``float (N, 2)`` each in ``(y, x)`` canvas pixels.
    """

    def __init__(self, canvas: Canvas, title: str, before: Curves, after: Curves) -> None:
        self._canvas = weakref.ref(canvas)
        self._before, self._after = before, after
        self.title = title

    def do(self) -> None:
        """Show the curves after the change."""
        self._show(self._after)

    def undo(self) -> None:
        """Show the curves before the change."""
        self._show(self._before)

    def _show(self, curves: Curves) -> None:
        canvas = self._canvas()
        if canvas is not None:
            canvas.sketch.show_curves(curves)
