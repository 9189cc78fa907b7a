"""The *Train segmenter* dock: tiles, an architecture and its recipe in; curves, predictions and bundles out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from qtpy.QtWidgets import QLabel, QWidget

from histoloom.gui.ignore_panel import IgnorePanel
from histoloom.gui.prediction_panel import PredictionPanel
from histoloom.gui.status_card import Level
from histoloom.gui.train_dock import TrainDock
from histoloom.gui.woven_tiles_panel import WovenTilesPanel
from histoloom.jobs.training_order import Trained, TrainingOrder
from histoloom.jobs.training_run import TrainingRun
from histoloom.training.events import CheckpointSaved, TrainingEvent
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe

_SYSTEM = "segmenter"


class TrainSegmenterDock(TrainDock):
    """Trains segmenters as `TrainDock` trains generators, and shows on the canvas what they find.

    Parameters
    ----------
    napari_viewer
        The viewer whose canvas and layers may be trained on, and in which predictions are shown.
    """

    trains: ClassVar[Trained] = "segmenter"

    @property
    def is_busy(self) -> bool:
        """Whether something is being prepared, estimated, read or looked for."""
        return super().is_busy or self.prediction.is_busy

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

    def close_dock(self) -> None:
        """Forget what is under way here; the training itself goes on. Safe to call again."""
        if not self._is_closed.is_set():
            for each in (self.prediction, self.ignore, self.woven):
                each.close_panel()
        super().close_dock()

    def _more_to_set_up(self) -> list[QWidget]:
        self.ignore = IgnorePanel(self.canvas)
        self.woven = WovenTilesPanel()
        return [self.ignore, QLabel("<b>Woven tiles</b>, if any"), self.woven]

    def _more_to_follow(self) -> list[QWidget]:
        self.prediction = PredictionPanel(self.canvas)
        return [self.prediction]

    def _connect(self) -> None:
        super()._connect()
        for problem in (self.ignore.problem, self.woven.problem):
            problem.connect(lambda text: self.card.show_status(Level.ERROR, text))
        self.woven.changed.connect(self._on_set_up)
        self.recipe.taken.connect(self.woven.show_recipe)
        self.prediction.told.connect(lambda good, text: self.card.show_status(Level.OK if good else Level.ERROR, text))

    def _on_opened(self, run: TrainingRun | None) -> None:
        super()._on_opened(run)
        self.prediction.open_run(None if run is None else run.run)

    def _on_told(self, events: list[TrainingEvent]) -> None:
        super()._on_told(events)
        if any(isinstance(each, CheckpointSaved) for each in events):
            self.prediction.renew()
