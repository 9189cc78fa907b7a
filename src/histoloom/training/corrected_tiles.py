"""Tiles that people have corrected: better labels for tiles that are trained or validated on, and new tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, Layout
from histoloom.layouts.tile_folders import TileFolder, open_tile_folder
from histoloom.window import Window

_ANCHORS = 6
"""Pixels along each side of a piece that are looked for before the whole of it is compared."""

Labels = tuple[Layout, NDArray[np.bool_] | None]
"""Nuclei, and where they are ignored."""


@dataclass(frozen=True, eq=False)
class _Corrected:
    id: str
    pixels: NDArray[np.uint8]
    layout: Layout
    ignored: NDArray[np.bool_] | None


@dataclass(eq=False)
class CorrectedTiles:
    """Corrected tiles, and which of them have been recognized.

    A tile is known by its pixels. Where a corrected tile, or a part of it, is a tile that is trained or validated on,
    that tile keeps its role and gets the corrected labels; so nothing that is held out is ever trained on. The others
    are new, and only trained on.

    Parameters
    ----------
    folder
        The folder, whose tiles all have labels.
    """

    folder: TileFolder
    _tiles: list[_Corrected]
    _recognized: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: str | Path) -> CorrectedTiles:
        """Read a folder of tiles and their labels; raises as `histoloom.layouts.tile_folders.open_tile_folder`."""
        opened = open_tile_folder(path)
        folder = replace(opened, pairs=tuple(pair for pair in opened.pairs if pair.labels is not None))
        tiles = []
        for pair in folder.pairs:
            tile, layout = folder.open(pair.id)
            with tile:
                pixels = tile.read()
            nuclei = layout or Layout.empty(tile.shape, tile.pixel_size or DEFAULT_PIXEL_SIZE)
            tiles.append(_Corrected(pair.id, pixels, nuclei, folder.ignored(pair.id, tile.shape)))
        return cls(folder, tiles)

    @property
    def new(self) -> TileFolder:
        """The tiles that have not been recognized as any other."""
        return replace(self.folder, pairs=tuple(each for each in self.folder.pairs if each.id not in self._recognized))

    def labels_of(self, pixels: NDArray[np.uint8], layout: Layout, ignored: NDArray[np.bool_] | None) -> Labels:
        """Return a tile's labels as they are corrected, or those that it has.

        Parameters
        ----------
        pixels
            The tile, RGB ``uint8 (H, W, 3)``, not rescaled.
        layout, ignored
            Its labels before.
        """
        for each in self._tiles:
            place = place_in(pixels, each.pixels)
            if place is not None:
                self._recognized.add(each.id)
                window = Window(*place, place[0] + pixels.shape[0], place[1] + pixels.shape[1])
                layout = _part(each.layout, window, layout.pixel_size)
                ignored = None if each.ignored is None else each.ignored[window.slices]
                continue
            place = place_in(each.pixels, pixels)
            if place is not None:
                self._recognized.add(each.id)
                window = Window(*place, place[0] + each.pixels.shape[0], place[1] + each.pixels.shape[1])
                layout, ignored = _patched(layout, ignored, each, window)
        return layout, ignored


def place_in(piece: NDArray[np.uint8], picture: NDArray[np.uint8]) -> tuple[int, int] | None:
    """Return the row and column at which a picture ``(H, W, 3)`` holds a piece ``(h, w, 3)``, or None."""
    height, width = piece.shape[:2]
    rows, columns = picture.shape[0] - height + 1, picture.shape[1] - width + 1
    if rows < 1 or columns < 1 or not piece.size:
        return None
    fits = np.ones((rows, columns), np.bool_)
    for y in np.linspace(0, height - 1, _ANCHORS).astype(int):
        for x in np.linspace(0, width - 1, _ANCHORS).astype(int):
            fits &= (picture[y : y + rows, x : x + columns] == piece[y, x]).all(axis=-1)
            if not fits.any():
                return None
    for top, left in zip(*(each.tolist() for each in np.nonzero(fits)), strict=True):
        if np.array_equal(picture[top : top + height, left : left + width], piece):
            return top, left
    return None


def _part(layout: Layout, window: Window, pixel_size: float) -> Layout:
    names = {label: nucleus.class_name for label, nucleus in layout.nuclei.items()}
    return Layout.from_label_map(layout.rasterize(window), pixel_size, names)


def _patched(layout: Layout, ignored: NDArray[np.bool_] | None, tile: _Corrected, window: Window) -> Labels:
    label_map = layout.rasterize()
    part = tile.layout.rasterize()
    names = {label: nucleus.class_name for label, nucleus in layout.nuclei.items()}
    beyond = max(names, default=0)
    names |= {label + beyond: nucleus.class_name for label, nucleus in tile.layout.nuclei.items()}
    label_map[window.slices] = np.where(part > 0, part + beyond, 0)
    if ignored is not None or tile.ignored is not None:
        ignored = np.zeros(layout.shape, np.bool_) if ignored is None else ignored.copy()
        ignored[window.slices] = False if tile.ignored is None else tile.ignored
    return Layout.from_label_map(label_map, layout.pixel_size, names), ignored


def read_corrected(folders: Sequence[str | Path]) -> list[CorrectedTiles]:
    """Return the corrected tiles of folders; of a tile that is in several, the last one counts."""
    return [CorrectedTiles.read(each) for each in folders]
