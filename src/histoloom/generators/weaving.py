"""Weaving pictures of any size, piece by piece, from any generator."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from histoloom.conditions import AcceptedStructure
from histoloom.errors import LayoutError, RecipeError, Stopped
from histoloom.generators.contract import Generator, PreparedGenerator, SeesStructure, WovenTile
from histoloom.generators.registry import default_generator, generator_named
from histoloom.generators.woven_files import save_woven
from histoloom.layouts import Layout
from histoloom.recipes import Recipe, usable_seed
from histoloom.tiles.looks import AnyLook, NamedLook
from histoloom.window import Window

__all__ = ["PIECE_SIDE", "check_fits_memory", "cropped", "pieces", "save_woven", "seeing", "usable_recipe", "weave"]

PIECE_SIDE = 512
"""Height and width in pixels of the pieces that a large picture is woven in."""

_BYTES_PER_PIXEL = 7  # RGB, and the int32 label map that goes with it
_MOST_BYTES = 16 * 2**30
_MOST_SHARE_OF_MEMORY = 0.5


def weave(
    layout: Layout,
    look: AnyLook,
    *,
    generator: str | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    window: Window | None = None,
    structure: AcceptedStructure | None = None,
    prepared: PreparedGenerator | None = None,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> WovenTile:
    """Weave a layout, or a window of it, with the look of a tile.

    Equal (recipe, look, layout, seed) give equal bytes, and a window those of the whole. Beyond the picture itself,
    memory does not grow with the canvas.

    Parameters
    ----------
    layout
        Where the nuclei are.
    look
        What the tissue shall look like: a tile's look, or one that the generator knows by name.
    generator
        What `histoloom.generators.generator_named` takes (default: `default_generator`).
    recipe
        The generator's settings; default: its defaults.
    seed
        Whole number from 0 to 2**63 - 1.
    window
        Which pixels of the canvas (default: all); what lies outside the canvas is left out.
    structure
        Structure accepted for this canvas, for generators that see any.
    prepared
        What the generator made of this look, recipe and pixel size before, to save doing so again.
    on_progress
        Told the share that is done, in 0..1, after each piece.
    should_stop
        Asked before each piece.

    Returns
    -------
    WovenTile
        The picture ``uint8 (H, W, 3)``, and the layout cropped to it.

    Raises
    ------
    LayoutError
        If no pixel is asked for, or more than fit in memory.
    RecipeError
        If the generator, recipe or seed is not usable.
    LookError
        If the look cannot serve the generator.
    Stopped
        If ``should_stop`` said so before the end.
    """
    generator = generator or default_generator()
    chosen = generator_named(generator)
    settings = usable_recipe(chosen, recipe)
    seed = usable_seed(seed)
    area = layout.window if window is None else window.intersection(layout.window)
    if area.is_empty:
        raise LayoutError("The window lies outside the canvas, so there is nothing to weave; choose one that meets it.")
    check_fits_memory(area.shape)
    ready = prepared or chosen.prepare(look, settings, layout.pixel_size)
    is_seen = structure is not None and isinstance(ready, SeesStructure)
    ready = seeing(ready, structure)

    try:
        image = np.empty((*area.shape, 3), np.uint8)
    except MemoryError:
        raise _too_large(area.shape) from None
    parts = pieces(area) if chosen.tile_invariant else [layout.window]
    for index, piece in enumerate(parts):
        if should_stop is not None and should_stop():
            raise Stopped("Weaving was stopped before the picture was whole; start it again to go on.")
        pixels = ready.weave(layout, seed, piece)
        shared = piece.intersection(area)
        image[shared.relative_to(area).slices] = pixels[shared.relative_to(piece).slices]
        if on_progress is not None:
            on_progress((index + 1) / len(parts))
    image.flags.writeable = False
    return WovenTile(
        image,
        cropped(layout, area),
        seed,
        chosen.name,
        settings.as_json(),
        look.sha256,
        look_name=look.name if isinstance(look, NamedLook) else None,
        weights_sha256=chosen.weights_sha256,
        structure_sha256=structure.sha256 if structure is not None and is_seen else "",
    )


def seeing(prepared: PreparedGenerator, structure: AcceptedStructure | None) -> PreparedGenerator:
    """Return a prepared generator that sees accepted structure, if it is one that sees any."""
    return prepared.with_structure(structure) if isinstance(prepared, SeesStructure) else prepared


def pieces(window: Window, side: int = PIECE_SIDE) -> list[Window]:
    """Cut a window along a grid that is anchored at the canvas's origin; a window that fits in one piece stays whole.

    Returns
    -------
    list of Window
        Row by row, disjoint, at most ``side`` pixels high and wide, together the window.
    """
    if window.is_empty:
        return []
    if max(window.shape) <= side:
        return [window]
    rows = range(window.y0 // side * side, window.y1, side)
    columns = range(window.x0 // side * side, window.x1, side)
    return [Window(y, x, y + side, x + side).intersection(window) for y in rows for x in columns]


def cropped(layout: Layout, window: Window) -> Layout:
    """Return the part of a layout in a window, as a layout of its own: nuclei keep their ids, outlines and faces."""
    if window == layout.window:
        return layout
    nuclei = {nucleus.id: nucleus.moved(-window.y0, -window.x0) for nucleus in layout.nuclei_in(window)}
    tissue_map = layout.tissue_map and layout.tissue_map.cropped(window)
    provenance = {**layout.provenance, "cropped_to": list(window)}
    return replace(layout, nuclei=nuclei, shape=window.shape, tissue_map=tissue_map, provenance=provenance)


def usable_recipe(generator: Generator, recipe: Recipe | None) -> Recipe:
    """Return the recipe, or the generator's defaults for None; a recipe of another generator is refused."""
    if recipe is None:
        return generator.recipe_type()
    if not isinstance(recipe, generator.recipe_type):
        raise RecipeError(
            f"A {type(recipe).__name__} does not fit the generator '{generator.name}'; "
            f"give a {generator.recipe_type.__name__}."
        )
    return recipe


def check_fits_memory(shape: tuple[int, int]) -> None:
    """Refuse pictures that would not fit beside everything else in this machine's memory.

    Raises
    ------
    LayoutError
        If image and label map of the given height and width need over 16 GiB, or over half of the memory.
    """
    limit = min(_MOST_BYTES, _physical_memory() * _MOST_SHARE_OF_MEMORY)
    if math.prod(shape) * _BYTES_PER_PIXEL > limit:
        raise _too_large(shape)


def _too_large(shape: tuple[int, int]) -> LayoutError:
    gibibytes = math.prod(shape) * _BYTES_PER_PIXEL / 2**30
    return LayoutError(
        f"A picture of {shape[0]} x {shape[1]} pixels needs about {gibibytes:.1f} GiB of memory, too much at once; "
        "weave a window of it, such as 4096 x 4096 pixels."
    )


def _physical_memory() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf, and not every system knows the names
        return 2.0 * _MOST_BYTES
