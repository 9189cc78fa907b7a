"""The dock's tissue map: what lies between the nuclei, painted, taken from the tile, or drawn at random."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QSize, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from histoloom.errors import HistoloomError
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.tissue_brush import LEAST_DIAMETER, MOST_DIAMETER
from histoloom.gui.tissue_layer import TISSUE_COLORS
from histoloom.gui.tools import Tool
from histoloom.layouts import Layout, LayoutEdit, TissueMap, TissueMapRecipe, random_tissue_map, tile_tissue_map
from histoloom.tiles.tissue import ANY, TISSUES

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_COLUMNS = 3
_TIPS = (
    "Leave the choice to the generator (0)",
    "Glass: lumens, clefts, the outside of the tissue (1)",
    "Connective tissue (2)",
    "Cytoplasm between crowded nuclei (3)",
    "Red cells (4)",
)
_STYLE = """
QToolButton { padding: 3px; border-radius: 3px; background: rgba(128, 128, 128, 50); }
QToolButton:hover { background: rgba(128, 128, 128, 110); }
QToolButton:checked { background: rgba(0, 114, 178, 200); }
"""


class TissuePanel(QWidget):
    """The tissue brush's tissues, which are the Tissue layer's legend as well, and whole maps.

    Parameters
    ----------
    canvas
        Whose tissue map it is.
    parent
        Qt parent.
    """

    finished = Signal(str)
    """A sentence about what has been done."""
    failed = Signal(str)
    """A sentence about why nothing has been done."""

    def __init__(self, canvas: Canvas, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._canvas_reference = weakref.ref(canvas)
        self._call = LatestCall(self)
        self._seed = 0
        self._shown: TissueMap | None = None
        # napari's themes draw tool buttons flat, on or off.
        self.setStyleSheet(_STYLE)
        self.shares = QLabel()
        self.shares.setWordWrap(True)
        self.from_tile = QPushButton("From this tile")
        self.from_tile.setToolTip("Take what lies between the nuclei of the real tile in the viewer")
        self.random = QPushButton("Random")
        self.random.setToolTip("Draw tissue that suits the nuclei; each time another one")
        self.clear = QPushButton("Clear")
        self.clear.setToolTip("Take the tissue map away, and leave everything to the generator")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.shares)
        column.addLayout(self._tissues())
        column.addLayout(self._brush())
        row = QHBoxLayout()
        for button in (self.from_tile, self.random, self.clear):
            row.addWidget(button)
        column.addLayout(row)
        self.from_tile.clicked.connect(self.take_from_tile)
        self.random.clicked.connect(self.draw_at_random)
        self.clear.clicked.connect(self.take_away)
        canvas.tissue.changed.connect(self._on_brush)
        canvas.tool_changed.connect(self._on_tool)
        canvas.layout_edited.connect(self._on_edited)
        canvas.layout_replaced.connect(self._on_replaced)
        canvas.tile_changed.connect(self._show_state)
        self._on_brush()
        self._show_state()

    @property
    def is_busy(self) -> bool:
        """Whether a map is being made."""
        return self._call.is_busy

    def take_from_tile(self) -> None:
        """Give the layout the tissue map of the real tile in the viewer."""
        canvas = self._canvas_reference()
        if canvas is None:
            return
        tile = canvas.tile
        if tile is None:
            self.failed.emit("There is no real tile in the viewer; open one, or draw a tissue map at random.")
            return
        self._make("Take the tissue map of the tile", lambda layout: tile_tissue_map(layout, tile))

    def draw_at_random(self) -> None:
        """Give the layout a random tissue map that suits its nuclei, each time another one."""
        seed, self._seed = self._seed, self._seed + 1
        self._make("Draw a random tissue map", lambda layout: random_tissue_map(layout, _recipe_of(layout), seed))

    def take_away(self) -> None:
        """Leave what lies between the nuclei to the generator."""
        canvas = self._canvas_reference()
        if canvas is not None:
            self._call.cancel()
            canvas.tissue.give("Clear the tissue map", None)

    def _make(self, title: str, make: Callable[[Layout], TissueMap]) -> None:
        canvas = self._canvas_reference()
        if canvas is None:
            return
        canvas.tissue.flush()
        layout = canvas.layout

        def show(tissue_map: TissueMap) -> None:
            if canvas.layout is not layout:
                self.failed.emit("The layout was edited while its tissue map was made; try again.")
                return
            canvas.tissue.give(title, tissue_map)
            self.finished.emit(_words(tissue_map))

        self._call.start(partial(make, layout), show, self._on_error)

    def _on_error(self, error: Exception) -> None:
        if isinstance(error, HistoloomError):
            self.failed.emit(str(error))
        else:
            self.failed.emit(f"The tissue map could not be made ({error}); try another tile or layout.")

    def _tissues(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(3)
        self._group = QButtonGroup(self)
        self._group.setExclusive(False)
        self.tissues: list[QToolButton] = []
        # "any" comes last, as erasers do.
        for place, index in enumerate([*range(1, len(TISSUES)), ANY]):
            button = QToolButton()
            button.setText(TISSUES[index])
            button.setCheckable(True)
            button.setIcon(_swatch(TISSUE_COLORS[index], is_filled=index != ANY))
            button.setIconSize(QSize(12, 12))
            button.setToolButtonStyle(button.toolButtonStyle().ToolButtonTextBesideIcon)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setToolTip(_TIPS[index])
            button.clicked.connect(partial(self._choose, index))
            self._group.addButton(button, index)
            self.tissues.append(button)
            grid.addWidget(button, place // _COLUMNS, place % _COLUMNS)
        return grid

    def _brush(self) -> QHBoxLayout:
        self.diameter = QSpinBox()
        self.diameter.setRange(round(LEAST_DIAMETER), round(MOST_DIAMETER))
        self.diameter.setSingleStep(4)
        self.diameter.setSuffix(" µm")
        self.diameter.valueChanged.connect(self._on_diameter)
        row = QHBoxLayout()
        row.addWidget(QLabel("Brush"))
        row.addWidget(self.diameter, 1)
        return row

    def _choose(self, tissue: int, _checked: bool = False) -> None:
        canvas = self._canvas_reference()
        if canvas is None:
            return
        if canvas.tool is Tool.TISSUE and canvas.tissue.tissue == tissue:
            canvas.tool = Tool.PAN
        else:
            canvas.tissue.choose(tissue)
        self._on_brush()

    def _on_diameter(self, diameter: int) -> None:
        canvas = self._canvas_reference()
        if canvas is not None:
            canvas.tissue.diameter = float(diameter)

    def _on_brush(self) -> None:
        canvas = self._canvas_reference()
        if canvas is None:
            return
        for button in self.tissues:
            button.setChecked(canvas.tool is Tool.TISSUE and self._group.id(button) == canvas.tissue.tissue)
        with QSignalBlocker(self.diameter):
            self.diameter.setValue(round(canvas.tissue.diameter))

    def _on_tool(self, _tool: Tool) -> None:
        self._on_brush()

    def _on_edited(self, _edit: LayoutEdit, final: bool) -> None:
        # The last edit of a stroke may be empty, and its previews were not looked at.
        if final and self._shown is not self._current_map:
            self._show_state()

    @property
    def _current_map(self) -> TissueMap | None:
        canvas = self._canvas_reference()
        return None if canvas is None else canvas.layout.tissue_map

    def _on_replaced(self, _layout: Layout) -> None:
        self._show_state()

    def _show_state(self) -> None:
        canvas = self._canvas_reference()
        if canvas is None:
            return
        self._shown = tissue_map = canvas.layout.tissue_map
        self.from_tile.setEnabled(canvas.tile is not None)
        self.clear.setEnabled(tissue_map is not None)
        if tissue_map is not None:
            self.shares.setText(_words(tissue_map))
        elif canvas.tile is not None:
            self.shares.setText("No tissue map yet: take that of the real tile, draw one at random, or paint.")
        else:
            self.shares.setText("No tissue map yet: draw one at random, or paint.")


def _recipe_of(layout: Layout) -> TissueMapRecipe:
    """Return how the tissue of a random layout was meant to be, or the defaults."""
    recipe = layout.provenance.get("recipe")
    known = recipe if layout.provenance.get("generator") == "random" and isinstance(recipe, dict) else {}
    try:
        return TissueMapRecipe.checked(**{name: known[name] for name in TissueMapRecipe.model_fields if name in known})
    except HistoloomError:
        return TissueMapRecipe()


def _words(tissue_map: TissueMap) -> str:
    shares = sorted(tissue_map.shares().items(), key=lambda each: -each[1])
    return "Tissue: " + ", ".join(f"{name} {share:.0%}" for name, share in shares if share > 0.0) + "."


def _swatch(color: tuple[int, int, int], *, is_filled: bool) -> QIcon:
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor(*color, 255 if is_filled else 60))
    return QIcon(pixmap)
