"""Real tiles for a refiner: pictures whose labels, if they have any, nobody reads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from histoloom.errors import TrainingError
from histoloom.layouts.classes import DEFAULT_CLASS
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, Layout
from histoloom.layouts.tile_folders import TileFolder, open_tile_folder
from histoloom.models import TrainingSource
from histoloom.tiles.looks import LEAST_TISSUE
from histoloom.tiles.reading import open_tile
from histoloom.tiles.stains import tissue_mask
from histoloom.training.data import (
    LabelledPicture,
    TrainingData,
    check_licences,
    combined_training_data,
    rescaled,
)
from histoloom.training.systems.refiner_recipe import RefinerRecipe


def read_refiner_data(
    folders: Sequence[str | Path],
    recipe: RefinerRecipe,
    *,
    tile_pixel_size: float | None = None,
    licences: Sequence[str] = (),
) -> TrainingData:
    """Read one or more folders of real tiles; each is split by itself.

    Parameters
    ----------
    folders
        With labels or without; only the pictures are read.
    recipe
        Its pixel size, split, seed, and the tiles that it leaves out.
    tile_pixel_size
        µm per pixel of all tiles (default: what each file says, else 0.25).
    licences
        Of each folder, in order; none for "unknown".

    Returns
    -------
    TrainingData
        With empty label maps.

    Raises
    ------
    TrainingError
        If a folder has fewer than two tiles with tissue, or licences do not go with folders.
    TileError
        If a folder holds no pictures, or a file is damaged.
    """
    if not folders:
        raise TrainingError("A refiner needs real tiles; give at least one folder of them.")
    check_licences(licences, len(folders))
    parts = [
        _read(open_tile_folder(folder, tile_pixel_size, labels_required=False), recipe, tile_pixel_size, licence)
        for folder, licence in zip(folders, licences or ["unknown"] * len(folders), strict=True)
    ]
    return parts[0] if len(parts) == 1 else combined_training_data(parts)


def _read(folder: TileFolder, recipe: RefinerRecipe, tile_pixel_size: float | None, licence: str) -> TrainingData:
    digest = hashlib.sha256()
    pictures: dict[str, LabelledPicture] = {}
    for pair in folder.pairs:
        if pair.id in recipe.leave_out:
            continue
        with open_tile(pair.image_path) as tile:
            pixels, size = tile.read(), tile_pixel_size or tile.pixel_size or DEFAULT_PIXEL_SIZE
        if tissue_mask(pixels).mean() < LEAST_TISSUE:
            # White: there is nothing to be like.
            continue
        digest.update(pixels.tobytes())
        empty = Layout({}, (pixels.shape[0], pixels.shape[1]), size)
        image, _ = rescaled(pixels, empty, size / recipe.pixel_size)
        pictures[pair.id] = LabelledPicture(image, np.zeros(image.shape[:2], np.int32), np.zeros(1, np.uint8))
    if len(pictures) < 2:
        raise TrainingError(
            f"The folder '{folder.path.name}' has fewer than two tiles with tissue, and one of them is held out; add "
            "tiles, or cut one in two."
        )
    usable = replace(folder, pairs=tuple(each for each in folder.pairs if each.id in pictures))
    patients = {each.patient for each in usable.pairs}
    by: Literal["patient", "tile"] = "tile"
    if recipe.split_by == "patient" or (recipe.split_by == "auto" and None not in patients and len(patients) > 1):
        by = "patient"
    shares = {"training": 1 - recipe.validation_share, "validation": recipe.validation_share}
    parts = usable.split(by, shares, recipe.seed)
    source = TrainingSource(
        name=folder.path.name, licence=licence, tiles=len(pictures), validation_tiles=len(parts["validation"]),
        sha256=digest.hexdigest(),
    )  # fmt: skip
    return TrainingData(
        tuple(pictures[name] for name in parts["training"]),
        tuple(pictures[name] for name in parts["validation"]),
        (DEFAULT_CLASS,),
        recipe.pixel_size,
        (source,),
        {"by": by, **parts},
    )
