"""An edit while it is being made: previewed many times, then committed once or cancelled."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from histoloom.layouts import LayoutEdit, Nucleus

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

PREVIEW_SECONDS = 1.0 / 15.0
"""The least time between two previews: what the weave process is asked to follow."""


class EditSession:
    """A stroke or a drag under way; made by `Canvas.begin`.

    All changes are given relative to the layout at the beginning. Listeners hear of differences only: each preview says
    what has changed since the one before, so the windows of all of them together cover every pixel that may differ.

    Parameters
    ----------
    canvas
        Where it happens.
    title
        What the history will call it.
    draws
        Whether previews are shown in the Layout layer.
    """

    def __init__(self, canvas: Canvas, title: str, draws: bool) -> None:
        self._canvas = canvas
        self._draws = draws
        self._latest: dict[int, Nucleus | None] = {}
        self._shown_at = 0.0
        self._is_over = False
        self.title = title
        self.baseline = canvas.layout

    @property
    def is_over(self) -> bool:
        """Whether it has been committed or cancelled."""
        return self._is_over

    @property
    def is_previewed(self) -> bool:
        """Whether anything provisional is on the canvas."""
        return bool(self._latest)

    @property
    def is_due(self) -> bool:
        """Whether enough time has passed for another preview."""
        return not self._is_over and time.monotonic() - self._shown_at >= PREVIEW_SECONDS

    def preview(self, changes: Mapping[int, Nucleus | None]) -> None:
        """Show provisional changes in place of the earlier ones."""
        if self._is_over:
            return
        edit = self._difference(changes)
        self._latest = dict(changes)
        self._canvas.show_edit(edit, False, self._draws)
        # Counted from the end, so that a slow canvas still leaves time for the pointer.
        self._shown_at = time.monotonic()

    def commit(self, changes: Mapping[int, Nucleus | None] | None = None, title: str | None = None) -> None:
        """Make changes (default: those previewed last) final, as one step of the history."""
        if self._is_over:
            return
        wanted = self._latest if changes is None else changes
        whole = LayoutEdit.of(title or self.title, self.baseline, wanted)
        last = self._difference(wanted)
        heard = self.is_previewed
        self._finish()
        if whole.is_empty and not heard:
            return
        if not whole.is_empty:
            self._canvas.push_edit(whole)
        self._canvas.show_edit(last, True)

    def cancel(self) -> None:
        """Go back to the layout at the beginning; the history hears nothing of it."""
        if self._is_over:
            return
        back = self._difference({})
        heard = self.is_previewed
        self._finish()
        if heard:
            self._canvas.show_edit(back, True)

    def _difference(self, changes: Mapping[int, Nucleus | None]) -> LayoutEdit:
        """Return what leads from what is shown now to the given changes of the baseline."""
        rows = {key: self.baseline.nuclei.get(key) for key in self._latest if key not in changes}
        return LayoutEdit.of(self.title, self._canvas.layout, rows | dict(changes))

    def _finish(self) -> None:
        self._is_over = True
        self._canvas.end_session(self)
