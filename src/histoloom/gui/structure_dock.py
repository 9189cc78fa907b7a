"""The *Structure* dock: edges and structure maps, live on the canvas, corrected and accepted as a condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from histoloom.conditions import EdgeRecipe, StructureMapRecipe
from histoloom.errors import RecipeError
from histoloom.gui.canvas import canvas_of
from histoloom.gui.look_chooser import narrow
from histoloom.gui.recipe_form import RecipeForm
from histoloom.gui.status_card import Level, StatusCard
from histoloom.gui.structure import structure_of
from histoloom.gui.structure_finding import Kind, Source, StructureFound

if TYPE_CHECKING:
    import napari

_KINDS: tuple[tuple[str, Kind], ...] = (("Labels with edges", "labels"), ("Structure map", "map"))
_SOURCES: tuple[tuple[str, Source], ...] = (
    ("The real tile", "tile"),
    ("The woven picture", "picture"),
    ("Contours of the nuclei", "contours"),
)
_BRUSHES = (("Edge", 2), ("Nucleus", 1), ("Background", 0))


class StructureDock(QScrollArea):
    """What to look for and where, its parameters, brushes for corrections, and the acceptance as a condition.

    Parameters
    ----------
    napari_viewer
        The viewer whose canvas is looked at.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.canvas = canvas_of(napari_viewer)
        self.structure = structure_of(self.canvas)
        self.card = StatusCard()
        self.kind = _combo([title for title, _ in _KINDS], "What is shown, and accepted as a condition.")
        self.source = _combo([title for title, _ in _SOURCES], "Where edges and structure are looked for.")
        self.forms: dict[Kind, RecipeForm] = {"labels": RecipeForm(EdgeRecipe), "map": RecipeForm(StructureMapRecipe)}
        self.numbers = QLabel("")
        self.numbers.setWordWrap(True)
        self.numbers.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.fix = QPushButton("Keep these thresholds")
        self.fix.setToolTip("Put the thresholds that were found into the form, so that other tiles get the same.")
        self.live = QCheckBox("Live: follow tile, nuclei and parameters")
        self.live.setChecked(True)
        self.see_through = QCheckBox("See the tissue through the background")
        self.see_through.setChecked(True)
        self.brushes = [QPushButton(title) for title, _ in _BRUSHES]
        self.drop = QPushButton("Drop all corrections")
        self.accept = QPushButton("Accept as condition")
        self.accept.setToolTip(
            "Keep what is shown, with its encoding and parameters, for generators that see structure."
        )
        self._lay_out()
        self._connect()
        self._on_chosen()
        if self.canvas.is_open:
            self._show_status(Level.WORKING, "Looking for structure …")
        else:
            self._show_status(Level.OK, "Open a tile, or draw nuclei and take their contours.")
        self._has_been_seen = False

    def showEvent(self, event: Any) -> None:
        """Begin to follow when somebody looks at the dock; a tab that lies behind others costs nothing."""
        super().showEvent(event)
        # By then the tabs lie as they will, of which each is in front for a moment while docks are added.
        QTimer.singleShot(0, self._on_shown)

    def closeEvent(self, event: Any) -> None:
        """Stop following; what is shown stays in the Structure layer."""
        self.structure.set_live(False)
        super().closeEvent(event)

    def _on_shown(self) -> None:
        if not self._has_been_seen and not self.visibleRegion().isEmpty():
            self._has_been_seen = True
            self.structure.set_live(self.live.isChecked())

    @property
    def chosen_kind(self) -> Kind:
        """What is looked for."""
        return _KINDS[int(self.kind.currentIndex())][1]

    @property
    def chosen_source(self) -> Source:
        """Where it is looked for."""
        return _SOURCES[int(self.source.currentIndex())][1]

    @property
    def form(self) -> RecipeForm:
        """The form that is shown."""
        return self.forms[self.chosen_kind]

    def _lay_out(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.addWidget(self.card)
        form = QFormLayout()
        form.addRow("Show", self.kind)
        form.addRow("Of", self.source)
        column.addLayout(form)
        column.addWidget(self.live)
        column.addWidget(self.see_through)
        for each in self.forms.values():
            column.addWidget(each)
        column.addWidget(self.numbers)
        column.addWidget(self.fix)
        column.addWidget(QLabel("<b>Paint corrections</b>"))
        row = QHBoxLayout()
        for brush in self.brushes:
            row.addWidget(brush)
        column.addLayout(row)
        column.addWidget(self.drop)
        column.addWidget(self.accept)
        column.addStretch(1)
        self.setWidget(inner)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(300)

    def _connect(self) -> None:
        self.kind.currentIndexChanged.connect(self._on_chosen)
        self.source.currentIndexChanged.connect(self._on_chosen)
        for form in self.forms.values():
            form.changed.connect(self._on_chosen)
        self.live.toggled.connect(self.structure.set_live)
        self.see_through.toggled.connect(self.structure.set_see_through)
        self.fix.clicked.connect(self._on_fix)
        for button, (title, value) in zip(self.brushes, _BRUSHES, strict=True):
            button.setToolTip(f"Paint {title.lower()} into the Structure layer.")
            button.clicked.connect(lambda _=False, value=value: self.structure.paint_with(value))
        self.drop.clicked.connect(lambda: self.structure.drop_corrections())
        self.accept.clicked.connect(self.structure.accept)
        self.structure.found.connect(self._on_found)
        self.structure.told.connect(self._show_status)

    def _on_chosen(self, *_: object) -> None:
        for kind, form in self.forms.items():
            form.setVisible(kind == self.chosen_kind and self.chosen_source != "contours")
        try:
            recipe = self.form.recipe
        except RecipeError:
            return  # the form says what is wrong
        self._enable_fields(recipe)
        self.brushes[1].setEnabled(self.chosen_kind == "labels")
        self.structure.look_for(self.chosen_kind, recipe, self.chosen_source)

    def _enable_fields(self, recipe: EdgeRecipe | StructureMapRecipe) -> None:
        """Grey out what has no meaning beside the other values."""
        if isinstance(recipe, EdgeRecipe):
            thresholded = recipe.detector != "zero_crossing"
            used = {
                "automatic": thresholded,
                "strong_fraction": thresholded and recipe.automatic,
                "high": thresholded and not recipe.automatic,
                "low": recipe.detector == "canny" and not recipe.automatic,
            }
        else:
            used = {
                "level": recipe.method == "fixed",
                "neighbourhood": recipe.method == "local",
                "offset": recipe.method == "local",
            }
        for name, is_used in used.items():
            self.form.fields[name].enabled = is_used

    def _on_found(self, found: StructureFound) -> None:
        self.numbers.setText(_numbers_of(found))
        recipe = found.encoding.recipe
        self.fix.setEnabled(found.encoding.needs_picture and not _is_same(recipe, self.form))
        self._show_status(Level.OK, f"Shown in the Structure layer, after {found.seconds * 1000:.0f} ms.")

    def _on_fix(self) -> None:
        latest = self.structure.latest
        if latest is None:
            return
        values = latest.encoding.recipe.model_dump(exclude={"source"})
        recipe_type = StructureMapRecipe if "method" in values else EdgeRecipe
        self.forms["map" if "method" in values else "labels"].recipe = recipe_type.checked(**values)

    def _show_status(self, level: Level, text: str) -> None:
        self.card.show_status(level, text)


def _combo(titles: list[str], tooltip: str) -> QComboBox:
    combo = QComboBox()
    combo.addItems(titles)
    combo.setToolTip(tooltip)
    narrow(combo)
    return combo


def _is_same(recipe: Any, form: RecipeForm) -> bool:
    try:
        values = form.recipe.model_dump()
    except RecipeError:
        return False
    return all(getattr(recipe, name) == value for name, value in values.items())


def _numbers_of(found: StructureFound) -> str:
    """Return how much structure there is, and by which thresholds."""
    recipe = found.encoding.recipe
    if recipe.source == "contours":
        return f"Contour pixels: {found.fraction:.1%}"
    if isinstance(recipe, StructureMapRecipe):
        level = f" · level {recipe.level:.1f}" if recipe.method == "fixed" else ""
        return f"Structure pixels: {found.fraction:.1%}{level}"
    text = f"Edge pixels: {found.fraction:.1%}"
    if recipe.detector == "canny":
        return f"{text} · thresholds {recipe.low:.1f} and {recipe.high:.1f} levels/µm"
    if recipe.detector == "zero_crossing":
        return text
    unit = "levels/µm²" if recipe.detector == "log" else "levels/µm"
    return f"{text} · threshold {recipe.high:.1f} {unit}"
