"""Telling semantic masks from label maps of instances, and splitting them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError

_FEW_LABELS = 10
_MANY_PIECES = 5
_SPECK_AREA = 5


def looks_semantic(label_map: NDArray[Any]) -> bool:
    """Whether a label map seems to say what a pixel is and not which nucleus it belongs to.

    That is where its only label lies in several pieces, or up to ten labels lie in five pieces each or more. Pieces of
    under 5 pixels do not count, and pixels that touch at a corner are of one piece.

    Parameters
    ----------
    label_map
        Whole numbers ``(H, W)``, 0 for background.
    """
    labels = _few_labels(label_map)
    if not labels:
        return False
    pieces, owners = _pieces(label_map)
    areas = np.bincount(pieces.ravel(), minlength=len(owners))[1:]
    whole = int((areas >= _SPECK_AREA).sum())
    return whole > 1 if len(labels) == 1 else whole >= _MANY_PIECES * len(labels)


def split_into_pieces(
    label_map: NDArray[Any], classes: Mapping[int, str] | None = None
) -> tuple[NDArray[np.int32], dict[int, str] | None]:
    """Make every connected piece of every label an object of its own.

    Parameters
    ----------
    label_map
        Whole numbers ``(H, W)``, 0 for background.
    classes
        Class of each label.

    Returns
    -------
    label_map, classes
        ``int32 (H, W)`` with labels from 1; pixels that touch at a corner are of one piece. Nuclei of one label that
        touch stay one. Every piece has the class of its label.
    """
    pieces, owners = _pieces(label_map)
    if classes is None:
        return pieces, None
    split = {index: classes[label] for index, label in enumerate(owners.tolist()) if index and label in classes}
    return pieces, split


def refuse_semantic(label_map: NDArray[Any], name: str) -> None:
    """Raise `EvaluationError` where a label map looks like a semantic mask; ``name`` says whose it is."""
    if looks_semantic(label_map):
        labels = len(_few_labels(label_map))
        pieces = len(_pieces(label_map)[1]) - 1
        raise EvaluationError(
            f"The {name} has {'a single label' if labels == 1 else f'{labels} labels'} in {pieces:,} pieces, as a "
            "semantic mask has, and scores of objects need a label for each nucleus; ask for it to be split into "
            "its pieces ('--split'), or say that it is right as it is ('--no-split')."
        )


def _few_labels(label_map: NDArray[Any]) -> list[int]:
    """Return the labels of a map, none if there are more than a few."""
    found: set[int] = set()
    # Most maps have more than a few in their first rows, and need not be read to the end.
    for row in label_map:
        found.update(np.unique(row).tolist())
        if len(found) > _FEW_LABELS + 1:
            return []
    found.discard(0)
    return sorted(found) if len(found) <= _FEW_LABELS else []


def _pieces(label_map: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    from skimage.measure import label

    pieces: NDArray[np.int32] = label(label_map, background=0, connectivity=2).astype(np.int32)
    owners = np.zeros(int(pieces.max()) + 1, np.int64)
    owners[pieces.ravel()] = label_map.ravel()
    return pieces, owners
