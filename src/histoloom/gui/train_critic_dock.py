"""The *Train critic* dock: real tiles and woven ones in; a critic for the Weights dock out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from qtpy.QtWidgets import QLabel, QWidget

from histoloom.errors import TrainingError
from histoloom.gui.live import live_weaving_of
from histoloom.gui.status_card import Level
from histoloom.gui.train_dock import TrainDock
from histoloom.gui.train_dock_parts import FOLLOW, SET_UP
from histoloom.gui.training_data_panel import CANVAS
from histoloom.gui.woven_tiles_panel import WovenTilesPanel
from histoloom.jobs.training_order import Trained, TrainingOrder
from histoloom.training.systems.critic_recipe import CriticRecipe
from histoloom.training.systems.presets import FAST_LOOK

_WOVEN_FOR_A_FIRST_LOOK = 24


class TrainCriticDock(TrainDock):
    """Trains critics as `TrainDock` trains generators: on real tiles without labels, and on woven ones."""

    trains: ClassVar[Trained] = "critic"

    def chosen_order(self) -> Callable[[Path], TrainingOrder]:
        """Return what makes the order of what is chosen now; raises as that of `TrainDock`."""
        folders, recipe = self.woven.folders.folders, self.chosen_recipe()
        if not self.woven.is_chosen:
            raise TrainingError(
                "A critic needs woven tiles to tell from real ones; choose a folder of them, or have some woven "
                "('Weave')."
            )
        generator = self.woven.generator.reference if recipe.weave else ""
        order_in = super().chosen_order()
        return lambda folder: replace(order_in(folder), recipe=recipe, woven=folders, generator=generator)

    def chosen_recipe(self) -> CriticRecipe:
        """Return the recipe of the form, with what is chosen of woven tiles; raises `RecipeError`."""
        return CriticRecipe.checked(**self.recipe.recipe.model_dump() | self.woven.recipe.model_dump())

    def set_up_for_canvas(self) -> None:
        """Choose the tile on the canvas, tiles woven on the spot by the generator in use, and a first look.

        A training that is under way is shown instead.
        """
        if self.session.status is not None and self.session.status.is_active:
            self.pages.setCurrentIndex(FOLLOW)
            return
        self.open_folder(None)
        self.pages.setCurrentIndex(SET_UP)
        self.data.source.setCurrentIndex(CANVAS)
        self.recipe.take_preset(FAST_LOOK)
        self.recipe.form.fields["pixel_size"].value = self.canvas.layout.pixel_size
        self.woven.show_recipe(CriticRecipe(weave=_WOVEN_FOR_A_FIRST_LOOK, layouts="mixed"))
        self.woven.generator.choose(live_weaving_of(self.canvas).generator)

    def close_dock(self) -> None:
        """Forget what is under way here; the training itself goes on. Safe to call again."""
        if not self._is_closed.is_set():
            self.woven.close_panel()
        super().close_dock()

    def _more_to_set_up(self) -> list[QWidget]:
        self.woven = WovenTilesPanel(CriticRecipe(), with_labels=False)
        return [QLabel("<b>Woven tiles</b> to tell them from"), self.woven]

    def _connect(self) -> None:
        super()._connect()
        self.woven.problem.connect(lambda text: self.card.show_status(Level.ERROR, text))
        self.woven.changed.connect(self._on_set_up)
        self.recipe.taken.connect(self.woven.show_recipe)
