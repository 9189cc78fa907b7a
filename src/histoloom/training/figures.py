"""Figures beside the previews: how alike weaves of one layout are, and how far colours have drifted from real ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError, LookError
from histoloom.evaluation.diversity import mean_pairwise_l1, mean_pairwise_similarity
from histoloom.tiles.stain_summary import ColorDrift, StainSummary, color_drift
from histoloom.training.events import FiguresMeasured

COLLAPSED = 0.98
"""Similarity above which weaves of one layout are as good as one picture."""


def measured_figures(
    step: int, weaves: Sequence[NDArray[np.uint8]], pairs: Iterable[tuple[NDArray[np.uint8], NDArray[np.uint8]]]
) -> FiguresMeasured:
    """Measure previews.

    Parameters
    ----------
    step
        After how many steps.
    weaves
        One layout, woven with two or more seeds, RGB ``uint8 (H, W, 3)``.
    pairs
        Real crops and what is woven for them. Pairs of which one shows no tissue are left out of the drift.
    """
    similarity, distance = _diversity(weaves)
    drifts = [each for real, woven in pairs if (each := _drift(real, woven)) is not None]
    return FiguresMeasured(
        step,
        similarity,
        distance,
        _mean(each.hematoxylin_shift for each in drifts),
        _mean(each.eosin_shift for each in drifts),
        _mean(each.optical_density_shift for each in drifts),
        _warning(similarity, distance),
    )


def _diversity(weaves: Sequence[NDArray[np.uint8]]) -> tuple[float | None, float | None]:
    try:
        return mean_pairwise_similarity(weaves), mean_pairwise_l1(weaves)
    except EvaluationError:
        # Crops of fewer pixels than the measure's window; a training need not end for it.
        return None, None


def _drift(real: NDArray[np.uint8], woven: NDArray[np.uint8]) -> ColorDrift | None:
    try:
        return color_drift(StainSummary.of(real), StainSummary.of(woven))
    except LookError:
        return None


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return fmean(numbers) if numbers else None


def _warning(similarity: float | None, distance: float | None) -> str:
    if similarity is None or similarity <= COLLAPSED:
        return ""
    if distance == 0.0:
        return "Every seed gives the same picture: this generator has no noise, and only other layouts look different."
    return (
        f"Weaves of one layout are nearly alike (similarity {similarity:.3f}), so the generator may have collapsed; "
        "go back to an earlier checkpoint, or give a mode-seeking term more weight."
    )
