"""The widgets of the docks that train and how they lie; what they do is in `histoloom.gui.train_dock`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from histoloom.gui.look_chooser import narrow
from histoloom.gui.status_card import StatusCard
from histoloom.gui.training_curves import TrainingCurves
from histoloom.gui.training_data_panel import TrainingDataPanel
from histoloom.gui.training_previews_panel import TrainingPreviewsPanel
from histoloom.gui.training_recipe_panel import TrainingRecipePanel
from histoloom.gui.words import Words
from histoloom.jobs.training_order import Trained, systems_that_train

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

SET_UP, FOLLOW = range(2)
_FOLDED = {"generator": "System and recipe", "segmenter": "Architecture and recipe", "critic": "Recipe"}


class TrainDockParts(QScrollArea):
    """Status, run, buttons and progress at the top; below them a page to set up a training, and one to follow it.

    Parameters
    ----------
    canvas
        The canvas of the viewer.
    """

    trains: ClassVar[Trained] = "generator"
    """What its systems train."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__()
        self.canvas = canvas
        self.card = StatusCard()
        self.runs = QComboBox()
        self.runs.setAccessibleName("Run that is followed")
        self.runs.setToolTip("The runs that were used last; those that are under way are found again.")
        narrow(self.runs)
        self.open_run = QPushButton("Open…")
        self.open_run.setToolTip("Follow the run of any folder, also one that was started from a shell.")
        self.start = QPushButton("Start")
        self.start.setToolTip("Freeze the tiles into the run's folder and train in a process of its own.")
        self.pause = QPushButton("Pause")
        self.pause.setToolTip("Wait after this step; the training keeps its memory.")
        self.stop = QPushButton("Stop")
        self.resume = QPushButton("Resume")
        self.resume.setToolTip("Go on from the latest checkpoint.")
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Steps done")
        self.timing = Words("color: gray;")
        self.data = TrainingDataPanel(canvas)
        self.recipe = TrainingRecipePanel(systems_that_train(self.trains))
        self.folder = QLineEdit()
        self.folder.setAccessibleName("Run folder")
        self.folder.setToolTip("Where recipe, events, previews, checkpoints and bundles go; a new or empty folder.")
        self.browse = QPushButton("…")
        self.browse.setFixedWidth(28)
        self.browse.setAccessibleName("Choose the run folder")
        self.estimate = QPushButton("Estimate time and memory")
        self.estimated = Words()
        self.devices = Words("color: gray;")
        self.warning = Words("color: #e69f00;")
        self.curves = TrainingCurves()
        self.previews = TrainingPreviewsPanel(canvas, self.trains)
        self.pages = QTabWidget()
        self.pages.addTab(self._set_up_page(), "Set up")
        self.pages.addTab(self._follow_page(), "Follow")
        self._lay_out()

    def _more_to_set_up(self) -> list[QWidget]:
        """Return what else a training is set up with, beneath the tiles; made here."""
        return []

    def _more_to_follow(self) -> list[QWidget]:
        """Return what else is shown of a training, beneath the curves; made here."""
        return []

    def _lay_out(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.addWidget(self.card)
        row = QHBoxLayout()
        row.addWidget(QLabel("Run"))
        row.addWidget(self.runs, 1)
        row.addWidget(self.open_run)
        column.addLayout(row)
        buttons = QHBoxLayout()
        for button in (self.start, self.pause, self.stop, self.resume):
            buttons.addWidget(button)
        column.addLayout(buttons)
        column.addWidget(self.progress)
        column.addWidget(self.timing)
        column.addWidget(self.pages, 1)
        self.setWidget(inner)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(300)

    def _set_up_page(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.addWidget(QLabel("<b>Tiles</b>"))
        for each in (self.data, *self._more_to_set_up()):
            column.addWidget(each)
        folder = QHBoxLayout()
        folder.addWidget(self.folder, 1)
        folder.addWidget(self.browse)
        form = QFormLayout()
        form.addRow("Run folder", folder)
        column.addLayout(form)
        for each in (self.estimate, self.estimated, self.devices):
            column.addWidget(each)
        folded = QCollapsible(_FOLDED[self.trains])
        folded.setDuration(0)
        folded.addWidget(self.recipe)
        folded.expand(animate=False)
        column.addWidget(folded)
        column.addStretch(1)
        return page

    def _follow_page(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        for each in (self.warning, self.curves, *self._more_to_follow(), self.previews):
            column.addWidget(each)
        column.addStretch(1)
        return page
