"""Where truth and prediction agree on a canvas: measured live, shown in the Agreement layer, with a legend."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from histoloom.errors import HistoloomError, TrainingError
from histoloom.evaluation import AGREEMENT_PALETTES, DEFAULT_PALETTE, AgreementError, AgreementPalette
from histoloom.evaluation.agreement_files import error_side
from histoloom.evaluation.scores import Scores
from histoloom.gui.agreement_layer import AgreementLayer
from histoloom.gui.compared_labels import CanvasLabels, ComparedLabels, LayerLabels, Placing, micrometres
from histoloom.gui.comparison import camera_of
from histoloom.gui.ignored_regions import ignored_regions_of
from histoloom.gui.label_comparison import (
    ComparedSide,
    LabelComparison,
    LabelPair,
    SemanticMaskError,
    SideName,
    View,
    compare,
)
from histoloom.gui.one_at_a_time import OneAtATime
from histoloom.gui.status_card import Level
from histoloom.tiles.sentences import one_line

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_PAUSE_MS = 5
_SCORES_MS = 100
_REST_MS = 400
_SHOWN_SIZE = 90.0
_LAYER_EVENTS = ("paint", "labels_update", "set_data", "data", "scale", "translate", "units")

_agreements: weakref.WeakKeyDictionary[Canvas, LiveAgreement] = weakref.WeakKeyDictionary()


def agreement_of(canvas: Canvas) -> LiveAgreement:
    """Return the agreement that is shown on a canvas, made at the first call."""
    agreement = _agreements.get(canvas)
    if agreement is None:
        agreement = _agreements[canvas] = LiveAgreement(canvas)
    return agreement


class LiveAgreement(QObject):
    """Compares what was chosen, again and again while it changes, and shows where it agrees.

    Objects and pixels are compared first and shown at once; scores follow, and those that take long when nothing has
    changed for a moment. All of it happens in the background.

    Parameters
    ----------
    canvas
        The canvas; held weakly.
    """

    compared = Signal(object)
    """A `LabelComparison`, when it is shown."""
    scored = Signal(object, object)
    """(pair, scores): of a `LabelPair`; a moment after it was compared, and once more with the Hausdorff distance."""
    cleared = Signal()
    """Nothing is compared any more."""
    semantic = Signal(str, str)
    """(side, question): somebody has to say what to make of a semantic mask."""
    lost = Signal(str)
    """The layer of this side was deleted."""
    told = Signal(object, str)
    """(level, sentence)."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__()
        self._canvas = weakref.ref(canvas)
        self._comparing = OneAtATime(self._on_compared, self._on_failed, self)
        self._scoring = OneAtATime(self._on_scored, self._tell, self)
        self._measuring = OneAtATime(self._on_scored, self._tell, self)
        self._pause = _timer(self, _PAUSE_MS, self._compare)
        # While somebody paints, the map of agreement comes before the scores.
        self._score_soon = _timer(self, _SCORES_MS, self._score)
        self._rest = _timer(self, _REST_MS, self._measure_distances)
        self._sides: dict[SideName, ComparedLabels | None] = {"truth": None, "prediction": None}
        self._splits: dict[SideName, bool | None] = {"truth": None, "prediction": None}
        self._view: View = "objects"
        self._palette = AGREEMENT_PALETTES[DEFAULT_PALETTE]
        self._is_live = False
        self._latest: LabelComparison | None = None
        self._scores: tuple[LabelPair, Scores] | None = None
        self.layer = AgreementLayer(canvas, self)
        canvas.layout_edited.connect(self._on_canvas)
        canvas.layout_replaced.connect(self._on_canvas)
        ignored_regions_of(canvas).changed.connect(self.renew)
        canvas.viewer.layers.events.removed.connect(self._on_removed)

    @property
    def latest(self) -> LabelComparison | None:
        """What is shown."""
        return self._latest

    @property
    def scores(self) -> Scores | None:
        """Scores of what is shown; None until they are there."""
        if self._scores is None or self._latest is None or self._scores[0] is not self._latest.pair:
            return None
        return self._scores[1]

    @property
    def view(self) -> View:
        """Whether objects or pixels are shown."""
        return self._view

    @property
    def palette(self) -> AgreementPalette:
        """The colours."""
        return self._palette

    @property
    def is_settled(self) -> bool:
        """Whether everything that is asked for is shown, all scores included."""
        busy = any(each.is_busy for each in (self._comparing, self._scoring, self._measuring))
        return not busy and not any(each.isActive() for each in (self._pause, self._score_soon, self._rest))

    def side(self, name: SideName) -> ComparedLabels | None:
        """Return what was chosen as truth or prediction."""
        return self._sides[name]

    def choose(self, name: SideName, labels: ComparedLabels | None) -> None:
        """Take other labels as truth or prediction; None for none."""
        before = self._sides[name]
        self._sides[name], self._splits[name] = labels, None
        if isinstance(before, LayerLabels) and before not in self._sides.values():
            self._follow(before.layer, False)
        if isinstance(labels, LayerLabels):
            self._follow(labels.layer, True)
        self._pause.start()

    def split(self, name: SideName, split: bool) -> None:
        """Say whether the pieces of a semantic mask are nuclei (True), or each of its labels one (False)."""
        self._splits[name] = split
        self._pause.start()

    def set_live(self, live: bool) -> None:
        """Follow what is painted and drawn, or only what is chosen; what is shown stays."""
        self._is_live = live
        self.renew()

    def stop(self) -> None:
        """Follow nothing, and forget what is under way."""
        self._is_live = False
        for each in (self._pause, self._score_soon, self._rest):
            each.stop()
        for each in (self._comparing, self._scoring, self._measuring):
            each.cancel()

    def renew(self) -> None:
        """Compare again, if that is done live, after a pause in which more may change."""
        if self._is_live and not self._pause.isActive():
            self._pause.start()

    def show_view(self, view: View) -> None:
        """Show objects or pixels."""
        self._view = view
        self._show()

    def show_palette(self, name: str) -> None:
        """Show a palette of `AGREEMENT_PALETTES`."""
        self._palette = AGREEMENT_PALETTES[name]
        self._show()

    def go_to(self, error: AgreementError) -> None:
        """Bring an error into the middle of the canvas, and select it there if it is of the canvas's nuclei."""
        canvas = self._open_canvas()
        if canvas is None or self._latest is None:
            return
        placing = self._placing(canvas)
        scale, translate = np.array(placing["scale"])[-2:], np.array(placing["translate"])[-2:]
        camera = camera_of(canvas.viewer)
        camera.center = tuple((translate + scale * error.centroid).tolist())
        diameter = 2.0 * float(np.sqrt(error.area / np.pi)) * float(scale[-1])
        camera.zoom = max(float(camera.zoom), _SHOWN_SIZE / diameter)
        if isinstance(self._sides["truth" if error_side(error) == "truth" else "prediction"], CanvasLabels):
            canvas.select([error.label])

    def _open_canvas(self) -> Canvas | None:
        canvas = self._canvas()
        with suppress(RuntimeError):
            if canvas is not None and canvas.viewer is not None:
                return canvas
        return None

    def _compare(self) -> None:
        canvas = self._open_canvas()
        if canvas is None:
            return
        problem = self._missing(canvas)
        if problem:
            self._clear()
            self.told.emit(Level.ATTENTION, problem)
            return
        self._comparing.ask(self._freeze)

    def _missing(self, canvas: Canvas) -> str:
        for name, labels in self._sides.items():
            if labels is None:
                return f"There is no {name} yet; choose the nuclei on the canvas, a labels layer, or a file."
            if not labels.is_there(canvas):
                return f"There is nothing on the canvas yet, which is the {name}; open a layout, or choose another."
        truth, prediction = self._sides.values()
        if truth == prediction:
            return "Truth and prediction are the same labels; choose others for one of them."
        if self._lie_apart(canvas):
            return (
                "Truth and prediction lie at different places of the canvas; give both layers the same 'translate', or "
                "choose labels of the same picture."
            )
        return ""

    def _lie_apart(self, canvas: Canvas) -> bool:
        """Whether one is moved by half a pixel or more: pixels are compared by row and column."""
        placings = [each.placing(canvas) for each in self._sides.values() if each is not None]
        corners = [np.divide(each["translate"], each["scale"])[-2:] for each in placings if each is not None]
        return len(corners) == 2 and bool((np.abs(corners[0] - corners[1]) >= 0.5).any())

    def _freeze(self) -> Callable[[], LabelComparison] | None:
        canvas = self._open_canvas()
        if canvas is None or self._missing(canvas):
            return None
        truth, prediction = (self._frozen(name, canvas) for name in ("truth", "prediction"))
        try:
            ignored = ignored_regions_of(canvas).mask()
        except TrainingError as error:
            self._on_failed(error)
            return None
        return partial(compare, truth, prediction, self._view, ignored)

    def _frozen(self, name: Any, canvas: Canvas) -> ComparedSide:
        labels = self._sides[name]
        if labels is None:
            raise RuntimeError("Nothing was chosen.")
        frozen = labels.freeze(canvas)
        return ComparedSide(labels.title, frozen, frozen.are_instances, self._splits[name])

    def _on_compared(self, comparison: LabelComparison) -> None:
        if self._open_canvas() is None:
            return
        self._latest = comparison
        self._show()
        self.compared.emit(comparison)
        if not self._score_soon.isActive():
            self._score_soon.start()
        self._rest.start()

    def _score(self) -> None:
        self._scoring.ask(partial(self._scores_of_latest, False))

    def _measure_distances(self) -> None:
        self._measuring.ask(partial(self._scores_of_latest, True))

    def _scores_of_latest(self, hausdorff: bool) -> Callable[[], tuple[LabelPair, Scores]] | None:
        if self._latest is None:
            return None
        pair = self._latest.pair
        return lambda: (pair, pair.scores(hausdorff=hausdorff))

    def _on_scored(self, answer: tuple[LabelPair, Scores]) -> None:
        pair, scores = answer
        latest = self._latest
        known = self._scores
        if latest is None or (known is not None and known[0] is pair and len(scores) < len(known[1])):
            return
        if "object_hausdorff" in scores and pair is not latest.pair:
            return  # newer scores are there already
        self._scores = answer
        self.scored.emit(pair, scores)

    def _on_failed(self, error: Exception) -> None:
        self._clear()
        if isinstance(error, SemanticMaskError):
            self.semantic.emit(error.side, str(error))
        else:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        known = isinstance(error, HistoloomError)
        text = str(error) if known else f"That failed unexpectedly ({type(error).__name__}: {one_line(error)})."
        self.told.emit(Level.ERROR, text)

    def _show(self) -> None:
        canvas, latest = self._open_canvas(), self._latest
        if canvas is None or latest is None:
            return
        entries = latest.legend(self._view, self._palette)
        self.layer.show_map(latest.values(self._view), entries, self._placing(canvas))

    def _placing(self, canvas: Canvas) -> Placing:
        for labels in self._sides.values():
            placing = None if labels is None else labels.placing(canvas)
            if placing is not None:
                return placing
        known = self._latest.pair.pixel_size if self._latest is not None else None
        return micrometres(known or canvas.layout.pixel_size)

    def _clear(self) -> None:
        """Take away what is shown: it is no longer what was chosen."""
        self._score_soon.stop()
        self._rest.stop()
        self._scoring.cancel()
        self._measuring.cancel()
        if self._latest is None:
            return
        self._latest = self._scores = None
        if self._open_canvas() is not None:
            self.layer.clear()
        self.cleared.emit()

    def _follow(self, layer: Any, follow: bool) -> None:
        for name in _LAYER_EVENTS:
            event = getattr(layer.events, name, None)
            if event is not None:
                event.connect(self._on_layer) if follow else event.disconnect(self._on_layer)

    def _on_layer(self, _event: object = None) -> None:
        self.renew()

    def _on_canvas(self, *_: object) -> None:
        if any(isinstance(each, CanvasLabels) for each in self._sides.values()):
            self.renew()

    def _on_removed(self, event: Any) -> None:
        for name, labels in self._sides.items():
            if isinstance(labels, LayerLabels) and labels.layer is event.value:
                self._follow(labels.layer, False)
                self._sides[name] = None
                self._comparing.cancel()
                self._pause.stop()
                self._clear()
                self.lost.emit(name)
                self.told.emit(
                    Level.ERROR, f"The layer '{labels.title}', which was the {name}, has been deleted; choose another."
                )


def _timer(parent: QObject, milliseconds: int, call: Callable[[], object]) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(call)
    return timer
