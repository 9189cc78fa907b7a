"""Contours of nuclei: where a pixel's neighbour belongs to another nucleus, or to none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoloom.layouts import Layout
from histoloom.window import Window


def instance_contours(layout: Layout, window: Window) -> NDArray[np.bool_]:
    """Return the contours in a window, ``bool (H, W)``.

    As in pix2pixHD: a pixel is on a contour if the id of one of its four neighbours differs, so contours are two pixels
    wide, one on each side.
    """
    return contours_of_ids(layout.rasterize(window.expanded(1)))


def contours_of_ids(ids: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return the contours in a label map ``(H + 2, W + 2)``, but for its outermost pixels: ``bool (H, W)``."""
    inner = ids[1:-1, 1:-1]
    rows = (inner != ids[:-2, 1:-1]) | (inner != ids[2:, 1:-1])
    columns = (inner != ids[1:-1, :-2]) | (inner != ids[1:-1, 2:])
    return np.asarray(rows | columns)
