"""Looks: what a generator copies the appearance of tissue from."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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
_BLACK = 15


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
        return cls(pixels, float(size), StainSummary.of(pixels), look_sha256(pixels))


@dataclass(frozen=True)
class NamedLook:
    """A look without pixels, which a trained generator knows by name.

    Parameters
    ----------
    name
        What people call it.
    stains
        Its colour in a few numbers.
    texture
        The generator's own summary of its texture; means nothing to another generator.
    sha256
        Hash of stains and texture; see `of`.
    """

    name: str
    stains: StainSummary
    texture: tuple[float, ...]
    sha256: str

    @classmethod
    def of(cls, name: str, stains: StainSummary, texture: Iterable[float]) -> NamedLook:
        """Return a look of stains and texture; raises `LookError` if it has no name, or numbers that are none."""
        numbers = tuple(float(each) for each in texture)
        if not name.strip() or not all(math.isfinite(each) for each in numbers):
            raise LookError(f"The named look '{name}' is damaged; get the bundle that it comes from again.")
        digest = hashlib.sha256(b"named look")
        for array in (stains.vectors, stains.quantiles, stains.mean, stains.standard_deviation, stains.shades):
            digest.update(array.astype("<f4").tobytes())
        digest.update(struct.pack(f"<{len(numbers)}d", *numbers))
        return cls(name, stains, numbers, digest.hexdigest())

    def as_json(self) -> dict[str, Any]:
        """Return the look as plain JSON values."""
        return {"name": self.name, "stains": self.stains.as_json(), "texture": list(self.texture)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> NamedLook:
        """Return the look that `as_json` wrote; raises `LookError` where something is missing or damaged."""
        try:
            return cls.of(str(values["name"]), StainSummary.from_json(values["stains"]), values["texture"])
        except (KeyError, TypeError, ValueError):
            raise LookError("A named look is damaged; get the bundle that it comes from again.") from None


AnyLook = Look | NamedLook
"""What generators may be given: a real tile's look, or one that the generator knows by name."""


def look_with_pixels(look: AnyLook, generator_title: str) -> Look:
    """Return a look that has pixels, for generators that copy from them.

    Raises
    ------
    LookError
        If it is a named one.
    """
    if isinstance(look, NamedLook):
        raise LookError(
            f"'{generator_title}' copies from a real tile, and the look '{look.name}' has none; "
            "choose a tile or the colon sample as look, or the generator that knows this look."
        )
    return look


def shows_tissue(rgb: NDArray[np.uint8]) -> bool:
    """Return whether at least `LEAST_TISSUE` of a picture ``uint8 (H, W, 3)`` is neither glass nor black.

    No stain is black: that is what lies beyond a scan, or a picture that was never filled.
    """
    return bool((tissue_mask(rgb) & (rgb.max(axis=2) > _BLACK)).mean() >= LEAST_TISSUE)


def look_sha256(pixels: NDArray[np.uint8]) -> str:
    """Return the hash by which a look of these pixels, RGB ``uint8 (H, W, 3)``, is known."""
    digest = hashlib.sha256("x".join(str(length) for length in pixels.shape).encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()
