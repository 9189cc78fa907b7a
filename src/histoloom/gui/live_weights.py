"""How much each place of a woven picture counts: judged live, part by part, and shown in the Weights layer."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from histoloom.errors import HistoloomError, ImportanceError, Stopped
from histoloom.gui.judged_pictures import (
    CanvasPicture,
    JudgedPicture,
    LayerPicture,
    canvas_reference,
    layout_of_picture,
    pixel_size_of_layer,
    pixels_of,
    placing_of,
)
from histoloom.gui.live import LiveWeaving, live_weaving_of
from histoloom.gui.one_at_a_time import OneAtATime
from histoloom.gui.status_card import Level
from histoloom.gui.weights_layer import WeightsLayer
from histoloom.importance import ClipRange, Judgement, clip_bounds, logit_weights
from histoloom.importance.weights import Bounds
from histoloom.jobs.judge_process import JudgeProcess, Order
from histoloom.jobs.judged_parts import JudgedParts
from histoloom.layouts import Layout
from histoloom.models import BundleHeader
from histoloom.tiles.sentences import one_line
from histoloom.window import Window

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_PAUSE_MS = 5

_weights: weakref.WeakKeyDictionary[Canvas, LiveWeights] = weakref.WeakKeyDictionary()


def live_weights_of(canvas: Canvas) -> LiveWeights:
    """Return the weights that are shown on a canvas, made at the first call."""
    weights = _weights.get(canvas)
    if weights is None:
        weights = _weights[canvas] = LiveWeights(canvas)
    return weights


@dataclass(frozen=True, eq=False)
class JudgedWhole:
    """All of a picture, judged.

    Parameters
    ----------
    title
        What people call it.
    judgement
        What the critic says.
    layout
        The nuclei in it, where they are known.
    seconds
        How long the process took for the latest part.
    """

    title: str
    judgement: Judgement
    layout: Layout | None
    seconds: float

    @cached_property
    def local_weights(self) -> NDArray[np.float64]:
        """The weight of each place, in no order, as they are without a clip range."""
        return logit_weights(self.judgement.logits, self.judgement.ratio).ravel()


@dataclass(frozen=True, eq=False)
class _Part:
    revision: int
    cells: Window
    judgement: Judgement
    weights: NDArray[np.float32]
    pixels: Window
    seconds: float


class LiveWeights(QObject):
    """Has a picture judged, again where it changes, and shows what its places weigh.

    Parameters
    ----------
    canvas
        The canvas; held weakly.
    """

    judged = Signal(object)
    """A `JudgedWhole`, whenever all of the picture is judged as it is."""
    cleared = Signal()
    """Nothing is judged any more."""
    lost = Signal()
    """The layer that was judged was deleted."""
    told = Signal(object, str)
    """(level, sentence)."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__()
        self._canvas = weakref.ref(canvas)
        self._calls = OneAtATime(self._on_part, self._on_failed, self)
        self._drawing = OneAtATime(self._on_drawn, self._on_failed, self)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._ask)
        self.process = JudgeProcess()
        self.layer = WeightsLayer(canvas, self)
        self._critic: tuple[Path, BundleHeader] | None = None
        self._picture: JudgedPicture | None = None
        self._watched: Any = None
        self._reference: NDArray[np.uint8] | None = None
        self._parts: JudgedParts | None = None
        self._clip = ClipRange.none()
        self._latest: JudgedWhole | None = None
        self._is_live = False
        self._is_on = False
        canvas.viewer.layers.events.removed.connect(self._on_removed)
        canvas.layout_replaced.connect(self._on_replaced)
        self._weaving: weakref.ref[LiveWeaving] | None = None
        self._follow_weaving(canvas)

    @property
    def latest(self) -> JudgedWhole | None:
        """What was judged last, as a whole."""
        return self._latest

    @property
    def picture(self) -> JudgedPicture | None:
        """What is judged."""
        return self._picture

    @property
    def is_settled(self) -> bool:
        """Whether everything that was asked for is judged and shown."""
        if self._pause.isActive() or self._calls.is_busy or self._drawing.is_busy:
            return False
        parts = self._parts
        return not self._is_on or parts is None or (parts.is_whole and not (self._is_live and parts.is_stale))

    def choose_critic(self, critic: tuple[Path, BundleHeader] | None) -> None:
        """Judge with another critic: its file and header; None for none."""
        self._critic = critic
        self._latest = None
        self._begin()

    def choose_picture(self, picture: JudgedPicture | None) -> None:
        """Judge another picture; None for none."""
        self._picture = picture
        self._latest = None
        self._begin()

    def choose_reference(self, reference: NDArray[np.uint8] | None) -> None:
        """Compare with this real picture, RGB ``uint8 (H, W, 3)``; None for the look of the canvas."""
        self._reference = reference
        self._begin()

    def choose_clip(self, clip: ClipRange) -> None:
        """Show weights clipped like this."""
        self._clip = clip
        if self._latest is not None and self._is_on:
            self._drawing.ask(self._prepared_drawing)

    def set_on(self, on: bool) -> None:
        """Judge at all, or let things rest, such as while the dock is not seen."""
        if on != self._is_on:
            self._is_on = on
            if on:
                self._begin()

    def set_live(self, live: bool) -> None:
        """Follow what is woven, or leave that to `renew`."""
        self._is_live = live
        if live:
            self._pause.start()

    def renew(self) -> None:
        """Judge all of the picture again."""
        self._begin()

    def close(self) -> None:
        """Judge nothing any more and end the process; a later `set_on` starts another one."""
        self._is_on = False
        self.process.close()
        self.process = JudgeProcess()
        with suppress(RuntimeError):  # Qt may have deleted them, where a whole application ends
            self._pause.stop()
            self._calls.cancel()
            self._drawing.cancel()

    def problem(self) -> str:
        """Return why nothing can be judged, in one sentence, or an empty str."""
        if self._critic is None:
            return (
                "There is no critic yet; choose one that comes along or a bundle's file, or train one ('Train a "
                "critic…')."
            )
        header = self._critic[1]
        if header.judges is None:
            return f"'{self._critic[0].name}' does not judge pictures; choose another critic."
        return ""

    def _open_canvas(self) -> Canvas | None:
        canvas = self._canvas()
        with suppress(RuntimeError):
            if canvas is not None and canvas.viewer is not None:
                return canvas
        return None

    def _begin(self) -> None:
        """Forget what was judged, and judge all of it anew."""
        self._parts = None
        self._calls.cancel()
        self._drawing.cancel()
        self._watch(None)
        if self._is_on:
            self._pause.start()

    def _clear(self) -> None:
        self._parts = None
        if self._open_canvas() is not None:
            self.layer.clear()
        if self._latest is not None:
            self._latest = None
        self.cleared.emit()

    def _refuse(self, level: Level, sentence: str) -> None:
        self._clear()
        self.told.emit(level, sentence)

    def _ask(self) -> None:
        canvas = self._open_canvas()
        if canvas is None or not self._is_on or self._picture is None:
            return
        problem = self.problem()
        if problem:
            self._refuse(Level.ATTENTION, problem)
            return
        try:
            layer = self._picture.layer(canvas)
            shape = pixels_of(layer).shape[:2]
        except ImportanceError as error:
            self._refuse(Level.ATTENTION, str(error))
            return
        if self._parts is None or self._parts.shape != shape or layer is not self._watched:
            self._start(layer, shape)
        if self._parts is not None and self._parts.is_stale:
            self._calls.ask(self._prepared)

    def _start(self, layer: Any, shape: tuple[int, int]) -> None:
        header = self._critic[1] if self._critic is not None else None
        if header is None or header.judges is None:
            return
        # What depends on the layout, or on statistics of the window, would be another thing of a part.
        whole = header.judges.sees != "picture" or header.normalization != "none"
        self._parts = JudgedParts(shape, header.judges.step, header.judges.receptive_field, whole=whole)
        self._latest = None
        self._watch(layer)
        self.cleared.emit()
        self.told.emit(Level.WORKING, f"'{self._title()}' is being judged.")

    def _title(self) -> str:
        return "" if self._picture is None else self._picture.title

    def _prepared(self) -> Callable[[], _Part] | None:
        """Take what is judged next out of the viewer."""
        canvas, parts, critic = self._open_canvas(), self._parts, self._critic
        picture = self._picture
        cells = None if parts is None else parts.next_cells()
        if canvas is None or parts is None or critic is None or picture is None or cells is None:
            return None
        judges = critic[1].judges
        try:
            layer = picture.layer(canvas)
            pixels = pixels_of(layer)
        except ImportanceError as error:
            self._refuse(Level.ATTENTION, str(error))
            return None
        layout = layout_of_picture(picture, layer, canvas)
        reference = None
        if judges is not None and judges.reference_size:
            reference = (
                self._reference if self._reference is not None else canvas_reference(canvas, critic[1].pixel_size)
            )
        seen = parts.seen_by(cells)
        order = Order(
            critic[0],
            np.ascontiguousarray(pixels[seen.slices]).copy(),
            pixel_size_of_layer(layer),
            reference,
            layout if judges is not None and judges.sees != "picture" else None,
        )
        bounds = self._bounds()
        return partial(_judged, self.process, order, parts, parts.revision, cells, bounds)

    def _bounds(self) -> Bounds | None:
        """Return the bounds of the weights that are shown; those of quantiles are known when all is judged."""
        if self._clip.kind == "quantiles":
            if self._latest is None:
                return None
            return clip_bounds(self._latest.local_weights, self._clip)
        return clip_bounds((), self._clip)

    def _on_part(self, part: _Part) -> None:
        canvas, parts = self._open_canvas(), self._parts
        if canvas is None or parts is None or self._watched is None:
            return
        parts.take(part.cells, part.judgement, part.revision)
        is_new = self.layer.show_part(part.weights, part.pixels, parts.shape, placing_of(self._watched))
        if parts.is_stale and (self._is_live or not parts.is_whole):
            self._calls.ask(self._prepared)
        if not parts.is_whole:
            self.told.emit(Level.WORKING, f"{self._title()}: {parts.progress:.0%} judged.")
            return
        picture = self._picture
        layout = None if picture is None else layout_of_picture(picture, self._watched, canvas)
        self._latest = JudgedWhole(self._title(), parts.judgement(), layout, part.seconds)
        if is_new or self._clip.kind == "quantiles":
            self._drawing.ask(self._prepared_drawing)
        self.judged.emit(self._latest)

    def _prepared_drawing(self) -> Callable[[], NDArray[np.float32]] | None:
        if self._latest is None or not self._is_on:
            return None
        return partial(self._latest.judgement.weight_map, self._bounds())

    def _on_drawn(self, weights: NDArray[np.float32]) -> None:
        if self._open_canvas() is None or self._watched is None or self._latest is None:
            return
        if weights.shape == self._latest.judgement.shape:
            self.layer.show_map(weights, placing_of(self._watched))

    def _on_failed(self, error: Exception) -> None:
        if isinstance(error, Stopped):
            return
        known = isinstance(error, HistoloomError)
        text = str(error) if known else f"Judging failed unexpectedly ({type(error).__name__}: {one_line(error)})."
        self._watch(None)
        self._refuse(Level.ERROR, text)

    def _watch(self, layer: Any) -> None:
        if layer is self._watched:
            return
        if self._watched is not None:
            self._watched.events.data.disconnect(self._on_data)
            self._watched.events.set_data.disconnect(self._on_refreshed)
        self._watched = layer
        if layer is not None:
            layer.events.data.connect(self._on_data)
            layer.events.set_data.connect(self._on_refreshed)

    def _follow_weaving(self, canvas: Canvas) -> bool:
        """Hear of what is woven on the canvas; returns whether somebody else weaves there now."""
        weaving = live_weaving_of(canvas)
        if self._weaving is not None and self._weaving() is weaving:
            return False
        self._weaving = weakref.ref(weaving)
        weaving.woven.connect(self._on_woven)
        return True

    def _on_refreshed(self, _event: object = None) -> None:
        # A Weave dock that was closed and opened again weaves by another process, which was not heard yet.
        canvas = self._open_canvas()
        if canvas is not None and isinstance(self._picture, CanvasPicture) and self._follow_weaving(canvas):
            self._on_woven(canvas.layout.window, 0.0)

    def _on_data(self, _event: object = None) -> None:
        if self._is_on and self._is_live:
            self._begin()

    def _on_woven(self, window: Window, _seconds: float) -> None:
        if not isinstance(self._picture, CanvasPicture) or not self._is_on:
            return
        if self._parts is not None:
            self._parts.change(window)
        if self._is_live and not self._pause.isActive():
            self._pause.start()

    def _on_replaced(self, *_: object) -> None:
        if self._is_live and isinstance(self._picture, CanvasPicture) and self._parts is None and self._is_on:
            self._pause.start()

    def _on_removed(self, event: Any) -> None:
        picture = self._picture
        if isinstance(picture, LayerPicture) and event.value is picture.image:
            sentence = f"The layer '{picture.title}', which was judged, has been deleted; choose other tissue."
        elif isinstance(picture, CanvasPicture) and event.value is self._watched and self._watched is not None:
            sentence = "The Woven layer, which was judged, has been deleted; weave again, or choose other tissue."
        else:
            return
        self._calls.cancel()
        self._pause.stop()
        self._watch(None)
        if isinstance(picture, LayerPicture):
            self._picture = None
        self._refuse(Level.ERROR, sentence)
        self.lost.emit()


def _judged(
    process: JudgeProcess, order: Order, parts: JudgedParts, revision: int, cells: Window, bounds: Bounds | None
) -> _Part:
    judgement, seconds = process.judge(order)
    pixels, weights = parts.patch(cells, judgement, bounds)
    return _Part(revision, cells, judgement, weights, pixels, seconds)
