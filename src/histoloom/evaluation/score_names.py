"""What scores are called in tables for people, and how their values are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

SCORE_GROUPS: tuple[tuple[str, Sequence[tuple[str, str]]], ...] = (
    (
        "Pixels of nuclei",
        (
            ("precision", "precision"),
            ("recall", "recall"),
            ("dice", "F1 (Dice)"),
            ("iou", "IoU"),
            ("bf_score", "BF score"),
            ("auroc", "AUROC"),
        ),
    ),
    (
        "Pixels, mean of classes",
        (
            ("mean_iou", "IoU"),
            ("mean_accuracy", "accuracy"),
            ("mean_bf_score", "BF score"),
            ("overall_accuracy", "overall accuracy"),
        ),
    ),
    (
        "Objects",
        (
            ("object_dice_micc17", "Dice of MICCAI17's objects"),
            ("mean_dice_micc17", "mean of MICCAI17's two Dice"),
            ("aji", "AJI"),
            ("aji_plus", "AJI+"),
            ("dq", "DQ"),
            ("sq", "SQ"),
            ("pq", "PQ"),
            ("mpq_plus", "mPQ+"),
        ),
    ),
    (
        "Objects, as in GlaS",
        (
            ("object_f1", "F1"),
            ("object_dice", "Dice"),
            ("object_hausdorff", "Hausdorff (pixels)"),
        ),
    ),
    ("Nuclei", (("n_truth", "in the truth"), ("n_prediction", "in the prediction"))),
)
"""Keys and titles of the scores of an image, in groups with a heading each."""

CLASS_SCORES = (
    ("iou", "IoU"), ("precision", "precision"), ("recall", "recall"), ("f1", "F1"), ("bf_score", "BF"), ("dq", "DQ"),
    ("sq", "SQ"), ("pq", "PQ"),
)  # fmt: skip
"""Keys and titles of the scores of a class."""


def score_words(key: str, value: float | None) -> str:
    """Return a score as tables show it: a dash where it has no value."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞"
    if key.startswith("n_"):
        return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return f"{value:.2f}" if key == "object_hausdorff" else f"{value:.4f}"


def finite_or_null(value: Any) -> Any:
    """Return a value as JSON has it, which knows neither NaN nor infinity."""
    if isinstance(value, Mapping):
        return {key: finite_or_null(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_null(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
