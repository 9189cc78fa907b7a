"""Choosing woven tiles: those that a segmenter learns from, or that a critic learns to tell from real ones."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from histoloom.errors import HistoloomError
from histoloom.gui.folder_rows import FolderRows
from histoloom.gui.generator_chooser import GeneratorChooser
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.recipe_form import RecipeForm
from histoloom.gui.words import Words
from histoloom.layouts.random_recipe import PRESETS
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.training.tile_weights import WEIGHTS, read_tile_weights
from histoloom.training.woven_recipe import WovenTilesRecipe

_AT_FIRST = ("woven_share", "weave")
_OF_LAYOUTS = frozenset(WovenTilesRecipe.model_fields).difference(_AT_FIRST)


class WovenTilesPanel(QWidget):
    """Folders of woven tiles, tiles that are woven for one training, and which share of a step's crops they have.

    Parameters
    ----------
    defaults
        What the recipe of the training says of woven tiles at first; None for what a segmenter's does.
    with_labels
        Whether woven tiles need labels and weights count, as for segmenters.
    parent
        Qt parent.
    """

    changed = Signal()
    """Something else was chosen."""
    problem = Signal(str)
    """A sentence, if a folder or generator cannot be used."""

    def __init__(
        self, defaults: WovenTilesRecipe | None = None, *, with_labels: bool = True, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._with_labels = with_labels
        self._call = LatestCall(self)
        self.folders = FolderRows("woven tiles")
        self.found = Words()
        self.generator = GeneratorChooser()
        choices = {"layout_preset": ["", *PRESETS]}
        self.form = RecipeForm(WovenTilesRecipe, advanced=_OF_LAYOUTS, choices=choices, first=_AT_FIRST)
        if defaults is not None:
            self.show_recipe(defaults)
        weaving = QFormLayout()
        weaving.addRow("Woven by", self.generator)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.folders)
        column.addWidget(self.found)
        column.addWidget(self.form)
        column.addLayout(weaving)
        self.folders.changed.connect(self._look_into_folders)
        self.form.changed.connect(self._on_form)
        self.generator.chosen.connect(lambda _reference: self.changed.emit())
        self.generator.problem.connect(self.problem)
        self._on_form()

    @property
    def recipe(self) -> WovenTilesRecipe:
        """What the recipe of a training says of woven tiles."""
        recipe: WovenTilesRecipe = self.form.recipe
        return recipe

    @property
    def is_chosen(self) -> bool:
        """Whether any woven tiles are to be trained on."""
        return bool(self.folders.folders) or self.recipe.weave > 0

    def show_recipe(self, recipe: WovenTilesRecipe) -> None:
        """Show what another recipe says of woven tiles."""
        self.form.recipe = WovenTilesRecipe(**{name: getattr(recipe, name) for name in WovenTilesRecipe.model_fields})

    def close_panel(self) -> None:
        """Forget what is under way."""
        self._call.cancel()
        self.generator.cancel()

    def _on_form(self, *_: object) -> None:
        self.generator.setEnabled(self.form.fields["weave"].value > 0)
        self.changed.emit()

    def _look_into_folders(self) -> None:
        folders = self.folders.folders
        self.changed.emit()
        if not folders:
            self._call.cancel()
            self.found.setText("")
            return
        self.found.setText("Looking into it…")
        describe = _described if self._with_labels else _counted
        self._call.start(lambda: "\n".join(describe(each) for each in folders), self.found.setText, self._on_error)

    def _on_error(self, error: Exception) -> None:
        self.found.setText("")
        text = str(error) if isinstance(error, HistoloomError) else f"The folder cannot be read ({error})."
        self.problem.emit(text)


def _described(path: Path) -> str:
    folder = open_tile_folder(path)
    labelled = {each.id: each.image_path for each in folder.pairs if each.labels is not None}
    count = f"{len(labelled)} labelled {'tile' if len(labelled) == 1 else 'tiles'}"
    if not (path / WEIGHTS).is_file():
        return f"{path.name}: {count}, all of equal weight."
    weights = read_tile_weights(path / WEIGHTS, labelled)
    rejected = sum(each == 0 for each in weights.values())
    kept = [each for each in weights.values() if each > 0]
    spread = f" from {min(kept):.2g} to {max(kept):.2g}" if kept else ""
    return f"{path.name}: {count}, {len(weights)} importance weights{spread}, {rejected} rejected."


def _counted(path: Path) -> str:
    count = len(open_tile_folder(path, labels_required=False).pairs)
    return f"{path.name}: {count:,} woven {'tile' if count == 1 else 'tiles'}."
