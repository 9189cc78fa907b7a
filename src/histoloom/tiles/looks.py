"""Looks: what a generator copies the appearance of tissue from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError
from histoloom.tiles.stain_summary import StainSummary
from histoloom.tiles.stains import tissue_mask
from histoloom.tiles.tile import Tile
from histoloom.window import Window

LEAST_LOOK_SIDE = 64
"""Least height and width of a look in pixels."""

MOST_LOOK_PIXELS = 4096 * 4096
"""Most pixels of a look; a slide is not read whole to copy its appearance."""

LEAST_TISSUE = 0.02
"""Least share of a look's pixels that show tissue."""

_ASSUMED_PIXEL_SIZE = 0.25


@dataclass(frozen=True, eq=False)
class Look:
    """How a piece of real tissue looks.

    Parameters
    ----------
    pixels
        RGB ``uint8 (H, W, 3)``, read-only.
    pixel_size
        µm per pixel.
    stains
        Its colour in a few numbers.
    sha256
        Hash of shape and pixels: equal pixels are the same look, wherever they came from.
    """

    pixels: NDArray[np.uint8]
    pixel_size: float
    stains: StainSummary
    sha256: str

    @classmethod
    def from_tile(cls, tile: Tile, window: Window | None = None, pixel_size: float | None = None) -> Look:
        """Take the look of a tile.

        Parameters
        ----------
        tile
            A tile or slide; only the window is read.
        window
            Which pixels of the full size (default: all, up to 4096 x 4096).
        pixel_size
            µm per pixel; default: the tile's, or 0.25 (a 40x objective) where it has none.

        Raises
        ------
        LookError
            If the window is smaller than 64 x 64 or larger than 4096 x 4096 pixels, or less than 2 % of it is tissue.
        """
        whole = Window.of_shape(tile.shape)
        chosen = whole if window is None else window.intersection(whole)
        height, width = chosen.shape
        if min(height, width) < LEAST_LOOK_SIDE:
            raise LookError(f"The look is {height} x {width} pixels; choose a tile or region of at least 64 x 64.")
        if height * width > MOST_LOOK_PIXELS:
            raise LookError(
                f"The look is {height} x {width} pixels, more than can be studied at once; "
                "choose a region of at most 4096 x 4096, for example 512 x 512 with typical tissue."
            )
        size = pixel_size or tile.pixel_size or _ASSUMED_PIXEL_SIZE
        if not (np.isfinite(size) and size > 0):
            raise LookError(f"A pixel size of {size} µm is not possible; give a number above 0, such as 0.25.")
        pixels = np.array(tile.read(chosen))
        share = float(tissue_mask(pixels).mean())
        if share < LEAST_TISSUE:
            raise LookError(
                f"Only {share:.1%} of the look is tissue and the rest is white; choose a tile or region with tissue."
            )
        pixels.flags.writeable = False
        return cls(pixels, float(size), StainSummary.of(pixels), _sha256(pixels))


def _sha256(pixels: NDArray[np.uint8]) -> str:
    digest = hashlib.sha256("x".join(str(length) for length in pixels.shape).encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()
