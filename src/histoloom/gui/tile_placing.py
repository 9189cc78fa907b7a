"""Putting opened tiles on the canvas without losing what was drawn there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from histoloom.gui.canvas import Canvas
from histoloom.gui.pointer_rest import PointerRest
from histoloom.gui.preferences import blank_layout
from histoloom.gui.question_card import QuestionCard
from histoloom.gui.scale_bar import show_scale_bar
from histoloom.gui.slide_view import SlideView
from histoloom.gui.tile_opening import OpenedTile
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE
from histoloom.window import Window

if TYPE_CHECKING:
    from napari.layers import Layer


@dataclass(frozen=True, eq=False)
class Placement:
    """What shall be put on the canvas, and how.

    Parameters
    ----------
    opened
        The tile.
    keeps_layout
        Whether the canvas's layout stays; otherwise the tile's own, or an empty one, takes its place.
    region
        Which part of the slide in the viewer the tile is, or None.
    """

    opened: OpenedTile
    keeps_layout: bool = False
    region: Window | None = None


class TilePlacer(QObject):
    """Places one tile at a time; a newer one makes those forgotten that still wait for an answer.

    Parameters
    ----------
    canvas
        Where tiles go.
    slide
        The slide that tiles may be regions of.
    question
        Where people are asked before their edits are replaced.
    parent
        Qt parent.
    """

    placed = Signal(object)
    """The `Placement` that is on the canvas now."""
    asked = Signal()
    """A question waits for its answer."""
    declined = Signal(object)
    """The `Placement` that somebody did not want after all."""

    def __init__(self, canvas: Canvas, slide: SlideView, question: QuestionCard, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self._slide = slide
        self._question = question
        self._waiting: Placement | None = None
        self._hidden: list[Layer] = []
        self._rest = PointerRest(self)

    def offer(self, placement: Placement) -> None:
        """Place a tile: at once if nothing is lost by it, else after asking."""
        self._waiting = placement
        self._rest.call(self._go_on)

    def show_slide(self, opened: OpenedTile) -> None:
        """Show a slide; the canvas is hidden until a region is chosen, because it would cover a corner of the slide."""
        for layer in self._canvas.layers.existing.values():
            if layer.visible:
                layer.visible = False
                self._hidden.append(layer)
        self._slide.show(opened.tile, opened.name)
        viewer = self._canvas.viewer
        show_scale_bar(viewer)
        viewer.reset_view()

    def forget(self) -> None:
        """Drop what waits for an answer."""
        self._waiting = None
        self._rest.forget()
        self._question.withdraw()

    def _go_on(self) -> None:
        placement = self._waiting
        if placement is None:
            return
        loss = "" if placement.keeps_layout else unsaved_work(self._canvas)
        if loss:
            self._question.ask(
                f"The canvas holds {loss}; replace it by '{placement.opened.name}'?", "Replace", "Keep", self._on_answer
            )
            self.asked.emit()
            return
        self._place(placement)

    def _show_hidden(self) -> None:
        for layer in self._hidden:
            layer.visible = True
        self._hidden.clear()

    def _on_answer(self, replaces: bool) -> None:
        placement, self._waiting = self._waiting, None
        if placement is None:
            return
        if replaces:
            self._place(placement)
        else:
            self.declined.emit(placement)

    def _place(self, placement: Placement) -> None:
        self._waiting = None
        self._question.withdraw()
        canvas, opened = self._canvas, placement.opened
        before = _field(canvas)
        if placement.region is None:
            self._slide.remove()
        # The layout first: the canvas then has the tile's size already, and is not made twice.
        if not placement.keeps_layout:
            empty = blank_layout(opened.tile.shape, opened.tile.pixel_size or DEFAULT_PIXEL_SIZE)
            # Whoever drew curves has been asked whether they may go.
            canvas.open_layout(opened.layout or empty, opened.label_map, keeps_curves=False)
        canvas.set_tile(opened.tile, opened.name)
        viewer = canvas.viewer
        show_scale_bar(viewer)
        self._show_hidden()
        if placement.region is not None:
            self._slide.put_at_origin(placement.region)
            viewer.layers.selection.active = canvas.layout_layer()
        elif _field(canvas) != before:
            viewer.reset_view()
        self.placed.emit(placement)


def unsaved_work(canvas: Canvas) -> str:
    """Return in words what opening another layout would lose, or an empty str."""
    canvas.brush.flush()
    edits, curves = len(canvas.history.undoable), len(canvas.sketch.curves)
    parts = []
    if edits:
        parts.append(f"{edits} {'edit' if edits == 1 else 'edits'}, the latest '{canvas.history.undoable[-1]}'")
    if curves:
        parts.append(f"{curves} drawn {'curve' if curves == 1 else 'curves'}")
    return " and ".join(parts)


def _field(canvas: Canvas) -> tuple[float, ...]:
    """Return height and width in µm of what the canvas shows; zeros while it shows no tile."""
    if canvas.tile is None:
        return 0.0, 0.0
    size = canvas.tile.pixel_size or canvas.layout.pixel_size
    return tuple(np.multiply(canvas.tile.shape, size).tolist())
