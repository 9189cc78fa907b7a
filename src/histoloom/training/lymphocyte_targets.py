"""What is said of patches: whether a lymphocyte is at their centre (Hou et al. 2019, section 5.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoloom.layouts.classes import DEFAULT_CLASS
from histoloom.training.data import LabelledPicture

UNSAID, ELSEWHERE, OTHER, LYMPHOCYTE = -1, 0, 1, 2
"""Of a patch's centre: nothing is said; background, or past the middle of a nucleus; another nucleus; a lymphocyte."""


def center_codes(
    crop: LabelledPicture, classes: tuple[str, ...], positive: str, center: float, clear: float
) -> NDArray[np.int16]:
    """Return what is said of the patch about each pixel, ``int16 (H, W)``.

    Parameters
    ----------
    crop
        A picture with its nuclei.
    classes
        Their names, in the order of `LabelledPicture.class_of`.
    positive
        Which of them is of lymphocytes. Of nuclei that are just nuclei nothing is said.
    center
        Pixels from a nucleus's centroid within which a patch has it at its centre.
    clear
        Pixels from a lymphocyte's centroid from which on a patch has it no more; between both nothing is said.
    """
    import cv2

    codes = np.full(crop.label_map.shape, ELSEWHERE, np.int16)
    centroids, places = centroids_of(crop)
    names = np.array([classes[each] for each in places], object)
    is_positive, is_untyped = names == positive, names == DEFAULT_CLASS
    # In this order, because what is said of a lymphocyte counts where it touches another nucleus.
    for code, radius, chosen in (
        (OTHER, center, ~is_positive & ~is_untyped),
        (UNSAID, clear, is_positive | is_untyped),
        (LYMPHOCYTE, center, is_positive),
    ):
        for y, x in centroids[chosen].tolist():
            cv2.circle(codes, (round(x), round(y)), max(round(radius), 1), code, -1)
    if crop.ignored is not None:
        codes[crop.ignored] = UNSAID
    return codes


def centroids_of(picture: LabelledPicture) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return the centroids ``(N, 2)`` of a picture's nuclei, row and column, and the place of each one's class."""
    ids = np.unique(picture.label_map)
    ids = ids[ids > 0]
    rows, columns = np.nonzero(picture.label_map)
    owner = np.searchsorted(ids, picture.label_map[rows, columns])
    count = np.maximum(np.bincount(owner, minlength=len(ids)), 1)
    means = [np.bincount(owner, weights=each, minlength=len(ids)) / count for each in (rows, columns)]
    return np.stack(means, axis=1), np.asarray(picture.class_of[ids])
