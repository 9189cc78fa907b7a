"""``histoloom score``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from histoloom.errors import EvaluationError
from histoloom.evaluation.pixel_scores import BACKGROUND
from histoloom.evaluation.score_files import FolderScores, score_files, score_folders
from histoloom.evaluation.score_names import CLASS_SCORES, SCORE_GROUPS, finite_or_null, score_words

_OF_IMAGE = (("dice", "Dice"), ("aji", "AJI"), ("pq", "PQ"), ("n_truth", "truth"), ("n_prediction", "prediction"))


def score(
    truth: Path,
    prediction: Path,
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    split: bool | None = None,
    hausdorff: bool = True,
    ignore: Path | None = None,
    probability: Path | None = None,
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
    ignore
        A mask, or a folder of masks, that are not 0 where pixels count for nothing (default: NAME_ignore.png or the
        like beside the truth, where there is one).
    probability
        Of two files: a picture of how probably each pixel is of a nucleus, as 'histoloom segment --probability' writes
        it. Adds the area under the ROC curve.
    """
    for each in (truth, prediction):
        if not each.exists():
            raise EvaluationError(f"'{each.name}' does not exist; check the name and the folder.")
    if truth.is_dir() != prediction.is_dir():
        raise EvaluationError(
            f"'{(truth if truth.is_dir() else prediction).name}' is a folder and the other is not; "
            "give two files or two folders."
        )
    if ignore is not None and (not ignore.exists() or ignore.is_dir() != truth.is_dir()):
        wanted = "a folder of masks" if truth.is_dir() else "a mask"
        raise EvaluationError(f"What '--ignore' names, '{ignore.name}', is not {wanted}; give one.")
    if probability is not None and truth.is_dir():
        raise EvaluationError("'--probability' is of one picture; score two files with it, and not two folders.")
    if truth.is_dir():
        found = score_folders(truth, prediction, split=split, hausdorff=hausdorff, ignore=ignore)
        notes, values = found.notes, found.as_dict()
        shown = _folder_tables(found)
    else:
        scores, said = score_files(
            truth, prediction, split=split, hausdorff=hausdorff, ignore=ignore, probability=probability
        )
        notes, values = tuple(said), scores
        shown = _tables({"score": scores}, scores["classes"])
    for note in notes:
        sys.stderr.write(f"{note}\n")
    if as_json:
        sys.stdout.write(json.dumps(finite_or_null(values), indent=2, ensure_ascii=False) + "\n")
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
        images.add_row(name, *(score_words(key, scores.get(key)) for key, _ in _OF_IMAGE))
    columns = {"mean of images": found.mean_over_images, "pooled": found.pooled}
    return [images, *_tables(columns, found.pooled["classes"])]


def _tables(columns: Mapping[str, Mapping[str, Any]], classes: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    by_class = bool(set(classes) - {BACKGROUND, "nucleus"})
    table = Table("", box=None, pad_edge=False)
    for title in columns:
        table.add_column(title, justify="right")
    for group, rows in SCORE_GROUPS:
        table.add_row(f"\n{group}")
        for key, title in rows:
            if key == "mpq_plus" and not by_class:
                continue
            if any(key in scores for scores in columns.values()):
                table.add_row(f"  {title}", *(score_words(key, scores.get(key)) for scores in columns.values()))
    if not by_class:
        return [table]
    of_classes = Table("\nclass", box=None, pad_edge=False)
    for _, title in CLASS_SCORES:
        of_classes.add_column(f"\n{title}", justify="right")
    for name, scores in classes.items():
        of_classes.add_row(name, *(score_words(key, scores.get(key)) for key, _ in CLASS_SCORES))
    return [table, of_classes]
