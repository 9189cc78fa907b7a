"""Live weaving on a canvas: between the layers, which live on the GUI thread, and the weave process."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Qt, QTimer, Signal

from histoloom.conditions import AcceptedStructure
from histoloom.gui.canvas_layers import WOVEN
from histoloom.gui.preferences import preferences
from histoloom.gui.status_card import Level
from histoloom.jobs.live import LiveWeaver
from histoloom.jobs.weave_client import WeaveClient, WeaveFailure, WeaverStatus
from histoloom.layouts import Layout, LayoutEdit
from histoloom.recipes import Recipe
from histoloom.tiles.looks import AnyLook
from histoloom.window import Window

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_weavers: weakref.WeakKeyDictionary[Canvas, LiveWeaving] = weakref.WeakKeyDictionary()

_LEVELS = {
    "starting": Level.WORKING,
    "preparing": Level.WORKING,
    "weaving": Level.WORKING,
    "ready": Level.OK,
    "restarted": Level.ATTENTION,
    "dead": Level.ERROR,
}


_PAUSE_MS = 400


def live_weaving_of(canvas: Canvas) -> LiveWeaving:
    """Return the live weaving of a canvas, made at the first call."""
    weaving = _weavers.get(canvas)
    if weaving is None:
        weaving = _weavers[canvas] = LiveWeaving(canvas)
    return weaving


class LiveWeaving(QObject):
    """Follows the edits of a canvas and puts what the weave process answers into its *Woven* layer.

    Parameters
    ----------
    canvas
        The canvas; held weakly.
    """

    status_changed = Signal(object, str)
    """(`Level`, sentence) for status cards."""
    woven = Signal(object, float)
    """(`Window`, seconds in the weave process) after pixels have been put into the layer."""

    first_woven = Signal(object, object)
    """(`Window`, RGB ``uint8 (H, W, 3)``): the first picture of generators that refine one, before `woven` tells."""

    _answered = Signal(object)
    _status_told = Signal(object)

    def __init__(self, canvas: Canvas) -> None:
        super().__init__()
        self._canvas = weakref.ref(canvas)
        self.look: AnyLook | None = None
        self.generator = "texture"
        self.recipe: Recipe | None = None
        self.device = ""
        self.last_seconds: float | None = None
        self.shown: tuple[str, int] | None = None
        """Generator and seed of the pixels in the Woven layer; None before the first."""
        self._problem = ""
        self._is_closed = False
        self._thumbnail_timer = QTimer(self)
        self._thumbnail_timer.setSingleShot(True)
        self._thumbnail_timer.setInterval(_PAUSE_MS)
        self._thumbnail_timer.timeout.connect(self._renew_thumbnail)
        # The client calls from a thread of its own; queued signals bring that to this one.
        self._answered.connect(self._on_answer, Qt.ConnectionType.QueuedConnection)
        self._status_told.connect(self._on_status, Qt.ConnectionType.QueuedConnection)
        self.client = WeaveClient(self._answered.emit, self._status_told.emit)
        self._live = LiveWeaver(
            self.client,
            self._put,
            _schedule,
            interval_s=preferences().live_delay_ms / 1000,
            on_first=self.first_woven.emit,
        )
        self._is_live = False
        self._seed = 0
        self._live.replaced(canvas.layout)
        if canvas.accepted_structure is not None:
            self._live.set_structure(canvas.accepted_structure)
        canvas.structure_accepted.connect(self._on_structure)
        canvas.layout_edited.connect(self._on_edited)
        canvas.layout_replaced.connect(self._on_replaced)

    @property
    def is_live(self) -> bool:
        """Whether edits are woven as they are made."""
        return self._is_live

    @property
    def is_settled(self) -> bool:
        """Whether the picture shows the layout as it is."""
        return self._live.is_settled

    @property
    def seed(self) -> int:
        """The seed of the background and of the nuclei's variation; setting it weaves anew if live."""
        return self._seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._seed = seed
        self._live.set_seed(seed)
        self._say_if_stale()

    def set_live(self, live: bool) -> None:
        """Switch weaving along with the edits on or off; switching on catches up."""
        if live and self.look is None:
            self.status_changed.emit(Level.ATTENTION, "Choose a look first: open a real tile, or pick the sample.")
        self._problem = ""
        self._is_live = live
        self._live.set_enabled(live)

    def set_look(self, look: AnyLook, generator: str, recipe: Recipe) -> None:
        """Choose what tissue shall look like; everything is woven anew if live."""
        self.look, self.generator, self.recipe = look, generator, recipe
        self._problem = ""
        self._live.set_look(look, generator, recipe)
        self._say_if_stale()

    def weave_once(self) -> None:
        """Weave the whole canvas as it is now, live or not."""
        if self.look is None:
            self.status_changed.emit(Level.ATTENTION, "Choose a look first: open a real tile, or pick the sample.")
            return
        self._problem = ""
        self._live.weave_all()

    def close(self) -> None:
        """End the weave process; what it still answers is dropped. Safe to call again."""
        if self._is_closed:
            return
        self._is_closed = True
        canvas = self._canvas()
        if canvas is not None:
            canvas.structure_accepted.disconnect(self._on_structure, missing_ok=True)
            canvas.layout_edited.disconnect(self._on_edited, missing_ok=True)
            canvas.layout_replaced.disconnect(self._on_replaced, missing_ok=True)
            if _weavers.get(canvas) is self:
                del _weavers[canvas]
        with suppress(RuntimeError):  # Qt may have deleted it, where a whole application ends
            self._thumbnail_timer.stop()
        self._live.set_enabled(False)
        self.client.close()

    def _on_edited(self, edit: LayoutEdit, final: bool) -> None:
        self._live.edited(edit, final)
        if final:
            self._say_if_stale()

    def _on_replaced(self, layout: Layout) -> None:
        self._live.replaced(layout)
        self._say_if_stale()

    def _on_structure(self, structure: AcceptedStructure) -> None:
        self._live.set_structure(structure)
        self._say_if_stale()

    def _say_if_stale(self) -> None:
        if self.shown is not None and not self._is_live and not self._live.is_settled:
            text = "The tissue is of an earlier layout, look or seed; press Weave once, or switch live weaving on."
            self.status_changed.emit(Level.ATTENTION, text)

    def _on_answer(self, answer: Any) -> None:
        if self._is_closed:
            return
        if isinstance(answer, WeaveFailure):
            self._problem = answer.sentence
            self.status_changed.emit(Level.ERROR, answer.sentence)
        self._live.answered(answer)
        if self._live.is_settled:
            self._thumbnail_timer.start()

    def _put(self, window: Window, pixels: NDArray[np.uint8]) -> None:
        """Write woven pixels into the layer, in place."""
        canvas = self._canvas()
        if canvas is None:
            return
        missing = canvas.layers.find(WOVEN) is None
        layer = canvas.woven_layer()
        layer.data[window.slices] = pixels
        self.shown = (self.generator, self._seed)
        # The thumbnail costs milliseconds that a stroke has no time for; it follows in the next pause.
        layer.refresh(thumbnail=False, extent=False, highlight=False)
        if missing and window != canvas.layout.window:
            self._live.weave_all()
        self.woven.emit(window, self.last_seconds or 0.0)

    def _renew_thumbnail(self) -> None:
        canvas = self._canvas()
        layer = canvas.layers.find(WOVEN) if canvas is not None else None
        if layer is not None:
            layer.refresh(extent=False, highlight=False)

    def _on_status(self, status: WeaverStatus) -> None:
        if self._is_closed:
            return
        self.device = status.device or self.device
        self.last_seconds = status.last_seconds
        self._live.status_changed(status)
        if self._problem and status.state == "ready":
            return  # what is wrong stays on the card until something is done about it
        text = status.message
        if status.state == "ready" and self._is_live and self._live.is_settled and not self._live.follows_strokes:
            text += " This generator does not keep up with the brush, so tissue follows when a stroke ends."
        self.status_changed.emit(_LEVELS[status.state], text)


def _schedule(delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
    """Call a function later; returns a function that calls it off."""
    timer = QTimer()
    timer.setSingleShot(True)
    timer.timeout.connect(call)
    timer.start(max(round(delay_s * 1000), 0))
    cancel: Callable[[], None] = timer.stop
    return cancel
