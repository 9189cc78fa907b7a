"""A critic trained on demand: from the Weights dock to the dock that trains one, and back with what was trained."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from histoloom.gui.opening import open_dock
from histoloom.gui.train_critic_dock import TrainCriticDock
from histoloom.gui.training_session import training_session_of
from histoloom.jobs.training_run import TrainingStatus

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_DOCK = "Train critic"


class CriticOnDemand(QObject):
    """Opens the dock, and tells when a critic that is trained in this viewer is ready.

    Parameters
    ----------
    canvas
        The canvas; held weakly.
    parent
        Qt parent.
    """

    trained = Signal(object)
    """The bundle's path."""

    def __init__(self, canvas: Canvas, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._canvas = weakref.ref(canvas)
        self._session = training_session_of(canvas, "critic")
        self._told: Path | None = None
        self._session.changed.connect(self._on_changed)

    def open_dock(self) -> bool:
        """Open the dock that trains critics, set up with the tile on the canvas; returns whether there is a window."""
        canvas = self._canvas()
        widget = None if canvas is None else open_dock(canvas.viewer, _DOCK)
        if not isinstance(widget, TrainCriticDock):
            return False
        widget.set_up_for_canvas()
        return True

    def look(self) -> None:
        """Tell of a critic that has been trained already."""
        if self._session.status is not None:
            self._on_changed(self._session.status)

    def _on_changed(self, status: TrainingStatus) -> None:
        bundle = None if self._session.run is None else self._session.run.run.bundle
        if status.state == "finished" and bundle is not None and bundle != self._told:
            self._told = bundle
            self.trained.emit(bundle)
