"""Scores of files and folders of labels: each image by itself, their means, and all images pooled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from histoloom.errors import EvaluationError
from histoloom.evaluation.label_files import (
    Labels,
    LabelSource,
    ReadableLabels,
    label_file,
    labels_in_folder,
    paired_name,
)
from histoloom.evaluation.pixel_scores import mean_of
from histoloom.evaluation.scores import Classes, LabelTally, Scores, check_pixel_sizes, pixel_auroc, tally_labels
from histoloom.layouts.folder_recognition import IGNORE_ENDING, find_ignore_masks, ignore_mask_of
from histoloom.layouts.label_pictures import LABEL_PICTURE_SUFFIXES, read_ignored, read_probability

_ClassNames = tuple[set[str], set[str]]
"""Of the truth's nuclei and of the prediction's."""


@dataclass(frozen=True)
class FolderScores:
    """Scores of a folder of predictions.

    Parameters
    ----------
    per_image
        Of each image by its name; see `histoloom.evaluation.score_labels`.
    pooled
        Of all images as if they were one.
    unpaired
        Names of images that only the truth or only the prediction has, which count for nothing.
    notes
        Sentences for people about what was found.
    """

    per_image: Mapping[str, Scores]
    pooled: Scores
    unpaired: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def mean_over_images(self) -> Scores:
        """The mean of each score over the images that have one: NaN and infinite ones are left out."""
        return _mean(list(self.per_image.values()))

    @property
    def left_out(self) -> dict[str, int]:
        """How many images have no finite value of a score, and so no part in its mean; only scores where any are."""
        missing = {
            key: sum(not math.isfinite(scores[key]) for scores in self.per_image.values())
            for key in self.mean_over_images
            if key != "classes"
        }
        return {key: count for key, count in missing.items() if count}

    def as_dict(self) -> dict[str, Any]:
        """Return ``per_image``, ``mean_over_images``, ``left_out``, ``pooled`` and ``unpaired`` as one dictionary."""
        return {
            "per_image": dict(self.per_image),
            "mean_over_images": self.mean_over_images,
            "left_out": self.left_out,
            "pooled": self.pooled,
            "unpaired": {side: list(names) for side, names in self.unpaired.items()},
        }


def score_files(
    truth: str | Path,
    prediction: str | Path,
    *,
    hausdorff: bool = True,
    split: bool | None = None,
    ignore: str | Path | None = None,
    probability: str | Path | None = None,
) -> tuple[Scores, list[str]]:
    """Return all scores of one file of labels against the true one, and notes about what was found.

    Label maps (TIFF, PNG, BMP, NPY, MAT) and GeoJSON are read, with the ``.layout.json`` beside them, or the classes in
    ``types/ID.json``. Classes count where both files have them.

    Parameters
    ----------
    truth, prediction
        The files.
    hausdorff, split
        As of `histoloom.evaluation.score_labels`.
    ignore
        A mask that is not 0 where pixels count for nothing (default: ``NAME_ignore.png`` or the like beside the truth,
        if there is one).
    probability
        A picture of one number for each pixel (TIFF, NPY), as 'histoloom segment --probability' writes it: of a nucleus
        there. Adds ``auroc``.

    Raises
    ------
    EvaluationError, LayoutError
        If a file cannot be read, or the two differ in size or pixel size, or one looks semantic.
    """
    notes: list[str] = []
    names: _ClassNames = set(), set()
    mask = Path(ignore) if ignore is not None else ignore_mask_of(Path(truth), paired_name(Path(truth)))
    tally = _tally(label_file(truth), label_file(prediction), hausdorff, split, notes, names, mask)
    notes += _note_on_ignored(0 if mask is None else 1)
    scores = tally.scores()
    if probability is not None:
        true, _ = read_pair(label_file(truth), label_file(prediction))
        height, width = true.label_map.shape
        ignored = None if mask is None else read_ignored(mask, (height, width))
        scores["auroc"] = pixel_auroc(true.label_map, read_probability(Path(probability)), ignored)
    return scores, [*notes, *note_on_classes(*names)]


def score_folders(
    truth: str | Path,
    prediction: str | Path,
    *,
    hausdorff: bool = True,
    split: bool | None = None,
    ignore: str | Path | None = None,
    on_image: Callable[[str, int, int], None] | None = None,
) -> FolderScores:
    """Return all scores of a folder of labels against the true ones.

    Files belong together by their names without suffixes and without endings such as ``_labels``. Folders of tiles with
    labels, in any format that is recognized, may be given as well.

    Parameters
    ----------
    truth, prediction
        The folders.
    hausdorff, split
        As of `histoloom.evaluation.score_labels`.
    ignore
        Folder of masks that are not 0 where pixels count for nothing, named as the truth or with ``_ignore`` after that
        (default: those in the truth's folder; see `histoloom.layouts.open_tile_folder`).
    on_image
        Called before each image with its name, its number from 0, and how many there are.

    Raises
    ------
    EvaluationError, LayoutError
        If a folder is missing or has no labels, the two have no names in common, or two files cannot be compared; the
        sentence names them.
    """
    sides = labels_in_folder(truth), labels_in_folder(prediction)
    names = sorted(sides[0].keys() & sides[1].keys())
    if not names:
        examples = " and ".join(f"'{min(each)}'" for each in sides)
        raise EvaluationError(
            f"The folders '{Path(truth).name}' and '{Path(prediction).name}' have no names in common (such as "
            f"{examples}); give labels of the same picture the same name."
        )
    masks = _ignore_masks(Path(truth), ignore, names)
    notes: list[str] = []
    classes: _ClassNames = set(), set()
    pooled, per_image = LabelTally(hausdorff=None), {}
    for number, name in enumerate(names):
        if on_image is not None:
            on_image(name, number, len(names))
        try:
            tally = _tally(sides[0][name], sides[1][name], hausdorff, split, notes, classes, masks.get(name))
        except EvaluationError as error:
            raise EvaluationError(f"'{name}': {error}") from error
        pooled = tally if not number else pooled + tally
        per_image[name] = tally.scores()
    # Of all images at once: one alone may lack a class that the others have.
    notes += [*note_on_classes(*classes), *_note_on_ignored(len(masks.keys() & set(names)))]
    unpaired = {
        "truth": tuple(sorted(sides[0].keys() - sides[1].keys())),
        "prediction": tuple(sorted(sides[1].keys() - sides[0].keys())),
    }
    for (side, alone), other in zip(unpaired.items(), ("prediction", "truth"), strict=True):
        if alone:
            notes.append(f"{_counted(len(alone))} of the {side} without a {other}, such as '{alone[0]}', not scored.")
    return FolderScores(per_image, pooled.scores(), unpaired, tuple(dict.fromkeys(notes)))


def _tally(
    truth: LabelSource,
    prediction: LabelSource,
    hausdorff: bool,
    split: bool | None,
    notes: list[str],
    names: _ClassNames,
    mask: Path | None,
) -> LabelTally:
    one, other = read_pair(truth, prediction)
    notes += [*one.notes, *other.notes]
    check_pixel_sizes(one.pixel_size, other.pixel_size)
    with_classes, note = classes_are_scored(one.classes, other.classes)
    notes += note
    classes = (one.classes, other.classes) if with_classes else (None, None)
    for own, found in zip(names, classes, strict=True):
        own.update((found or {}).values())
    height, width = one.label_map.shape
    ignore = None if mask is None else read_ignored(mask, (height, width))
    return tally_labels(one.label_map, other.label_map, *classes, ignore=ignore, hausdorff=hausdorff, split=split)


def _ignore_masks(truth: Path, folder: str | Path | None, names: Sequence[str]) -> dict[str, Path]:
    if folder is None:
        return find_ignore_masks(truth)
    source = Path(folder)
    if not source.is_dir():
        raise EvaluationError(f"The folder '{source.name}' of regions to ignore does not exist; check the name.")
    files = [each for each in sorted(source.iterdir()) if each.suffix.lower() in LABEL_PICTURE_SUFFIXES]
    found = {each.stem.removesuffix(IGNORE_ENDING): each for each in files}
    if not found.keys() & set(names):
        raise EvaluationError(
            f"No mask in the folder '{source.name}' has the name of a picture, such as '{names[0]}'; give regions to "
            "ignore the names of the pictures that they belong to."
        )
    return found


def _note_on_ignored(count: int) -> list[str]:
    return [f"{_counted(count)} with regions to ignore, which count for nothing."] if count else []


def classes_are_scored(truth: Classes, prediction: Classes) -> tuple[bool, list[str]]:
    """Return whether both sides have classes, and a sentence for people where only one has."""
    if truth is None and prediction is None:
        return False, []
    if truth is None or prediction is None:
        side = "prediction" if prediction is None else "truth"
        return False, [f"The {side} has no classes of nuclei, so that none are scored."]
    return True, []


def note_on_classes(truth: Iterable[str], prediction: Iterable[str]) -> list[str]:
    """Return a sentence for people where a prediction tells apart what the truth does not.

    Parameters
    ----------
    truth, prediction
        Names of the classes that their nuclei have, in all images.
    """
    known, told = set(truth), set(prediction)
    unknown = told - known
    if not known or not unknown:
        return []
    if not known & told:
        return [
            f"Truth ({_listed(known)}) and prediction ({_listed(told)}) have no class in common; "
            "name them alike if they mean the same."
        ]
    what, its = ("a class", "its") if len(unknown) == 1 else ("classes", "their")
    return [
        f"The prediction has {what} that the truth has nowhere ({_listed(unknown)}), so that all {its} nuclei count as "
        "wrong in the scores of classes; name classes alike if they mean the same."
    ]


def read_pair(truth: ReadableLabels, prediction: ReadableLabels) -> tuple[Labels, Labels]:
    """Read both; outlines that do not say how large their picture is take its size from the other side."""
    one, other = truth.read(), prediction.read()
    if one.whole_canvas and other.whole_canvas:
        return one, other
    if one.whole_canvas or other.whole_canvas:
        height, width = one.label_map.shape if one.whole_canvas else other.label_map.shape
    else:
        height, width = np.maximum(one.label_map.shape, other.label_map.shape).tolist()
    shape = int(height), int(width)
    return (
        one if one.whole_canvas else replace(truth.read(shape), whole_canvas=True),
        other if other.whole_canvas else replace(prediction.read(shape), whole_canvas=True),
    )


def _mean(images: Sequence[Scores]) -> Scores:
    keys = dict.fromkeys(key for scores in images for key in scores if key != "classes")
    means: Scores = {key: mean_of(scores.get(key, float("nan")) for scores in images) for key in keys}
    classes = dict.fromkeys(name for scores in images for name in scores.get("classes", {}))
    if classes:
        means["classes"] = {
            name: _mean([scores["classes"][name] for scores in images if name in scores["classes"]]) for name in classes
        }
    return means


def _listed(classes: Iterable[str]) -> str:
    return ", ".join(sorted(classes))


def _counted(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"
