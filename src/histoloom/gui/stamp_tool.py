"""The Stamp tool: a click places a nucleus of the current stamp, a drag strews them along the way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from histoloom.errors import LayoutError
from histoloom.gui.canvas_part import CanvasPart
from histoloom.gui.drawn_outline import require_on_canvas
from histoloom.gui.selection_edits import counted
from histoloom.gui.tools import Tool
from histoloom.keyed_random import keyed_hash
from histoloom.layouts import Layout, Nucleus
from histoloom.layouts.stamps import STAMPS, Stamp, stamp_nucleus

if TYPE_CHECKING:
    from napari.layers import Labels

    from histoloom.gui.canvas import Canvas

TURN_DEGREES = 15.0
GROWTH = 1.1
_SMALLEST, _LARGEST = 0.25, 4.0
_SPACING = 1.15


class StampTool(CanvasPart):
    """Placing nuclei by clicks.

    Parameters
    ----------
    canvas
        Where they are placed.
    """

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._name = next(iter(STAMPS))
        self._diameter = STAMPS[self._name].diameter
        self._orientation = STAMPS[self._name].orientation

    def attach(self, layer: Labels) -> None:
        """Follow the mouse in a Layout layer."""
        layer.mouse_drag_callbacks.insert(0, self._on_drag)
        layer.mouse_wheel_callbacks.append(self._on_wheel)

    @property
    def name(self) -> str:
        """Name of the preset; setting it also takes its size, orientation and, where the layout has it, class."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name
        self._diameter, self._orientation = STAMPS[name].diameter, STAMPS[name].orientation
        self._canvas.class_name = STAMPS[name].class_name
        self._canvas.stamp_changed.emit()

    @property
    def diameter(self) -> float:
        """Diameter of the next stamp in µm, kept within a quarter of the preset's and four times it."""
        return self._diameter

    @diameter.setter
    def diameter(self, diameter: float) -> None:
        smallest, largest = self.diameter_range
        diameter = min(max(diameter, smallest), largest)
        if diameter != self._diameter:
            self._diameter = diameter
            self._say()

    @property
    def diameter_range(self) -> tuple[float, float]:
        """The least and the greatest diameter of this preset in µm."""
        preset = STAMPS[self._name].diameter
        return _SMALLEST * preset, _LARGEST * preset

    @property
    def orientation(self) -> float | None:
        """Direction of the next stamp's long axis, degrees counter-clockwise from the right in [0, 360).

        None turns each stamp at random.
        """
        return self._orientation

    @orientation.setter
    def orientation(self, orientation: float | None) -> None:
        orientation = None if orientation is None else orientation % 360.0
        if orientation != self._orientation:
            self._orientation = orientation
            self._say()

    @property
    def stamp(self) -> Stamp:
        """The preset as it is placed: turned, scaled, and of the class that is drawn."""
        return replace(
            STAMPS[self._name],
            class_name=self._canvas.class_name,
            diameter=self._diameter,
            orientation=self._orientation,
        )

    def turn(self, degrees: float) -> None:
        """Turn the next stamp, positive clockwise on the screen; one turned at random lies along the x-axis first."""
        self.orientation = (self._orientation or 0.0) - degrees

    def grow(self, factor: float) -> None:
        """Make the next stamp larger or smaller."""
        self.diameter = self._diameter * factor

    def place(self, center: tuple[float, float]) -> None:
        """Place one nucleus at a ``(y, x)`` position in canvas pixels."""
        placed: dict[int, Nucleus | None] = {}
        if self._put(self._canvas.layout, placed, center) is not None:
            self._canvas.change(f"Stamp a nucleus ({self._name})", placed)

    def _nucleus(self, layout: Layout, center: tuple[float, float]) -> Nucleus:
        key = layout.next_id()
        # The shape follows from the id, so that no two stamps look cloned.
        return stamp_nucleus(self.stamp, center, layout, int(keyed_hash(key, 0x57A3)) & 0x7FFFFFFF)

    def _on_drag(self, layer: Labels, event: Any) -> Iterator[None]:
        canvas = self._canvas_reference()
        if canvas is None or canvas.tool is not Tool.STAMP or event.button != 1:
            return
        canvas.brush.flush()
        position = tuple(layer.world_to_data(event.position))
        session = canvas.begin("Stamp")
        placed: dict[int, Nucleus | None] = {}
        latest = self._put(session.baseline, placed, position)
        if latest is None:
            session.cancel()
            return
        session.preview(placed)
        layer.mouse_pan = False
        try:
            yield
            while event.type == "mouse_move":
                position = tuple(layer.world_to_data(event.position))
                if _is_clear(latest, position):
                    latest = self._put(session.baseline, placed, position) or latest
                    if session.is_due:
                        session.preview(placed)
                yield
        finally:
            layer.mouse_pan = True
        session.commit(placed, counted("Stamp", len(placed)))

    def _put(self, baseline: Layout, placed: dict[int, Nucleus | None], position: tuple[float, ...]) -> Nucleus | None:
        nucleus = self._nucleus(baseline.with_nuclei(placed), (position[0], position[1]))
        try:
            require_on_canvas(nucleus.outline, baseline)
        except LayoutError as error:
            self._canvas.edit_message(str(error))
            return None
        placed[nucleus.id] = nucleus
        return nucleus

    def _on_wheel(self, _layer: Labels, event: Any) -> None:
        canvas = self._canvas_reference()
        if canvas is None or canvas.tool is not Tool.STAMP or "Shift" not in {str(each) for each in event.modifiers}:
            return
        delta = sum(event.delta)  # some systems turn a wheel with Shift into a horizontal one
        self.turn(TURN_DEGREES if delta > 0 else -TURN_DEGREES)
        event.handled = True

    def _say(self) -> None:
        canvas = self._canvas
        turned = "turned at random" if self._orientation is None else f"lying at {round(self._orientation) % 360}°"
        canvas.edit_message(f"Stamp: {self._name}, {self._diameter:.1f} µm, {turned}.")
        canvas.stamp_changed.emit()


def _is_clear(latest: Nucleus, position: tuple[float, ...]) -> bool:
    y, x = latest.outline.centroid
    diameter = 2.0 * math.sqrt(latest.outline.area / math.pi)
    return math.hypot(position[0] - y, position[1] - x) > _SPACING * diameter
