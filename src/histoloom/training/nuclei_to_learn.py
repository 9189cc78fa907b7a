"""Whether tiles have nuclei that something can be learnt from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import TrainingError
from histoloom.training.data import LabelledPicture


def counted_pixels(picture: LabelledPicture) -> NDArray[np.bool_]:
    """Return where a picture is learnt from and scored, ``bool (H, W)``."""
    return np.ones(picture.label_map.shape, np.bool_) if picture.ignored is None else ~picture.ignored


def check_training_nuclei(pictures: Iterable[LabelledPicture]) -> None:
    """Raise `TrainingError` where no picture of those that are trained on has a nucleus that counts."""
    tiles = list(pictures)
    if _any_counts(tiles):
        return
    if any(each.label_map.any() for each in tiles):
        raise TrainingError(
            "All nuclei of the training tiles lie in the regions to ignore, so there is nothing to learn; make these "
            "smaller, or label nuclei outside them."
        )
    raise TrainingError("The training tiles have no nuclei at all, so there is nothing to learn; label some.")


def check_validation_nuclei(pictures: Iterable[LabelledPicture]) -> None:
    """Raise `TrainingError` where no picture of those that are validated on has a nucleus that counts."""
    if not _any_counts(pictures):
        raise TrainingError(
            "The tiles that are held out to validate on have no nuclei outside regions to ignore, so their score would "
            "be best for a segmenter that finds none; hold out more tiles or, with another seed, others."
        )


def _any_counts(pictures: Iterable[LabelledPicture]) -> bool:
    return any(bool((each.label_map > 0)[counted_pixels(each)].any()) for each in pictures)
