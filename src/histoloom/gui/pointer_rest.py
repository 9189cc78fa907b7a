"""Waiting for strokes and drags to end before the canvas is changed beneath them."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QApplication

_LOOK_EVERY_MS = 50


class PointerRest(QObject):
    """Calls one function when no button of the mouse is pressed: at once, or when it has been let go.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._function: Callable[[], object] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_LOOK_EVERY_MS)
        self._timer.timeout.connect(self._look)

    def call(self, function: Callable[[], object]) -> None:
        """Call a function as soon as it can be; one that still waits is forgotten."""
        self._function = function
        self._look()

    def forget(self) -> None:
        """Call nothing any more."""
        self._function = None
        self._timer.stop()

    def _look(self) -> None:
        if self._function is None:
            return
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._timer.start()
            return
        function, self._function = self._function, None
        function()
