"""What the Weights dock is laid out of."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from histoloom.gui.critic_chooser import Critic, CriticChooser
from histoloom.gui.look_chooser import narrow
from histoloom.gui.nucleus_weights_list import NucleusWeightsList
from histoloom.gui.picture_chooser import PictureChooser
from histoloom.gui.reference_chooser import ReferenceChooser
from histoloom.gui.status_card import StatusCard
from histoloom.gui.tile_ranking import TileRanking
from histoloom.gui.weights_histogram import WeightsHistogram
from histoloom.gui.weights_palette import weight_words
from histoloom.gui.words import Words
from histoloom.importance import ClipRange
from histoloom.importance.weights import Bounds

CLIP_CHOICES: tuple[tuple[str, ClipRange | None], ...] = (
    ("Not cut", ClipRange.none()),
    ("0.2 to 2, as published", ClipRange.published()),
    ("The middle 90 %", ClipRange.quantiles()),
    ("Where the lines are", None),
)
"""Titles of the ranges that weights can be cut to, and the ranges; None for that of the lines."""

_BY_LINES = len(CLIP_CHOICES) - 1
_ATTENTION = "color: #e69f00;"


class WeightsParts:
    """The widgets of the dock, in their places.

    Parameters
    ----------
    dock
        What they are put into.
    """

    def __init__(self, dock: QScrollArea) -> None:
        self.card = StatusCard()
        self.critic = CriticChooser()
        self.about = Words("color: gray;")
        self.picture = PictureChooser()
        self.train = QPushButton("Train a critic…")
        self.train.setToolTip(
            "For generators that come without one, such as the texture weaver: opens the dock that trains critics, set "
            "up with the tile on the canvas."
        )
        self.reference = ReferenceChooser()
        self._reference_words = QLabel("Compare with")
        self.live = QCheckBox("Live: follow what is woven")
        self.live.setChecked(True)
        self.again = QPushButton("Judge again")
        self.stop = QPushButton("Stop")
        self.here = QLabel()
        self.here.setAccessibleName("Weight under the mouse")
        self.histogram = WeightsHistogram()
        self.clip = QComboBox()
        self.clip.addItems([title for title, _ in CLIP_CHOICES])
        self.clip.setToolTip("Weights beyond the range count as its ends; drag the lines for a range of your own.")
        self.clip.setAccessibleName("Where weights are cut")
        narrow(self.clip)
        self.verdict = Words(_ATTENTION)
        self.ranking = TileRanking()
        self.nuclei = NucleusWeightsList()
        self.lists = QTabWidget()
        self.table = QPushButton("Weights (CSV)…")
        self.into_folder = QPushButton("Into the folder")
        self.into_folder.setToolTip("Write 'weights.csv' beside the tiles, where 'train segmenter' reads it.")
        self.nuclei_table = QPushButton("Nuclei (CSV)…")
        self._lay_out(dock)
        self.show_critic(None)
        self.show_weight_under_mouse(None)

    def show_critic(self, critic: Critic | None) -> None:
        """Say what the chosen critic wants."""
        judges = None if critic is None else critic[1].judges
        compares = judges is not None and judges.reference_size > 0
        self.reference.setVisible(compares)
        self._reference_words.setVisible(compares)
        if critic is None or judges is None:
            self.about.setText("")
            return
        words = [f"for {critic[1].pixel_size:g} µm per pixel"]
        if compares:
            words.append("compares with real tissue")
        if judges.sees != "picture":
            words.append("sees where nuclei are")
        if judges.slope == 1.0 and judges.intercept == 0.0:
            words.append("not calibrated: its weights only rank")
        self.about.setText(f"{critic[1].system.capitalize()}, {', '.join(words)}.")

    def show_clip(self, clip: ClipRange, bounds: Bounds | None) -> None:
        """Show where weights are cut."""
        ranges = [each for _, each in CLIP_CHOICES]
        self.clip.setCurrentIndex(ranges.index(clip) if clip in ranges else _BY_LINES)
        self.histogram.show_bounds(bounds)

    def show_verdict(self, sentences: Sequence[str]) -> None:
        """Say what is wrong with how the critic weighs."""
        self.verdict.setText("\n".join(f"⚠ {each}" for each in sentences))

    def show_weight_under_mouse(self, weight: float | None) -> None:
        """Say what the place under the mouse weighs."""
        if weight is None:
            self.here.setText("Under the mouse: –")
            return
        looks = "looks woven" if weight < 0.8 else "looks real" if weight > 1.25 else "says nothing"
        self.here.setText(f"Under the mouse: weight <b>{weight_words(weight)}</b>, {looks}")

    def _lay_out(self, dock: QScrollArea) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.addWidget(self.card)
        form = QFormLayout()
        form.addRow("Critic", self.critic)
        form.addRow("", self.about)
        form.addRow("", self.train)
        form.addRow("Woven tiles", self.picture)
        form.addRow(self._reference_words, self.reference)
        column.addLayout(form)
        row = QHBoxLayout()
        row.addWidget(self.live, 1)
        row.addWidget(self.again)
        row.addWidget(self.stop)
        column.addLayout(row)
        column.addWidget(self.here)
        column.addWidget(self.histogram)
        cut = QFormLayout()
        cut.addRow("Cut weights", self.clip)
        column.addLayout(cut)
        column.addWidget(self.verdict)
        self.lists.addTab(self.ranking, "Tiles")
        self.lists.addTab(self.nuclei, "Nuclei")
        column.addWidget(self.lists, 1)
        grid = QGridLayout()
        grid.addWidget(self.table, 0, 0)
        grid.addWidget(self.into_folder, 0, 1)
        grid.addWidget(self.nuclei_table, 1, 0)
        column.addLayout(grid)
        dock.setWidget(inner)
        dock.setWidgetResizable(True)
        dock.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        dock.setMinimumWidth(300)
