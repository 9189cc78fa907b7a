"""The Select tool: click nuclei, drag them, and turn, scale, copy, delete, reclass or restack them by keys."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from histoloom.gui import selection_edits
from histoloom.gui.canvas_part import CanvasPart
from histoloom.gui.selection_edits import Changes, counted
from histoloom.gui.tools import Tool
from histoloom.window import Window

if TYPE_CHECKING:
    from napari.layers import Labels

    from histoloom.gui.canvas import Canvas
    from histoloom.gui.edit_session import EditSession

TURN_DEGREES = 15.0
GROWTH = 1.1
_COPY_OFFSET_UM = 2.5


class SelectTool(CanvasPart):
    """Selecting and changing whole nuclei.

    Parameters
    ----------
    canvas
        Whose nuclei are selected.
    """

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._drag: EditSession | None = None

    def attach(self, layer: Labels) -> None:
        """Follow the mouse in a Layout layer."""
        layer.mouse_drag_callbacks.insert(0, self._on_drag)

    def rotate(self, degrees: float) -> None:
        """Turn the selected nuclei, each about its own centre; positive is clockwise on the screen."""
        # Screen rows run downwards, and `Nucleus.rotated` turns from +y towards +x, which is counter-clockwise there.
        self._change("Turn", selection_edits.rotated, -math.radians(degrees))

    def scale(self, factor: float) -> None:
        """Enlarge the selected nuclei by a factor."""
        self._change("Scale", selection_edits.scaled, factor)

    def reclass(self, class_name: str) -> None:
        """Give the selected nuclei another class."""
        self._change("Reclass", selection_edits.reclassed, class_name)

    def reclass_number(self, number: int) -> None:
        """Give the selected nuclei the class with a number, counted from 1."""
        classes = self._canvas.layout.classes
        if number > len(classes):
            self._canvas.edit_message(f"There is no class {number}; this layout has {len(classes)}.")
            return
        self.reclass(classes[number - 1].name)

    def bring_to_front(self) -> None:
        """Lay the selected nuclei above all others."""
        self._change("Bring to the front", selection_edits.brought_to_front)

    def send_to_back(self) -> None:
        """Lay the selected nuclei below all others."""
        self._change("Send to the back", selection_edits.sent_to_back)

    def delete(self) -> None:
        """Delete the selected nuclei."""
        self._change("Delete", lambda _layout, ids: selection_edits.deleted(ids))

    def duplicate(self) -> None:
        """Copy the selected nuclei a little below and to the right, and select the copies."""
        canvas = self._canvas
        ids = self._chosen()
        if ids:
            offset = max(round(_COPY_OFFSET_UM / canvas.layout.pixel_size), 1)
            copies = selection_edits.duplicated(canvas.layout, ids, offset, offset)
            canvas.change(counted("Duplicate", len(ids)), copies, select=copies)

    def select_all(self) -> None:
        """Select every nucleus."""
        self._canvas.select(self._canvas.layout.nuclei)

    def cancel(self) -> None:
        """Put a drag that is under way back, or else clear the selection."""
        if self._drag is not None and not self._drag.is_over:
            self._drag.cancel()
            self._canvas.edit_message("The drag was taken back.")
        else:
            self._canvas.select(())

    def _change(self, verb: str, edit: Any, *values: Any) -> None:
        ids = self._chosen()
        if ids:
            changes: Changes = edit(self._canvas.layout, ids, *values)
            self._canvas.change(counted(verb, len(ids)), changes)

    def _chosen(self) -> frozenset[int]:
        if not self._canvas.selection:
            self._canvas.edit_message("No nucleus is selected; click one first.")
        return self._canvas.selection

    def _on_drag(self, layer: Labels, event: Any) -> Iterator[None]:
        canvas = self._canvas_reference()
        if canvas is None or canvas.tool is not Tool.SELECT or event.button != 1:
            return
        canvas.brush.flush()
        start = tuple(layer.world_to_data(event.position))
        label = canvas.label_at(start)
        adding = "Shift" in {str(each) for each in event.modifiers}
        if label:
            yield from self._drag_nuclei(canvas, layer, event, start, label, adding)
        else:
            yield from self._drag_background(canvas, layer, event, start, adding)

    def _drag_nuclei(
        self, canvas: Canvas, layer: Labels, event: Any, start: tuple[float, ...], label: int, adding: bool
    ) -> Iterator[None]:
        was_selected = label in canvas.selection
        if not was_selected:
            canvas.select(canvas.selection | {label} if adding else {label})
        ids = canvas.selection
        session = self._drag = canvas.begin(counted("Move", len(ids)))
        shift = (0, 0)
        layer.mouse_pan = False
        try:
            yield
            while event.type == "mouse_move":
                shift = _whole_pixels(start, layer.world_to_data(event.position))
                if session.is_due and (shift != (0, 0) or session.is_previewed):
                    session.preview(selection_edits.moved(session.baseline, ids, *shift))
                yield
        finally:
            layer.mouse_pan = True
        if session.is_over:
            return
        if shift != (0, 0) or session.is_previewed:
            session.commit(selection_edits.moved(session.baseline, ids, *shift) if shift != (0, 0) else {})
            return
        session.cancel()
        if was_selected:
            canvas.select(canvas.selection - {label} if adding else {label})

    def _drag_background(
        self, canvas: Canvas, layer: Labels, event: Any, start: tuple[float, ...], adding: bool
    ) -> Iterator[None]:
        before = canvas.selection if adding else frozenset[int]()
        layer.mouse_pan = not adding  # with Shift the drag is a box, without it the view moves
        is_click = True
        try:
            yield
            while event.type == "mouse_move":
                is_click = False
                if adding:
                    box = _box(start, layer.world_to_data(event.position))
                    canvas.select(before | selection_edits.ids_inside(canvas.layout, box))
                yield
        finally:
            layer.mouse_pan = True
        if is_click and not adding:
            canvas.select(())


def _whole_pixels(start: tuple[float, ...], stop: Any) -> tuple[int, int]:
    # A nucleus moved by whole pixels keeps its very texture.
    return round(float(stop[0]) - start[0]), round(float(stop[1]) - start[1])


def _box(start: tuple[float, ...], stop: Any) -> Window:
    (y0, y1), (x0, x1) = (sorted((round(start[axis]), round(float(stop[axis])))) for axis in (0, 1))
    return Window(y0, x0, y1 + 1, x1 + 1)
