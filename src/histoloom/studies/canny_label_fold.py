"""The blocks of a fold: those of its real training tiles, and those that its own generator weaves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import RunError, TrainingError
from histoloom.keyed_random import keyed_generator, keyed_hash
from histoloom.runs import Run
from histoloom.studies.canny_label_recipe import INITIAL, REPLICA, UNWOVEN, CannyLabelStudyRecipe
from histoloom.studies.study_tiles import read_study_tiles
from histoloom.studies.trained_generator import TrainedGenerator
from histoloom.training.augmentation import augmented_crop
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.systems.pix2pix_recipe import Pix2PixRecipe
from histoloom.window import Window
from histoloom.writing import written_whole

_TILES, _SHAPE = 301, 302


@dataclass(frozen=True, eq=False)
class Fold:
    """Tiles to train on, their blocks, and tiles to score on.

    Parameters
    ----------
    tiles
        Its training part is what the generator is trained on, its validation part what is scored on.
    blocks
        The training tiles, cut.
    """

    tiles: TrainingData
    blocks: tuple[LabelledPicture, ...]

    @property
    def initial(self) -> TrainingData:
        """Real blocks only, to train segmenters on."""
        return replace(self.tiles, training=self.blocks)


def read_fold(
    folder: Path, recipe: CannyLabelStudyRecipe, *, tile_pixel_size: float | None = None, licence: str = "unknown"
) -> Fold:
    """Read a folder of tiles, hold some of them out, and cut the others into blocks.

    Parameters
    ----------
    folder
        See `histoloom.layouts.tile_folders.open_tile_folder`.
    recipe
        How they are split and cut.
    tile_pixel_size, licence
        As for `histoloom.training.data.read_training_data`.

    Raises
    ------
    TrainingError
        If there are fewer than two held-out tiles, a training tile is smaller than a block, or tiles have no labels.
    TileError, LayoutError
        If a file is damaged.
    """
    tiles = read_study_tiles(folder, recipe, tile_pixel_size=tile_pixel_size, licence=licence)
    if len(tiles.validation) < 2:
        raise TrainingError(
            f"Of '{folder.name}' fewer than two tiles are held out, so there is nothing to draw intervals from; give "
            "more tiles or a larger held-out share."
        )
    kept = _drawn(len(tiles.training), recipe.training_tiles, recipe.split_seed)
    split = dict(tiles.split)
    split["training"] = [tiles.split["training"][index] for index in kept]
    fold = replace(
        tiles,
        training=tuple(_middle(tiles.training[index], recipe.tile_size) for index in kept),
        validation=tuple(_middle(each, recipe.tile_size) for each in tiles.validation),
        split=split,
    )
    return Fold(fold, tuple(block for tile in fold.training for block in blocks_of(tile, recipe.block_size)))


def blocks_of(tile: LabelledPicture, size: int) -> list[LabelledPicture]:
    """Return the blocks of a tile, side by side (section 3.1); what is left over at its edges is in none.

    Raises
    ------
    TrainingError
        If the tile is smaller than one block.
    """
    rows, columns = (side // size for side in tile.label_map.shape)
    if not rows or not columns:
        height, width = tile.label_map.shape
        raise TrainingError(
            f"A training tile of {height} x {width} pixels is smaller than a block of {size}; give a smaller block "
            "size, or leave the tile out of the folder."
        )
    corners = [(row * size, column * size) for row in range(rows) for column in range(columns)]
    return [_part(tile, Window(y, x, y + size, x + size)) for y, x in corners]


def with_augmented_set(
    fold: Fold, recipe: CannyLabelStudyRecipe, arm: str, seed: int, generator: Run, cache: Path
) -> TrainingData:
    """Return what the segmenters of an arm are trained on: real blocks, and those of the arm.

    *Replica* weaves every block from its own structure label, nuclei and Canny edges of the real block. *Shape* weaves
    from structure labels of crops that were turned by any angle, mirrored, rescaled and moved over the training tiles;
    *unwoven* has the real pixels of the same crops.

    Parameters
    ----------
    fold, recipe
        Blocks, and how many of them are woven.
    arm, seed
        Which set, by which generator.
    generator
        The run that was trained on the fold's training tiles.
    cache
        Folder in which woven pictures are kept; they are woven again if another generator did.
    """
    initial = fold.initial
    if arm == INITIAL:
        return initial
    crops = _crops(fold, recipe, arm, seed)
    if arm == UNWOVEN:
        return replace(initial, woven=tuple(replace(each, tile=None, footprint=None) for each in crops))
    pictures = _woven(
        crops, _set_file(recipe, arm, seed, cache), generator, lambda: _weaver(fold, recipe, seed, generator)
    )
    woven = [
        LabelledPicture(picture, crop.label_map, crop.class_of, ignored=crop.ignored)
        for picture, crop in zip(pictures, crops, strict=True)
    ]
    return replace(initial, woven=tuple(woven))


def woven_examples(
    fold: Fold, recipe: CannyLabelStudyRecipe, arm: str, seed: int, cache: Path, count: int
) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Return real crops of a set and what was woven for them, RGB ``uint8 (H, W, 3)``; none where nothing is kept.

    Parameters
    ----------
    fold, recipe, arm, seed, cache
        As of `with_augmented_set`.
    count
        How many at most, spread over the set.
    """
    pictures = _kept(_set_file(recipe, arm, seed, cache))
    if pictures is None:
        return []
    places = range(0, len(pictures[1]), max(len(pictures[1]) // count, 1))[:count]
    crops = [_replica(fold, place) if arm == REPLICA else _moved(fold, recipe, seed, place) for place in places]
    return [(crop.image, pictures[1][place]) for crop, place in zip(crops, places, strict=True)]


def _weaver(fold: Fold, recipe: CannyLabelStudyRecipe, seed: int, run: Run) -> TrainedGenerator:
    return TrainedGenerator(recipe.generator_cell(recipe.generator_of(seed)).recipe, fold.tiles, run)


def _crops(fold: Fold, recipe: CannyLabelStudyRecipe, arm: str, seed: int) -> list[LabelledPicture]:
    if arm == REPLICA:
        return [_replica(fold, place) for place in range(len(fold.blocks) * recipe.replica_rounds)]
    return [_moved(fold, recipe, seed, place) for place in range(len(fold.blocks) * recipe.shape_rounds)]


def _set_file(recipe: CannyLabelStudyRecipe, arm: str, seed: int, cache: Path) -> Path:
    # The replica set is drawn by nothing but its generator, so that seeds share it.
    return cache / f"{arm}-seed-{recipe.generator_of(seed) if arm == REPLICA else seed}.npz"


def _replica(fold: Fold, place: int) -> LabelledPicture:
    return fold.blocks[place % len(fold.blocks)]


def _moved(fold: Fold, recipe: CannyLabelStudyRecipe, seed: int, place: int) -> LabelledPicture:
    movement = Pix2PixRecipe.checked(
        crop_size=recipe.block_size, rotate="any angle", scale_spread=recipe.shape_spread, pixel_size=recipe.pixel_size
    )
    block = _replica(fold, place)
    return augmented_crop(block.tile or block, movement, recipe.pixel_size, keyed_generator(seed, _SHAPE, place))


def _woven(
    crops: list[LabelledPicture], path: Path, generator: Run, weaver: Callable[[], TrainedGenerator]
) -> NDArray[np.uint8]:
    """Return the pictures ``uint8 (N, H, W, 3)`` of crops as a generator weaves them, kept from last time if it did."""
    if generator.bundle is None:
        raise RunError(f"The run '{generator.folder.name}' is not finished; train it to its end first.")
    author = hashlib.sha256(generator.bundle.read_bytes()).hexdigest()
    kept = _kept(path)
    if kept is not None and kept[0] == author and len(kept[1]) == len(crops):
        return kept[1]
    weave = weaver()
    pictures = np.stack([weave.weave(weave.condition(crop), place) for place, crop in enumerate(crops)])
    with written_whole(path) as beside:
        np.savez_compressed(beside, generator=np.array(author), pictures=pictures)
    return pictures


def _kept(path: Path) -> tuple[str, NDArray[np.uint8]] | None:
    """Return hash of the generator and pictures; a file that is damaged is woven again, like one that is not there."""
    if not path.is_file():
        return None
    try:
        # Opened here, because numpy leaves a file open that it cannot read.
        with path.open("rb") as file, np.load(file) as kept:
            return str(kept["generator"]), np.asarray(kept["pictures"], np.uint8)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile):
        return None


def _drawn(count: int, most: int, seed: int) -> list[int]:
    """Return which of so many tiles are kept, in their order."""
    if not most or count <= most:
        return list(range(count))
    ranks = keyed_hash(seed, _TILES, np.arange(count))
    return sorted(int(each) for each in np.argsort(ranks, kind="stable")[:most])


def _middle(tile: LabelledPicture, size: int) -> LabelledPicture:
    height, width = tile.label_map.shape
    if not size or max(height, width) <= size:
        return tile
    y, x = max(height - size, 0) // 2, max(width - size, 0) // 2
    # A tile of its own: nothing outside of it is seen by anyone.
    return replace(_part(tile, Window(y, x, min(y + size, height), min(x + size, width))), tile=None, footprint=None)


def _part(tile: LabelledPicture, window: Window) -> LabelledPicture:
    rows, columns = window.slices
    return LabelledPicture(
        np.ascontiguousarray(tile.image[rows, columns]),
        np.ascontiguousarray(tile.label_map[rows, columns]),
        tile.class_of,
        tile.tile or tile,
        window,
        ignored=None if tile.ignored is None else tile.ignored[rows, columns],
    )
