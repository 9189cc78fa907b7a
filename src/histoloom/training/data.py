"""Tiles with their nuclei, read once and held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import TrainingError
from histoloom.evaluation.instances import split_into_pieces
from histoloom.layouts.classes import DEFAULT_CLASSES
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, Layout
from histoloom.layouts.tile_folders import TileFolder, open_tile_folder
from histoloom.models import TrainingSource
from histoloom.tiles.nearest_pixels import nearest_pixels
from histoloom.tiles.stain_summary import StainSummary
from histoloom.training.corrected_tiles import CorrectedTiles, read_corrected
from histoloom.training.recipe import TrainingRecipe
from histoloom.window import Window

_SAME_PIXEL_SIZE = 0.02


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """A picture and its nuclei, of a whole tile or a crop.

    Parameters
    ----------
    image
        RGB ``uint8 (H, W, 3)``.
    label_map
        ``int32 (H, W)``: 0 for background, n for the nth nucleus of the tile.
    class_of
        ``uint8 (N + 1,)``: the class of each label as an index into the data's classes; that of 0 has no meaning.
    tile
        For a crop, the tile that it is of.
    footprint
        For a crop, the box of the tile in which its pixels lie.
    as_stained
        For a crop whose stains were jittered, its image before that.
    ignored
        ``bool (H, W)``: True where nothing is learnt from and nothing is scored; None for nowhere.
    weight
        How much a woven tile counts, 0 for not at all: its importance weight (Hou et al. 2019, section 3). Real tiles
        have 1.
    lender
        Of a woven tile, the real one whose look it has, where a system compares both.
    """

    image: NDArray[np.uint8]
    label_map: NDArray[np.int32]
    class_of: NDArray[np.uint8]
    tile: LabelledPicture | None = None
    footprint: Window | None = None
    as_stained: NDArray[np.uint8] | None = None
    ignored: NDArray[np.bool_] | None = None
    weight: float = 1.0
    lender: LabelledPicture | None = None

    @cached_property
    def stains(self) -> StainSummary:
        """The stains of the whole tile, also for a crop: what a few hundred pixels show would depend on the crop."""
        return StainSummary.of(self.image) if self.tile is None else self.tile.stains

    def layout(self, classes: Sequence[str], pixel_size: float) -> Layout:
        """Return the nuclei as a layout, with the names of their classes."""
        present = np.unique(self.label_map)
        names = {int(label): classes[self.class_of[label]] for label in present if label > 0}
        return Layout.from_label_map(self.label_map, pixel_size, names)


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Tiles to train and validate on.

    Parameters
    ----------
    training, validation
        Tiles; no patient (or, where patients are not known, no tile) is in both.
    classes
        Names of the nuclei's classes, in the order of `LabelledPicture.class_of`.
    pixel_size
        µm per pixel of all tiles.
    sources
        Where they come from.
    split
        Ids of the tiles of both parts, and by what they were split.
    woven
        Tiles woven from layouts, which segmenters are trained on too; none is ever validated on.
    told
        What a segmenter tells apart that has been trained before; empty where the tiles decide.
    """

    training: tuple[LabelledPicture, ...]
    validation: tuple[LabelledPicture, ...]
    classes: tuple[str, ...]
    pixel_size: float
    sources: tuple[TrainingSource, ...]
    split: Mapping[str, Any]
    woven: tuple[LabelledPicture, ...] = ()
    told: tuple[str, ...] = ()


def read_training_data(
    folder: str | Path | TileFolder,
    *,
    pixel_size: float,
    split_by: Literal["auto", "patient", "tile"] = "auto",
    validation_share: float = 0.15,
    seed: int = 0,
    tile_pixel_size: float | None = None,
    licence: str = "unknown",
    leave_out: Collection[str] = (),
    corrected: Sequence[CorrectedTiles] = (),
    split_masks: bool = False,
) -> TrainingData:
    """Read a folder of tiles and labels; see `histoloom.layouts.tile_folders.open_tile_folder` for its formats.

    Parameters
    ----------
    folder
        The folder, or one that is open. Tiles without labels are left out.
    pixel_size
        Tiles of other pixel sizes are rescaled to this one, labels by their nearest pixel.
    split_by, validation_share, seed
        How tiles are held out; ``"auto"`` takes patients where every tile's is known and there are two or more.
    tile_pixel_size
        µm per pixel of the tiles (default: what each file says, else 0.25).
    licence
        Under which licence the tiles may be used; bundles carry it.
    leave_out
        Names of tiles that are not used, such as those with ink on them.
    corrected
        Whose labels take the place of a tile's own; which of its tiles are new is known afterwards.
    split_masks
        Whether each connected piece of a label becomes a nucleus of its own, where labels are masks of classes.

    Raises
    ------
    TrainingError
        If fewer than two tiles have labels, or a tile to leave out does not exist.
    TileError, LayoutError
        If a file is damaged, or a picture and its labels differ in size.
    """
    opened = folder if isinstance(folder, TileFolder) else open_tile_folder(folder, tile_pixel_size)
    _refuse_unknown(leave_out, [opened])
    labelled = tuple(pair for pair in opened.pairs if pair.labels is not None and pair.id not in leave_out)
    if len(labelled) < 2:
        count = "one labelled tile" if labelled else "no labelled tile"
        left = " that is not left out" if leave_out else ""
        raise TrainingError(
            f"The folder '{opened.path.name}' has {count}{left}, and training needs at least two, one of them to "
            "validate on; add tiles, or cut one in two."
        )
    usable = TileFolder(opened.path, labelled, opened.description, opened.pixel_size, opened.class_names)
    patients = {pair.patient for pair in labelled}
    by: Literal["patient", "tile"] = "tile"
    if split_by == "patient" or (split_by == "auto" and None not in patients and len(patients) > 1):
        by = "patient"
    parts = usable.split(by, {"training": 1 - validation_share, "validation": validation_share}, seed)
    pictures, classes, sha256 = read_pictures(usable, pixel_size, corrected, split_masks)
    return TrainingData(
        tuple(pictures[name] for name in parts["training"]),
        tuple(pictures[name] for name in parts["validation"]),
        classes,
        pixel_size,
        (
            TrainingSource(
                name=opened.path.name,
                licence=licence,
                tiles=len(labelled),
                validation_tiles=len(parts["validation"]),
                sha256=sha256,
            ),
        ),
        {"by": by, **parts},
    )


def read_pictures(
    folder: TileFolder, pixel_size: float, corrected: Sequence[CorrectedTiles] = (), split_masks: bool = False
) -> tuple[dict[str, LabelledPicture], tuple[str, ...], str]:
    """Return all tiles of a folder, which all have labels, by id; the classes of their nuclei; and a hash of them all.

    Where a tile is among the ``corrected`` ones, its labels are theirs; with ``split_masks``, every connected piece of
    a label is a nucleus.

    Raises
    ------
    TrainingError
        If labels are gone by now.
    TileError, LayoutError
        If a file is damaged, or a picture and its labels differ in size.
    """
    read: dict[str, tuple[NDArray[np.uint8], Layout, NDArray[np.bool_] | None]] = {}
    digest = hashlib.sha256()
    for pair in folder.pairs:
        tile, layout = folder.open(pair.id)
        with tile:
            pixels = tile.read()
        if layout is None:
            raise TrainingError(f"The labels of the tile '{pair.id}' are gone; open the folder again.")
        ignored = folder.ignored(pair.id, layout.shape)
        for each in corrected:
            layout, ignored = each.labels_of(pixels, layout, ignored)
        digest.update(pixels.tobytes())
        digest.update(layout.rasterize().tobytes())
        if ignored is not None:
            digest.update(ignored.tobytes())
        if split_masks:
            layout = _in_pieces(layout)
        image, nuclei = rescaled(pixels, layout, (tile.pixel_size or DEFAULT_PIXEL_SIZE) / pixel_size)
        if ignored is not None and nuclei.shape != ignored.shape:
            ignored = ignored[nearest_pixels(ignored.shape, nuclei.shape)]
        read[pair.id] = image, nuclei, ignored
    classes = _classes([layout for _, layout, _ in read.values()])
    pictures = {
        name: replace(_labelled(image, layout, classes), ignored=ignored)
        for name, (image, layout, ignored) in read.items()
    }
    return pictures, classes, digest.hexdigest()


def read_training_folders(
    folders: Sequence[str | Path],
    recipe: TrainingRecipe,
    *,
    tile_pixel_size: float | None = None,
    licences: Sequence[str] = (),
    corrected: Sequence[str | Path] = (),
) -> TrainingData:
    """Read one or more folders of tiles and labels as a recipe says; each folder is split by itself.

    Parameters
    ----------
    folders
        At least one; see `read_training_data`.
    recipe
        Its pixel size, split, seed, and the tiles that it leaves out, in whichever folder they are.
    tile_pixel_size
        µm per pixel of all tiles (default: what each file says, else 0.25).
    licences
        Of each folder, in order; none for "unknown".
    corrected
        Folders of corrected tiles, see `CorrectedTiles`: tiles that are new in them are trained on as well, and none of
        them is held out.

    Raises
    ------
    TrainingError
        If a folder has fewer than two labelled tiles, licences do not go with folders, or no folder has a tile that is
        to be left out.
    TileError, LayoutError
        As `read_training_data`.
    """
    if not folders:
        raise TrainingError("Training needs tiles with labels; give at least one folder of them.")
    check_licences(licences, len(folders))
    opened = [open_tile_folder(each, tile_pixel_size) for each in folders]
    _refuse_unknown(recipe.leave_out, opened)
    corrections = read_corrected(corrected)
    parts = [
        read_training_data(
            folder,
            pixel_size=recipe.pixel_size,
            split_by=recipe.split_by,
            validation_share=recipe.validation_share,
            seed=recipe.seed,
            licence=licence,
            leave_out=set(recipe.leave_out).intersection(folder.ids),
            corrected=corrections,
            split_masks=recipe.split_masks,
        )
        for folder, licence in zip(opened, licences or ["unknown"] * len(opened), strict=True)
    ]
    parts += [_trained_on(each.new, recipe.pixel_size) for each in corrections if each.new.pairs]
    return parts[0] if len(parts) == 1 else combined_training_data(parts)


def _trained_on(folder: TileFolder, pixel_size: float) -> TrainingData:
    """Return all tiles of a folder to train on, and none to validate on."""
    pictures, classes, sha256 = read_pictures(folder, pixel_size)
    source = TrainingSource(name=folder.path.name, tiles=len(pictures), sha256=sha256)
    return TrainingData(
        tuple(pictures.values()), (), classes, pixel_size, (source,), {"by": "none", "training": list(pictures)}
    )


def check_licences(licences: Sequence[str], folders: int) -> None:
    """Raise `TrainingError` if there are licences, but not one for each of so many folders."""
    if licences and len(licences) != folders:
        raise TrainingError(
            f"The number of licences ({len(licences)}) is not that of the folders ({folders}); give one for each "
            "folder in the same order ('unknown' where it is), or none."
        )


def combined_training_data(parts: Sequence[TrainingData]) -> TrainingData:
    """Return several folders' tiles as one set; each keeps its own split.

    Raises
    ------
    TrainingError
        If there are none, or they were read at different pixel sizes.
    """
    if len({part.pixel_size for part in parts}) != 1:
        raise TrainingError("The folders were read at different pixel sizes; read them at the recipe's.")
    present = {name for part in parts for name in part.classes}
    known = [each.name for each in DEFAULT_CLASSES if each.name in present]
    classes = (*known, *sorted(present.difference(known)))

    def reclassed(pictures: Sequence[LabelledPicture], own: Sequence[str]) -> list[LabelledPicture]:
        table = np.array([classes.index(name) for name in own], np.uint8)
        return [replace(each, class_of=table[each.class_of]) for each in pictures]

    return TrainingData(
        tuple(picture for part in parts for picture in reclassed(part.training, part.classes)),
        tuple(picture for part in parts for picture in reclassed(part.validation, part.classes)),
        classes,
        parts[0].pixel_size,
        tuple(source for part in parts for source in part.sources),
        {"by": [part.split for part in parts]},
        tuple(picture for part in parts for picture in reclassed(part.woven, part.classes)),
    )


def classes_without_a_name(data: TrainingData) -> tuple[str, ...]:
    """Return the classes of nuclei that are not in the default table, such as ``"class 9"`` of a bare number."""
    known = {each.name for each in DEFAULT_CLASSES}
    return tuple(name for name in data.classes if name not in known)


def rescaled(image: NDArray[np.uint8], layout: Layout, scale: float) -> tuple[NDArray[np.uint8], Layout]:
    """Return a picture and its layout enlarged by a factor; within 2 % of 1 they stay as they are."""
    if abs(scale - 1) <= _SAME_PIXEL_SIZE:
        return image, layout
    import cv2

    height, width = (max(round(side * scale), 1) for side in layout.shape)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = np.asarray(cv2.resize(image, (width, height), interpolation=way), np.uint8)
    label_map = layout.rasterize()[nearest_pixels(layout.shape, (height, width))]
    names = {label: nucleus.class_name for label, nucleus in layout.nuclei.items()}
    return resized, Layout.from_label_map(label_map, layout.pixel_size / scale, names)


def _in_pieces(layout: Layout) -> Layout:
    names = {label: nucleus.class_name for label, nucleus in layout.nuclei.items()}
    label_map, classes = split_into_pieces(layout.rasterize(), names)
    return Layout.from_label_map(label_map, layout.pixel_size, classes)


def _refuse_unknown(leave_out: Iterable[str], folders: Sequence[TileFolder]) -> None:
    known = {name for folder in folders for name in folder.ids}
    unknown = sorted(set(leave_out) - known)
    if unknown:
        names = ", ".join(f"'{each.path.name}'" for each in folders)
        raise TrainingError(
            f"There is no tile '{unknown[0]}' to leave out in {names}; the names are those of the pictures without "
            f"their suffix, such as '{min(known)}'."
        )


def _classes(layouts: Sequence[Layout]) -> tuple[str, ...]:
    """Return the classes that nuclei have, in the default table's order and others after it by name."""
    present = {nucleus.class_name for layout in layouts for nucleus in layout.nuclei.values()}
    known = [each.name for each in DEFAULT_CLASSES if each.name in present]
    return (*known, *sorted(present.difference(known))) or (DEFAULT_CLASSES[0].name,)


def _labelled(image: NDArray[np.uint8], layout: Layout, classes: tuple[str, ...]) -> LabelledPicture:
    ids, inverse = np.unique(layout.rasterize(), return_inverse=True)
    label_map = inverse.reshape(layout.shape).astype(np.int32)
    if not len(ids) or ids[0] != 0:
        label_map += 1
        ids = np.concatenate([[0], ids])
    class_of = np.zeros(len(ids), np.uint8)
    for index, label in enumerate(ids[1:], start=1):
        class_of[index] = classes.index(layout.nuclei[int(label)].class_name)
    return LabelledPicture(image, label_map, class_of)
