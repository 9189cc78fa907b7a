"""The brush, the eraser, napari's fill and its polygon: whatever paints in the Layout layer makes nuclei."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from histoloom.gui.canvas_layers import LAYOUT
from histoloom.gui.canvas_part import CanvasPart
from histoloom.gui.painted_edit import painted_changes
from histoloom.layouts import Layout, Nucleus
from histoloom.window import Window

if TYPE_CHECKING:
    from napari.layers import Labels

    from histoloom.gui.canvas import Canvas
    from histoloom.gui.edit_session import EditSession

_LARGEST_FILL = 0.25
_NOTHING = Window(0, 0, 0, 0)


class Brush(CanvasPart):
    """Turns strokes into edits.

    Each stroke starts a new nucleus of the canvas's class. Other nuclei are protected unless Shift is held, which lays
    the new nucleus over them; with Ctrl the nucleus under the cursor is extended.

    Parameters
    ----------
    canvas
        Whose layout is painted.
    """

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._session: EditSession | None = None
        self._reached = _NOTHING
        self._pending: list[Window] = []
        self._ignoring = False

    def attach(self, layer: Labels) -> None:
        """Follow a Layout layer's strokes."""
        # Before napari's own callback, which reads the label and the protection that are set here.
        layer.mouse_drag_callbacks.insert(0, self._on_drag)
        layer.events.paint.connect(self._on_paint)
        self.get_ready()

    def get_ready(self) -> None:
        """Let what is painted next be a new nucleus, with the others protected."""
        layer = self._layer
        if layer is not None:
            self._protect(layer, True)
            layer.selected_label = self._canvas.layout.next_id()

    @contextmanager
    def ignoring_paint(self) -> Iterator[None]:
        """While inside, pixels written to the layer are ours and make no edit."""
        before, self._ignoring = self._ignoring, True
        try:
            yield
        finally:
            self._ignoring = before

    def flush(self) -> None:
        """Take painted pixels that still wait for their turn into the table now."""
        pending, self._pending = self._pending, []
        if not pending or self._layer is None:
            return
        window = _NOTHING
        for each in pending:
            window = window.union(each)
        session = self._canvas.begin("Paint", draws=False)
        self._commit(session, window, self._canvas.layout.window)

    @property
    def _layer(self) -> Labels | None:
        canvas = self._canvas_reference()
        return None if canvas is None else canvas.layers.find(LAYOUT)

    def _on_drag(self, layer: Labels, event: Any) -> Iterator[None]:
        mode = str(layer.mode)
        if mode == "pan_zoom":
            return
        canvas = self._canvas
        self.flush()
        if layer.data.shape != canvas.layout.shape:
            # Somebody gave the layer other data; the table is the truth.
            canvas.redraw(canvas.layout.window)
            return
        if mode not in _TITLES or event.button != 1:
            self.get_ready()
            return
        position = tuple(layer.world_to_data(event.position))
        modifiers = {str(each) for each in event.modifiers}
        label = canvas.label_at(position) if "Control" in modifiers and mode == "paint" else 0
        layer.selected_label = label or canvas.layout.next_id()
        self._protect(layer, not (mode == "erase" or "Shift" in modifiers))
        session = canvas.begin("Extend a nucleus" if label else _TITLES[mode], draws=False)
        self._session = session
        self._reached = _NOTHING
        self._reach(layer, position, position)
        yield
        while event.type == "mouse_move":
            latest, position = position, tuple(layer.world_to_data(event.position))
            if session.is_due and mode != "fill" and not session.is_over:
                session.preview(self._changes(session.baseline, self._reached))
            self._reach(layer, latest, position)
            yield
        # napari commits the stroke right after this and sends the paint event, unless nothing was painted.
        QTimer.singleShot(0, self._tidy_up)

    def _protect(self, layer: Labels, protected: bool) -> None:
        if layer.preserve_labels != protected:
            layer.preserve_labels = protected

    def _reach(self, layer: Labels, start: tuple[float, ...], stop: tuple[float, ...]) -> None:
        margin = int(layer.brush_size) // 2 + 2
        (y0, x0), (y1, x1) = np.floor(np.minimum(start, stop)), np.ceil(np.maximum(start, stop)) + 1
        reached = Window(int(y0), int(x0), int(y1), int(x1)).expanded(margin)
        self._reached = self._reached.union(reached.intersection(self._canvas.layout.window))

    def _on_paint(self, event: Any) -> None:
        if self._ignoring or self._canvas_reference() is None:
            return
        everything = self._canvas.layout.window
        window = painted_window(event.value, everything)
        session = self._session
        if session is not None and not session.is_over:
            self._session = None
            self._commit(session, window.union(self._reached), everything)
            return
        # Fills, polygons and scripts send the event before napari has written the pixels.
        if not self._pending:
            QTimer.singleShot(0, self._flush_later)
        self._pending.append(window)

    def _flush_later(self) -> None:
        if self._canvas_reference() is not None:
            self.flush()

    def _tidy_up(self) -> None:
        if self._canvas_reference() is None:
            return
        if self._session is not None:
            session, self._session = self._session, None
            session.cancel()
        self.get_ready()

    def _commit(self, session: EditSession, window: Window, everything: Window) -> None:
        window = window.intersection(everything)
        changes = self._changes(session.baseline, window)
        limit = _LARGEST_FILL * everything.shape[0] * everything.shape[1]
        new = [each for key, each in changes.items() if each is not None and key not in session.baseline.nuclei]
        if session.title in _FILLS and any(each.outline.area > limit for each in new):
            session.cancel()
            self._canvas.redraw(window)
            self._canvas.edit_message("The fill ran out over the canvas and was taken back; close the outline first.")
            return
        session.commit(changes, _title(session, changes))
        if not changes:
            self._canvas.redraw(window)

    def _changes(self, baseline: Layout, window: Window) -> dict[int, Nucleus | None]:
        layer = self._layer
        if layer is None or window.is_empty:
            return {}
        before, after = baseline.rasterize(window), np.asarray(layer.data[window.slices])
        changes = painted_changes(baseline, before, after, window, self._canvas.class_name)
        # A nucleus grows during its stroke, and its texture should not swim: it keeps the anchor of its first preview.
        for key, nucleus in changes.items():
            shown = self._canvas.layout.nuclei.get(key)
            if nucleus is not None and key not in baseline.nuclei and shown is not None:
                changes[key] = shown.reshaped(nucleus.outline)
        return changes


_FILLS = {"Fill a nucleus", "Paint"}  # a polygon or script is not told apart from a fill until its pixels are there
_TITLES = {"paint": "Draw a nucleus", "erase": "Erase", "fill": "Fill a nucleus"}


def painted_window(value: Any, everything: Window) -> Window:
    """Return the window that a Labels paint event may have changed.

    napari sends a list of index tuples, and from 0.9 on also items with a ``slice_key``; for anything else the answer
    is the whole canvas, which is slower and as right.
    """
    window = _NOTHING
    for atom in value:
        slices = getattr(atom, "slice_key", None)
        if slices is not None and len(slices) == 2:
            (y0, y1, _), (x0, x1, _) = (each.indices(size) for each, size in zip(slices, everything.shape, strict=True))
            window = window.union(Window(y0, x0, y1, x1))
        elif isinstance(atom, tuple) and len(atom) == 3 and len(atom[0]) == 2:
            y, x = (np.asarray(each) for each in atom[0])
            window = window.union(Window(int(y.min()), int(x.min()), int(y.max()) + 1, int(x.max()) + 1))
        else:
            return everything
    return window


def _title(session: EditSession, changes: dict[int, Nucleus | None]) -> str:
    if session.title != "Paint":
        return session.title
    new = sum(key not in session.baseline.nuclei for key in changes)
    return "Draw a nucleus" if new == 1 and len(changes) == 1 else "Paint nuclei"
