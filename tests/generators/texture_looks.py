"""Looks and layouts that the tests of the texture weaver share."""

from __future__ import annotations

from functools import cache

import numpy as np

from histoloom.generators.texture import PreparedTexture, TextureRecipe, TextureWeaver
from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.tiles.looks import Look
from histoloom.tiles.samples import embedded_sample
from histoloom.tiles.tile import Tile

PIXEL_SIZE = 0.5


def look_of(pixels: np.ndarray, pixel_size: float = PIXEL_SIZE) -> Look:
    return Look.from_tile(Tile.from_array(np.ascontiguousarray(pixels), pixel_size))


@cache
def colon(height: int = 192, width: int = 192) -> Look:
    """A corner of the embedded sample with glands, stroma and some glass."""
    return look_of(embedded_sample().read()[:height, :width])


def newly_prepared(**options: object) -> PreparedTexture:
    """Nothing is in its caches yet."""
    return TextureWeaver().prepare(colon(), TextureRecipe(**options), PIXEL_SIZE)


def nucleus_at(y: float, x: float, key: int = 1, radii: tuple[float, float] = (7.0, 5.0)) -> Nucleus:
    return Nucleus.create(key, Outline.ellipse((y, x), radii, 0.4))


def scattered(shape: tuple[int, int] = (160, 200), count: int = 25) -> Layout:
    """Nuclei anywhere, some over others and some partly off the canvas."""
    draw = np.random.default_rng(5)
    places = draw.uniform((-5, -5), (shape[0] + 5, shape[1] + 5), (count, 2))
    radii = draw.uniform(3, 9, (count, 2))
    nuclei = [nucleus_at(*places[index], index + 1, tuple(radii[index])) for index in range(count)]
    return Layout.from_nuclei(nuclei, shape, PIXEL_SIZE)
