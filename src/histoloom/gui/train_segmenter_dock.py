"""The *Train segmenter* dock: tiles, an architecture and its recipe in; curves, predictions and bundles out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QWidget

from histoloom.errors import HistoloomError
from histoloom.gui.correction_panel import CorrectionPanel
from histoloom.gui.ignore_panel import IgnorePanel
from histoloom.gui.prediction_panel import PredictionPanel
from histoloom.gui.status_card import Level
from histoloom.gui.train_dock import TrainDock
from histoloom.gui.woven_tiles_panel import WovenTilesPanel
from histoloom.jobs.corrections import continued_order, next_folder
from histoloom.jobs.training_order import Trained, TrainingOrder, make_ready
from histoloom.jobs.training_run import TrainingRun, TrainingStatus, refuse_second_training
from histoloom.training.events import CheckpointSaved, TrainingEvent
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe

if TYPE_CHECKING:
    import napari

_SYSTEM = "segmenter"


class TrainSegmenterDock(TrainDock):
    """Trains segmenters as `TrainDock` trains generators, and shows on the canvas what they find.

    Parameters
    ----------
    napari_viewer
        The viewer whose canvas and layers may be trained on, and in which predictions are shown.
    """

    trains: ClassVar[Trained] = "segmenter"

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self._goes_on_when_stopped = False
        super().__init__(napari_viewer)

    @property
    def is_busy(self) -> bool:
        """Whether something is being prepared, estimated, read or looked for."""
        return super().is_busy or self.prediction.is_busy or self.correction.is_busy

    def chosen_order(self) -> Callable[[Path], TrainingOrder]:
        """Return what makes the order of what is chosen now; raises as that of `TrainDock`."""
        folders, recipe = self.woven.folders.folders, self.chosen_recipe()
        generator = self.woven.generator.reference if recipe.weave else ""
        if self.woven.is_chosen and self.data.is_empty:
            size = self.data.pixel_size.value() or None
            return lambda _: TrainingOrder(_SYSTEM, recipe, (), size, (), folders, generator)
        order_in = super().chosen_order()
        return lambda folder: replace(order_in(folder), recipe=recipe, woven=folders, generator=generator)

    def chosen_recipe(self) -> SegmenterRecipe:
        """Return the recipe of the form, with what is chosen of woven tiles; raises `RecipeError`."""
        values = self.recipe.recipe.model_dump() | self.woven.recipe.model_dump()
        return SegmenterRecipe.checked(**values)

    def continue_training(self) -> None:
        """Begin a run with the newest weights of the one that is followed and what was corrected; stop that one first.

        How long and how fast it learns is as the form says; which network it is and what is held out stays.
        """
        run, status = self.session.run, self.session.status
        if run is None:
            return
        if status is not None and status.is_active:
            self._goes_on_when_stopped = True
            if status.state != "stopping":
                self.stop_training()
            return
        try:
            refuse_second_training()
            recipe, folder = self.chosen_recipe(), next_folder(run.folder)
            make_ready(folder)
        except HistoloomError as error:
            self._on_error(error)
            return
        before = run.folder
        self.start_order(lambda start: continued_order(before, recipe, start), folder)

    def close_dock(self) -> None:
        """Forget what is under way here; the training itself goes on. Safe to call again."""
        if not self._is_closed.is_set():
            for each in (self.prediction, self.correction, self.ignore, self.woven):
                each.close_panel()
        super().close_dock()

    def _more_to_set_up(self) -> list[QWidget]:
        self.ignore = IgnorePanel(self.canvas)
        self.woven = WovenTilesPanel()
        return [self.ignore, QLabel("<b>Woven tiles</b>, if any"), self.woven]

    def _more_to_follow(self) -> list[QWidget]:
        self.prediction = PredictionPanel(self.canvas)
        self.correction = CorrectionPanel(self.canvas)
        return [self.prediction, self.correction]

    def _connect(self) -> None:
        super()._connect()
        for problem in (self.ignore.problem, self.woven.problem):
            problem.connect(lambda text: self.card.show_status(Level.ERROR, text))
        self.woven.changed.connect(self._on_set_up)
        self.recipe.taken.connect(self.woven.show_recipe)
        self.correction.told.connect(self.card.show_status)
        self.correction.wants_to_continue.connect(self.continue_training)
        self.prediction.told.connect(lambda good, text: self.card.show_status(Level.OK if good else Level.ERROR, text))

    def _on_opened(self, run: TrainingRun | None) -> None:
        super()._on_opened(run)
        self._goes_on_when_stopped = False
        for panel in (self.prediction, self.correction):
            panel.open_run(None if run is None else run.run)

    def _on_told(self, events: list[TrainingEvent]) -> None:
        super()._on_told(events)
        if any(isinstance(each, CheckpointSaved) for each in events):
            self.prediction.renew()
            self.correction.renew()

    def _on_changed(self, status: TrainingStatus) -> None:
        super()._on_changed(status)
        if self._goes_on_when_stopped and not status.is_active:
            self._goes_on_when_stopped = False
            # Whoever told this is not done with the run yet.
            QTimer.singleShot(0, self.continue_training)
