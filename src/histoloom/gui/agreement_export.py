"""Exports of the Compare dock: what is written, and over which picture figures are drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from histoloom import __version__
from histoloom.errors import EvaluationError
from histoloom.evaluation import (
    AgreementReport,
    draw_agreement,
    save_agreement_figure,
    save_agreement_json,
    save_errors_table,
    save_scores_table,
)
from histoloom.evaluation.score_names import score_words
from histoloom.evaluation.scores import Scores
from histoloom.gui.canvas_layers import TILE, WOVEN
from histoloom.gui.export import RESEARCH_NOTICE
from histoloom.gui.label_comparison import LabelComparison, LabelPair

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas
    from histoloom.gui.live_agreement import LiveAgreement

FIGURE, SCORES, ERRORS, JSON = "figure", "scores", "errors", "json"
EXPORTS = {
    FIGURE: ("Figure (PNG)…", "Figures (*.png)", "agreement.png"),
    SCORES: ("Scores (CSV)…", "Tables (*.csv)", "scores.csv"),
    ERRORS: ("Errors (CSV)…", "Tables (*.csv)", "errors.csv"),
    JSON: ("All as JSON…", "JSON (*.json)", "comparison.json"),
}
"""Button, file filter and suggested name of each export."""

_CAPTION = ("dice", "aji", "pq", "object_f1")
_TITLES = {"dice": "Dice", "aji": "AJI", "pq": "PQ", "object_f1": "object F1"}


def prepared_export(agreement: LiveAgreement, canvas: Canvas, kind: str) -> Callable[[Path], Path]:
    """Return what writes an export of what is shown now; it may be called in another thread.

    Scores that are not there yet are measured then, so that every export has all of them.

    Parameters
    ----------
    agreement
        What is shown.
    canvas
        Whose pictures figures are drawn over.
    kind
        One of `EXPORTS`.

    Raises
    ------
    EvaluationError
        If nothing is shown.
    """
    latest = agreement.latest
    if latest is None:
        raise EvaluationError("There is nothing to export yet; choose a truth and a prediction first.")
    scores = agreement.scores
    if scores is None or "object_hausdorff" not in scores:
        scores = None
    if kind != FIGURE:
        return partial(_write_table, latest, scores, kind)
    draw = partial(
        draw_agreement,
        latest.values(agreement.view).copy(),
        latest.legend(agreement.view, agreement.palette),
        picture_beneath(canvas, latest.by_pixel.shape),
    )
    return partial(_write_figure, draw, latest.pair, scores)


def picture_beneath(canvas: Canvas, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Return the uppermost picture of this size that is shown, RGB ``uint8 (H, W, 3)``, or None."""
    ours = [canvas.layers.find(role) for role in (WOVEN, TILE)]
    others = [each for each in reversed(canvas.viewer.layers) if type(each).__name__ == "Image" and each not in ours]
    for layer in (*ours, *others):
        if layer is None or not layer.visible or not layer.rgb:
            continue
        pixels = layer.data[0] if layer.multiscale else layer.data
        if tuple(pixels.shape[:2]) == shape and pixels.dtype == np.uint8:
            return np.array(pixels[..., :3])
    return None


def _report(latest: LabelComparison, scores: Scores | None) -> AgreementReport:
    pair = latest.pair
    truth, prediction = pair.titles
    all_scores = pair.scores(hausdorff=True) if scores is None else scores
    return AgreementReport(truth, prediction, latest.by_object, all_scores, pair.pixel_size, pair.notes)


def _write_table(latest: LabelComparison, scores: Scores | None, kind: str, path: Path) -> Path:
    save = {SCORES: save_scores_table, ERRORS: save_errors_table, JSON: save_agreement_json}[kind]
    return save(_report(latest, scores), path)


def _write_figure(draw: Callable[..., Any], pair: LabelPair, scores: Scores | None, path: Path) -> Path:
    found = pair.scores(hausdorff=False) if scores is None else scores
    truth, prediction = pair.titles
    values = ", ".join(f"{_TITLES[key]} {score_words(key, found[key])}" for key in _CAPTION)
    figure = draw(caption=(f"Truth: {truth}", f"Prediction: {prediction}", values))
    facts = {
        "Title": f"Agreement of '{prediction}' with '{truth}'",
        "Comment": RESEARCH_NOTICE,
        "Software": f"histoloom {__version__}",
    }
    return save_agreement_figure(figure, path, facts)
