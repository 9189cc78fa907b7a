"""Pictures with the outlines of their nuclei."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.evaluation.agreement_palettes import Color

OUTLINE: Color = (0, 255, 0)
"""No stain and hardly any pigment comes near it."""


def outlined(
    picture: NDArray[np.uint8], label_map: NDArray[Any], color: Color = OUTLINE, scale: int = 1
) -> NDArray[np.uint8]:
    """Draw the outlines of nuclei onto a picture.

    Parameters
    ----------
    picture
        RGB ``uint8 (H, W, 3)``.
    label_map
        ``(H, W)``; 0 is background, every other value one nucleus.
    color
        Of the outlines, RGB in 0..255.
    scale
        How many pixels one of the picture is drawn as, so that outlines are thin.

    Returns
    -------
    NDArray[np.uint8]
        RGB ``(H * scale, W * scale, 3)``: the outermost pixels of each nucleus have the colour.
    """
    drawn = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    labels = label_map.repeat(scale, axis=0).repeat(scale, axis=1)
    # A nucleus that the picture cuts off has no outline there.
    wide = np.pad(labels, 1, mode="edge")
    inner = wide[1:-1, 1:-1]
    other = np.zeros(inner.shape, bool)
    for moved in (wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]):
        other |= moved != inner
    drawn[other & (labels != 0)] = color
    return drawn
