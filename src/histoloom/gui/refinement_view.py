"""What refining does to the tissue on a canvas, in a layer over it: the first picture, or the difference."""

from __future__ import annotations

import weakref
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from histoloom.evaluation.refinement import difference_picture
from histoloom.gui.canvas_layers import REFINING, ROLE_KEY, WOVEN
from histoloom.gui.live import LiveWeaving
from histoloom.jobs.label_check import RefinedPicture
from histoloom.window import Window

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas


class Shown(Enum):
    """What is seen of woven tissue: its title, and the name of the layer that shows it."""

    REFINED = ("Refined tissue", "")
    FIRST = ("First picture, before refining", "First picture (before refining)")
    DIFFERENCE = ("Difference, × 4 about grey", "Difference by refining (× 4)")


class RefinementView(QObject):
    """Shows what refining does, and follows what is woven; the Woven layer always holds the refined tissue.

    Parameters
    ----------
    canvas
        The canvas; held weakly.
    weaving
        Its live weaving.
    parent
        Qt parent.
    """

    changed = Signal()
    """Other tissue was woven, or something else is shown."""

    def __init__(self, canvas: Canvas, weaving: LiveWeaving, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._canvas = weakref.ref(canvas)
        self._weaving = weaving
        self.shown = Shown.REFINED
        self._first: NDArray[np.uint8] | None = None
        self._is_known: NDArray[np.bool_] = np.zeros((0, 0), np.bool_)
        self._woven: Any = None
        self._is_stopped = False
        weaving.first_woven.connect(self._on_first)
        weaving.woven.connect(self._on_woven)
        canvas.layout_replaced.connect(self._on_replaced)
        canvas.viewer.layers.events.removed.connect(self._on_removed)

    @property
    def is_whole(self) -> bool:
        """Whether the first picture is known of all of the canvas."""
        canvas = self._canvas()
        return canvas is not None and self._is_known.shape == canvas.layout.shape and bool(self._is_known.all())

    def show(self, shown: Shown) -> None:
        """Show something else; where its pixels are not known yet, the canvas is woven once."""
        self.shown = shown
        if shown is Shown.REFINED:
            self._remove()
        else:
            self._draw_all()
            if not self.is_whole:
                self._weaving.weave_once()
        self.changed.emit()

    def pictures(self) -> RefinedPicture | None:
        """Return copies of the tissue before and after refining, or None while they are not those of the layout."""
        canvas = self._canvas()
        woven = None if canvas is None else canvas.layers.find(WOVEN)
        if canvas is None or woven is None or self._first is None:
            return None
        if not self.is_whole or not self._weaving.is_settled:
            return None
        return RefinedPicture(self._first.copy(), np.array(woven.data), canvas.layout)

    def forget(self) -> None:
        """Show the woven tissue and forget first pictures, as they are of another generator."""
        self._first, self._is_known = None, np.zeros((0, 0), np.bool_)
        if self.shown is not Shown.REFINED:
            self.show(Shown.REFINED)

    def stop(self) -> None:
        """Take the view away and follow nothing any more. Safe to call again."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self.shown = Shown.REFINED
        canvas = self._canvas()
        with suppress(RuntimeError):  # the viewer, or all of Qt, may have gone before
            self._weaving.first_woven.disconnect(self._on_first)
            self._weaving.woven.disconnect(self._on_woven)
            if canvas is not None:
                canvas.layout_replaced.disconnect(self._on_replaced, missing_ok=True)
                canvas.viewer.layers.events.removed.disconnect(self._on_removed)
                self._remove()

    def _on_first(self, window: Window, pixels: NDArray[np.uint8]) -> None:
        canvas = self._canvas()
        if canvas is None:
            return
        first = self._first
        if first is None or first.shape[:2] != canvas.layout.shape:
            # Where nothing is known yet, there is no difference to be seen.
            woven = canvas.layers.find(WOVEN)
            blank = np.full((*canvas.layout.shape, 3), 255, np.uint8)
            first = self._first = blank if woven is None else np.array(woven.data)
            self._is_known = np.zeros(canvas.layout.shape, np.bool_)
        first[window.slices] = pixels
        self._is_known[window.slices] = True

    def _on_woven(self, window: Window, _seconds: float) -> None:
        canvas = self._canvas()
        if canvas is None:
            return
        layer = canvas.layers.find(REFINING)
        if self.shown is not Shown.REFINED:
            is_another = canvas.layers.find(WOVEN) is not self._woven
            if is_another or layer is None or layer.data.shape[:2] != canvas.layout.shape:
                self._draw_all()
            else:
                layer.data[window.slices] = self._seen(window)
                layer.refresh(thumbnail=False, extent=False, highlight=False)
        self.changed.emit()

    def _on_replaced(self, _layout: object) -> None:
        if self.shown is not Shown.REFINED:
            self._draw_all()

    def _draw_all(self) -> None:
        canvas = self._canvas()
        if canvas is None or canvas.layers.find(WOVEN) is None:
            return
        woven = canvas.woven_layer()
        layer = canvas.layers.refining(self._seen(canvas.layout.window), canvas.layout, self.shown.value[1])
        layer.editable = False
        self._follow(woven)

    def _seen(self, window: Window) -> NDArray[np.uint8]:
        """Return what is shown of a window."""
        canvas = self._canvas()
        if canvas is None:
            return np.zeros((*window.shape, 3), np.uint8)
        after = np.asarray(canvas.woven_layer().data[window.slices])
        is_known = self._first is not None and self._first.shape[:2] == canvas.layout.shape
        before = self._first[window.slices] if self._first is not None and is_known else after
        return before.copy() if self.shown is Shown.FIRST else difference_picture(before, after)

    def _follow(self, woven: Any) -> None:
        """Be seen as much as the woven tissue is: where that is hidden, the real tile beneath shall be seen."""
        if woven is not self._woven:
            self._unfollow()
            self._woven = woven
            woven.events.visible.connect(self._on_appearance)
            woven.events.opacity.connect(self._on_appearance)
        self._on_appearance()

    def _unfollow(self) -> None:
        if self._woven is not None:
            self._woven.events.visible.disconnect(self._on_appearance)
            self._woven.events.opacity.disconnect(self._on_appearance)
            self._woven = None

    def _on_appearance(self, _event: object = None) -> None:
        canvas = self._canvas()
        layer = None if canvas is None else canvas.layers.find(REFINING)
        if layer is not None and self._woven is not None:
            layer.visible, layer.opacity = self._woven.visible, self._woven.opacity

    def _on_removed(self, event: Any) -> None:
        if event.value is self._woven:
            self._unfollow()
        elif self.shown is not Shown.REFINED and event.value.metadata.get(ROLE_KEY) == REFINING:
            self.shown = Shown.REFINED
            self.changed.emit()

    def _remove(self) -> None:
        self._unfollow()
        canvas = self._canvas()
        layer = None if canvas is None else canvas.layers.find(REFINING)
        if canvas is not None and layer is not None:
            canvas.viewer.layers.remove(layer)
