"""Woven nuclei: texture of the eosin channel times nuclear colour (Hou et al. 2019, section 4.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.generators.texture.donors import Donors
from histoloom.generators.texture.recipe import TextureRecipe
from histoloom.keyed_random import keyed_uniform
from histoloom.layouts import Nucleus
from histoloom.layouts.scanlines import outline_spans
from histoloom.window import Window

# Lengths in µm.
_MEMBRANE_DEPTH = 0.3
_MEMBRANE_WIDTH = 0.4
_CLEARED_OVER = 0.9
_CLEARED_RADIUS = 2.5
_CYTOPLASM_REACH = 1.5

_CHANCES = 14
_FAINTEST = np.float32(0.15)


@dataclass(frozen=True, eq=False)
class Sprite:
    """The pixels of one nucleus on the canvas grid.

    Parameters
    ----------
    window, opacity, density
        Where the nucleus lies, how much of it covers the background ``float32 (h, w, 1)``, and its optical density
        ``float32 (h, w, 3)``.
    around, cytoplasm
        A larger window, and in it ``float32 (H, W, 1)`` in 0..1, falling off with the distance from the nucleus.
    """

    window: Window
    opacity: NDArray[np.float32]
    density: NDArray[np.float32]
    around: Window
    cytoplasm: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NucleusPainter:
    """Paints nuclei in the colours and with the texture of one look.

    Parameters
    ----------
    donors
        The look's own nuclei.
    texture
        Grain of the look's eosin channel, ``float32 (H, W)`` with mean 0 and standard deviation 1.
    recipe
        The weaver's options.
    pixel_size
        µm per pixel.
    """

    donors: Donors
    texture: NDArray[np.float32]
    recipe: TextureRecipe
    pixel_size: float

    @property
    def blur_margin(self) -> int:
        """Pixels by which a soft boundary reaches beyond a nucleus's bounding box."""
        return math.ceil(3.0 * 1.33 * self.recipe.boundary_blur / self.pixel_size) + 1

    @property
    def margin(self) -> int:
        """Pixels beyond a nucleus's bounding box that it may change."""
        reach = 2.0 * _CYTOPLASM_REACH if self.recipe.cytoplasm else 0.0
        return max(self.blur_margin, math.ceil(reach / self.pixel_size) + 1)

    def paint(self, nuclei: Sequence[Nucleus], seed: int) -> list[Sprite]:
        """Return the sprites of nuclei, each a pure function of the nucleus's row and the seed."""
        if not nuclei:
            return []
        seeds = np.array([nucleus.texture_seed for nucleus in nuclei])
        chances = keyed_uniform(seed, seeds[:, None], np.arange(_CHANCES))
        outlines = [nucleus.outline for nucleus in nuclei]
        everywhere = Window(0, 0, 0, 0)
        for outline in outlines:
            everywhere = everywhere.union(outline.window)
        owners, *runs = outline_spans(outlines, everywhere)
        firsts = np.searchsorted(owners, np.arange(len(nuclei) + 1)).tolist()
        rows, starts, stops = (run.tolist() for run in runs)
        sprites = []
        for index, nucleus in enumerate(nuclei):
            around = nucleus.outline.window.expanded(self.margin)
            mask = np.zeros(around.shape, np.uint8)
            for run in range(firsts[index], firsts[index + 1]):
                mask[rows[run] - around.y0, starts[run] - around.x0 : stops[run] - around.x0] = 1
            sprites.append(self._paint(nucleus, mask, around, chances[index]))
        return sprites

    def _paint(self, nucleus: Nucleus, mask: NDArray[np.uint8], around: Window, chance: NDArray[np.float64]) -> Sprite:
        import cv2

        recipe, pixel_size = self.recipe, self.pixel_size
        window = nucleus.outline.window.expanded(self.blur_margin)
        inner_mask = np.ascontiguousarray(mask[window.relative_to(around).slices])
        depth = cv2.distanceTransform(inner_mask, cv2.DIST_L2, 3)
        depth *= np.float32(pixel_size)

        donor = self.donors.choose(nucleus.outline.area * pixel_size**2, float(chance[0]))
        # A sum of uniform numbers is close to normal, and cannot stray far.
        spread = 1.0 + recipe.color_variation * float(chance[1] + chance[2] + chance[3] - 1.5) * 2.0
        color = self.donors.densities[donor] * np.float32(spread)

        # Chromatin: the eosin channel's grain, fine and at twice its size; and the membrane, a darker rim.
        grain = self._grain(nucleus, window, chance[4:6], 1.0)
        clump = self._grain(nucleus, window, chance[6:8], 0.5)
        contrast = 0.75 * recipe.chromatin_contrast * self.donors.contrasts[donor]
        relief = (grain + clump) * np.float32(contrast) + np.float32(1)
        membrane = (depth - np.float32(_MEMBRANE_DEPTH)) * np.float32(1 / _MEMBRANE_WIDTH)
        membrane = np.maximum(np.float32(1) - membrane * membrane, np.float32(0))
        relief += membrane * (clump * np.float32(0.5) + np.float32(1)) * np.float32(0.12 + 0.12 * chance[8])

        if chance[9] < recipe.clearing_probability:
            # Clearing of the interior: the rim and clumps of chromatin stay, the rest pales.
            size = min(float(depth.max()) / _CLEARED_RADIUS, 1.0)
            solid = float(self.donors.clearings[donor])
            paleness = size * ((1.0 - solid) * (0.5 + 0.7 * chance[10]) + 0.15 * chance[11])
            inner = np.clip((depth - np.float32(_MEMBRANE_DEPTH)) * np.float32(1 / _CLEARED_OVER), 0, 1)
            clumps = np.clip(clump - np.float32(0.6), 0, 1)
            relief *= np.float32(1) - inner * (np.float32(1) - clumps) * np.float32(paleness)
        density = np.maximum(relief, _FAINTEST)[..., None] * color

        opacity = inner_mask * np.float32(0.97 - 0.1 * chance[12])
        blur = recipe.boundary_blur / pixel_size * (0.67 + 0.66 * float(chance[13]))
        if blur > 0.1:
            opacity = cv2.GaussianBlur(opacity, (0, 0), blur)
        return Sprite(window, opacity[..., None], density, around, self._cytoplasm(mask, chance[3])[..., None])

    def _cytoplasm(self, mask: NDArray[np.uint8], chance: float) -> NDArray[np.float32]:
        import cv2

        if not self.recipe.cytoplasm:
            return np.zeros(mask.shape, np.float32)
        distance = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)
        distance *= np.float32(-self.pixel_size / (_CYTOPLASM_REACH * (0.6 + 0.4 * chance)))
        distance += np.float32(2)
        return np.asarray(np.clip(distance, 0, 1, out=distance) * np.float32(self.recipe.cytoplasm))

    def _grain(self, nucleus: Nucleus, window: Window, place: NDArray[np.float64], step: float) -> NDArray[np.float32]:
        """Sample the look's grain in the nucleus's own frame, from a random place; a small step enlarges it."""
        import cv2

        height, width = self.texture.shape
        # Whole-pixel anchors sample an upright nucleus without interpolation, which would soften its grain.
        y = float(window.y0 - round(nucleus.anchor[0]))
        x = float(window.x0 - round(nucleus.anchor[1]))
        cosine, sine = step * math.cos(nucleus.angle), step * math.sin(nucleus.angle)
        to_texture = np.array(
            [
                [cosine, -sine, x * cosine - y * sine + math.floor(place[1] * width)],
                [sine, cosine, x * sine + y * cosine + math.floor(place[0] * height)],
            ]
        )
        size = (window.x1 - window.x0, window.y1 - window.y0)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(
            cv2.warpAffine(self.texture, to_texture, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101), np.float32
        )
