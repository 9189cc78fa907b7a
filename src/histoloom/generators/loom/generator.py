"""The house generator, from a bundle: tile-invariant, so any window can be woven by itself."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions import EDGE, AcceptedStructure, NucleiAndTissueEncoding, StructureLabelsEncoding
from histoloom.conditions.nuclei_and_tissue import TISSUE_REACH, surrounding_tissue
from histoloom.errors import BundleError
from histoloom.generators.bundles.cells import cells_of, put_together, rounded_picture
from histoloom.generators.bundles.from_bundle import FromBundle
from histoloom.generators.bundles.resampling import Resampling, network_pixels_per_pixel
from histoloom.generators.loom.noise import LEVELS, canvas_noise
from histoloom.generators.loom.recipe import LoomWeaveRecipe
from histoloom.layouts import Layout
from histoloom.layouts.transforms import rescaled
from histoloom.models import BundleHeader, load_bundle
from histoloom.models.shipped import check_shipped
from histoloom.tiles.looks import AnyLook, NamedLook
from histoloom.tiles.nearest_pixels import nearest_pixels
from histoloom.window import Window

if TYPE_CHECKING:
    from histoloom.generators.networks.loom_weaving import LoomWeaving, PreparedLook

CELL = 512
"""Height and width in pixels of the canvas-anchored cells in which pictures that are kept are woven."""


class LoomGenerator(FromBundle):
    """Weaves with a network that has learnt tissue, in the colours and texture of any look.

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

    recipe_type: ClassVar[type[LoomWeaveRecipe]] = LoomWeaveRecipe
    tile_invariant: ClassVar[bool] = True

    def __init__(self, path: Path, header: BundleHeader) -> None:
        super().__init__(path, header)
        encoding = header.encoding(path.name)
        if not isinstance(encoding, NucleiAndTissueEncoding):
            raise BundleError(f"The header of '{path.name}' is damaged (its 'condition'); get the file again.")
        self._encoding = encoding
        self.named_looks: tuple[NamedLook, ...] = header.named_looks(path.name)

    @property
    def title(self) -> str:
        """Name and training steps."""
        return f"{self.name} (trained, {self.header.step:,} steps)"

    def prepare(self, look: AnyLook, recipe: LoomWeaveRecipe, pixel_size: float) -> PreparedLoom:
        """Study a look for canvases of the given pixel size.

        Parameters
        ----------
        look
            A tile's, or one of `named_looks`.
        recipe
            How to weave.
        pixel_size
            µm per pixel of the canvas.

        Raises
        ------
        BundleError
            If the file is not whole, or for another pixel size and ``recipe.rescale`` is off.
        LookError
            If a named look is of another generator.
        """
        factor = network_pixels_per_pixel(self.header, self._path.name, pixel_size, rescale=recipe.rescale)
        network = _network(self._path, self._path.stat().st_mtime_ns if self._path.is_file() else 0)
        prepared = network.prepared_look(look, self.header.pixel_size)
        return PreparedLoom(network, prepared, self.header.pixel_size, self._encoding, recipe, factor)


class PreparedLoom:
    """The network with a look, ready to weave.

    Parameters
    ----------
    network
        With its weights.
    look
        What it has made of the look.
    pixel_size
        µm per pixel that it was trained at.
    encoding
        How it sees layouts.
    recipe
        How to weave.
    factor
        How many of its pixels one of the canvas is wide.
    """

    def __init__(
        self,
        network: LoomWeaving,
        look: PreparedLook,
        pixel_size: float,
        encoding: NucleiAndTissueEncoding,
        recipe: LoomWeaveRecipe,
        factor: float,
    ) -> None:
        self._network, self._look, self._pixel_size = network, look, pixel_size
        self._encoding, self._recipe, self._factor = encoding, recipe, factor
        self._structure: AcceptedStructure | None = None
        # What changes inside one of the coarsest cells changes all of it.
        self.halo = math.ceil((network.margin + TISSUE_REACH + LEVELS[0]) / factor) + (0 if factor == 1.0 else 2)

    def with_structure(self, structure: AcceptedStructure | None) -> PreparedLoom:
        """Return the same with the structure that a person has accepted for the canvas, or without any."""
        other = copy(self)
        other._structure = structure if self._recipe.accepted_edges else None  # noqa: SLF001 - its own class
        return other

    def weave(self, layout: Layout, seed: int, window: Window | None = None) -> NDArray[np.uint8]:
        """Return RGB ``uint8 (H, W, 3)`` of a window of the canvas (default: all of it).

        The network sees cells of one fixed size that are anchored at the canvas's origin, so that the bytes are the
        same whatever window is asked for.
        """
        return self._woven(layout, seed, layout.window if window is None else window, in_cells=True)

    def preview(self, layout: Layout, seed: int, window: Window) -> NDArray[np.uint8]:
        """Return what `weave` does to within 2 of 255, sooner: only what the window needs is woven."""
        return self._woven(layout, seed, window, in_cells=False)

    def _woven(self, layout: Layout, seed: int, window: Window, *, in_cells: bool) -> NDArray[np.uint8]:
        if window.is_empty:
            return np.zeros((*window.shape, 3), np.uint8)
        near = replace(layout, nuclei={each.id: each for each in layout.nuclei_in(window.expanded(self.halo))})
        if self._factor == 1.0:
            picture = self._pictures(near, self._edges(layout.shape), seed, window, in_cells=in_cells)
        else:
            scaled = replace(rescaled(near, self._factor), pixel_size=self._pixel_size)
            resampling = Resampling(self._factor, scaled.shape)
            source = resampling.source_window(window)
            edges = self._edges(layout.shape)
            if edges is not None:
                edges = edges[nearest_pixels(edges.shape, scaled.shape)]
            picture = resampling.resampled(self._pictures(scaled, edges, seed, source, in_cells=in_cells), window)
        return rounded_picture(picture)

    def _pictures(
        self, layout: Layout, edges: NDArray[np.bool_] | None, seed: int, window: Window, *, in_cells: bool
    ) -> NDArray[np.float32]:
        """Return ``float32 (3, H, W)`` in 0..255 of a window at the network's pixel size."""
        parts = cells_of(window, CELL) if in_cells else [_aligned(window)]
        return put_together(window, parts, lambda part: self._part(layout, edges, seed, part))

    def _part(self, layout: Layout, edges: NDArray[np.bool_] | None, seed: int, part: Window) -> NDArray[np.float32]:
        seen = part.expanded(self._network.margin)
        nuclei = layout.nuclei_in(seen.expanded(1))
        ids = layout.rasterize(seen.expanded(1))
        index_of = {nucleus.id: self._encoding.class_index(nucleus.class_name) for nucleus in nuclei}
        condition = self._encoding.encode_ids(ids, index_of, surrounding_tissue(layout, seen))
        if edges is not None:
            known = np.zeros(seen.shape, bool)
            common = seen.intersection(layout.window)
            if not common.is_empty:
                known[common.relative_to(seen).slices] = edges[common.slices]
            condition = self._encoding.with_edges(condition, known)
        noise = canvas_noise(ids[1:-1, 1:-1], nuclei, seed, seen)
        picture: NDArray[np.float32] = self._network.weave(condition, noise, self._look)
        return picture

    def _edges(self, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
        accepted = self._structure
        if accepted is None or accepted.labels.shape != shape:
            return None
        if not isinstance(accepted.encoding, StructureLabelsEncoding):
            return None
        return np.asarray(accepted.labels == EDGE)


@lru_cache(maxsize=2)
def _network(path: Path, changed: int) -> LoomWeaving:  # noqa: ARG001 - a file that was changed is read again
    from histoloom.generators.networks.loom_weaving import LoomWeaving

    check_shipped(path)
    return LoomWeaving(load_bundle(path, kind="generator"), path.name)


def _aligned(window: Window) -> Window:
    """Return the smallest window around another whose corners are multiples of the coarsest cells."""
    cell = LEVELS[0]
    return Window(
        window.y0 // cell * cell, window.x0 // cell * cell, -(-window.y1 // cell) * cell, -(-window.x1 // cell) * cell
    )
