"""Whether a woven picture shows the nuclei of its layout: haematoxylin inside their outlines against outside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError
from histoloom.layouts import Layout
from histoloom.tiles.stains import separate_stains

RING = 2.0
"""Width in µm of the ring around a nucleus that it is compared with."""

MARGIN = 0.05
"""By how much, in optical density, a nucleus must be darker in haematoxylin than the ring around it."""

_GAP = 0.5
_LEAST_PIXELS = 12


def recovered_nuclei(
    layout: Layout, picture: NDArray[np.uint8], margin: float = MARGIN, ring: float = RING
) -> dict[int, bool]:
    """Return which nuclei can be seen.

    A nucleus is recovered where the mean haematoxylin inside its outline exceeds that of a ring around it by a margin.
    The ring leaves out other nuclei and the half µm next to the outline, where borders blur.

    Parameters
    ----------
    layout
        Where nuclei shall be.
    picture
        What was woven, or the real tile with its labels: RGB ``uint8 (H, W, 3)`` of the layout's canvas.
    margin
        In optical density along haematoxylin's vector (Ruifrok and Johnston 2001).
    ring
        Width of the ring in µm.

    Returns
    -------
    dict
        Nucleus id -> whether it is recovered. Nuclei that show fewer than 12 pixels on the canvas, or have no ring
        between their neighbours, are left out: nothing can be said of them.

    Raises
    ------
    EvaluationError
        If the picture is no RGB picture of the canvas's size.
    """
    if picture.shape != (*layout.shape, 3) or picture.dtype != np.uint8:
        raise EvaluationError(
            f"A picture of shape {picture.shape} and a layout of {layout.shape[0]} x {layout.shape[1]} pixels cannot "
            "be compared; give the RGB picture that was woven from it."
        )
    import cv2

    haematoxylin = separate_stains(picture)[..., 0]
    ids = layout.rasterize()
    ground = ids == 0
    gap, reach = (max(round(each / layout.pixel_size), 1) for each in (_GAP, _GAP + ring))
    inner, outer = (cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * each + 1,) * 2) for each in (gap, reach))
    seen = {}
    for nucleus in layout.nuclei_in(layout.window):
        near = nucleus.outline.window.expanded(reach + 1).intersection(layout.window)
        inside = ids[near.slices] == nucleus.id
        mask = inside.astype(np.uint8)
        around = (cv2.dilate(mask, outer) > cv2.dilate(mask, inner)) & ground[near.slices]
        if min(int(inside.sum()), int(around.sum())) < _LEAST_PIXELS:
            continue
        stain = haematoxylin[near.slices]
        seen[nucleus.id] = bool(stain[inside].mean() - stain[around].mean() > margin)
    return seen


def recovered_fraction(layout: Layout, picture: NDArray[np.uint8], margin: float = MARGIN, ring: float = RING) -> float:
    """Return the share of nuclei that can be seen, 0 to 1; see `recovered_nuclei`.

    Raises
    ------
    EvaluationError
        If the picture is not of the layout, or of none of its nuclei anything can be said.
    """
    seen = recovered_nuclei(layout, picture, margin, ring)
    if not seen:
        raise EvaluationError("No nucleus of the layout can be compared with its surroundings; give one with nuclei.")
    return sum(seen.values()) / len(seen)
