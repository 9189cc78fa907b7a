"""Real tiles whose labels nobody reads: they lend woven tiles their looks (Hou et al. 2019, section 4.1)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from histoloom.errors import TrainingError
from histoloom.layouts.classes import DEFAULT_CLASS
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, Layout
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.models import TrainingSource
from histoloom.tiles.reading import open_tile
from histoloom.training.data import LabelledPicture, TrainingData, rescaled
from histoloom.training.recipe import TrainingRecipe


def read_unlabelled_tiles(
    folder: str | Path, recipe: TrainingRecipe, *, tile_pixel_size: float | None = None, licence: str = "unknown"
) -> TrainingData:
    """Read the pictures of a folder, and not the labels that it may hold.

    Parameters
    ----------
    folder
        See `histoloom.layouts.tile_folders.open_tile_folder`.
    recipe
        Its pixel size, and the tiles that it leaves out.
    tile_pixel_size
        µm per pixel of the tiles (default: what each file says, else 0.25).
    licence
        Under which licence the tiles may be used; bundles carry it.

    Returns
    -------
    TrainingData
        All tiles as ``training``, with empty label maps.

    Raises
    ------
    TrainingError
        If all tiles are left out.
    TileError
        If the folder holds no pictures, or a file is damaged.
    """
    opened = open_tile_folder(folder, tile_pixel_size, labels_required=False)
    digest = hashlib.sha256()
    names, pictures = [], []
    for pair in opened.pairs:
        if pair.id in recipe.leave_out:
            continue
        with open_tile(pair.image_path) as tile:
            pixels, size = tile.read(), tile_pixel_size or tile.pixel_size or DEFAULT_PIXEL_SIZE
        digest.update(pixels.tobytes())
        image, _ = rescaled(pixels, Layout({}, (pixels.shape[0], pixels.shape[1]), size), size / recipe.pixel_size)
        names.append(pair.id)
        pictures.append(LabelledPicture(image, np.zeros(image.shape[:2], np.int32), np.zeros(1, np.uint8)))
    if not pictures:
        raise TrainingError(f"All tiles of '{opened.path.name}' are left out; keep some, or leave the folder out.")
    source = TrainingSource(name=opened.path.name, licence=licence, tiles=len(pictures), sha256=digest.hexdigest())
    return TrainingData(
        tuple(pictures), (), (DEFAULT_CLASS,), recipe.pixel_size, (source,), {"by": "none", "looks": names}
    )
