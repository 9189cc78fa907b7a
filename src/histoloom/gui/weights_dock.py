"""The *Weights* dock: how far to trust woven tissue, where, and what to do about it."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QScrollArea

from histoloom.errors import HistoloomError
from histoloom.gui.canvas import canvas_of
from histoloom.gui.comparison import camera_of
from histoloom.gui.critic_chooser import Critic, critic_title
from histoloom.gui.critic_on_demand import CriticOnDemand
from histoloom.gui.folder_weights import FolderWeights
from histoloom.gui.judged_folder_words import judged_words, looks_remark
from histoloom.gui.judged_pictures import CanvasPicture, canvas_look
from histoloom.gui.live_weights import JudgedWhole, live_weights_of
from histoloom.gui.nucleus_weights_list import WeighedNucleus, weighed_nuclei
from histoloom.gui.one_at_a_time import OneAtATime
from histoloom.gui.picture_chooser import Judged
from histoloom.gui.status_card import Level
from histoloom.gui.training_data import image_layers
from histoloom.gui.weighed_tiles import WeighedTiles
from histoloom.gui.weight_under_mouse import WeightUnderMouse
from histoloom.gui.weights_dock_parts import CLIP_CHOICES, WeightsParts
from histoloom.gui.weights_exporting import WeightsExporting, weighing_facts
from histoloom.gui.when_destroyed import when_destroyed
from histoloom.importance import ClipRange, Decision, TileWeight, WeighingFacts, nucleus_weights
from histoloom.jobs.judged_folder import JudgedFolder
from histoloom.jobs.tile_references import CanvasLook
from histoloom.tiles.sentences import one_line

if TYPE_CHECKING:
    import napari

_REST_MS = 120
_SHOWN_SIZE = 90.0
_READ_S = 8.0
"""So long an answer to somebody stays before judging that goes on may replace it."""


class WeightsDock(QScrollArea):
    """Critic, woven tiles, the map, its histogram, and lists of tiles and nuclei by weight.

    Parameters
    ----------
    napari_viewer
        The viewer whose canvas and layers are judged.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.canvas = canvas_of(napari_viewer)
        self.weights = live_weights_of(self.canvas)
        when_destroyed(self, self.weights.close)
        self.folder = FolderWeights(self.canvas, self.weights.layer, self)
        self.parts = WeightsParts(self)
        self.under_mouse = WeightUnderMouse(self.canvas, self.weights.layer, self.parts.show_weight_under_mouse, self)
        self.weighed = WeighedTiles(self.canvas, self.folder, self.weights, lambda: self.parts.picture.choice)
        self.exporting = WeightsExporting(self)
        self.on_demand = CriticOnDemand(self.canvas, self)
        self._weighing_nuclei = OneAtATime(self._on_nuclei, self._on_failed, self)
        # While somebody paints, the map comes before what is drawn of it here.
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._show_numbers)
        self._has_been_seen = False
        self._folder_beside_canvas: Path | None = None
        self._is_refused = False
        self._kept_until = 0.0
        self._connect()
        self._list_layers()
        self.weights.choose_picture(CanvasPicture())
        self.weights.choose_clip(self.clip)
        self.parts.show_clip(self.clip, None)
        self._enable()
        self.parts.card.show_status(Level.OK, "Choose a critic, and the woven tiles that it shall judge.")

    def showEvent(self, event: Any) -> None:
        """Begin to judge when somebody looks at the dock; a tab that lies behind others costs nothing."""
        super().showEvent(event)
        QTimer.singleShot(0, self._on_shown)

    def paintEvent(self, event: Any) -> None:
        """Begin to judge where the dock had no room yet when it was shown."""
        super().paintEvent(event)
        if not self._has_been_seen:
            QTimer.singleShot(0, self._on_shown)

    def closeEvent(self, event: Any) -> None:
        """Stop judging and end the process; what is shown stays in the Weights layer."""
        self._has_been_seen = False
        self._rest.stop()
        self.folder.forget()
        self._weighing_nuclei.cancel()
        self.weights.close()
        # The viewer may have gone before.
        with suppress(RuntimeError):
            self.under_mouse.stop()
            inserted, removed = self._layer_events()
            inserted.disconnect(self._list_layers)
            removed.disconnect(self._list_layers)
        super().closeEvent(event)

    @property
    def is_settled(self) -> bool:
        """Whether all that was asked for is judged, shown and written."""
        calls = (self.exporting, self.parts.reference, self._weighing_nuclei, self.folder)
        return self.weights.is_settled and not self._rest.isActive() and not any(each.is_busy for each in calls)

    @property
    def clip(self) -> ClipRange:
        """Where weights are cut."""
        return self.weighed.clip

    @property
    def tiles(self) -> list[TileWeight]:
        """The judged tiles with what they count: the folder's, or the one picture that is shown."""
        return self.weighed.tiles

    def decide(self, files: tuple[str, ...], decision: Decision) -> None:
        """Overrule the critic about some tiles, or (an empty str) take that back; exports record it."""
        self.weighed.decide(files, decision)
        self._forget_refusal()
        self._show_numbers()

    def export(self, path: Path) -> None:
        """Write the weights of all tiles as a table, in the background."""
        self.exporting.save_tiles(path, self.tiles, self._facts())

    def export_into_folder(self) -> None:
        """Write the weights beside the tiles, where 'train segmenter' reads them."""
        self.exporting.save_tiles_in_folder(self.folder.folder, self.tiles, self._facts())

    def export_nuclei(self, path: Path) -> None:
        """Write the weights of the nuclei that are listed as a table, in the background."""
        self.exporting.save_nuclei(path, list(self.parts.nuclei.listed))

    def choose_reference(self, path: Path | None) -> None:
        """Compare with a real picture, with the tiles of a folder, or (None) with the look of the canvas."""
        self.parts.reference.choose(path)

    def train_critic(self) -> None:
        """Open the dock that trains critics, set up with the tile on the canvas."""
        if not self.on_demand.open_dock():
            self._tell(Level.ATTENTION, "There is no window to open the dock in; use 'histoloom train critic'.")

    def go_to(self, nucleus: WeighedNucleus) -> None:
        """Bring a nucleus into the middle of the canvas, and select it there if it is one of the canvas's."""
        layer = self.weights.layer.shown
        if layer is None:
            return
        scale, translate = np.array(layer.scale)[-2:], np.array(layer.translate)[-2:]
        camera = camera_of(self.canvas.viewer)
        camera.center = tuple((translate + scale * nucleus.centroid).tolist())
        camera.zoom = max(float(camera.zoom), _SHOWN_SIZE / (20.0 * float(scale[-1])))
        self.canvas.select([nucleus.id])

    def _connect(self) -> None:
        parts = self.parts
        parts.critic.chosen.connect(self._on_critic)
        parts.critic.problem.connect(partial(self._tell, Level.ATTENTION))
        parts.picture.chosen.connect(self._on_picture)
        parts.reference.pixel_size = self._critic_size
        parts.reference.chosen.connect(self._on_reference)
        parts.reference.failed.connect(self._on_refused)
        parts.train.clicked.connect(self.train_critic)
        parts.live.toggled.connect(self.weights.set_live)
        parts.again.clicked.connect(self.judge_again)
        parts.stop.clicked.connect(self._on_stop)
        parts.clip.activated.connect(self._on_clip)
        parts.histogram.clip_dragged.connect(lambda low, high: self._use_clip(ClipRange.between(low, high)))
        parts.ranking.chosen.connect(lambda file: self.folder.show_tile(file, self.weighed.bounds()))
        parts.ranking.decided.connect(self.decide)
        parts.nuclei.chosen.connect(self.go_to)
        parts.table.clicked.connect(partial(self.exporting.ask_where, "weights.csv", self.export))
        parts.into_folder.clicked.connect(self.export_into_folder)
        parts.nuclei_table.clicked.connect(partial(self.exporting.ask_where, "nuclei.csv", self.export_nuclei))
        self.exporting.told.connect(self._on_written)
        self.exporting.failed.connect(self._on_refused)
        self.on_demand.trained.connect(self._on_trained)
        self.weights.judged.connect(self._on_judged)
        self.weights.cleared.connect(self._on_cleared)
        self.weights.lost.connect(self._on_lost)
        self.weights.told.connect(self._on_weights_told)
        self.folder.judged.connect(self._on_folder)
        self.folder.told.connect(self._on_folder_told)
        self.folder.looks_needed.connect(self._on_looks_needed)

    def _on_shown(self) -> None:
        if self.visibleRegion().isEmpty() or self._has_been_seen:
            return
        self._has_been_seen = True
        inserted, removed = self._layer_events()
        inserted.connect(self._list_layers)
        removed.connect(self._list_layers)
        self._list_layers()
        self.under_mouse.start()
        self.parts.critic.renew()
        self.on_demand.look()
        self.weights.set_live(self.parts.live.isChecked())
        self._on_critic(self.parts.critic.critic)
        self.weights.set_on(not isinstance(self.parts.picture.choice, Path))

    def _layer_events(self) -> tuple[Any, Any]:
        events = self.canvas.viewer.layers.events
        return events.inserted, events.removed

    def _list_layers(self, _event: object = None) -> None:
        self.parts.picture.list_layers(image_layers(self.canvas.viewer.layers))

    def _on_critic(self, critic: Critic | None) -> None:
        self._go_on()
        self.parts.show_critic(critic)
        self.weights.choose_critic(critic)
        if isinstance(self.parts.picture.choice, Path):
            self._judge_folder(self.parts.picture.choice)

    def _on_picture(self, choice: Judged | None) -> None:
        self._go_on()
        self.weighed.decisions.clear()
        self.folder.forget()
        folder = choice if isinstance(choice, Path) else None
        self.weights.set_on(self._has_been_seen and folder is None)
        self.weights.choose_picture(None if isinstance(choice, Path) else choice)
        self.weights.layer.clear()
        self.under_mouse.forget()
        self._on_cleared()
        if folder is not None:
            self._judge_folder(folder)
        elif choice is None:
            self._tell(Level.ATTENTION, "There is nothing to judge; choose the canvas, a layer, or a folder of tiles.")

    def judge_again(self) -> None:
        """Judge all that is chosen anew, such as after the files of a folder have changed."""
        choice = self.parts.picture.choice
        if isinstance(choice, Path):
            self._judge_folder(choice)
        else:
            self._go_on()
            self.weights.renew()

    def _judge_folder(self, folder: Path) -> None:
        problem = self.weights.problem()
        critic = self.parts.critic.critic
        if problem or critic is None:
            self._tell(Level.ATTENTION, problem)
            return
        judges = critic[1].judges
        beside: Path | CanvasLook | None = self.parts.reference.path
        if beside is None and judges is not None and judges.reference_size:
            is_for_all = folder == self._folder_beside_canvas
            beside = canvas_look(self.canvas, critic[1].pixel_size, is_for_all=is_for_all)
        self.folder.judge(self.weights.process, critic, folder, beside)
        self._enable()

    def _on_stop(self) -> None:
        self.folder.forget()
        self._tell(Level.ATTENTION, "Judging the folder was stopped; nothing was kept of it.")
        self._enable()

    def _on_reference(self, pixels: NDArray[np.uint8] | None) -> None:
        self._go_on()
        self.weights.choose_reference(pixels)
        folder = self.parts.picture.choice
        if isinstance(folder, Path):
            self._folder_beside_canvas = folder if self.parts.reference.path is None else None
            self._judge_folder(folder)

    def _critic_size(self) -> float | None:
        critic = self.parts.critic.critic
        return None if critic is None else critic[1].pixel_size

    def _on_clip(self, index: int) -> None:
        clip = CLIP_CHOICES[index][1]
        if clip is not None:
            self._use_clip(clip)

    def _use_clip(self, clip: ClipRange) -> None:
        self.weighed.clip = clip
        self.weights.choose_clip(clip)
        self._forget_refusal()
        self._show_numbers()
        if self.folder.shown is not None:
            self.folder.show_bounds(self.weighed.bounds())

    def _on_judged(self, whole: JudgedWhole) -> None:
        if not self._rest.isActive():
            self._rest.start()
        self._on_weights_told(*_whole_words(whole))

    def _on_folder(self, folder: JudgedFolder) -> None:
        self.weighed.decisions = dict(folder.decisions)
        self._tell(*judged_words(folder))
        self._show_numbers()

    def _on_looks_needed(self, sentence: str) -> None:
        self.parts.card.show_status(Level.ATTENTION, sentence, "Real tiles…", self.parts.reference.ask_folder)
        self._show_numbers()

    def _on_folder_told(self, level: Level, text: str) -> None:
        self._tell(level, text)
        self._enable()

    def _on_cleared(self) -> None:
        self._rest.stop()
        self._weighing_nuclei.cancel()
        self._show_numbers()

    def _on_weights_told(self, level: Level, text: str) -> None:
        # What somebody has asked for is answered long enough to be read, although judging goes on under it.
        if level is Level.ERROR or time.monotonic() >= self._kept_until:
            self._tell(level, text)

    def _on_lost(self) -> None:
        if self.weights.picture is None:
            self.parts.picture.forget()

    def _show_numbers(self) -> None:
        """Show histogram, lists and verdict of what is judged now."""
        weighed = self.weighed
        weights, what = weighed.distribution()
        tiles = weighed.tiles
        bounds, decided = weighed.bounds(), len(weighed.decisions)
        self.parts.histogram.show_weights(weights, weighed.sentence(tiles))
        self.parts.show_clip(weighed.clip, bounds)
        self.parts.show_verdict(weighed.verdict(tiles))
        self.parts.ranking.show_tiles(weighed.ranked(tiles), f"{decided:,} decided by hand" if decided else "")
        latest = self.weights.latest
        if latest is not None and latest.layout is not None and latest.layout.nuclei and what == "places":
            self._weighing_nuclei.ask(partial(_prepared_nuclei, latest))
        else:
            self.parts.nuclei.show_nuclei([], "" if latest is None else "The nuclei of this picture are not known.")
        self._enable()

    def _on_nuclei(self, answer: list[WeighedNucleus]) -> None:
        low = sum(each.weight < 0.5 for each in answer)
        words = f"{low:,} of {len(answer):,} nuclei lie where the tissue counts less than half."
        self.parts.nuclei.show_nuclei(answer, words)
        self._enable()

    def _facts(self) -> WeighingFacts:
        return weighing_facts(self.parts.critic.critic, self.clip, looks_remark(self.folder.folder))

    def _on_trained(self, path: Path) -> None:
        critic = self.parts.critic.add_file(path)
        if critic is not None:
            words = f"'{critic_title(path)}' is trained; judge with it, or choose it later."
            self.parts.card.show_status(Level.OK, words, "Use it", partial(self.parts.critic.choose, critic))
            # With its button, until something else is asked for.
            self._is_refused, self._kept_until = False, math.inf

    def _on_refused(self, error: Exception) -> None:
        self._on_failed(error)
        self._is_refused, self._kept_until = True, time.monotonic() + _READ_S

    def _on_written(self, level: Level, text: str) -> None:
        self._tell(level, text)
        self._kept_until = time.monotonic() + _READ_S

    def _forget_refusal(self) -> None:
        """Take back what was said of a table or a reference that was refused, where something else was chosen since."""
        if self._is_refused and self.folder.folder is not None:
            self._tell(*judged_words(self.folder.folder))
        elif self._is_refused and self.weights.latest is not None:
            self._tell(*_whole_words(self.weights.latest))
        self._go_on()

    def _go_on(self) -> None:
        """Let what is judged be told again: something else was asked for."""
        self._is_refused, self._kept_until = False, 0.0

    def _on_failed(self, error: Exception) -> None:
        known = isinstance(error, HistoloomError)
        self._tell(Level.ERROR, str(error) if known else f"That failed unexpectedly ({one_line(error)}).")

    def _enable(self) -> None:
        judged = bool(self.weighed.judged())
        self.parts.table.setEnabled(judged)
        self.parts.into_folder.setEnabled(self.folder.folder is not None)
        self.parts.nuclei_table.setEnabled(bool(self.parts.nuclei.listed))
        self.parts.stop.setVisible(self.folder.is_judging)

    def _tell(self, level: Level, text: str) -> None:
        self._go_on()
        self.parts.card.show_status(level, text)


def _whole_words(whole: JudgedWhole) -> tuple[Level, str]:
    return Level.OK, f"{whole.title}: judged, the latest part in {whole.seconds * 1000:.0f} ms."


def _prepared_nuclei(latest: JudgedWhole) -> Any:
    layout = latest.layout
    if layout is None:
        return None
    return lambda: weighed_nuclei(layout, nucleus_weights(layout, latest.judgement))
