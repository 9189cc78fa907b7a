"""A small generator that keeps the contract, and misbehaves on request; the weave process imports it by its name."""

from __future__ import annotations

import os
import time
from typing import ClassVar

import numpy as np

from histoloom.generators.registry import register_generator
from histoloom.keyed_random import keyed_hash
from histoloom.recipes import Recipe

FAILS_AT, DIES_AT = 1_000_666, 1_000_667


class FlatRecipe(Recipe):
    halo: int = 3
    brightness: int = 0
    delay_s: float = 0.0
    prepare_fails: bool = False
    is_noisy: bool = False


class PreparedFlat:
    def __init__(self, recipe, tint):
        self._recipe, self._tint = recipe, tint
        self.halo = recipe.halo

    def weave(self, layout, seed, window=None):
        window = layout.window if window is None else window
        if self._recipe.is_noisy:
            print("whatever a library prints must not disturb the protocol")  # noqa: T201
        time.sleep(self._recipe.delay_s)
        if FAILS_AT in layout.nuclei:
            raise ValueError("a nucleus that cannot be woven")
        if DIES_AT in layout.nuclei:
            os._exit(3)
        rows, columns = np.mgrid[window.y0 : window.y1, window.x0 : window.x1]
        pixels = np.stack([keyed_hash(seed, rows, columns, c) & 63 for c in range(3)], axis=-1).astype(np.uint8)
        halo = self.halo
        labels = layout.rasterize(window.expanded(halo))
        height, width = window.shape
        near = np.logical_or.reduce([labels[dy : dy + height] > 0 for dy in range(2 * halo + 1)])
        near = np.logical_or.reduce([near[:, dx : dx + width] for dx in range(2 * halo + 1)])
        pixels[near] |= 64
        inside = labels[halo : halo + height, halo : halo + width]
        for key in np.unique(inside[inside > 0]).tolist():
            pixels[inside == key] = 100 + layout.nuclei[key].texture_seed % 100
        # What lies between the nuclei shows as far away as the halo allows.
        pixels += 5 * layout.tissue_pixels(window.expanded(halo))[:height, :width, None]
        return pixels + np.uint8((self._tint + self._recipe.brightness) % 16)


class FlatWeaver:
    name: ClassVar[str] = "flat"
    title: ClassVar[str] = "Flat colours"
    recipe_type: ClassVar[type[Recipe]] = FlatRecipe
    tile_invariant: ClassVar[bool] = True
    named_looks: ClassVar[tuple] = ()
    weights_sha256: ClassVar[str] = ""

    def prepare(self, look, recipe, pixel_size):
        if recipe.prepare_fails:
            raise ValueError("no such look")
        return PreparedFlat(recipe, int(look.pixels[0, 0, 0]))


register_generator("flat", f"{__name__}:FlatWeaver")
