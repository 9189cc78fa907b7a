"""The *Weave* dock: choose a look and a generator, and see tissue under the brush."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QCloseEvent, QDragEnterEvent, QDragMoveEvent, QDropEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QScrollArea,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from histoloom.errors import LookError
from histoloom.generators.refiner.recipe import RefinerWeaveRecipe
from histoloom.generators.registry import generator_named
from histoloom.gui.batch_panel import BatchPanel, Order
from histoloom.gui.canvas import canvas_of
from histoloom.gui.canvas_layers import WOVEN
from histoloom.gui.export import Weaving
from histoloom.gui.generator_chooser import GeneratorChooser, dropped_bundles
from histoloom.gui.live import live_weaving_of
from histoloom.gui.look_chooser import LookChooser
from histoloom.gui.recipe_form import RecipeForm
from histoloom.gui.refinement_panel import RefinementPanel
from histoloom.gui.status_card import Level, StatusCard
from histoloom.gui.when_destroyed import when_destroyed
from histoloom.keyed_random import keyed_hash
from histoloom.tiles.looks import AnyLook

if TYPE_CHECKING:
    import napari

_MOST_SEED = 2**31 - 1


class WeaveDock(QScrollArea):
    """Look, generator, seed, live on or off, weave once, batch, comparison, and how the weave process is doing.

    Parameters
    ----------
    napari_viewer
        The viewer whose canvas is woven.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._window: weakref.ref[QMainWindow] | None = None
        self._canvas = canvas_of(napari_viewer)
        self.weaving = live_weaving_of(self._canvas)
        # A window that is deleted takes the dock with it, without another word.
        when_destroyed(self, self.weaving.close)
        self.card = StatusCard()
        self.device = QLabel("")
        self.device.setStyleSheet("color: gray;")
        self.device.setWordWrap(True)
        self.looks = LookChooser(self._canvas)
        self.generator = GeneratorChooser()
        self.setAcceptDrops(True)
        self.seed = QSpinBox()
        self.seed.setRange(0, _MOST_SEED)
        self.seed.setToolTip("Equal seeds give equal pictures, here, in the library and on the command line.")
        self.seed.setMinimumWidth(80)
        self.dice = QPushButton("Another")
        self.dice.setToolTip("Another seed: the same nuclei in other tissue.")
        self.live = QCheckBox("Live: weave along with the brush")
        self.once = QPushButton("Weave once")
        self.refinement = RefinementPanel(self._canvas, self.weaving)
        self.flicker = QPushButton("Real / woven")
        self.beside = QPushButton("Side by side")
        self.flicker.setToolTip("Show the real tile in place of the woven tissue, and back (C).")
        self.beside.setToolTip("A second view of the real tile with linked cameras (Shift+C).")
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(100)
        self.opacity.setToolTip("Opacity of the woven tissue over the real tile.")
        self.export = QPushButton("Export the canvas…")
        self.export.setToolTip("Picture, label map, GeoJSON for QuPath, and COCO. For research, not for diagnosis.")
        self.batch = BatchPanel(self._batch_order)
        self._form_holder = QVBoxLayout()
        self.form: RecipeForm | None = None
        self._lay_out()
        self._connect()
        self._on_generator()
        self._show_status(Level.OK, "Open a real tile or take the sample as look, then switch live weaving on.")
        if self.generator.refusal:
            self._show_status(Level.ATTENTION, self.generator.refusal)
        if self._canvas.tile is not None:
            self.looks.choose_canvas_tile()

    def event(self, event: QEvent) -> bool:
        """Follow the dock into and out of its window, which napari does not tell by a close event."""
        handled = super().event(event)
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._watch_window()
            elif self._window is not None:
                self.close_weaving()
        return bool(handled)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Notice that the viewer's window is being closed."""
        if event.type() == QEvent.Type.Close and watched is self._main_window:
            # It may still be refused: napari asks.
            QTimer.singleShot(0, self._close_with_window)
        elif event.type() in {QEvent.Type.ParentChange, QEvent.Type.Show}:
            self._watch_window()
        return bool(super().eventFilter(watched, event))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files that may be bundles."""
        if dropped_bundles(event.mimeData()):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Take them anywhere on the dock."""
        event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Add the bundle that was dropped."""
        paths = dropped_bundles(event.mimeData())
        if paths:
            event.acceptProposedAction()
            self.generator.add_bundle(paths[0])

    def closeEvent(self, event: QCloseEvent) -> None:
        """End the weave process when the dock goes for good."""
        self.close_weaving()
        super().closeEvent(event)

    def close_weaving(self) -> None:
        """Stop live weaving and end its process; safe to call again."""
        with suppress(ValueError):
            self._canvas.look_requested.disconnect(self.looks.choose_tile)
        self.looks.cancel()
        self.generator.cancel()
        self._canvas.comparison.close()
        self.refinement.close_panel()
        self.weaving.close()

    def _watch_window(self) -> None:
        """Watch whatever holds the dock, up to the viewer's window, for the end of it."""
        holder = self.parent()
        while holder is not None:
            holder.removeEventFilter(self)
            holder.installEventFilter(self)
            if isinstance(holder, QMainWindow):
                self._window = weakref.ref(holder)
                return
            holder = holder.parent()

    @property
    def _main_window(self) -> QMainWindow | None:
        return None if self._window is None else self._window()

    def _close_with_window(self) -> None:
        window = self._main_window
        if window is None or not window.isVisible():
            self.close_weaving()

    def _lay_out(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.addWidget(self.card)
        column.addWidget(self.device)
        column.addWidget(QLabel("<b>Look</b>"))
        column.addWidget(self.looks)
        form = QFormLayout()
        form.addRow("Generator", self.generator)
        seed = QHBoxLayout()
        seed.addWidget(self.seed, 1)
        seed.addWidget(self.dice)
        form.addRow("Seed", seed)
        column.addLayout(form)
        column.addWidget(self.live)
        column.addWidget(self.once)
        column.addWidget(self.refinement)
        column.addWidget(QLabel("<b>Compare</b>"))
        buttons = QHBoxLayout()
        buttons.addWidget(self.flicker)
        buttons.addWidget(self.beside)
        column.addLayout(buttons)
        opacity = QFormLayout()
        opacity.addRow("Opacity", self.opacity)
        column.addLayout(opacity)
        column.addWidget(self.export)
        holder = QWidget()
        holder.setLayout(self._form_holder)
        for title, content in (("Recipe", holder), ("Batch", self.batch)):
            folded = QCollapsible(title)
            folded.setDuration(0)
            folded.addWidget(content)
            column.addWidget(folded)
        column.addStretch(1)
        self.setWidget(inner)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(300)

    def _connect(self) -> None:
        self.looks.look_ready.connect(self._on_look)
        self.looks.problem.connect(lambda text: self._show_status(Level.ATTENTION, text))
        self.generator.chosen.connect(self._on_generator)
        self.generator.added.connect(
            lambda title: self._show_status(Level.OK, f"'{title}' was added to your bundles and chosen.")
        )
        self.generator.problem.connect(lambda text: self._show_status(Level.ATTENTION, text))
        self.seed.valueChanged.connect(self._on_seed)
        self.dice.clicked.connect(self._on_dice)
        self.live.toggled.connect(self._on_live)
        self.once.clicked.connect(self.weaving.weave_once)
        self.flicker.clicked.connect(self._canvas.comparison.flicker)
        self.beside.clicked.connect(self._canvas.comparison.side_by_side)
        self.export.clicked.connect(self._on_export)
        self.opacity.valueChanged.connect(self._on_opacity)
        self.batch.told.connect(lambda good, text: self._show_status(Level.OK if good else Level.ERROR, text))
        self.weaving.status_changed.connect(self._show_status)
        self._canvas.look_requested.connect(self.looks.choose_tile)

    def _on_look(self, look: AnyLook) -> None:
        if self.form is not None:
            self.weaving.set_look(look, self.generator.reference, self.form.recipe)

    def _on_generator(self, *_: object) -> None:
        if self.form is not None:
            self._form_holder.removeWidget(self.form)
            self.form.deleteLater()
        chosen = generator_named(self.generator.reference)
        self.form = RecipeForm(chosen.recipe_type)
        self.form.changed.connect(self._on_recipe)
        self._form_holder.addWidget(self.form)
        self.looks.set_named_looks(chosen.named_looks)
        self.refinement.set_refines(issubclass(chosen.recipe_type, RefinerWeaveRecipe))
        self._on_recipe()

    def _on_recipe(self, *_: object) -> None:
        if self.weaving.look is not None:
            self._on_look(self.weaving.look)

    def _on_seed(self, seed: int) -> None:
        self.weaving.seed = seed

    def _on_dice(self) -> None:
        self.seed.setValue(int(keyed_hash(self.seed.value(), 1)) % _MOST_SEED)

    def _on_live(self, live: bool) -> None:
        if live and self.weaving.look is None and self._canvas.tile is None:
            self.looks.choose_without_tile()
        self.weaving.set_live(live)

    def _on_opacity(self, value: int) -> None:
        layer = self._canvas.layers.find(WOVEN)
        if layer is not None:
            layer.opacity = value / 100

    def _on_export(self) -> None:
        from histoloom.gui.menus import export_canvas_to_folder

        export_canvas_to_folder(self._canvas.viewer)

    def _batch_order(self) -> Order:
        if self.weaving.look is None or self.form is None:
            raise LookError("There is no look to weave with; open a real tile or take the colon sample.")
        return (
            self._canvas.layout,
            Weaving(
                self.weaving.look,
                self.generator.reference,
                self.form.recipe,
                self.seed.value(),
                self._canvas.accepted_structure,
            ),
        )

    def _show_status(self, level: Level, text: str) -> None:
        if level is Level.ERROR:
            self.card.show_status(level, text, "Try again", self.weaving.weave_once)
        else:
            self.card.show_status(level, text)
        seconds = self.weaving.last_seconds
        timing = f", last weave {seconds * 1000:.0f} ms" if seconds is not None else ""
        self.device.setText(f"{self.weaving.device}{timing}" if self.weaving.device else "")
