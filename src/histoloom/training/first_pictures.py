"""First pictures of Hou et al. (2019, section 4.1) for a training: random polygons in the textures of its tiles."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError, TrainingError
from histoloom.generators.texture import TextureRecipe, TextureWeaver
from histoloom.generators.texture.nuclear_material import find_nuclear_material
from histoloom.keyed_random import keyed_generator, keyed_hash
from histoloom.layouts.polygons import HouPolygonsRecipe, hou_polygons
from histoloom.tiles.looks import Look
from histoloom.tiles.tile import Tile
from histoloom.training.data import LabelledPicture
from histoloom.window import Window

_LENT, _DRAWN, _WOVEN, _PLACE, _LEVEL = range(301, 306)
_LOOK_SIDE = 640
_LEAST_SIDE = 400
_LEVEL_SPREAD = 0.5
_SHARES, _LEVELS = (0.0, 0.05, 0.15, 0.29, 0.47), (-0.5, 0.0, 1.0, 2.0, 3.0)
"""Share of a tile that is nuclear material, and the density level whose polygons cover about as much."""

FirstPicture = tuple[NDArray[np.uint8], NDArray[np.uint16]]
"""RGB ``uint8 (H, W, 3)`` and the label map ``uint16 (H, W)`` that it obeys."""


class FirstPictures:
    """A few canvases of polygons for each tile, woven when they are first asked for; crops are taken from them.

    Which crop is a function of the seed and of the real crop beside which it is trained on.

    Parameters
    ----------
    tiles
        What lends textures where a tile has none itself, such as one without nuclei.
    pixel_size
        µm per pixel of all tiles.
    per_tile
        How many canvases of each tile.
    seed
        Of layouts and weaves.
    """

    def __init__(self, tiles: Sequence[LabelledPicture], pixel_size: float, per_tile: int, seed: int) -> None:
        self._tiles, self._pixel_size, self._per_tile, self._seed = tiles, pixel_size, per_tile, seed
        self._number = {id(tile): number for number, tile in enumerate(tiles)}
        self._woven: WeakKeyDictionary[LabelledPicture, list[FirstPicture]] = WeakKeyDictionary()
        self._lock = Lock()

    def beside(self, crop: LabelledPicture, side: int) -> FirstPicture:
        """Return a first picture with the textures of a crop's tile, ``side`` pixels wide.

        Raises
        ------
        TrainingError
            If no tile lends textures.
        """
        tile = crop.tile or crop
        place = crop.footprint or Window(0, 0, 0, 0)
        random = keyed_generator(self._seed, _PLACE, place.y0 & 0xFFFFF, place.x0 & 0xFFFFF, place.y1 & 0xFFFFF)
        with self._lock:
            canvases = self._of(tile, side)
        picture, labels = canvases[int(random.integers(len(canvases)))]
        y, x = (int(random.integers(length - side + 1)) for length in labels.shape)
        return picture[y : y + side, x : x + side], labels[y : y + side, x : x + side]

    def _of(self, tile: LabelledPicture, side: int) -> list[FirstPicture]:
        if tile not in self._woven:
            try:
                self._woven[tile] = self._weave(tile, side)
            except LookError as error:
                self._woven[tile] = self._lent(tile, side, str(error))
        return self._woven[tile]

    def _lent(self, tile: LabelledPicture, side: int, reason: str) -> list[FirstPicture]:
        """Return another tile's: the first one's that has textures to lend, from the tile's own place on."""
        first = self._number.get(id(tile), -1) + 1
        for each in (*self._tiles[first:], *self._tiles[:first]):
            if each is not tile:
                try:
                    return self._woven.get(each) or self._weave(each, side)
                except LookError:
                    continue
        raise TrainingError(
            f"No tile can lend its textures to first pictures ({reason.split(';')[0].rstrip('.')}); give tiles that "
            "are stained with haematoxylin and eosin and show nuclei."
        )

    def _weave(self, tile: LabelledPicture, side: int) -> list[FirstPicture]:
        key = int(keyed_hash(self._seed, *tile.image.shape, int(tile.image[::7, ::5].sum())))
        look = Look.from_tile(Tile.from_array(_part(tile.image, key), self._pixel_size))
        share = float(find_nuclear_material(look.pixels, self._pixel_size).nuclei.mean())
        prepared = TextureWeaver().prepare(look, TextureRecipe(), self._pixel_size)
        canvas = max(side, round(_LEAST_SIDE * 0.25 / self._pixel_size))
        woven = []
        for index in range(self._per_tile):
            spread = float(keyed_generator(key, _LEVEL, index).normal(0.0, _LEVEL_SPREAD))
            level = float(np.clip(np.interp(share, _SHARES, _LEVELS) + spread, -1.0, 3.0))
            recipe = HouPolygonsRecipe(height=canvas, width=canvas, pixel_size=self._pixel_size, density_level=level)
            layout = hou_polygons(recipe, int(keyed_hash(key, _DRAWN, index)) >> 1)
            picture = prepared.weave(layout, int(keyed_hash(key, _WOVEN, index)) >> 1)
            woven.append((picture, layout.rasterize().astype(np.uint16)))
        return woven


def _part(image: NDArray[np.uint8], key: int) -> NDArray[np.uint8]:
    """Return as much of a large tile as gives enough texture: to study it whole would take long."""
    random = keyed_generator(key, _LENT)
    y, x = (int(random.integers(max(length - _LOOK_SIDE, 0) + 1)) for length in image.shape[:2])
    return np.ascontiguousarray(image[y : y + _LOOK_SIDE, x : x + _LOOK_SIDE])
