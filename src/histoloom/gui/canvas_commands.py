"""What the history of a canvas holds: edits of its layout, and other layouts put in its place."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from histoloom.layouts import Layout, LayoutEdit

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas


class LayoutCommand:
    """One edit of the layout in the history.

    Parameters
    ----------
    canvas
        Where it was made.
    edit
        What was done.
    """

    def __init__(self, canvas: Canvas, edit: LayoutEdit) -> None:
        self._canvas = weakref.ref(canvas)
        self._edit = edit
        self.title = edit.title

    def do(self) -> None:
        """Make the edit."""
        canvas = self._canvas()
        if canvas is not None:
            canvas.show_edit(self._edit, True)

    def undo(self) -> None:
        """Take the edit back."""
        canvas = self._canvas()
        if canvas is not None:
            canvas.show_edit(self._edit.inverse, True)


class ReplaceCommand:
    """Another layout put in the place of one, in the history.

    Parameters
    ----------
    canvas
        Where it was done.
    title
        What it was.
    before, after
        The two layouts.
    """

    def __init__(self, canvas: Canvas, title: str, before: Layout, after: Layout) -> None:
        self._canvas = weakref.ref(canvas)
        self._before, self._after = before, after
        self.title = title

    def do(self) -> None:
        """Show the new layout."""
        canvas = self._canvas()
        if canvas is not None:
            canvas.show_layout(self._after)

    def undo(self) -> None:
        """Show the old layout."""
        canvas = self._canvas()
        if canvas is not None:
            canvas.show_layout(self._before)
