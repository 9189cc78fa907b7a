"""Resizing maps whose values cannot be mixed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def nearest_pixels(shape: Sequence[int], wanted: Sequence[int]) -> tuple[NDArray[np.intp], ...]:
    """Return which pixels of a map, as an index of it, give one of the wanted height and width by nearest pixels.

    Labels have no means, and OpenCV resizes no ``int32``.

    Parameters
    ----------
    shape, wanted
        Of the map, and of what it becomes.
    """
    return np.ix_(
        *(
            ((np.arange(new) + 0.5) * old / new).astype(np.intp).clip(0, old - 1)
            for old, new in zip(shape, wanted, strict=True)
        )
    )
