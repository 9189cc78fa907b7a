"""Patches of one size in µm, cut on a grid from the tiles of a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError, TileError
from histoloom.keyed_random import keyed_hash
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE
from histoloom.layouts.tile_folders import TileFolder, TilePair
from histoloom.models.header import PIXEL_SIZE_TOLERANCE
from histoloom.tiles.tile import Tile
from histoloom.window import Window

PATCH_SIDE = 128
"""Pixels a side; 32 µm at 0.25 µm per pixel, some nuclei and what lies between them."""

LEAST_SIDE = 32

MOST_PATCHES = 2000
"""How many patches of a folder are looked at, unless it has more tiles."""

_SEED = re.compile(r"_seed\d+$")
_MOST_SCALE = 5.0

Place = tuple[int, int]


@dataclass(frozen=True, eq=False)
class TilePatches:
    """The patches of one tile.

    Parameters
    ----------
    pair
        The tile.
    places
        Row and column of each patch in the grid.
    grid
        How many rows and columns the grid has.
    pixels
        RGB ``uint8 (n, side, side, 3)``.
    """

    pair: TilePair
    places: tuple[Place, ...]
    grid: Place
    pixels: NDArray[np.uint8]

    @property
    def name(self) -> str:
        """The tile's id."""
        return self.pair.id

    @property
    def at(self) -> Mapping[Place, NDArray[np.uint8]]:
        """Each patch by its place."""
        return dict(zip(self.places, self.pixels, strict=True))


def layout_name(name: str) -> str:
    """Return the name of the layout that a woven tile was made from: its own without ``_seed1`` at the end."""
    return _SEED.sub("", name)


def cut_patches(
    folder: TileFolder,
    side: int,
    pixel_size: float,
    *,
    most: int = MOST_PATCHES,
    on_tile: Callable[[int, int], None] | None = None,
) -> tuple[list[TilePatches], list[str]]:
    """Cut patches from all tiles of a folder.

    Patches lie side by side. Of a folder with more than ``most``, as many of each tile are taken, in an order that
    depends on their places alone: tiles of one size, such as weaves of one layout, give the same places.

    Parameters
    ----------
    folder
        Tiles; labels are not looked at. Only the parts that patches are of are read.
    side
        Pixels a side of the patches.
    pixel_size
        µm per pixel of the patches. Tiles of another one are rescaled, and a note says so; those that do not tell
        theirs are taken for 0.25.
    most
        How many patches to cut at the most; of each tile one at least.
    on_tile
        Told how many tiles are done, and of how many.

    Returns
    -------
    list of TilePatches, list of str
        Tiles that are smaller than a patch have none and are left out. Sentences say what was done.

    Raises
    ------
    EvaluationError
        If patches are too small, or a pixel size is too far from the patches' to rescale.
    TileError
        If a tile cannot be read.
    """
    if side < LEAST_SIDE:
        raise EvaluationError(f"Patches of {side} pixels a side are too small; give {LEAST_SIDE} or more.")
    name, count = folder.path.name, len(folder.pairs)
    of_each = max(most // max(count, 1), 1)
    found: list[TilePatches] = []
    rescaled: set[float] = set()
    small, unknown, left_out = [], 0, 0
    for number, (pair, tile) in enumerate(_opened(folder)):
        unknown += tile.pixel_size is None
        size = tile.pixel_size or DEFAULT_PIXEL_SIZE
        factor = _factor(size, pixel_size, pair.id)
        if factor != 1.0:
            rescaled.add(size)
        span = max(round(side * factor), 1)
        grid = tile.shape[0] // span, tile.shape[1] // span
        places = _places(grid)
        left_out += max(len(places) - of_each, 0)
        places = places[:of_each]
        if places:
            found.append(TilePatches(pair, tuple(places), grid, _cut(tile, places, grid, span, side)))
        else:
            small.append(pair.id)
        if on_tile is not None:
            on_tile(number + 1, count)
    notes = []
    if unknown:
        notes.append(
            f"{_counted(unknown)} of '{name}' did not tell the pixel size; {DEFAULT_PIXEL_SIZE:g} µm was assumed."
        )
    if rescaled:
        sizes = " and ".join(f"{each:.4g}" for each in sorted(rescaled))
        notes.append(f"Patches of '{name}' were rescaled from {sizes} to {pixel_size:.4g} µm per pixel.")
    if small:
        notes.append(
            f"{_counted(len(small))} of '{name}' smaller than a patch of {side * pixel_size:.4g} µm, such as "
            f"'{small[0]}', not compared."
        )
    if left_out:
        kept = sum(len(each.places) for each in found)
        notes.append(f"{kept:,} of the {kept + left_out:,} patches of '{name}' are compared.")
    return found, notes


def _opened(folder: TileFolder) -> Iterator[tuple[TilePair, Tile]]:
    # Without their labels, which may be damaged and are not needed here.
    pictures = TileFolder(
        folder.path,
        tuple(TilePair(each.id, each.image_path, patient=each.patient, organ=each.organ) for each in folder.pairs),
        folder.description,
        folder.pixel_size,
    )
    for pair in folder.pairs:
        try:
            tile, _ = pictures.open(pair.id)
            with tile:
                yield pair, tile
        except TileError as error:
            raise TileError(f"'{pair.id}': {error}") from error


def _factor(size: float, wanted: float, name: str) -> float:
    """Return how many pixels of the tile one of the patches is wide; 1 where they are taken for the same."""
    factor = wanted / size
    if 1 / (1 + PIXEL_SIZE_TOLERANCE) <= factor <= 1 + PIXEL_SIZE_TOLERANCE:
        return 1.0
    if not 1 / _MOST_SCALE <= factor <= _MOST_SCALE:
        raise EvaluationError(
            f"'{name}' has {size:g} µm per pixel and patches {wanted:g}, too far apart to rescale; check the pixel "
            "size, or choose another extractor."
        )
    return factor


def _places(grid: Place) -> list[Place]:
    rows, columns = (each.ravel() for each in np.indices(grid))
    order = np.argsort(keyed_hash(0, rows, columns), kind="stable")
    return [(int(rows[index]), int(columns[index])) for index in order]


def _cut(tile: Tile, places: list[Place], grid: Place, span: int, side: int) -> NDArray[np.uint8]:
    import cv2

    # What the grid leaves over is left at both borders alike.
    top, left = ((length - count * span) // 2 for length, count in zip(tile.shape, grid, strict=True))
    patches = np.empty((len(places), side, side, 3), np.uint8)
    for index, (row, column) in enumerate(places):
        y, x = top + row * span, left + column * span
        pixels = tile.read(Window(y, x, y + span, x + span))
        if span != side:
            way = cv2.INTER_AREA if span > side else cv2.INTER_CUBIC
            pixels = np.asarray(cv2.resize(pixels, (side, side), interpolation=way), np.uint8)
        patches[index] = pixels
    return patches


def _counted(count: int) -> str:
    return "1 tile" if count == 1 else f"{count:,} tiles"
