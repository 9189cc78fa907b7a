"""The texture weaver: Hou et al.'s GAN-free synthesis (2019, section 4.1), made for the brush.

The background is the look without its nuclei, inpainted and quilted; the nuclei are texture of the look's eosin channel
times the colour of its real nuclei, some with a cleared interior, all with soft boundaries. Both are mixed as
``I = A M + B (1 - M)``, in optical density, where light adds up.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError, LookError
from histoloom.generators.texture.donors import find_donors
from histoloom.generators.texture.grain import find_grain
from histoloom.generators.texture.inpainting import inpaint_background
from histoloom.generators.texture.nuclear_material import NuclearMaterial, find_nuclear_material
from histoloom.generators.texture.quilt import Quilt
from histoloom.generators.texture.recipe import TextureRecipe
from histoloom.generators.texture.sharpness import boundary_softness
from histoloom.generators.texture.sprite import NucleusPainter, Sprite
from histoloom.keyed_random import keyed_hash
from histoloom.layouts import Layout, Nucleus
from histoloom.tiles.looks import LEAST_LOOK_SIDE, AnyLook, Look, NamedLook, look_with_pixels
from histoloom.tiles.stains import optical_density
from histoloom.window import Window

_PATCH = 48.0
_LEAST_SCALE, _MOST_SCALE = 0.2, 5.0
_CACHED_SPRITES, _CACHED_PIXELS = 4096, 2**20
_MOST_SPRITE_PIXELS, _MOST_SPRITE_LAYERS = 2**26, 16
_CYTOPLASM_CONTRAST = 0.15
_CYTOPLASM_REACH = 1.5
_STEPS_PER_DENSITY = 1600
_RGB_OF_DENSITY = (255.0 * 10.0 ** -(np.arange(4096) / _STEPS_PER_DENSITY) + 0.5).astype(np.uint8)


class TextureWeaver:
    """Weaves with the textures of a look; no training, no GPU."""

    name: ClassVar[str] = "texture"
    title: ClassVar[str] = "Texture weaver (no training)"
    recipe_type: ClassVar[type[TextureRecipe]] = TextureRecipe
    tile_invariant: ClassVar[bool] = True
    named_looks: ClassVar[tuple[NamedLook, ...]] = ()
    weights_sha256: ClassVar[str] = ""

    def prepare(self, look: AnyLook, recipe: TextureRecipe, pixel_size: float) -> PreparedTexture:
        """Study a look for canvases of the given pixel size.

        Parameters
        ----------
        look
            At least 64 x 64 pixels at the canvas's pixel size, with some nuclei.
        recipe
            The weaver's options.
        pixel_size
            µm per pixel of the canvas; the look is resampled to it.

        Raises
        ------
        LookError
            If the look has no pixels or no nuclei, is too small, or its pixel size is too far from the canvas's.
        """
        pixels = _resampled(look_with_pixels(look, self.title), pixel_size)
        density = optical_density(pixels)
        material = find_nuclear_material(pixels, pixel_size)
        background = inpaint_background(density, material.super_segmentation, pixel_size)
        painter = NucleusPainter(
            find_donors(density, material, pixel_size),
            find_grain(pixels, pixel_size),
            _cytoplasm_density(density, material, pixel_size),
            boundary_softness(density.mean(axis=2), material.nuclei, pixel_size),
            recipe,
            pixel_size,
        )
        return PreparedTexture(background, painter, recipe)


class PreparedTexture:
    """A look that has been studied and is ready to weave."""

    def __init__(
        self,
        background: NDArray[np.float32],
        painter: NucleusPainter,
        recipe: TextureRecipe,
    ) -> None:
        # Channels come first: arithmetic over a last axis of three is several times slower.
        self._background = np.ascontiguousarray(background.transpose(2, 0, 1))
        self._painter = painter
        self._recipe = recipe
        self._quilt = Quilt(self._background, patch=round(_PATCH / painter.pixel_size))
        self._sprites: OrderedDict[tuple[Nucleus, int], Sprite] = OrderedDict()
        self._cached_pixels = 0
        reach = math.ceil(2.0 * _CYTOPLASM_REACH / painter.pixel_size) + 1 if recipe.cytoplasm else 0
        self.halo = max(painter.margin, reach)

    def weave(self, layout: Layout, seed: int, window: Window | None = None) -> NDArray[np.uint8]:
        """Return RGB ``uint8 (H, W, 3)`` of a window of the canvas (default: all of it).

        Raises
        ------
        LayoutError
            If a nucleus is larger than `histoloom.generators.texture.sprite.MOST_NUCLEUS_PIXELS`, or so many large ones
            lie over each other that their pixels would not fit into memory.
        """
        window = layout.window if window is None else window
        nuclei = layout.nuclei_in(window.expanded(self.halo))
        self._refuse_too_many_pixels(nuclei, window)
        density = self._ground(seed, window)
        sprites = self._sprites_of(nuclei, seed)
        if sprites and self._recipe.cytoplasm:
            self._add_cytoplasm(density, window, sprites, seed)
        for sprite in sprites:
            part = sprite.window.intersection(window)
            if not part.is_empty:
                ground = density[:, *part.relative_to(window).slices]
                inside = part.relative_to(sprite.window).slices
                change = sprite.density[:, *inside] - ground
                change *= sprite.opacity[inside]
                ground += change
        # A table instead of an exponential for each pixel: quick, and the same bytes on every machine.
        density *= np.float32(_STEPS_PER_DENSITY)
        density += np.float32(0.5)
        picture = np.empty((*window.shape, 3), np.uint8)
        for channel in range(3):
            picture[..., channel] = _RGB_OF_DENSITY.take(density[channel].astype(np.intp), mode="clip")
        return picture

    def _add_cytoplasm(self, density: NDArray[np.float32], window: Window, sprites: list[Sprite], seed: int) -> None:
        """Raise empty background around nuclei to the density of cytoplasm."""
        import cv2

        pixel_size, grain = self._painter.pixel_size, self._painter.grain
        wide = window.expanded(self.halo)
        outside = np.ones(wide.shape, np.uint8)
        for sprite in sprites:
            part = sprite.window.intersection(wide)
            below = outside[part.relative_to(wide).slices]
            np.minimum(below, 1 - sprite.mask[part.relative_to(sprite.window).slices], out=below)
        if outside.all():
            return
        key = int(keyed_hash(seed, 0xC7))
        y, x = window.y0 + (key & 0xFFFFF), window.x0 + (key >> 20 & 0xFFFFF)
        # Uneven in reach and density, or each nucleus would have a halo as if drawn with compasses.
        distance = cv2.distanceTransform(outside, cv2.DIST_L2, 3)[window.relative_to(wide).slices]
        uneven = grain.upright(1, y, x, window.shape) * np.float32(0.3)
        uneven += np.float32(1.2)
        np.maximum(uneven, np.float32(1), out=uneven)
        uneven *= distance
        uneven *= np.float32(-pixel_size / _CYTOPLASM_REACH)
        uneven += np.float32(2)
        weight = np.minimum(np.maximum(uneven, np.float32(0)), np.float32(1))
        weight *= np.float32(self._recipe.cytoplasm)
        target = grain.upright(0, y, x, window.shape) * np.float32(_CYTOPLASM_CONTRAST)
        target += np.float32(1)
        for ground, usual in zip(density, self._painter.cytoplasm.tolist(), strict=True):
            missing = target * np.float32(usual)
            missing -= ground
            np.maximum(missing, np.float32(0), out=missing)
            missing *= weight
            ground += missing

    def _ground(self, seed: int, window: Window) -> NDArray[np.float32]:
        """Return the background's optical density ``(3, H, W)`` in a window."""
        own = Window.of_shape(self._background.shape[1:])
        if self._recipe.background == "in place":
            if own.contains(window):
                return self._background[:, *window.slices].copy()
            ground = self._quilt.read(seed, window)
            part = own.intersection(window)
            if not part.is_empty:
                ground[:, *part.relative_to(window).slices] = self._background[:, *part.slices]
            return ground
        return self._quilt.read(seed, window)

    def _refuse_too_many_pixels(self, nuclei: list[Nucleus], window: Window) -> None:
        pixels = sum(self._painter.size_of(nucleus) for nucleus in nuclei)
        height, width = window.shape
        if pixels > max(_MOST_SPRITE_PIXELS, _MOST_SPRITE_LAYERS * height * width):
            raise LayoutError(
                f"The {len(nuclei):,} nuclei about row {window.y0}, column {window.x0} are too large or too many over "
                "each other to be woven; remove those that outline tissue, or correct the layout's pixel size."
            )

    def _sprites_of(self, nuclei: list[Nucleus], seed: int) -> list[Sprite]:
        """Return the nuclei's sprites, painting those that are not at hand."""
        found = [self._sprites.get((nucleus, seed)) for nucleus in nuclei]
        missing = [nucleus for nucleus, sprite in zip(nuclei, found, strict=True) if sprite is None]
        painted = iter(self._painter.paint(missing, seed))
        sprites = [next(painted) if sprite is None else sprite for sprite in found]
        for nucleus, old, sprite in zip(nuclei, found, sprites, strict=True):
            if old is None:
                self._sprites[nucleus, seed] = sprite
                self._cached_pixels += sprite.mask.size
            else:
                # A stroke leaves a sprite behind with every preview; those of its standing neighbours outlive them.
                self._sprites.move_to_end((nucleus, seed))
        most_pixels = max(_CACHED_PIXELS, sum(sprite.mask.size for sprite in sprites))
        while len(self._sprites) > max(_CACHED_SPRITES, len(nuclei)) or self._cached_pixels > most_pixels:
            _, dropped = self._sprites.popitem(last=False)
            self._cached_pixels -= dropped.mask.size
        return sprites


def _resampled(look: Look, pixel_size: float) -> NDArray[np.uint8]:
    """Return the look's pixels at the canvas's pixel size."""
    import cv2

    scale = look.pixel_size / pixel_size
    if not _LEAST_SCALE <= scale <= _MOST_SCALE:
        raise LookError(
            f"The look has {look.pixel_size:g} µm per pixel and the canvas {pixel_size:g}, too far apart to match; "
            "choose a look of similar magnification, or correct the pixel size."
        )
    if abs(scale - 1.0) < 0.02:
        return look.pixels
    height, width = (round(length * scale) for length in look.pixels.shape[:2])
    if min(height, width) < LEAST_LOOK_SIDE:
        raise LookError(
            f"At the canvas's pixel size the look is only {height} x {width} pixels; "
            "choose a larger tile or region, of at least 64 x 64."
        )
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(look.pixels, (width, height), interpolation=method), np.uint8)


def _cytoplasm_density(
    density: NDArray[np.float32], material: NuclearMaterial, pixel_size: float
) -> NDArray[np.float32]:
    """Return the usual optical density ``(3,)`` of what lies around the look's nuclei."""
    import cv2

    side = round(4.0 / pixel_size) | 1
    near = cv2.dilate(material.super_segmentation.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)
    ring = near & ~material.super_segmentation
    if ring.sum() < 64:
        ring = ~material.nuclei
    return np.asarray(np.median(density[ring], axis=0) if ring.any() else density.mean(axis=(0, 1)), np.float32)
