"""The *Weights* dock: how far to trust woven tissue, where, and what to do about it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QScrollArea

from histoloom.errors import HistoloomError, ImportanceError
from histoloom.gui.canvas import canvas_of
from histoloom.gui.comparison import camera_of
from histoloom.gui.critic_chooser import Critic
from histoloom.gui.folder_weights import FolderWeights
from histoloom.gui.judged_pictures import CanvasPicture, canvas_reference, pixels_of, reference_pixels
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.live_weights import JudgedWhole, live_weights_of
from histoloom.gui.nucleus_weights_list import WeighedNucleus, weighed_nuclei
from histoloom.gui.one_at_a_time import OneAtATime
from histoloom.gui.picture_chooser import Judged
from histoloom.gui.status_card import Level
from histoloom.gui.tile_ranking import RankedTile
from histoloom.gui.training_data import image_layers
from histoloom.gui.weight_under_mouse import WeightUnderMouse
from histoloom.gui.weights_dock_parts import CLIP_CHOICES, WeightsParts
from histoloom.gui.weights_export import save_nuclei, save_tiles, save_tiles_in_folder
from histoloom.gui.weights_histogram import weights_sentence
from histoloom.gui.when_destroyed import when_destroyed
from histoloom.importance import (
    ClipRange,
    Decision,
    TileWeight,
    WeighingFacts,
    clip_bounds,
    effective_sample_size,
    nucleus_weights,
    verdict,
)
from histoloom.importance.weights import Bounds
from histoloom.jobs.judged_folder import JudgedFolder, JudgedTile, thumbnail_of
from histoloom.tiles.reading import open_tile
from histoloom.tiles.sentences import one_line

if TYPE_CHECKING:
    import napari

_REST_MS = 120
_SHOWN_SIZE = 90.0
_CANVAS_FILE = "canvas"


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
        self.clip = ClipRange.published()
        self.decisions: dict[str, Decision] = {}
        self._reference: NDArray[np.uint8] | None = None
        self._exporting = LatestCall(self)
        self._reading = LatestCall(self)
        self._weighing_nuclei = OneAtATime(self._on_nuclei, self._on_failed, self)
        # While somebody paints, the map comes before what is drawn of it here.
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._show_numbers)
        self._has_been_seen = False
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
        calls = (self._exporting, self._reading, self._weighing_nuclei, self.folder)
        return self.weights.is_settled and not self._rest.isActive() and not any(each.is_busy for each in calls)

    @property
    def tiles(self) -> list[TileWeight]:
        """The judged tiles with what they count: the folder's, or the one picture that is shown."""
        bounds = self._bounds()
        return [self._weighed(file, each.judgement, bounds) for file, each in self._judged_tiles().items()]

    def decide(self, files: tuple[str, ...], decision: Decision) -> None:
        """Overrule the critic about some tiles, or (an empty str) take that back; exports record it."""
        for file in files:
            if decision:
                self.decisions[file] = decision
            else:
                self.decisions.pop(file, None)
        self._show_numbers()

    def export(self, path: Path) -> None:
        """Write the weights of all tiles as a table, in the background."""
        self._export(partial(save_tiles, path, self.tiles, self._facts()))

    def export_into_folder(self) -> None:
        """Write the weights beside the tiles, where 'train segmenter' reads them."""
        folder = self.folder.folder
        if folder is None:
            self._tell(Level.ATTENTION, "There is no folder of judged tiles; choose one and wait until it is judged.")
            return
        self._export(partial(save_tiles_in_folder, folder, self.tiles, self._facts()))

    def export_nuclei(self, path: Path) -> None:
        """Write the weights of the nuclei that are listed as a table, in the background."""
        self._export(partial(save_nuclei, path, list(self.parts.nuclei.listed)))

    def choose_reference(self, path: Path | None) -> None:
        """Compare with a real picture from a file, or (None) with the look of the canvas."""
        if path is None:
            self._on_reference(None)
            return
        self._reading.start(partial(_reference_of, path, self._critic_size()), self._on_reference, self._on_failed)

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
        parts.reference.activated.connect(self._on_reference_activated)
        parts.live.toggled.connect(self.weights.set_live)
        parts.again.clicked.connect(self.judge_again)
        parts.stop.clicked.connect(self._on_stop)
        parts.clip.activated.connect(self._on_clip)
        parts.histogram.clip_dragged.connect(lambda low, high: self._use_clip(ClipRange.between(low, high)))
        parts.ranking.chosen.connect(lambda file: self.folder.show_tile(file, self._bounds()))
        parts.ranking.decided.connect(self.decide)
        parts.nuclei.chosen.connect(self.go_to)
        parts.table.clicked.connect(partial(self._on_export, "weights.csv", self.export))
        parts.into_folder.clicked.connect(self.export_into_folder)
        parts.nuclei_table.clicked.connect(partial(self._on_export, "nuclei.csv", self.export_nuclei))
        self.weights.judged.connect(self._on_judged)
        self.weights.cleared.connect(self._on_cleared)
        self.weights.lost.connect(self._on_lost)
        self.weights.told.connect(self._tell)
        self.folder.judged.connect(self._on_folder)
        self.folder.told.connect(self._on_folder_told)

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
        self.weights.set_live(self.parts.live.isChecked())
        self._on_critic(self.parts.critic.critic)
        self.weights.set_on(not isinstance(self.parts.picture.choice, Path))

    def _layer_events(self) -> tuple[Any, Any]:
        events = self.canvas.viewer.layers.events
        return events.inserted, events.removed

    def _list_layers(self, _event: object = None) -> None:
        self.parts.picture.list_layers(image_layers(self.canvas.viewer.layers))

    def _on_critic(self, critic: Critic | None) -> None:
        self.parts.show_critic(critic)
        self.weights.choose_critic(critic)
        if isinstance(self.parts.picture.choice, Path):
            self._judge_folder(self.parts.picture.choice)

    def _on_picture(self, choice: Judged | None) -> None:
        self.decisions.clear()
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
            self.weights.renew()

    def _judge_folder(self, folder: Path) -> None:
        problem = self.weights.problem()
        critic = self.parts.critic.critic
        if problem or critic is None:
            self._tell(Level.ATTENTION, problem)
            return
        reference = self._reference
        judges = critic[1].judges
        if reference is None and judges is not None and judges.reference_size:
            reference = canvas_reference(self.canvas, critic[1].pixel_size)
        self.folder.judge(self.weights.process, critic, folder, reference)
        self._enable()

    def _on_stop(self) -> None:
        self.folder.forget()
        self._tell(Level.ATTENTION, "Judging the folder was stopped; nothing was kept of it.")
        self._enable()

    def _on_reference_activated(self, index: int) -> None:
        if index == 0:
            self.choose_reference(None)
            return
        name, _ = QFileDialog.getOpenFileName(self, "A real picture to compare with")
        if name:
            self.choose_reference(Path(name))
        else:
            self.parts.reference.setCurrentIndex(0 if self._reference is None else 1)

    def _on_reference(self, pixels: NDArray[np.uint8] | None) -> None:
        self._reference = pixels
        self.parts.reference.setCurrentIndex(0 if pixels is None else 1)
        self.weights.choose_reference(pixels)
        if isinstance(self.parts.picture.choice, Path):
            self._judge_folder(self.parts.picture.choice)

    def _critic_size(self) -> float | None:
        critic = self.parts.critic.critic
        return None if critic is None else critic[1].pixel_size

    def _on_clip(self, index: int) -> None:
        clip = CLIP_CHOICES[index][1]
        if clip is not None:
            self._use_clip(clip)

    def _use_clip(self, clip: ClipRange) -> None:
        self.clip = clip
        self.weights.choose_clip(clip)
        self._show_numbers()
        if self.folder.shown is not None:
            self.folder.show_bounds(self._bounds())

    def _on_judged(self, whole: JudgedWhole) -> None:
        if not self._rest.isActive():
            self._rest.start()
        self._tell(Level.OK, f"{whole.title}: judged, the latest part in {whole.seconds * 1000:.0f} ms.")

    def _on_folder(self, folder: JudgedFolder) -> None:
        words = f"All {len(folder.tiles):,} tiles of '{folder.path.name}' were judged."
        level = Level.OK
        if folder.problems:
            words, level = f"{words[:-1]} but {len(folder.problems):,}: {folder.problems[0]}", Level.ATTENTION
        self.decisions = dict(folder.decisions)
        self._tell(level, words)
        self._show_numbers()

    def _on_folder_told(self, level: Level, text: str) -> None:
        self._tell(level, text)
        self._enable()

    def _on_cleared(self) -> None:
        self._rest.stop()
        self._weighing_nuclei.cancel()
        self._show_numbers()

    def _on_lost(self) -> None:
        if self.weights.picture is None:
            self.parts.picture.forget()

    def _judged_tiles(self) -> dict[str, JudgedWhole | JudgedTile]:
        if self.folder.folder is not None:
            return {each.file: each for each in self.folder.folder.tiles}
        latest = self.weights.latest
        if latest is None or isinstance(self.parts.picture.choice, Path):
            return {}
        name = _CANVAS_FILE if isinstance(self.parts.picture.choice, CanvasPicture) else latest.title
        return {name: latest}

    def _distribution(self) -> tuple[NDArray[np.float64], str]:
        """Return the weights that the histogram shows, and what has them."""
        if self.folder.folder is not None:
            return np.array([each.judgement.weight() for each in self.folder.folder.tiles]), "tiles"
        latest = self.weights.latest
        return (np.empty(0), "places") if latest is None else (latest.local_weights, "places")

    def _bounds(self) -> Bounds | None:
        weights, _ = self._distribution()
        if self.clip.kind == "quantiles" and not len(weights):
            return None
        try:
            return clip_bounds(weights, self.clip)
        except ImportanceError:
            return None

    def _weighed(self, file: str, judgement: Any, bounds: Bounds | None) -> TileWeight:
        clipped = judgement.weight(bounds)
        tile = TileWeight(file, clipped, judgement.probability_real, judgement.weight())
        return tile.decided(self.decisions.get(file, ""), clipped)

    def _show_numbers(self) -> None:
        """Show histogram, lists and verdict of what is judged now."""
        weights, what = self._distribution()
        bounds = self._bounds()
        tiles, judged = self.tiles, self._judged_tiles()
        counted = np.array([each.weight for each in tiles])
        effective = None
        if what == "tiles" and len(tiles) and np.isfinite(counted).all():
            effective = effective_sample_size(counted)
        self.parts.histogram.show_weights(weights, weights_sentence(weights, what, bounds, effective))
        self.parts.show_clip(self.clip, bounds)
        self.parts.show_verdict(self._verdict(weights, judged, counted))
        self.parts.ranking.show_tiles(
            [self._ranked(each, judged[each.file]) for each in tiles],
            f"{len(self.decisions):,} decided by hand" if self.decisions else "",
        )
        latest = self.weights.latest
        if latest is not None and latest.layout is not None and latest.layout.nuclei and what == "places":
            self._weighing_nuclei.ask(partial(_prepared_nuclei, latest))
        else:
            self.parts.nuclei.show_nuclei([], "" if latest is None else "The nuclei of this picture are not known.")
        self._enable()

    def _verdict(self, weights: NDArray[np.float64], judged: Any, counted: NDArray[np.float64]) -> list[str]:
        if not len(weights) or not judged:
            return []
        ratio = next(iter(judged.values())).judgement.ratio
        with np.errstate(divide="ignore"):
            logits = np.log(weights / ratio)
        sentences = list(verdict(logits, ratio))
        if len(counted) and not counted.any():
            sentences.append("All tiles are rejected, so nothing is left to learn from; keep some of them.")
        return sentences

    def _ranked(self, tile: TileWeight, judged: JudgedWhole | JudgedTile) -> RankedTile:
        thumbnail = judged.thumbnail if isinstance(judged, JudgedTile) else self._canvas_thumbnail()
        return RankedTile(tile.file, thumbnail, tile.raw_weight, tile.weight, tile.probability_real, tile.decision)

    def _canvas_thumbnail(self) -> NDArray[np.uint8]:
        choice = self.parts.picture.choice
        with suppress(ImportanceError):
            if choice is not None and not isinstance(choice, Path):
                return thumbnail_of(pixels_of(choice.layer(self.canvas)))
        return np.full((8, 8, 3), 128, np.uint8)

    def _on_nuclei(self, answer: list[WeighedNucleus]) -> None:
        low = sum(each.weight < 0.5 for each in answer)
        words = f"{low:,} of {len(answer):,} nuclei lie where the tissue counts less than half."
        self.parts.nuclei.show_nuclei(answer, words)
        self._enable()

    def _facts(self) -> WeighingFacts:
        critic = self.parts.critic.critic
        if critic is None:
            return WeighingFacts(clip=self.clip.as_text())
        return WeighingFacts(critic[0].name, critic[1].weights_sha256, self.clip.as_text())

    def _export(self, write: Any) -> None:
        self._tell(Level.WORKING, "Writing…")
        self._exporting.start(
            write,
            lambda target: self._tell(Level.OK, f"'{target.name}' was written to '{target.parent}'."),
            self._on_failed,
        )

    def _on_export(self, suggested: str, write: Any, _checked: bool = False) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Weights", str(Path.home() / suggested), "Tables (*.csv)")
        if name:
            write(Path(name))

    def _on_failed(self, error: Exception) -> None:
        known = isinstance(error, HistoloomError)
        self._tell(Level.ERROR, str(error) if known else f"That failed unexpectedly ({one_line(error)}).")

    def _enable(self) -> None:
        judged = bool(self._judged_tiles())
        self.parts.table.setEnabled(judged)
        self.parts.into_folder.setEnabled(self.folder.folder is not None)
        self.parts.nuclei_table.setEnabled(bool(self.parts.nuclei.listed))
        self.parts.stop.setVisible(self.folder.is_judging)

    def _tell(self, level: Level, text: str) -> None:
        self.parts.card.show_status(level, text)


def _reference_of(path: Path, pixel_size: float | None) -> NDArray[np.uint8]:
    with open_tile(path) as tile:
        pixels = np.asarray(tile.read(), np.uint8)
        size = tile.pixel_size
    return pixels if size is None or pixel_size is None else reference_pixels(pixels, size, pixel_size)


def _prepared_nuclei(latest: JudgedWhole) -> Any:
    layout = latest.layout
    if layout is None:
        return None
    return lambda: weighed_nuclei(layout, nucleus_weights(layout, latest.judgement))
