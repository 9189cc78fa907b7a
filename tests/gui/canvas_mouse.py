"""A mouse for canvases without a window, and the check that a canvas shows its layout."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks

from histoloom.gui.canvas import Canvas


def shown(canvas: Canvas) -> np.ndarray:
    return np.asarray(canvas.layout_layer().data)


def assert_shows_the_truth(canvas: Canvas) -> None:
    np.testing.assert_array_equal(shown(canvas), canvas.layout.rasterize())


class Mouse:
    """A mouse over the active layer, with positions in canvas pixels, through napari's own callbacks."""

    def __init__(self, viewer: ViewerModel, pixel_size: float) -> None:
        self.viewer = viewer
        self.pixel_size = pixel_size
        self.between: Callable[[], None] = lambda: None

    def event(self, kind: str, position: tuple[float, float], modifiers: tuple[str, ...], button: int) -> Any:
        world = tuple(each * self.pixel_size for each in position)
        plain = SimpleNamespace(
            type=kind,
            position=world,
            pos=(world[1], world[0]),
            button=button,
            buttons=[button],
            modifiers=modifiers,
            is_dragging=kind == "mouse_move",
            handled=False,
            dims_displayed=[0, 1],
            dims_point=[0.0, 0.0],
            view_direction=None,
            up_direction=None,
            camera_zoom=1.0,
            delta=(0.0, 1.0),
        )
        return ReadOnlyWrapper(plain, exceptions=("handled",))

    def drag(self, *positions: tuple[float, float], modifiers: tuple[str, ...] = (), button: int = 1) -> None:
        """Press at the first position, move over the others, release at the last."""
        self.press(positions[0], modifiers, button)
        for position in positions[1:]:
            self.move(position, modifiers, button)
            self.between()
        self.release(positions[-1], modifiers, button)

    def click(self, position: tuple[float, float], modifiers: tuple[str, ...] = ()) -> None:
        self.drag(position, modifiers=modifiers)

    def press(self, position: tuple[float, float], modifiers: tuple[str, ...] = (), button: int = 1) -> None:
        self._send(mouse_press_callbacks, "mouse_press", position, modifiers, button)

    def move(self, position: tuple[float, float], modifiers: tuple[str, ...] = (), button: int = 1) -> None:
        self._send(mouse_move_callbacks, "mouse_move", position, modifiers, button)

    def release(self, position: tuple[float, float], modifiers: tuple[str, ...] = (), button: int = 1) -> None:
        self._send(mouse_release_callbacks, "mouse_release", position, modifiers, button)

    def _send(self, callbacks: Any, kind: str, position: tuple[float, float], modifiers: Any, button: int) -> None:
        event = self.event(kind, position, modifiers, button)
        callbacks(self.viewer, event)
        layer = self.viewer.layers.selection.active
        if layer is not None:
            callbacks(layer, event)
