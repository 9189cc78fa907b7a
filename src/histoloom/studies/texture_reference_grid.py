"""Source textures against references, as in figure 6 of Hou et al. (2019): what a refiner takes from either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError
from histoloom.generators.refiner import PictureRefiner
from histoloom.generators.texture import TextureRecipe, TextureWeaver
from histoloom.layouts import Layout
from histoloom.studies.picture_sheet import fitted, save_picture_sheet
from histoloom.tiles.looks import Look
from histoloom.tiles.tile import Tile


@dataclass(frozen=True, eq=False)
class NamedPicture:
    """A real tile of a figure.

    Parameters
    ----------
    title
        What stands beside it, such as its type of tissue.
    image
        RGB ``uint8 (H, W, 3)``.
    """

    title: str
    image: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class TextureReferenceGrid:
    """First pictures, each refined beside every reference.

    Parameters
    ----------
    textures, references
        Tiles of the rows, and of the columns.
    first
        Of each row: the layout with the textures of the row's tile ``uint8 (H, W, 3)``.
    refined
        Of each row and column: the row's first picture refined beside the column's reference.
    """

    textures: tuple[NamedPicture, ...]
    references: tuple[NamedPicture, ...]
    first: tuple[NDArray[np.uint8], ...]
    refined: tuple[tuple[NDArray[np.uint8], ...], ...]

    @property
    def change(self) -> float:
        """Mean change that refining makes, in 0..255."""
        return float(
            np.mean(
                [_distance(each, first) for first, row in zip(self.first, self.refined, strict=True) for each in row]
            )
        )

    @property
    def change_by_reference(self) -> float:
        """Mean difference between two pictures of a row, in 0..255: how much it matters which reference there is."""
        pairs = [
            _distance(one, other) for row in self.refined for place, one in enumerate(row) for other in row[:place]
        ]
        return float(np.mean(pairs)) if pairs else 0.0

    @property
    def caption(self) -> str:
        """What is measured of it, in a sentence."""
        return (
            "Rows: tiles whose textures make the first picture of one layout. Columns: references. "
            f"Refining changes first pictures by {self.change:.1f} of 255 on the mean; what two references make of one "
            f"first picture differs by {self.change_by_reference:.1f}."
        )


def texture_reference_grid(
    refiner: PictureRefiner,
    textures: Sequence[NamedPicture],
    references: Sequence[NamedPicture],
    layout: Layout,
    pixel_size: float,
    seed: int = 0,
) -> TextureReferenceGrid:
    """Weave a layout with the textures of some tiles, and refine each picture beside each of some references.

    Parameters
    ----------
    refiner
        Any refiner's bundle.
    textures
        Real tiles that lend textures, one for each row.
    references
        Real tiles, one for each column; of larger ones the middle, as large as the layout, is shown and seen.
    layout
        What is woven, the same in all rows, so that they differ in nothing but texture.
    pixel_size
        µm per pixel of all tiles.
    seed
        Of the weaves.

    Raises
    ------
    LookError
        If there is no texture or reference, or a tile cannot serve as the one or the other.
    BundleError
        If the refiner is for another pixel size.
    LayoutError
        If the layout cannot be woven.
    """
    if not textures or not references:
        raise LookError("A grid of textures and references needs at least one tile of each; give both.")
    height, width = layout.shape
    weaver, recipe = TextureWeaver(), TextureRecipe()
    seen = [_middle(each.image, (height, width)) for each in references]
    first, refined = [], []
    for each in textures:
        look = Look.from_tile(Tile.from_array(each.image, pixel_size), pixel_size=pixel_size)
        picture = weaver.prepare(look, recipe, pixel_size).weave(layout, seed)
        first.append(picture)
        refined.append(tuple(refiner.refine(picture, pixel_size, reference) for reference in seen))
    return TextureReferenceGrid(tuple(textures), tuple(references), tuple(first), tuple(refined))


def save_texture_reference_grid(grid: TextureReferenceGrid, path: Path) -> None:
    """Write the grid as PNG: at its left the tiles and first pictures, above it the references.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    shape = grid.first[0].shape[:2]
    blank = np.full((*shape, 3), 255, np.uint8)
    rows = [[blank, blank, *(fitted(each.image, shape) for each in grid.references)]]
    for texture, first, refined in zip(grid.textures, grid.first, grid.refined, strict=True):
        rows.append([fitted(texture.image, shape), first, *refined])
    headings = ["", "", *(each.title for each in grid.references)]
    headings[:2] = ["texture of", "first picture"]
    save_picture_sheet(
        headings,
        rows,
        path,
        "real tiles, and synthetic: source textures against references",
        grid.caption,
        ["reference", *(each.title for each in grid.textures)],
    )


def _middle(image: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = (min(side, wanted) for side, wanted in zip(image.shape[:2], shape, strict=True))
    return fitted(image, (height, width))


def _distance(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())
