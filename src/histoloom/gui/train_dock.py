"""The *Train generator* dock: tiles, a system and its recipe in; curves, previews and bundles out.

It is also what docks of other trainings are made of, such as `histoloom.gui.train_segmenter_dock`.
"""

from __future__ import annotations

import datetime
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtGui import QCloseEvent, QShowEvent
from qtpy.QtWidgets import QFileDialog, QMainWindow

from histoloom.errors import HistoloomError
from histoloom.gui.canvas import canvas_of
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.status_card import Level
from histoloom.gui.train_dock_parts import FOLLOW, SET_UP, TrainDockParts
from histoloom.gui.training_session import training_session_of
from histoloom.jobs.recent_runs import recent_runs
from histoloom.jobs.training_estimate import EstimatedTraining, ask_for_estimate, devices_by_name, words_of_duration
from histoloom.jobs.training_order import (
    TrainingOrder,
    fresh_run_folder,
    make_ready,
    reads_labels,
    system_of,
    systems_that_train,
    what_is_trained,
)
from histoloom.jobs.training_run import TrainingRun, TrainingState, TrainingStatus, refuse_second_training
from histoloom.runs import RECIPE, START
from histoloom.training.events import CheckpointSaved, PreviewSaved, TrainingEvent
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.registry import recipe_type

if TYPE_CHECKING:
    import napari

_NEW = "New run"
_BEGIN = {
    "generator": "Choose tiles with labels, a system and its recipe, then start.",
    "segmenter": "Choose tiles with labels, an architecture and its recipe, then start.",
    "critic": "Choose real tiles, the woven ones that it shall tell from them, and its recipe, then start.",
}
_LEVELS: dict[TrainingState, Level] = {
    "starting": Level.WORKING,
    "training": Level.WORKING,
    "paused": Level.ATTENTION,
    "stopping": Level.WORKING,
    "stopped": Level.ATTENTION,
    "finished": Level.OK,
    "failed": Level.ERROR,
    "broken off": Level.ERROR,
    "not begun": Level.ATTENTION,
}


class TrainDock(TrainDockParts):
    """Sets trainings up, starts them in a process of their own, follows them, and hands their bundles out.

    Parameters
    ----------
    napari_viewer
        The viewer whose canvas and layers may be trained on, and in which previews are shown.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__(canvas_of(napari_viewer))
        self.session = training_session_of(self.canvas, self.trains)
        self._preparing, self._estimating, self._asking = LatestCall(self), LatestCall(self), LatestCall(self)
        self._estimate_unwanted = threading.Event()
        self._is_closed = threading.Event()
        self._suggested = ""
        self._asked_for_devices = False
        self._connect()
        self._on_set_up()
        self.card.show_status(Level.OK, _BEGIN[self.trains])
        if self.session.open_under_way():
            self._on_opened(self.session.run)
            self.pages.setCurrentIndex(FOLLOW)
        else:
            self._on_opened(None)

    @property
    def is_busy(self) -> bool:
        """Whether something is being prepared, estimated or read."""
        return self._preparing.is_busy or self._estimating.is_busy or self.previews.is_busy

    def start_training(self) -> None:
        """Freeze what is chosen into the run folder, and start."""
        self._suggest_folder()
        try:
            refuse_second_training()
            order_in = self.chosen_order()
            folder = Path(self.folder.text().strip()).expanduser()
            make_ready(folder)
        except HistoloomError as error:
            self._on_error(error)
            return
        self.start_order(order_in, folder)

    def chosen_order(self) -> Callable[[Path], TrainingOrder]:
        """Return what makes the order of what is chosen now, given a folder in which it may freeze tiles.

        Raises
        ------
        HistoloomError
            If what is chosen cannot be trained on.
        """
        system, recipe = self.recipe.system.currentText(), self.recipe.recipe
        choice = self.data.choice(split_masks=recipe.split_masks)

        def order_in(folder: Path) -> TrainingOrder:
            data = choice.written(folder, _least_side(system, recipe) * recipe.pixel_size)
            return TrainingOrder(system, recipe, data, choice.tile_pixel_size, choice.licences)

        return order_in

    def start_order(self, order_in: Callable[[Path], TrainingOrder], folder: Path) -> None:
        """Freeze what an order needs into a run folder that is ready, in the background, and start."""

        def prepared(order: TrainingOrder) -> None:
            self._try(lambda: self.session.start(order, folder))
            self._enable()

        self.cancel_estimate()
        self.card.show_status(Level.WORKING, "Freezing the tiles into the run's folder…")
        self._preparing.start(lambda: order_in(folder / START), prepared, self._on_error)
        self._enable()

    def estimate_training(self) -> None:
        """Find out time and memory in a process of its own; again, and the estimate is given up."""
        if self._estimating.is_busy:
            self.cancel_estimate()
            return
        try:
            order_in = self.chosen_order()
        except HistoloomError as error:
            self._on_error(error)
            return
        unwanted = self._estimate_unwanted = threading.Event()

        def work() -> EstimatedTraining | None:
            with tempfile.TemporaryDirectory(prefix="histoloom-tiles-") as name:
                return ask_for_estimate(order_in(Path(name)), unwanted.is_set)

        self.estimated.setText("Trying a few steps…")
        self.estimate.setText("Cancel the estimate")
        self._estimating.start(work, self._on_estimated, self._on_estimate_failed)

    def cancel_estimate(self) -> None:
        """Give the estimate up that is under way."""
        if self._estimating.is_busy:
            self._estimate_unwanted.set()
            self._estimating.cancel()
            self._on_estimated(None)

    def stop_training(self) -> None:
        """Ask the training to stop after a checkpoint; again, and its process is ended."""
        run, status = self.session.run, self.session.status
        if run is not None and status is not None:
            self._try(run.force if status.state == "stopping" else run.stop)

    def pause_training(self) -> None:
        """Let the training wait, or go on."""
        run, status = self.session.run, self.session.status
        if run is not None and status is not None:
            self._try(run.go_on if status.state == "paused" else run.pause)

    def resume_training(self) -> None:
        """Go on from the run's latest checkpoint."""
        self._try(self.session.resume)

    def open_folder(self, folder: Path | None) -> None:
        """Follow the run of a folder; None to set up a new one, while one that is under way goes on by itself."""
        if folder is None:
            self.session.close()
            self.pages.setCurrentIndex(SET_UP)
            self.card.show_status(Level.OK, _BEGIN[self.trains])
        elif not (folder / RECIPE).is_file() and not (folder / START).is_dir():
            self.card.show_status(
                Level.ERROR, f"'{folder.name}' holds no run (there is no '{RECIPE}' in it); choose a run's folder."
            )
            self._list_runs()
        elif what_is_trained(folder) not in {None, self.trains}:
            self.card.show_status(
                Level.ERROR,
                f"'{folder.name}' trains a {what_is_trained(folder)}; open it in the dock that trains such.",
            )
            self._list_runs()
        else:
            self._try(lambda: self.session.open(folder))
            self.pages.setCurrentIndex(FOLLOW)

    def close_dock(self) -> None:
        """Forget what is under way here; the training itself goes on. Safe to call again."""
        if self._is_closed.is_set():
            return
        self._is_closed.set()
        self._estimate_unwanted.set()
        for call in (self._preparing, self._estimating, self._asking):
            call.cancel()
        self.previews.close_panel()
        self.data.close_panel()
        for signal, slot in self._session_connections():
            signal.disconnect(slot)

    def event(self, event: QEvent) -> bool:
        """Notice that the dock is taken out of its window for good."""
        handled = super().event(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.close_dock()
        return bool(handled)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop following."""
        self.close_dock()
        super().closeEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Watch the window that the dock is in, and name the devices once."""
        super().showEvent(event)
        window = self.window()
        if isinstance(window, QMainWindow):
            self.session.guard(window)
        QTimer.singleShot(0, self._on_shown)

    def _on_shown(self) -> None:
        if not self._asked_for_devices and not self.visibleRegion().isEmpty():
            self._asked_for_devices = True
            self._asking.start(
                lambda: devices_by_name(self._is_closed.is_set), self._on_devices, lambda _error: self._on_devices([])
            )

    def _connect(self) -> None:
        self.start.clicked.connect(self.start_training)
        self.pause.clicked.connect(self.pause_training)
        self.stop.clicked.connect(self.stop_training)
        self.resume.clicked.connect(self.resume_training)
        self.estimate.clicked.connect(self.estimate_training)
        self.open_run.clicked.connect(self._on_open_run)
        self.browse.clicked.connect(self._on_browse)
        self.runs.activated.connect(lambda _index: self.open_folder(self.runs.currentData()))
        self.data.problem.connect(lambda text: self.card.show_status(Level.ERROR, text))
        self.data.changed.connect(self._on_set_up)
        self.recipe.problem.connect(lambda text: self.card.show_status(Level.ERROR, text))
        self.recipe.changed.connect(self._on_set_up)
        self.previews.told.connect(lambda good, text: self.card.show_status(Level.OK if good else Level.ERROR, text))
        for signal, slot in self._session_connections():
            signal.connect(slot)

    def _session_connections(self) -> tuple[tuple[Any, Callable[..., None]], ...]:
        session = self.session
        return (session.opened, self._on_opened), (session.told, self._on_told), (session.changed, self._on_changed)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except HistoloomError as error:
            self._on_error(error)
        else:
            self.session.look()
            self._enable()

    def _on_set_up(self) -> None:
        self.data.set_reads_labels(reads_labels(self.recipe.system.currentText()))
        self.estimated.setText("")
        self._suggest_folder()

    def _suggest_folder(self) -> None:
        if self.folder.text() in {"", self._suggested}:
            today = datetime.datetime.now().astimezone().date()
            self._suggested = str(fresh_run_folder(self.recipe.system.currentText(), today))
            self.folder.setText(self._suggested)

    def _on_opened(self, run: TrainingRun | None) -> None:
        self._list_runs()
        self.previews.open_run(None if run is None else run.run)
        self.warning.setText("")
        if run is None:
            self.timing.setText("")
            self.progress.hide()
        else:
            self.curves.show_series(run.series)
            self._try(lambda: self._show_recipe_of(run))
        self._enable()

    def _show_recipe_of(self, run: TrainingRun) -> None:
        system = system_of(run.folder)
        if system in systems_that_train(self.trains) and (run.folder / RECIPE).is_file():
            self.recipe.show_recipe(system, recipe_type(system).from_file(run.folder / RECIPE))

    def _list_runs(self) -> None:
        self.runs.clear()
        self.runs.addItem(_NEW, None)
        for folder in recent_runs():
            if what_is_trained(folder) not in {None, self.trains}:
                continue
            self.runs.addItem(folder.name, folder)
            self.runs.setItemData(self.runs.count() - 1, str(folder), 3)  # the tooltip's role
        run = self.session.run
        listed = [self.runs.itemData(index) for index in range(self.runs.count())]
        self.runs.setCurrentIndex(listed.index(run.folder) if run is not None and run.folder in listed else 0)

    def _on_told(self, events: list[TrainingEvent]) -> None:
        run = self.session.run
        if run is None:
            return
        self.curves.show_series(run.series)
        self.warning.setText(run.warning)
        if any(isinstance(each, PreviewSaved | CheckpointSaved) for each in events):
            self.previews.list_steps()

    def _on_changed(self, status: TrainingStatus) -> None:
        self.card.show_status(_LEVELS[status.state], status.sentence)
        self.progress.setVisible(status.steps > 0)
        self.progress.setRange(0, max(status.steps, 1))
        self.progress.setValue(status.step)
        words = [f"on {status.device}" if status.device else ""]
        if status.seconds_left is not None:
            words.append(f"about {words_of_duration(status.seconds_left)} left")
        self.timing.setText(", ".join(each for each in words if each))
        if status.state == "starting":
            self.pages.setCurrentIndex(FOLLOW)
        self._enable()

    def _enable(self) -> None:
        run, status = self.session.run, self.session.status
        state = None if status is None else status.state
        is_active = status is not None and status.is_active
        self.start.setEnabled(not is_active and not self._preparing.is_busy)
        self.pause.setEnabled(state in {"training", "paused"})
        self.pause.setText("Continue" if state == "paused" else "Pause")
        self.stop.setEnabled(is_active)
        self.stop.setText("Force" if state == "stopping" else "Stop")
        self.stop.setToolTip(
            "End the process at once; what it did since its last checkpoint is lost."
            if state == "stopping"
            else "Save a checkpoint and end; the run can be resumed."
        )
        self.resume.setEnabled(not is_active and run is not None and run.can_resume)

    def _on_estimated(self, estimate: EstimatedTraining | None) -> None:
        self.estimate.setText("Estimate time and memory")
        self.estimated.setText("" if estimate is None else estimate.sentence)

    def _on_estimate_failed(self, error: Exception) -> None:
        self._on_estimated(None)
        self._on_error(error)

    def _on_devices(self, names: list[str]) -> None:
        self.devices.setText(f"Devices here: {'; '.join(names)}" if names else "")

    def _on_error(self, error: Exception) -> None:
        known = isinstance(error, HistoloomError)
        self.card.show_status(Level.ERROR, str(error) if known else f"That failed unexpectedly ({error}).")
        self._enable()

    def _on_open_run(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "A run's folder", str(Path(self.folder.text()).parent))
        if name:
            self.open_folder(Path(name))

    def _on_browse(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "A new or empty folder for the run", self.folder.text())
        if name:
            self.folder.setText(name)


def _least_side(system: str, recipe: TrainingRecipe) -> int:
    """Return how many pixels a tile should be wide: a crop, and beside it the reference of those that compare."""
    return recipe.crop_size + (0 if reads_labels(system) else int(getattr(recipe, "reference_size", 0)))
