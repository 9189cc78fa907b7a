"""Choosing a system (or a segmenter's architecture) and its recipe: presets, a file, or the form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from histoloom.errors import RecipeError
from histoloom.gui.look_chooser import narrow
from histoloom.gui.recipe_form import RecipeForm
from histoloom.segmenters.registry import ARCHITECTURES
from histoloom.training.appearance import AppearanceRecipe
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.presets import presets_of
from histoloom.training.systems.registry import recipe_type
from histoloom.training.woven_recipe import WovenTilesRecipe

_OWN = "own settings"
_AT_FIRST = ("steps", "batch_size", "crop_size", "pixel_size", "learning_rate", "seed", "device", "checkpoint_every")
"""Shared fields that are not folded away; fields of a system's own never are."""

_ALSO_FOLDED = frozenset(AppearanceRecipe.model_fields)
"""Fields of a segmenter's recipe that few people change."""

_ELSEWHERE = frozenset(WovenTilesRecipe.model_fields)
"""Fields of a segmenter's recipe that `histoloom.gui.woven_tiles_panel` shows."""


class TrainingRecipePanel(QWidget):
    """System, preset, file and form; the system is not asked for where there is only one.

    Parameters
    ----------
    systems
        Names of those that can be chosen.
    parent
        Qt parent.
    """

    changed = Signal()
    """Another system or recipe."""
    taken = Signal(object)
    """The recipe of a run or a file, when it is shown."""
    problem = Signal(str)
    """A sentence, if a file holds no recipe of the system."""

    def __init__(self, systems: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.system = QComboBox()
        self.system.addItems(list(systems))
        self.system.setAccessibleName("System to train")
        self.preset = QComboBox()
        self.preset.setAccessibleName("Preset of the recipe")
        self.preset.setToolTip("Fill the form with settings for a first look, as in the paper, or for a GPU.")
        for combo in (self.system, self.preset):
            narrow(combo)
        self.from_file = QPushButton("From a file…")
        self.from_file.setToolTip("Fill the form from a recipe.json, such as that of another run.")
        self.form: RecipeForm = self._form_of(self.system.currentText())
        self._holder = QVBoxLayout()
        preset = QHBoxLayout()
        preset.addWidget(self.preset, 1)
        preset.addWidget(self.from_file)
        form = QFormLayout()
        if len(systems) > 1:
            form.addRow("System", self.system)
        form.addRow("Preset", preset)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addLayout(self._holder)
        self.system.currentTextChanged.connect(self._on_system)
        self.preset.activated.connect(lambda _index: self.take_preset(self.preset.currentText()))
        self.from_file.clicked.connect(self._on_from_file)
        self._show_form()

    @property
    def recipe(self) -> TrainingRecipe:
        """The recipe of the form; raises `RecipeError` if its values contradict each other."""
        recipe: TrainingRecipe = self.form.recipe
        return recipe

    def show_recipe(self, system: str, recipe: TrainingRecipe) -> None:
        """Show a system with a recipe."""
        self.system.setCurrentText(system)
        self.form.recipe = recipe
        self.taken.emit(recipe)

    def take_preset(self, name: str) -> None:
        """Fill the form with a preset."""
        system = self.system.currentText()
        values = presets_of(system).get(name)
        if values is not None:
            self.form.recipe = recipe_type(system).checked(**values)
            self.preset.setCurrentText(name)

    def take_file(self, path: Path) -> None:
        """Fill the form from a file; one of another system, or with unusable values, changes nothing."""
        try:
            recipe = recipe_type(self.system.currentText()).from_file(path)
        except RecipeError as error:
            self.problem.emit(str(error))
            return
        self.form.recipe = recipe
        self.taken.emit(recipe)

    def _on_system(self, system: str) -> None:
        self._holder.removeWidget(self.form)
        self.form.hide()
        self.form.deleteLater()
        self.form = self._form_of(system)
        self._show_form()

    def _form_of(self, system: str) -> RecipeForm:
        folded = _ALSO_FOLDED.union(TrainingRecipe.model_fields).difference(_AT_FIRST)
        choices = {"architecture": list(ARCHITECTURES)}
        chosen = recipe_type(system)
        return RecipeForm(chosen, hidden=_ELSEWHERE, advanced=folded, choices=choices, first=list(choices))

    def _show_form(self) -> None:
        self.form.changed.connect(self._on_changed)
        self._holder.addWidget(self.form)
        self.preset.clear()
        self.preset.addItems([*presets_of(self.system.currentText()), _OWN])
        self._on_changed()

    def _on_changed(self, *_: object) -> None:
        self.preset.setCurrentText(self._matching_preset())
        self.changed.emit()

    def _matching_preset(self) -> str:
        system = self.system.currentText()
        try:
            recipe = self.recipe
        except RecipeError:
            return _OWN
        for name, values in presets_of(system).items():
            if recipe == recipe_type(system).checked(**values):
                return name
        return _OWN

    def _on_from_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "A recipe", "", "Recipes (*.json)")
        if name:
            self.take_file(Path(name))
