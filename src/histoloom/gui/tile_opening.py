"""Opening a tile of a folder for the canvas: what is read beside the viewer, and what is left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError
from histoloom.layouts.label_formats import read_labels
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, Layout
from histoloom.layouts.tile_folders import TileFolder, TilePair, open_tile_folder
from histoloom.tiles.sentences import lower_first
from histoloom.tiles.tile import Tile

MOST_CANVAS_PIXELS = 4096 * 4096
"""Larger pictures are slides: they are shown, and only a region of them becomes a canvas."""


@dataclass(frozen=True, eq=False)
class OpenedTile:
    """A tile that is ready to be shown.

    Parameters
    ----------
    tile
        The picture; in memory, unless it is a slide.
    name
        What to call its layer.
    layout
        Its labels, or None.
    label_map
        The layout's rasterization, ``int32 (H, W)``, made here so that the viewer need not wait for it.
    problem
        One sentence if the labels could not be used, else empty.
    """

    tile: Tile
    name: str
    layout: Layout | None = None
    label_map: NDArray[np.int32] | None = None
    problem: str = ""

    @property
    def is_slide(self) -> bool:
        """Whether it is too large for a canvas of its size."""
        height, width = self.tile.shape
        return height * width > MOST_CANVAS_PIXELS


@dataclass(frozen=True, eq=False)
class ListedFolder:
    """A folder, and when its pictures were changed last.

    Parameters
    ----------
    folder
        The folder.
    stamps
        Nanoseconds by id.
    """

    folder: TileFolder
    stamps: dict[str, int]


def list_path(path: Path) -> ListedFolder:
    """Return what a folder holds; a single picture is listed as a folder of one.

    Raises
    ------
    TileError, LayoutError
        If there is no such folder, or nothing in it.
    """
    if path.is_dir() or not path.exists():
        folder = open_tile_folder(path, labels_required=False)
    else:
        folder = TileFolder(path.parent, (TilePair(path.stem, path),), "one picture, without labels")
    return ListedFolder(folder, {pair.id: pair.image_path.stat().st_mtime_ns for pair in folder.pairs})


def open_listed_tile(folder: TileFolder, key: str, *, with_labels: bool) -> OpenedTile:
    """Open a tile of a folder, and its labels.

    Labels that cannot be used are no reason not to show the tile: the answer then has no layout and says why. The
    labels of a slide are not read, because a canvas of that size is never made.

    Raises
    ------
    TileError
        If the picture cannot be read.
    """
    pair = next((each for each in folder.pairs if each.id == key), None)
    alone = replace(folder, pairs=tuple(replace(each, labels=None) for each in folder.pairs if each.id == key))
    tile, _ = alone.open(key)
    opened = OpenedTile(tile, key)
    if opened.is_slide:
        return opened
    opened = replace(opened, tile=in_memory(tile))
    if pair is None or pair.labels is None or not with_labels:
        return opened
    try:
        layout = read_labels(pair.labels, tile.shape, tile.pixel_size or DEFAULT_PIXEL_SIZE, folder.class_names)
    except LayoutError as error:
        return replace(opened, problem=f"The tile was opened without its labels: {lower_first(error)}")
    return replace(opened, layout=layout, label_map=layout.rasterize())


def in_memory(tile: Tile) -> Tile:
    """Return a tile with all its levels read, so that showing it never waits for a file."""
    levels = tuple(tile.read(level=index) for index in range(len(tile.levels)))
    tile.close()
    return Tile(levels, tile.pixel_size, tile.provenance)
