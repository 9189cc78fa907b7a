"""Maps in each nucleus's own coordinates: depth below its contour, and the two offsets of HoVer-Net."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions.encoding import RecipeEncoding
from histoloom.layouts import Layout
from histoloom.recipes import Recipe
from histoloom.window import Window


class NoParametersRecipe(Recipe):
    """The recipe of an encoding without parameters."""


class DistanceEncoding(RecipeEncoding[NoParametersRecipe]):
    """One channel: depth below the contour of its nucleus over the greatest depth there, above 0 to 1; 0 outside.

    Depth is the Euclidean distance to the nearest pixel that is not the nucleus's. `decode` gives where nuclei are,
    ``bool (H, W)``.
    """

    name: ClassVar[str] = "distance-map"
    recipe_type: ClassVar[type[Recipe]] = NoParametersRecipe

    @property
    def channels(self) -> tuple[str, ...]:
        """What each channel shows."""
        return ("depth",)

    def encode(
        self,
        layout: Layout,
        window: Window | None = None,
        picture: NDArray[np.uint8] | None = None,  # noqa: ARG002 - the protocol's
    ) -> NDArray[np.float32]:
        """Return ``float32 (1, H, W)`` in 0..1; see `Encoding.encode`."""
        import cv2

        window = layout.window if window is None else window
        region = _region_of_whole_nuclei(layout, window)
        depth = np.zeros(region.shape, np.float32)
        for place, mask in _visible_nuclei(layout, window, region):
            padded = np.pad(mask, 1).astype(np.uint8)
            own = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
            # OpenCV's last digit depends on where the array lies in memory; squares of distances are whole numbers.
            own = np.sqrt(np.rint(np.square(own)))
            depth[place][mask] = own[mask] / own.max()
        return depth[window.relative_to(region).slices][None].copy()

    def decode(self, values: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return where nuclei are, ``bool (H, W)``."""
        return np.asarray(values[0] > 0.0)


class HoVerEncoding(RecipeEncoding[NoParametersRecipe]):
    """Nucleus, and the horizontal and vertical offset from its centre of mass (Graham et al. 2019, section III.A).

    Offsets are in -1..1, left and top negative, the two sides of each nucleus scaled apart so that both are reached;
    the centre is rounded to a pixel, as in the authors' code. `decode` gives where nuclei are, ``bool (H, W)``.
    """

    name: ClassVar[str] = "hover-maps"
    recipe_type: ClassVar[type[Recipe]] = NoParametersRecipe

    @property
    def channels(self) -> tuple[str, ...]:
        """What each channel shows."""
        return ("nucleus", "horizontal", "vertical")

    def encode(
        self,
        layout: Layout,
        window: Window | None = None,
        picture: NDArray[np.uint8] | None = None,  # noqa: ARG002 - the protocol's
    ) -> NDArray[np.float32]:
        """Return ``float32 (3, H, W)``; see `Encoding.encode`."""
        window = layout.window if window is None else window
        region = _region_of_whole_nuclei(layout, window)
        maps = np.zeros((3, *region.shape), np.float32)
        for place, mask in _visible_nuclei(layout, window, region):
            rows, columns = np.nonzero(mask)
            maps[0][place][mask] = 1.0
            maps[1][place][mask] = _offsets(columns)
            maps[2][place][mask] = _offsets(rows)
        return maps[:, *window.relative_to(region).slices].copy()

    def decode(self, values: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return where nuclei are, ``bool (H, W)``."""
        return np.asarray(values[0] > 0.5)


def _region_of_whole_nuclei(layout: Layout, window: Window) -> Window:
    """Return the window grown to hold all of each nucleus in it, also off the canvas."""
    region = window
    for nucleus in layout.nuclei_in(window):
        region = region.union(nucleus.outline.window)
    return region


def _visible_nuclei(
    layout: Layout, window: Window, region: Window
) -> Iterator[tuple[tuple[slice, slice], NDArray[np.bool_]]]:
    """Yield where each nucleus of a window lies in the region, and what of it can be seen."""
    ids = layout.rasterize(region)
    for nucleus in layout.nuclei_in(window):
        place = nucleus.outline.window.relative_to(region).slices
        mask = ids[place] == nucleus.id
        if mask.any():
            yield place, mask


def _offsets(positions: NDArray[np.int64]) -> NDArray[np.float64]:
    offsets = positions - np.floor(positions.mean() + 0.5)
    low, high = float(offsets.min()), float(offsets.max())
    return np.asarray(np.where(offsets < 0.0, offsets / (-low or 1.0), offsets / (high or 1.0)))
