"""What all tools of a canvas share: they know it, and do not keep it alive."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas


class CanvasPart:
    """A part of one canvas.

    Parameters
    ----------
    canvas
        Held weakly: Qt and napari may call a part's methods after the viewer has been closed.
    """

    def __init__(self, canvas: Canvas) -> None:
        self._canvas_reference = weakref.ref(canvas)

    @property
    def _canvas(self) -> Canvas:
        canvas = self._canvas_reference()
        if canvas is None:
            raise RuntimeError("The viewer of this canvas has been closed.")
        return canvas
