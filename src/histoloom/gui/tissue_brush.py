"""The tissue brush: strokes in the Tissue layer become edits of the layout's tissue map."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QTimer

from histoloom.gui.canvas_layers import TISSUE
from histoloom.gui.canvas_part import CanvasPart
from histoloom.gui.edit_session import PREVIEW_SECONDS
from histoloom.gui.tissue_layer import show_tissue, shown_tissue_map
from histoloom.gui.tools import Tool
from histoloom.layouts import Layout, LayoutEdit, TissueChange, TissueMap
from histoloom.tiles.tissue import BLANK, TISSUES

if TYPE_CHECKING:
    from napari.layers import Labels

    from histoloom.gui.canvas import Canvas

LEAST_DIAMETER, MOST_DIAMETER = 4.0, 400.0
"""Limits of the brush in µm."""

_TITLE = "Paint tissue"


class TissueBrush(CanvasPart):
    """Painting what lies between the nuclei.

    The layer is shown while the tool is used, and hidden when another is chosen. The layout's map is the truth; the
    layer shows it. While a stroke is under way its cells go into the layout provisionally, and its end is one step of
    the history.

    Parameters
    ----------
    canvas
        Whose tissue map is painted.
    """

    changed = Signal()
    """Another tissue or diameter was chosen."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._tissue = BLANK
        self._diameter = 24.0
        self._previewed_at = 0.0
        self._before: Layout | None = None
        canvas.layout_edited.connect(self._on_edited)
        canvas.layout_replaced.connect(self._on_replaced)
        canvas.tool_changed.connect(self._on_tool)

    @property
    def tissue(self) -> int:
        """What is painted next, an index into `TISSUES`; setting it readies the layer."""
        return self._tissue

    @tissue.setter
    def tissue(self, tissue: int) -> None:
        self._tissue = tissue
        self._get_ready()
        self.changed.emit()

    @property
    def diameter(self) -> float:
        """Diameter of the brush in µm."""
        return self._diameter

    @diameter.setter
    def diameter(self, diameter: float) -> None:
        self._diameter = min(max(diameter, LEAST_DIAMETER), MOST_DIAMETER)
        self._get_ready()
        self.changed.emit()

    def choose(self, tissue: int) -> None:
        """Take the tool in hand, with a tissue."""
        self.tissue = tissue
        self._canvas.tool = Tool.TISSUE
        self._canvas.edit_message(f"Tissue brush: {TISSUES[tissue]}, {self._diameter:.0f} µm.")

    def layer(self) -> Labels:
        """Return the Tissue layer, made if missing."""
        canvas = self._canvas
        layer = canvas.layers.tissue(canvas.layout)
        self._get_ready()
        return layer

    def attach(self, layer: Labels) -> None:
        """Follow a Tissue layer's strokes."""
        layer.mouse_drag_callbacks.insert(0, self._on_drag)
        layer.events.paint.connect(self._on_paint)
        layer.events.selected_label.connect(self._on_selected_label)

    def give(self, title: str, tissue_map: TissueMap | None) -> None:
        """Give the layout another tissue map, or (None) take its away, as one step of the history."""
        self.flush()
        canvas = self._canvas
        canvas.apply(LayoutEdit.of_tissue(title, canvas.layout, tissue_map))

    def flush(self) -> None:
        """Take painted cells that still wait for their turn into the layout now."""
        canvas, layer = self._canvas_reference(), self._layer
        before, self._before = self._before, None
        if canvas is None or layer is None:
            return
        edit = self._edit(canvas, layer)
        heard = before is not None and before.tissue_map is not canvas.layout.tissue_map
        if edit.is_empty and not heard:
            return
        wanted = edit.applied_to(canvas.layout).tissue_map
        whole = LayoutEdit.of_tissue(_TITLE, before or canvas.layout, wanted)
        if not whole.is_empty:
            canvas.push_edit(whole)
        canvas.show_edit(edit, True, draws=False)

    @property
    def _layer(self) -> Labels | None:
        canvas = self._canvas_reference()
        return None if canvas is None else canvas.layers.find(TISSUE)

    def _edit(self, canvas: Canvas, layer: Labels) -> LayoutEdit:
        """Return what leads from the layout's map to what the layer shows."""
        shown = shown_tissue_map(canvas.layout)
        data = np.asarray(layer.data)
        if data.shape != shown.values.shape:
            # Somebody gave the layer other data; the layout is the truth.
            show_tissue(layer, canvas.layout)
            return LayoutEdit(_TITLE, {}, {})
        if np.array_equal(data, shown.values):
            return LayoutEdit(_TITLE, {}, {})
        # napari lets people choose labels that no tissue has.
        values = np.where(data < len(TISSUES), data, self._tissue).astype(np.uint8)
        return LayoutEdit(_TITLE, {}, {}, TissueChange(canvas.layout.tissue_map, TissueMap(values, shown.cell_size)))

    def _on_drag(self, layer: Labels, event: Any) -> Iterator[None]:
        canvas = self._canvas_reference()
        if canvas is None or str(layer.mode) not in {"paint", "erase"} or event.button != 1:
            return
        self.flush()
        show_tissue(layer, canvas.layout)
        self._before = canvas.layout
        self._previewed_at = time.monotonic()
        yield
        while event.type == "mouse_move":
            # Called before napari's own callback, so this shows what the events before have painted.
            if self._before is not None and time.monotonic() - self._previewed_at >= PREVIEW_SECONDS:
                edit = self._edit(canvas, layer)
                if not edit.is_empty:
                    canvas.show_edit(edit, False, draws=False)
                self._previewed_at = time.monotonic()
            yield
        QTimer.singleShot(0, self.flush)

    def _on_paint(self, _event: object) -> None:
        # Fills and polygons send the event before napari has written the cells.
        QTimer.singleShot(0, self.flush)

    def _on_selected_label(self, event: Any) -> None:
        label = int(event.source.selected_label)
        if label < len(TISSUES) and label != self._tissue:
            self._tissue = label
            self.changed.emit()

    def _on_edited(self, edit: LayoutEdit, _final: bool) -> None:
        canvas, layer = self._canvas_reference(), self._layer
        if edit.tissue is not None and canvas is not None and layer is not None:
            show_tissue(layer, canvas.layout)

    def _on_replaced(self, layout: Layout) -> None:
        self._before = None
        layer = self._layer
        if layer is not None:
            show_tissue(layer, layout)
            self._get_ready()

    def _on_tool(self, tool: Tool) -> None:
        layer = self._layer
        if layer is not None and tool is not Tool.TISSUE:
            self.flush()
            layer.visible = False

    def _get_ready(self) -> None:
        canvas, layer = self._canvas_reference(), self._layer
        if canvas is None or layer is None:
            return
        if layer.selected_label != self._tissue:
            layer.selected_label = self._tissue
        layer.brush_size = max(round(self._diameter / float(layer.scale[0])), 1)
