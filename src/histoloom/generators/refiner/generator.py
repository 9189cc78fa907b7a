"""Layout, look and seed make a first picture, and a network refines it; any window is woven alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from histoloom.generators.bundles.cells import cells_of, put_together, rounded_picture
from histoloom.generators.bundles.from_bundle import FromBundle
from histoloom.generators.bundles.resampling import Resampling, network_pixels_per_pixel
from histoloom.generators.networks.look_crops import resampled_look
from histoloom.generators.refiner.networks import refiner_network
from histoloom.generators.refiner.recipe import RefinerWeaveRecipe
from histoloom.generators.texture import TextureRecipe, TextureWeaver
from histoloom.generators.texture.weaver import PreparedTexture
from histoloom.layouts import Layout
from histoloom.layouts.transforms import rescaled
from histoloom.tiles.looks import AnyLook, NamedLook, look_with_pixels
from histoloom.window import Window

if TYPE_CHECKING:
    import torch

    from histoloom.generators.networks.refiner_weaving import RefinerWeaving

CELL = 256
"""Height and width in pixels of the canvas-anchored cells in which pictures that are kept are woven."""


class RefinerGenerator(FromBundle):
    """Weaves with the textures of a tile, and refines the picture with the tile as the reference.

    Parameters
    ----------
    path
        The bundle; only its header is read until a look is prepared.
    header
        What the bundle says of itself.

    Raises
    ------
    BundleError
        If the bundle is of something else than a generator, or its header is damaged.
    """

    recipe_type: ClassVar[type[RefinerWeaveRecipe]] = RefinerWeaveRecipe
    tile_invariant: ClassVar[bool] = True
    named_looks: ClassVar[tuple[NamedLook, ...]] = ()

    @property
    def title(self) -> str:
        """Name and training steps."""
        return f"{self.name} (refiner, {self.header.step:,} steps)"

    def prepare(self, look: AnyLook, recipe: RefinerWeaveRecipe, pixel_size: float) -> PreparedRefiner:
        """Study a look for canvases of the given pixel size.

        Parameters
        ----------
        look
            A tile's: it lends the textures of the first picture and is the reference.
        recipe
            How to weave.
        pixel_size
            µm per pixel of the canvas.

        Raises
        ------
        BundleError
            If the file is not whole, or for another pixel size and ``recipe.rescale`` is off.
        LookError
            If the look has no pixels, which could be no reference, or the texture weaver cannot work with it.
        """
        factor = network_pixels_per_pixel(self.header, self._path.name, pixel_size, rescale=recipe.rescale)
        reference = look_with_pixels(look, self.title)
        own = self.header.pixel_size
        network = refiner_network(self._path)
        vector = network.reference(resampled_look(reference.pixels, reference.pixel_size / own))
        texture = TextureRecipe(**{name: getattr(recipe, name) for name in TextureRecipe.model_fields})
        # Where the pixel sizes are taken for the same, so are the textures' with the canvas's.
        first = TextureWeaver().prepare(reference, texture, pixel_size if factor == 1.0 else own)
        return PreparedRefiner(network, vector, first, recipe.refinement, factor, own)


class PreparedRefiner:
    """A refiner with a look, ready to weave.

    Parameters
    ----------
    network
        With its weights.
    vector
        What it has made of the look.
    first
        What weaves first pictures.
    refinement
        How much of the change is made, in 0..1.
    factor
        How many of its pixels one of the canvas is wide.
    pixel_size
        µm per pixel that it was trained at.
    """

    def __init__(
        self,
        network: RefinerWeaving,
        vector: torch.Tensor,
        first: PreparedTexture,
        refinement: float,
        factor: float,
        pixel_size: float,
    ) -> None:
        self._network, self._vector, self._first = network, vector, first
        self._refinement, self._factor, self._pixel_size = refinement, factor, pixel_size
        self.halo = math.ceil((network.margin + first.halo) / factor) + (0 if factor == 1.0 else 2)

    def weave(self, layout: Layout, seed: int, window: Window | None = None) -> NDArray[np.uint8]:
        """Return RGB ``uint8 (H, W, 3)`` of a window of the canvas (default: all of it).

        The network sees cells of one fixed size that are anchored at the canvas's origin, so that the bytes are the
        same whatever window is asked for.

        Raises
        ------
        LayoutError
            If a nucleus is too large, or too many lie over each other, to be woven.
        """
        return self._woven(layout, seed, layout.window if window is None else window, in_cells=True)

    def preview(self, layout: Layout, seed: int, window: Window) -> NDArray[np.uint8]:
        """Return what `weave` does to within 2 of 255, sooner: only what the window needs is woven."""
        return self._woven(layout, seed, window, in_cells=False)

    def preview_both(self, layout: Layout, seed: int, window: Window) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return what `preview` does, and the first picture, at hardly more cost."""
        if window.is_empty:
            return self.preview(layout, seed, window), self.preview(layout, seed, window)
        both = self._both(layout, seed, window, in_cells=False)
        return rounded_picture(both[:3]), rounded_picture(both[3:])

    def _woven(self, layout: Layout, seed: int, window: Window, *, in_cells: bool) -> NDArray[np.uint8]:
        if window.is_empty:
            return np.zeros((*window.shape, 3), np.uint8)
        return rounded_picture(self._both(layout, seed, window, in_cells=in_cells)[:3])

    def _both(self, layout: Layout, seed: int, window: Window, *, in_cells: bool) -> NDArray[np.float32]:
        """Return the refined picture and the first one, ``float32 (6, H, W)`` in 0..255."""
        near = replace(layout, nuclei={each.id: each for each in layout.nuclei_in(window.expanded(self.halo))})
        if self._factor == 1.0:
            return self._pictures(near, seed, window, in_cells=in_cells)
        scaled = replace(rescaled(near, self._factor), pixel_size=self._pixel_size)
        resampling = Resampling(self._factor, scaled.shape)
        source = resampling.source_window(window)
        return resampling.resampled(self._pictures(scaled, seed, source, in_cells=in_cells), window)

    def _pictures(self, layout: Layout, seed: int, window: Window, *, in_cells: bool) -> NDArray[np.float32]:
        """Return ``float32 (6, H, W)`` in 0..255 of a window at the network's pixel size."""
        parts = cells_of(window, CELL) if in_cells else [window]
        return put_together(window, parts, lambda part: self._part(layout, seed, part), channels=6)

    def _part(self, layout: Layout, seed: int, part: Window) -> NDArray[np.float32]:
        seen = part.expanded(self._network.margin)
        first = self._first.weave(layout, seed, seen)
        inner = part.relative_to(seen).slices
        unchanged = np.asarray(first[inner].transpose(2, 0, 1), np.float32)
        if self._refinement == 0.0:
            return np.concatenate([unchanged, unchanged])
        refined: NDArray[np.float32] = self._network.refine(first, self._vector, self._refinement)
        return np.concatenate([refined[:, *inner], unchanged])
