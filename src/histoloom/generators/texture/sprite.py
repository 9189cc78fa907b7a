"""Woven nuclei: texture of the eosin channel times nuclear colour (Hou et al. 2019, section 4.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError
from histoloom.generators.texture.donors import Donors
from histoloom.generators.texture.grain import Grain
from histoloom.generators.texture.recipe import TextureRecipe
from histoloom.keyed_random import keyed_uniform
from histoloom.layouts import Nucleus, Outline
from histoloom.layouts.measures import measure_outlines
from histoloom.layouts.scanlines import outline_spans
from histoloom.window import Window

# Lengths in µm.
_MEMBRANE_DEPTH = 0.3
_MEMBRANE_WIDTH = 0.4
_CLEARED_OVER = 0.9
_CLEARED_RADIUS = 2.5
_VESICULAR_OVER, _VESICULAR_RADIUS = 0.5, 1.8
_NUCLEOLUS_RADIUS = 0.45
_LEAST_DEPTH_OF_NUCLEOLI = 1.6

_LYMPHOCYTE, _SOLIDITY = "inflammatory", 0.4
_CHANCES = 22
_PALEST_CHROMATIN = np.float32(0.5)
_FAINTEST = np.float32(0.15)
_LEAST_PALE, _PALER, _PALER_WITHIN = 0.3, 0.4, 0.4
_CLUMPS_FROM, _MORE_CLUMPS, _MORE_MEMBRANE = 0.6, 0.5, 0.35
_BLUR_SPREAD = 0.33
_FINE, _CLUMPED = 0.85, 0.85
_NUCLEOLUS = 0.45
_SEEN_THROUGH, _MOST_SEEN_THROUGH = 0.5, 0.4
_PLACES = 1 << 20
_TOGETHER, _PIXELS_TOGETHER = 64, 2**22

MOST_NUCLEUS_PIXELS = 2**22
"""Pixels of the bounding box of the largest nucleus that is painted, with its soft boundary: 2048 x 2048."""


@dataclass(frozen=True, eq=False)
class Sprite:
    """The pixels of one nucleus on the canvas grid.

    Parameters
    ----------
    window
        Where they lie.
    mask
        Which of them belong to the nucleus, ``uint8 (h, w)``, 0 or 1.
    opacity, density
        How much of the background they cover ``float32 (h, w)``, and their optical density ``float32 (3, h, w)``.
    """

    window: Window
    mask: NDArray[np.uint8]
    opacity: NDArray[np.float32]
    density: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NucleusPainter:
    """Paints nuclei in the colours and with the texture of one look.

    Parameters
    ----------
    donors
        The look's own nuclei.
    grain
        Fine structure of the look's eosin channel.
    cytoplasm
        Usual optical density ``(3,)`` of what lies around the look's nuclei.
    softness
        Standard deviation in µm of the blur of nuclear boundaries in the look.
    recipe
        The weaver's options.
    pixel_size
        µm per pixel.
    """

    donors: Donors
    grain: Grain
    cytoplasm: NDArray[np.float32]
    softness: float
    recipe: TextureRecipe
    pixel_size: float

    @cached_property
    def margin(self) -> int:
        """Pixels by which a soft boundary reaches beyond a nucleus's bounding box."""
        return math.ceil(3.0 * (1.0 + _BLUR_SPREAD) * self.recipe.boundary_blur * self.softness / self.pixel_size) + 1

    def paint(self, nuclei: Sequence[Nucleus], seed: int) -> list[Sprite]:
        """Return the sprites of nuclei, each a pure function of the nucleus's row and the seed.

        Raises
        ------
        LayoutError
            If a nucleus has more than `MOST_NUCLEUS_PIXELS`.
        """
        sprites: list[Sprite] = []
        together: list[Nucleus] = []
        pixels = 0
        for nucleus in nuclei:
            size = self.size_of(nucleus)
            if together and (len(together) == _TOGETHER or pixels + size > _PIXELS_TOGETHER):
                sprites += self._paint_together(together, seed)
                together, pixels = [], 0
            together.append(nucleus)
            pixels += size
        return sprites + (self._paint_together(together, seed) if together else [])

    def size_of(self, nucleus: Nucleus) -> int:
        """Return how many pixels the sprite of a nucleus has; raises `LayoutError` if they are too many."""
        height, width = nucleus.outline.window.expanded(self.margin).shape
        if height * width > MOST_NUCLEUS_PIXELS:
            raise LayoutError(
                f"Nucleus {nucleus.id} is {height} x {width} pixels large, too large to be one; "
                "remove it if it outlines tissue, or correct the layout's pixel size."
            )
        return height * width

    def _paint_together(self, nuclei: Sequence[Nucleus], seed: int) -> list[Sprite]:
        """Paint nuclei in one flat array, one after another: many small numpy calls would cost more than their work."""
        import cv2

        recipe = self.recipe
        chance = keyed_uniform(seed, np.array([[nucleus.texture_seed] for nucleus in nuclei]), np.arange(_CHANCES))
        windows = [nucleus.outline.window.expanded(self.margin) for nucleus in nuclei]
        masks = _masks([nucleus.outline for nucleus in nuclei], windows)
        sizes = np.array([mask.size for mask in masks])
        ends = np.cumsum(sizes).tolist()
        depth, fine, clump, opacity = np.empty((4, ends[-1]), np.float32)
        density = np.empty((3, ends[-1]), np.float32)
        parts = [slice(end - mask.size, end) for end, mask in zip(ends, masks, strict=True)]
        blurs = recipe.boundary_blur * self.softness / self.pixel_size * (1.0 + _BLUR_SPREAD * (2 * chance[:, 13] - 1))
        for nucleus, window, mask, part, places, blur in zip(
            nuclei, windows, masks, parts, (chance[:, 4:8] * _PLACES).astype(int).tolist(), blurs.tolist(), strict=True
        ):
            depth[part] = cv2.distanceTransform(mask, cv2.DIST_L2, 3).reshape(-1)
            fine[part] = self._textured(nucleus, window, 0, places[0], places[1]).reshape(-1)
            clump[part] = self._textured(nucleus, window, 1, places[2], places[3]).reshape(-1)
            cover = mask.astype(np.float32)
            opacity[part] = (cv2.GaussianBlur(cover, (0, 0), blur) if blur > _LEAST_BLUR else cover).reshape(-1)
        depth *= np.float32(self.pixel_size)
        thickness = np.maximum.reduceat(depth, [part.start for part in parts])

        def of_each(values: NDArray[np.floating]) -> NDArray[np.float32]:
            return np.repeat(values.astype(np.float32), sizes)

        areas = measure_outlines([nucleus.outline for nucleus in nuclei]).areas * self.pixel_size**2
        donors = self.donors.choose(areas, chance[:, 0])
        dark = np.array([each.class_name == _LYMPHOCYTE for each in nuclei], bool) & (recipe.lymphocyte_darkness > 0)

        # Chromatin: the eosin channel's grain, fine and at twice its size; and the membrane, a darker rim.
        relief = fine * np.float32(_FINE) + clump * np.float32(_CLUMPED)
        contrasts = self.donors.contrasts[donors] * (1.0 - _SOLIDITY * recipe.lymphocyte_darkness * dark)
        relief *= of_each(recipe.chromatin_contrast * contrasts)
        relief += np.float32(1)
        np.maximum(relief, _PALEST_CHROMATIN, out=relief)
        rim = depth - np.float32(_MEMBRANE_DEPTH)
        membrane = np.maximum(np.float32(1) - (rim * np.float32(1 / _MEMBRANE_WIDTH)) ** 2, np.float32(0))
        membrane *= clump * np.float32(0.5) + np.float32(1)
        vesicular = (chance[:, 20] < recipe.vesicular) & ~dark
        relief += membrane * of_each(0.12 + 0.12 * chance[:, 8] + _MORE_MEMBRANE * vesicular)

        # Clearing of the interior: the rim and clumps of chromatin stay, the rest pales.
        cleared = (chance[:, 9] < recipe.clearing_probability) & ~dark
        hollow = 1.0 - self.donors.clearings[donors]
        paleness = hollow * (0.5 + 0.7 * chance[:, 10]) + 0.15 * chance[:, 11]
        paleness *= cleared * np.minimum(thickness / _CLEARED_RADIUS, 1.0)
        # Vesicular nuclei below the threshold that finds a look's own are not among these (the paper's figure 9 c).
        pale = (_LEAST_PALE + _PALER * chance[:, 21]) * np.minimum(thickness / _VESICULAR_RADIUS, 1.0)
        paleness = np.where(vesicular, np.maximum(paleness, pale), paleness)
        cleared |= vesicular
        rim *= of_each(1.0 / np.where(vesicular, _VESICULAR_OVER, _CLEARED_OVER))
        clumps = clump - of_each(_CLUMPS_FROM - _MORE_CLUMPS * vesicular)
        solid = np.minimum(np.maximum(clumps, np.float32(0)), np.float32(1))
        inner = np.minimum(np.maximum(rim, np.float32(0)), np.float32(1)) * (np.float32(1) - solid)
        inner *= of_each(paleness)
        relief *= np.float32(1) - inner

        for index in np.flatnonzero(cleared & (thickness >= _LEAST_DEPTH_OF_NUCLEOLI)).tolist():
            spot = relief[parts[index]].reshape(masks[index].shape)
            for number in range(int(2.5 * chance[index, 14])):
                at = chance[index, 15 + 2 * number : 17 + 2 * number]
                self._add_nucleolus(spot, nuclei[index], windows[index], float(thickness[index]), at)
        np.maximum(relief, _FAINTEST, out=relief)

        # A sum of uniform numbers is close to normal, and cannot stray far.
        spread = 1.0 + recipe.color_variation * (chance[:, 1:4].sum(axis=1) - 1.5) * 2.0
        densities = self.donors.densities[donors]
        if recipe.lymphocyte_darkness > 0:
            # Hou et al. (2019, section 5.4): lymphocytes are round and dark.
            asked = np.where(
                dark[:, None],
                np.maximum(self.donors.darkest(chance[:, 0]), densities),
                self.donors.no_darker_than_usual(densities),
            )
            densities = densities + np.float32(recipe.lymphocyte_darkness) * (asked - densities)
        colors = densities * spread[:, None]
        # Cytoplasm above and below the nucleus shows through, so pale chromatin is pinker and dense chromatin bluer.
        through = np.minimum(_SEEN_THROUGH * self.cytoplasm, _MOST_SEEN_THROUGH * colors)
        chromatin = colors - through
        # All of the contrast is the chromatin's, so it must have more for the whole to have as much.
        relief -= np.float32(1)
        relief *= of_each(colors.sum(axis=1) / chromatin.sum(axis=1))
        relief += np.float32(1)
        np.maximum(relief, np.float32(0), out=relief)
        # The inside of a vesicular nucleus is paler than the cytoplasm around it.
        behind = 1 - inner * of_each(_PALER_WITHIN * vesicular) if vesicular.any() else np.ones(1, np.float32)
        for channel in range(3):
            np.multiply(relief, of_each(chromatin[:, channel]), out=density[channel])
            density[channel] += of_each(through[:, channel]) * behind
        opacity *= of_each(0.97 - 0.1 * chance[:, 12])
        # Copies, since a view would keep the arrays of all nuclei painted together for as long as one of them is kept.
        return [
            Sprite(
                window,
                mask.copy(),
                opacity[part].reshape(mask.shape).copy(),
                density[:, part].reshape(3, *mask.shape).copy(),
            )
            for window, mask, part in zip(windows, masks, parts, strict=True)
        ]

    def _add_nucleolus(
        self,
        relief: NDArray[np.float32],
        nucleus: Nucleus,
        window: Window,
        thickness: float,
        chance: NDArray[np.float64],
    ) -> None:
        """Darken a small round spot about the middle of the nucleus."""
        distance = 0.5 * thickness * math.sqrt(chance[0]) / self.pixel_size
        direction = 2.0 * math.pi * chance[1] + nucleus.angle
        y = nucleus.anchor[0] + distance * math.cos(direction) - window.y0
        x = nucleus.anchor[1] + distance * math.sin(direction) - window.x0
        scale = -0.5 * (self.pixel_size / _NUCLEOLUS_RADIUS) ** 2
        down, right = np.arange(relief.shape[0]) - y, np.arange(relief.shape[1]) - x
        relief += np.outer(_NUCLEOLUS * np.exp(down * down * scale), np.exp(right * right * scale)).astype(np.float32)

    def _textured(self, nucleus: Nucleus, window: Window, level: int, top: int, left: int) -> NDArray[np.float32]:
        """Return the grain in the nucleus's own frame, whose origin shows the given place of the grain."""
        # Whole-pixel anchors sample an upright nucleus without interpolation, which would soften its grain.
        corner = window.y0 - round(nucleus.anchor[0]), window.x0 - round(nucleus.anchor[1])
        if nucleus.angle == 0.0:
            return self.grain.upright(level, top + corner[0], left + corner[1], window.shape)
        return self.grain.turned(level, top, left, nucleus.angle, corner, window.shape)


_LEAST_BLUR = 0.1


def _masks(outlines: list[Outline], windows: list[Window]) -> list[NDArray[np.uint8]]:
    """Rasterize each outline into a window of its own; 1 inside."""
    everywhere = Window(0, 0, 0, 0)
    for window in windows:
        everywhere = everywhere.union(window)
    owners, rows, starts, stops = outline_spans(outlines, everywhere)
    corners = np.array(windows)
    widths = corners[:, 3] - corners[:, 1]
    ends = np.cumsum((corners[:, 2] - corners[:, 0]) * widths)
    first = (ends - (corners[:, 2] - corners[:, 0]) * widths)[owners]
    first += (rows - corners[owners, 0]) * widths[owners] - corners[owners, 1]
    length = int(ends[-1]) + 1
    # Along all windows laid end to end, one more where a run starts and one less where it stops.
    change = np.bincount(first + starts, minlength=length) - np.bincount(first + stops, minlength=length)
    inside = np.cumsum(change, dtype=np.int64).astype(np.uint8)
    return [part.reshape(window.shape) for part, window in zip(np.split(inside[:-1], ends[:-1]), windows, strict=True)]
