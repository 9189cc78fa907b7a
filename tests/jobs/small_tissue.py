"""Small looks and nuclei for the tests of background work."""

from __future__ import annotations

import numpy as np

from histoloom.layouts import Nucleus, Outline
from histoloom.tiles import Look, Tile


def look_of(seed: int) -> Look:
    """Return a small pinkish look."""
    pixels = (np.random.default_rng(seed).random((64, 64, 3)) * 60 + (150, 90, 150)).astype(np.uint8)
    return Look.from_tile(Tile.from_array(pixels, 0.25))


def nucleus_at(key: int, y: float, x: float, radius: float = 5.0) -> Nucleus:
    """Return an elliptic nucleus."""
    return Nucleus.create(key, Outline.ellipse((y, x), (radius, 0.7 * radius), 0.3, 12))
