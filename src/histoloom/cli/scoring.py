"""``histoloom score``."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from histoloom.errors import EvaluationError
from histoloom.evaluation.pixel_scores import BACKGROUND
from histoloom.evaluation.score_files import FolderScores, score_files, score_folders

_ROWS: tuple[tuple[str, Sequence[tuple[str, str]]], ...] = (
    (
        "Pixels of nuclei",
        (
            ("precision", "precision"),
            ("recall", "recall"),
            ("dice", "F1 (Dice)"),
            ("iou", "IoU"),
            ("bf_score", "BF score"),
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
_OF_CLASS = (
    ("iou", "IoU"), ("precision", "precision"), ("recall", "recall"), ("f1", "F1"), ("bf_score", "BF"), ("dq", "DQ"),
    ("sq", "SQ"), ("pq", "PQ"),
)  # fmt: skip
_OF_IMAGE = (("dice", "Dice"), ("aji", "AJI"), ("pq", "PQ"), ("n_truth", "truth"), ("n_prediction", "prediction"))


def score(
    truth: Path,
    prediction: Path,
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    split: bool | None = None,
    hausdorff: bool = True,
) -> int:
    """Score predicted labels of nuclei against the true ones.

    Two folders are paired by name, without suffixes and endings such as '_labels'; scores are then given for each
    image, as their mean, and pooled. The documentation's page on scores defines each of them.

    Parameters
    ----------
    truth
        A label map (TIFF, PNG, BMP, NPY, MAT) or GeoJSON; or a folder of them, or of tiles with labels.
    prediction
        The same, for the same pictures.
    as_json
        Write one JSON object with all scores; those that have no value, or an infinite one, are null.
    split
        Make each piece of a semantic mask a nucleus; with --no-split, take a label in several pieces for one nucleus.
    hausdorff
        Measure the objects' Hausdorff distance, which takes longer than all other scores.
    """
    for each in (truth, prediction):
        if not each.exists():
            raise EvaluationError(f"'{each.name}' does not exist; check the name and the folder.")
    if truth.is_dir() != prediction.is_dir():
        raise EvaluationError(
            f"'{(truth if truth.is_dir() else prediction).name}' is a folder and the other is not; "
            "give two files or two folders."
        )
    if truth.is_dir():
        found = score_folders(truth, prediction, split=split, hausdorff=hausdorff)
        notes, values = found.notes, found.as_dict()
        shown = _folder_tables(found)
    else:
        scores, said = score_files(truth, prediction, split=split, hausdorff=hausdorff)
        notes, values = tuple(said), scores
        shown = _tables({"score": scores}, scores["classes"])
    for note in notes:
        sys.stderr.write(f"{note}\n")
    if as_json:
        sys.stdout.write(json.dumps(_plain(values), indent=2, ensure_ascii=False) + "\n")
        return 0
    console = Console(file=sys.stdout, highlight=False)
    for table in shown:
        console.print(table)
    return 0


def _folder_tables(found: FolderScores) -> list[Table]:
    images = Table("image", box=None, pad_edge=False)
    for _, title in _OF_IMAGE:
        images.add_column(title, justify="right")
    for name, scores in found.per_image.items():
        images.add_row(name, *(_said(key, scores.get(key)) for key, _ in _OF_IMAGE))
    columns = {"mean of images": found.mean_over_images, "pooled": found.pooled}
    return [images, *_tables(columns, found.pooled["classes"])]


def _tables(columns: Mapping[str, Mapping[str, Any]], classes: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    by_class = bool(set(classes) - {BACKGROUND, "nucleus"})
    table = Table("", box=None, pad_edge=False)
    for title in columns:
        table.add_column(title, justify="right")
    for group, rows in _ROWS:
        table.add_row(f"\n{group}")
        for key, title in rows:
            if key == "mpq_plus" and not by_class:
                continue
            if any(key in scores for scores in columns.values()):
                table.add_row(f"  {title}", *(_said(key, scores.get(key)) for scores in columns.values()))
    if not by_class:
        return [table]
    of_classes = Table("\nclass", box=None, pad_edge=False)
    for _, title in _OF_CLASS:
        of_classes.add_column(f"\n{title}", justify="right")
    for name, scores in classes.items():
        of_classes.add_row(name, *(_said(key, scores.get(key)) for key, _ in _OF_CLASS))
    return [table, of_classes]


def _said(key: str, value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞"
    if key.startswith("n_"):
        return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return f"{value:.2f}" if key == "object_hausdorff" else f"{value:.4f}"


def _plain(value: Any) -> Any:
    """Return a value as JSON has it, which knows neither NaN nor infinity."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
