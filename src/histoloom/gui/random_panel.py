"""The dock's random layouts: choose a generator, fill its form, generate."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.qt.threading import create_worker
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from histoloom.errors import HistoloomError
from histoloom.gui.recipe_form import RecipeForm
from histoloom.gui.selection_edits import counted
from histoloom.layouts import Layout, Nucleus, TissueMap, random_tissue_map
from histoloom.layouts.generators_by_name import LAYOUT_GENERATORS, LayoutGenerator
from histoloom.layouts.random_recipe import PRESETS, RandomLayoutRecipe
from histoloom.recipes import Recipe

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_FROM_CANVAS = ("height", "width", "pixel_size", "rows")
_SHOWN_FIRST = {
    "density",
    "min_spacing",
    "cluster_fraction",
    "gland_density",
    "gradient",
    "tissue_map",
    "density_level",
}


_TITLES = {"tissue": "Tissue-like", "hou": "Polygons (Hou et al.)"}
_CHOICES = tuple(LAYOUT_GENERATORS.items())


class RandomPanel(QWidget):
    """Generating nuclei at random, in a thread of its own.

    Parameters
    ----------
    canvas
        What is filled.
    parent
        Qt parent.
    """

    finished = Signal(str)
    """A sentence about what has been generated."""
    failed = Signal(str)
    """A sentence about why nothing has been generated."""

    def __init__(self, canvas: Canvas, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._canvas_reference = weakref.ref(canvas)
        self._worker: Any = None
        self._kind = QComboBox()
        self._kind.addItems([_TITLES.get(name, name) for name, _ in _CHOICES])
        self._preset = QComboBox()
        self._preset.addItems(list(PRESETS))
        self._forms = [self._form(each) for _, each in _CHOICES]
        self._seed = QSpinBox()
        self._seed.setRange(0, 2**31 - 1)
        self._replace = QCheckBox("Replace what is there")
        self._replace.setChecked(True)
        self._next = QCheckBox("New seed each time")
        self._button = QPushButton("Generate")
        self._button.clicked.connect(self.generate)
        self._kind.currentIndexChanged.connect(self._on_kind)
        self._preset.activated.connect(self._on_preset)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(_row(QLabel("Generator"), self._kind))
        self._preset_row = QWidget()
        self._preset_row.setLayout(_row(QLabel("Like"), self._preset))
        self._preset_row.layout().setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._preset_row)
        self.curves = QLabel()
        self.curves.setWordWrap(True)
        column.addWidget(self.curves)
        for form in self._forms:
            column.addWidget(form)
        column.addLayout(_row(QLabel("Seed"), self._seed, self._next))
        column.addLayout(_row(self._replace, self._button))
        canvas.history_changed.connect(self._on_history)
        self._on_kind(0)
        self._on_history()

    @property
    def form(self) -> RecipeForm:
        """The form of the chosen generator."""
        return self._forms[int(self._kind.currentIndex())]

    @property
    def is_running(self) -> bool:
        """Whether nuclei are being generated."""
        return self._worker is not None

    def generate(self) -> None:
        """Generate nuclei as the form says, and put them on the canvas when they are ready."""
        canvas = self._canvas_reference()
        if canvas is None or self._worker is not None:
            return
        canvas.sketch.finish_drawing()
        _, choice = _CHOICES[self._kind.currentIndex()]
        try:
            recipe = self._recipe(canvas, choice)
        except HistoloomError as error:
            self.failed.emit(str(error))
            return
        if self._next.isChecked():
            self._seed.setValue((self._seed.value() + 1) % 2**31)
        base = canvas.layout
        replaces = self._replace.isChecked()
        self._button.setEnabled(False)
        self._button.setText("Generating …")
        self._worker = create_worker(_generated, choice.generate, recipe, self._seed.value(), base, replaces)
        self._worker.returned.connect(self._on_ready)
        self._worker.errored.connect(self._on_error)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _recipe(self, canvas: Canvas, choice: LayoutGenerator) -> Recipe:
        layout = canvas.layout
        values = self.form.recipe.model_dump()
        values |= {"height": layout.shape[0], "width": layout.shape[1], "pixel_size": layout.pixel_size}
        if "rows" in choice.recipe_type.model_fields:
            curves = [curve * layout.pixel_size for curve in canvas.sketch.curves]
            values["rows"] = tuple(tuple((float(y), float(x)) for y, x in curve) for curve in curves)
        return choice.recipe_type.checked(**values)

    def _form(self, choice: LayoutGenerator) -> RecipeForm:
        names = set(choice.recipe_type.model_fields)
        return RecipeForm(choice.recipe_type, hidden=_FROM_CANVAS, advanced=names - _SHOWN_FIRST)

    def _on_kind(self, index: int) -> None:
        for each, form in enumerate(self._forms):
            form.setVisible(each == index)
        self._preset_row.setVisible(_CHOICES[index][1].recipe_type is RandomLayoutRecipe)
        self.curves.setVisible("rows" in _CHOICES[index][1].recipe_type.model_fields)

    def _on_history(self) -> None:
        canvas = self._canvas_reference()
        if canvas is None:
            return
        count = len(canvas.sketch.curves)
        if count:
            which = "the drawn curve" if count == 1 else f"each of the {count} drawn curves"
            self.curves.setText(f"A row of epithelium will stand along {which}.")
        else:
            self.curves.setText("For rows of epithelium, draw curves first with the Curve tool (Shift+K).")

    def _on_preset(self, _index: int) -> None:
        self.form.recipe = RandomLayoutRecipe.checked(**PRESETS[self._preset.currentText()])

    def _on_ready(self, result: _Generated) -> None:
        canvas = self._canvas_reference()
        if canvas is None:
            return
        if canvas.layout is not result.base:
            self.failed.emit("The layout was edited while nuclei were generated; generate again.")
            return
        canvas.replace_layout(result.title, result.layout, result.label_map)
        self.finished.emit(result.sentence)

    def _on_error(self, error: Exception) -> None:
        if isinstance(error, HistoloomError):
            self.failed.emit(str(error))
        else:
            self.failed.emit(f"Generating failed ({error}); change the recipe and try again.")

    def _on_finished(self) -> None:
        self._worker = None
        self._button.setEnabled(True)
        self._button.setText("Generate")


@dataclass(frozen=True)
class _Generated:
    title: str
    layout: Layout
    label_map: NDArray[np.int32]
    base: Layout
    sentence: str


def _generated(
    generate: Callable[[Any, int], Layout], recipe: Recipe, seed: int, base: Layout, replaces: bool
) -> _Generated:
    """Run in a thread: generate, number, and rasterize."""
    new = generate(recipe, seed)
    names = [each.name for each in base.classes]
    classes = (*base.classes, *(each for each in new.classes if each.name not in names))
    if replaces:
        layout = replace(new, classes=classes)
    else:
        layout = replace(base, nuclei=dict(base.nuclei) | _renumbered(new, base), classes=classes)
    layout = layout.with_tissue_map(_tissue_map(layout, recipe, seed))
    sentence = str(new.provenance.get("note") or f"{len(new.nuclei):,} nuclei were generated.")
    return _Generated(counted("Generate", len(new.nuclei)), layout, layout.rasterize(), base, sentence)


def _tissue_map(layout: Layout, recipe: Recipe, seed: int) -> TissueMap | None:
    """Return the map that generated nuclei have or lie in already, or one around them, unless none is wanted."""
    if layout.tissue_map is not None or not getattr(recipe, "tissue_map", True):
        return layout.tissue_map
    tissue = recipe.tissue if isinstance(recipe, RandomLayoutRecipe) else None
    return random_tissue_map(layout, tissue, seed)


def _renumbered(new: Layout, base: Layout) -> dict[int, Nucleus]:
    shift, lift = base.next_id() - 1, base.next_z_order()
    return {
        key + shift: replace(nucleus, id=key + shift, z_order=nucleus.z_order + lift)
        for key, nucleus in new.nuclei.items()
    }


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row
