"""Woven nuclei: texture of the eosin channel times nuclear colour (Hou et al. 2019, section 4.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from histoloom.generators.texture.donors import Donors
from histoloom.generators.texture.grain import Grain
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
_NUCLEOLUS_RADIUS = 0.45
_LEAST_DEPTH_OF_NUCLEOLI = 1.6

_CHANCES = 20
_FAINTEST = np.float32(0.15)
_BLUR_SPREAD = 0.33


@dataclass(frozen=True, eq=False)
class Sprite:
    """The pixels of one nucleus on the canvas grid.

    Parameters
    ----------
    window, opacity, density
        Where the nucleus lies, how much of it covers the background ``float32 (h, w, 1)``, and its optical density
        ``float32 (h, w, 3)``.
    around, cytoplasm
        A larger window, and in it ``float32 (H, W)`` in 0..1, falling off with the distance from the nucleus.
    """

    window: Window
    opacity: NDArray[np.float32]
    density: NDArray[np.float32]
    around: Window
    cytoplasm: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class NucleusPainter:
    """Paints nuclei in the colours and with the texture of one look.

    Parameters
    ----------
    donors
        The look's own nuclei.
    grain
        Fine structure of the look's eosin channel.
    softness
        Standard deviation in µm of the blur of nuclear boundaries in the look.
    recipe
        The weaver's options.
    pixel_size
        µm per pixel.
    """

    donors: Donors
    grain: Grain
    softness: float
    recipe: TextureRecipe
    pixel_size: float

    @cached_property
    def blur_margin(self) -> int:
        """Pixels by which a soft boundary reaches beyond a nucleus's bounding box."""
        return math.ceil(3.0 * (1.0 + _BLUR_SPREAD) * self.recipe.boundary_blur * self.softness / self.pixel_size) + 1

    @cached_property
    def margin(self) -> int:
        """Pixels beyond a nucleus's bounding box that it may change."""
        reach = 2.0 * _CYTOPLASM_REACH if self.recipe.cytoplasm else 0.0
        return max(self.blur_margin, math.ceil(reach / self.pixel_size) + 1)

    def paint(self, nuclei: Sequence[Nucleus], seed: int) -> list[Sprite]:
        """Return the sprites of nuclei, each a pure function of the nucleus's row and the seed."""
        if not nuclei:
            return []
        seeds = np.array([nucleus.texture_seed for nucleus in nuclei])
        chances = keyed_uniform(seed, seeds[:, None], np.arange(_CHANCES)).tolist()
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

    def _paint(self, nucleus: Nucleus, mask: NDArray[np.uint8], around: Window, chance: list[float]) -> Sprite:
        import cv2

        recipe, pixel_size = self.recipe, self.pixel_size
        trim = self.margin - self.blur_margin
        window = around.expanded(-trim)
        inner_mask = np.ascontiguousarray(mask[trim : mask.shape[0] - trim, trim : mask.shape[1] - trim])
        depth = cv2.distanceTransform(inner_mask, cv2.DIST_L2, 3)
        depth *= np.float32(pixel_size)
        thickness = float(depth.max())

        donor = self.donors.choose(nucleus.outline.area * pixel_size**2, chance[0])
        # A sum of uniform numbers is close to normal, and cannot stray far.
        spread = 1.0 + recipe.color_variation * (chance[1] + chance[2] + chance[3] - 1.5) * 2.0
        color = self.donors.densities[donor] * np.float32(spread)

        # Chromatin: the eosin channel's grain, fine and at twice its size; and the membrane, a darker rim.
        contrast = recipe.chromatin_contrast * float(self.donors.contrasts[donor])
        clump = self._textured(nucleus, window, 1, chance[6], chance[7])
        relief = self._textured(nucleus, window, 0, chance[4], chance[5]) * np.float32(_FINE * contrast)
        relief += clump * np.float32(_CLUMPED * contrast)
        relief += np.float32(1)
        membrane = depth - np.float32(_MEMBRANE_DEPTH)
        membrane *= membrane
        membrane *= np.float32(-1 / _MEMBRANE_WIDTH**2)
        membrane += np.float32(1)
        np.maximum(membrane, np.float32(0), out=membrane)
        membrane *= clump * np.float32(0.5) + np.float32(1)
        membrane *= np.float32(0.12 + 0.12 * chance[8])
        relief += membrane

        if chance[9] < recipe.clearing_probability:
            # Clearing of the interior: the rim and clumps of chromatin stay, the rest pales.
            size = min(thickness / _CLEARED_RADIUS, 1.0)
            solid = float(self.donors.clearings[donor])
            paleness = size * ((1.0 - solid) * (0.5 + 0.7 * chance[10]) + 0.15 * chance[11])
            cleared = depth - np.float32(_MEMBRANE_DEPTH)
            cleared *= np.float32(1 / _CLEARED_OVER)
            np.maximum(cleared, np.float32(0), out=cleared)
            np.minimum(cleared, np.float32(1), out=cleared)
            clumps = clump - np.float32(0.6)
            np.maximum(clumps, np.float32(0), out=clumps)
            np.minimum(clumps, np.float32(1), out=clumps)
            cleared *= np.float32(1) - clumps
            cleared *= np.float32(-paleness)
            cleared += np.float32(1)
            relief *= cleared
            if thickness >= _LEAST_DEPTH_OF_NUCLEOLI:
                for number in range(int(2.5 * chance[14])):
                    self._add_nucleolus(relief, nucleus, window, thickness, chance[15 + 2 * number : 17 + 2 * number])
        np.maximum(relief, _FAINTEST, out=relief)

        opacity = inner_mask * np.float32(0.97 - 0.1 * chance[12])
        blur = recipe.boundary_blur * self.softness / pixel_size
        blur *= 1.0 + _BLUR_SPREAD * (2.0 * chance[13] - 1.0)
        if blur > 0.1:
            opacity = cv2.GaussianBlur(opacity, (0, 0), blur)
        return Sprite(window, opacity[..., None], relief[..., None] * color, around, self._cytoplasm(mask, chance[3]))

    def _add_nucleolus(
        self, relief: NDArray[np.float32], nucleus: Nucleus, window: Window, thickness: float, chance: list[float]
    ) -> None:
        """Darken a small round spot about the middle of the nucleus."""
        distance = 0.5 * thickness * math.sqrt(chance[0]) / self.pixel_size
        direction = 2.0 * math.pi * chance[1] + nucleus.angle
        y = nucleus.anchor[0] + distance * math.cos(direction) - window.y0
        x = nucleus.anchor[1] + distance * math.sin(direction) - window.x0
        scale = np.float32(-0.5 * (self.pixel_size / _NUCLEOLUS_RADIUS) ** 2)
        down = np.arange(relief.shape[0], dtype=np.float32) - np.float32(y)
        right = np.arange(relief.shape[1], dtype=np.float32) - np.float32(x)
        relief += np.exp(down * down * scale)[:, None] * np.exp(right * right * scale) * np.float32(0.45)

    def _cytoplasm(self, mask: NDArray[np.uint8], chance: float) -> NDArray[np.float32] | None:
        import cv2

        if not self.recipe.cytoplasm:
            return None
        weight = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)
        weight *= np.float32(-self.pixel_size / (_CYTOPLASM_REACH * (0.6 + 0.4 * chance)))
        weight += np.float32(2)
        np.minimum(weight, np.float32(1), out=weight)
        np.maximum(weight, np.float32(0), out=weight)
        weight *= np.float32(self.recipe.cytoplasm)
        return np.asarray(weight, np.float32)

    def _textured(self, nucleus: Nucleus, window: Window, level: int, y: float, x: float) -> NDArray[np.float32]:
        """Return the grain in the nucleus's own frame, from a random place."""
        # Whole-pixel anchors sample an upright nucleus without interpolation, which would soften its grain.
        corner = window.y0 - round(nucleus.anchor[0]), window.x0 - round(nucleus.anchor[1])
        top, left = int(y * _PLACES), int(x * _PLACES)
        if nucleus.angle == 0.0:
            return self.grain.upright(level, top + corner[0], left + corner[1], window.shape)
        return self.grain.turned(level, top, left, nucleus.angle, corner, window.shape)


_FINE, _CLUMPED = 0.9, 0.9
_PLACES = 1 << 20
