"""The *Compare* dock: where a prediction is right and wrong, how much, and what it looks like there."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from histoloom.errors import HistoloomError
from histoloom.evaluation import AGREEMENT_PALETTES, DEFAULT_PALETTE
from histoloom.evaluation.scores import Scores
from histoloom.gui.agreement_export import EXPORTS, prepared_export
from histoloom.gui.canvas import canvas_of
from histoloom.gui.canvas_layers import LAYOUT, ROLE_KEY
from histoloom.gui.compared_labels import CanvasLabels, ComparedLabels, LayerLabels
from histoloom.gui.error_list import ErrorList
from histoloom.gui.label_comparison import LabelComparison, LabelPair, SideName, View
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.live_agreement import agreement_of
from histoloom.gui.look_chooser import narrow
from histoloom.gui.question_card import QuestionCard
from histoloom.gui.score_table import ScoreTable
from histoloom.gui.side_chooser import SideChooser
from histoloom.gui.status_card import Level, StatusCard
from histoloom.gui.training_data import label_layers
from histoloom.gui.words import Words
from histoloom.tiles.sentences import one_line

if TYPE_CHECKING:
    import napari

_SIDES: tuple[SideName, ...] = ("truth", "prediction")
_VIEWS: tuple[tuple[str, View], ...] = (("Objects", "objects"), ("Pixels", "pixels"))


class CompareDock(QScrollArea):
    """Truth and prediction, how their agreement is shown, scores, errors and exports.

    Parameters
    ----------
    napari_viewer
        The viewer whose canvas and layers are compared.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.canvas = canvas_of(napari_viewer)
        self.agreement = agreement_of(self.canvas)
        self._exporting = LatestCall(self)
        self.card = StatusCard()
        self.question = QuestionCard()
        self.sides = {name: SideChooser(name) for name in _SIDES}
        self.view = QComboBox()
        self.view.addItems([title for title, _ in _VIEWS])
        self.view.setToolTip("Matched, split, merged, missed and spurious nuclei; or which pixels agree.")
        self.palette_choice = QComboBox()
        for name, palette in AGREEMENT_PALETTES.items():
            self.palette_choice.addItem(palette.title, name)
        self.palette_choice.setCurrentIndex(self.palette_choice.findData(DEFAULT_PALETTE))
        for each in (self.view, self.palette_choice):
            narrow(each)
        self.live = QCheckBox("Live: follow what is painted and predicted")
        self.live.setChecked(True)
        self.notes = Words()
        self.scores = ScoreTable()
        self.errors = ErrorList()
        self.exports = {kind: QPushButton(title) for kind, (title, _, _) in EXPORTS.items()}
        self._lay_out()
        self._connect()
        self._list_layers()
        self.card.show_status(Level.OK, "Choose a truth and a prediction.")
        self._enable()
        self._has_been_seen = False

    def showEvent(self, event: Any) -> None:
        """Begin to follow when somebody looks at the dock; a tab that lies behind others costs nothing."""
        super().showEvent(event)
        # By then the tabs lie as they will, of which each is in front for a moment while docks are added.
        QTimer.singleShot(0, self._on_shown)

    def paintEvent(self, event: Any) -> None:
        """Begin to follow where the dock had no room yet when it was shown."""
        super().paintEvent(event)
        if not self._has_been_seen:
            QTimer.singleShot(0, self._on_shown)

    def closeEvent(self, event: Any) -> None:
        """Stop following; what is shown stays in the Agreement layer."""
        self.agreement.stop()
        self._exporting.cancel()
        self._has_been_seen = False
        # The viewer may have gone before.
        with suppress(RuntimeError):
            inserted, removed = self._layer_events()
            inserted.disconnect(self._on_inserted)
            removed.disconnect(self._list_layers)
        super().closeEvent(event)

    @property
    def is_settled(self) -> bool:
        """Whether all that was asked for is shown and written."""
        return self.agreement.is_settled and not self._exporting.is_busy

    def export(self, kind: str, path: Path) -> None:
        """Write an export of what is shown now, in the background.

        Parameters
        ----------
        kind
            One of `EXPORTS`.
        path
            The file, which is replaced.
        """
        try:
            write = prepared_export(self.agreement, self.canvas, kind)
        except HistoloomError as error:
            self.card.show_status(Level.ATTENTION, str(error))
            return
        self.card.show_status(Level.WORKING, "Writing…")
        self._exporting.start(
            partial(write, path),
            lambda target: self.card.show_status(Level.OK, f"'{target.name}' was written to '{target.parent}'."),
            self._on_export_failed,
        )

    def _lay_out(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.addWidget(self.card)
        column.addWidget(self.question)
        form = QFormLayout()
        for name, chooser in self.sides.items():
            form.addRow(name.capitalize(), chooser)
        form.addRow("Show", self.view)
        form.addRow("Colours", self.palette_choice)
        column.addLayout(form)
        column.addWidget(self.live)
        column.addWidget(self.notes)
        column.addWidget(self.scores, 3)
        column.addWidget(QLabel("<b>Errors</b>"))
        column.addWidget(self.errors, 2)
        grid = QGridLayout()
        for index, button in enumerate(self.exports.values()):
            grid.addWidget(button, index // 2, index % 2)
        column.addLayout(grid)
        self.setWidget(inner)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(300)

    def _connect(self) -> None:
        for name, chooser in self.sides.items():
            chooser.chosen.connect(partial(self._on_chosen, name))
        self.view.currentIndexChanged.connect(lambda index: self.agreement.show_view(_VIEWS[index][1]))
        self.palette_choice.currentIndexChanged.connect(
            lambda index: self.agreement.show_palette(self.palette_choice.itemData(index))
        )
        self.live.toggled.connect(self.agreement.set_live)
        self.errors.chosen.connect(self.agreement.go_to)
        for kind, button in self.exports.items():
            button.clicked.connect(partial(self._on_export, kind))
        self.agreement.compared.connect(self._on_compared)
        self.agreement.scored.connect(self._on_scored)
        self.agreement.cleared.connect(self._on_cleared)
        self.agreement.semantic.connect(self._on_semantic)
        self.agreement.lost.connect(self._on_lost)
        self.agreement.told.connect(self._show_status)

    def _on_shown(self) -> None:
        if self.visibleRegion().isEmpty():
            return
        if not self._has_been_seen:
            self._has_been_seen = True
            inserted, removed = self._layer_events()
            inserted.connect(self._on_inserted)
            removed.connect(self._list_layers)
            self._list_layers()
            self.agreement.set_live(self.live.isChecked())
        self._choose_likely()

    def _layer_events(self) -> tuple[Any, Any]:
        events = self.canvas.viewer.layers.events
        return events.inserted, events.removed

    def _on_inserted(self, _event: object = None) -> None:
        self._list_layers()
        self._choose_likely()

    def _list_layers(self, _event: object = None) -> None:
        layers = [each for each in label_layers(self.canvas.viewer.layers) if each.metadata.get(ROLE_KEY) != LAYOUT]
        for chooser in self.sides.values():
            chooser.list_layers(layers)

    def _choose_likely(self) -> None:
        """Choose what somebody who opens the dock, or adds labels, most likely wants to compare, where nothing is."""
        layers = [LayerLabels(each) for each in label_layers(self.canvas.viewer.layers)]
        layers = [each for each in layers if each.layer.metadata.get(ROLE_KEY) != LAYOUT]
        predicted = [each for each in layers if "pred" in each.title.lower()] or layers
        likely: dict[SideName, ComparedLabels | None] = {"prediction": predicted[-1] if predicted else None}
        drawn = CanvasLabels() if self.canvas.layout.nuclei else None
        others = [each for each in layers if each != likely["prediction"]]
        likely["truth"] = drawn or next(iter(others), None)
        for name, labels in likely.items():
            if self.sides[name].labels is None and labels is not None:
                self.sides[name].choose(labels)

    def _on_chosen(self, name: SideName, labels: ComparedLabels | None) -> None:
        self.question.withdraw()
        self.agreement.choose(name, labels)

    def _on_lost(self, name: str) -> None:
        self.question.withdraw()
        self.sides["truth" if name == "truth" else "prediction"].forget()

    def _on_compared(self, comparison: LabelComparison) -> None:
        self.question.withdraw()
        pair = comparison.pair
        self.notes.setText(" ".join(pair.notes))
        self.errors.show_errors(comparison.by_object, pair.pixel_size)
        if not self._exporting.is_busy:
            self._show_status(Level.OK, f"Shown in the Agreement layer, after {comparison.seconds * 1000:.0f} ms.")
        self._enable()

    def _on_scored(self, _pair: LabelPair, scores: Scores) -> None:
        self.scores.show_scores(scores)

    def _on_cleared(self) -> None:
        self.scores.show_scores(None)
        self.errors.show_errors(None, None)
        self.notes.setText("")
        self._enable()

    def _on_semantic(self, name: SideName, sentence: str) -> None:
        self._show_status(Level.ATTENTION, "Nothing is compared until you answer the question below.")
        self.question.ask(sentence, "Split into pieces", "Take as it is", partial(self.agreement.split, name))

    def _on_export(self, kind: str) -> None:
        _, file_filter, suggested = EXPORTS[kind]
        name, _ = QFileDialog.getSaveFileName(self, EXPORTS[kind][0], str(Path.home() / suggested), file_filter)
        if name:
            self.export(kind, Path(name))

    def _on_export_failed(self, error: Exception) -> None:
        known = isinstance(error, HistoloomError)
        self._show_status(Level.ERROR, str(error) if known else f"The export failed ({one_line(error)}).")

    def _enable(self) -> None:
        for button in self.exports.values():
            button.setEnabled(self.agreement.latest is not None)

    def _show_status(self, level: Level, text: str) -> None:
        self.card.show_status(level, text)
