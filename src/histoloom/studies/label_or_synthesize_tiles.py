"""The tiles of the study "to Label or to Synthesize?": several data sets, each tile of a type of tissue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import RunError, TrainingError
from histoloom.layouts.tile_folders import TileFolder, TilePair, open_tile_folder
from histoloom.models import TrainingSource
from histoloom.studies.label_or_synthesize_recipe import ACROSS, LEAVING_OUT_DATA_SETS, LabelOrSynthesizeRecipe
from histoloom.training.data import LabelledPicture, TrainingData, check_licences, read_pictures

_CLASSES = ("nucleus",)
"""Only where nuclei are is learnt: data sets differ in what classes they have."""


@dataclass(frozen=True, eq=False)
class TypedTile:
    """A real tile.

    Parameters
    ----------
    id
        Its data set's name and its own.
    type_name
        What tissue it is of.
    picture
        Its picture and nuclei.
    """

    id: str
    type_name: str
    picture: LabelledPicture

    @property
    def data_set(self) -> str:
        """Name of the folder that it comes from."""
        return self.id.split("/", 1)[0]


@dataclass(frozen=True, eq=False)
class StudyTiles:
    """All real tiles of a study.

    Parameters
    ----------
    training, test
        Tiles to learn from, and to score on; no patient is in both.
    sources
        Of all data sets.
    pixel_size
        µm per pixel.
    groups
        Types that are left out together of supervised training across types.
    """

    training: tuple[TypedTile, ...]
    test: tuple[TypedTile, ...]
    sources: tuple[TrainingSource, ...]
    pixel_size: float
    groups: tuple[tuple[str, ...], ...]

    @property
    def split(self) -> dict[str, list[str]]:
        """Ids of the tiles of both parts."""
        return {"training": [each.id for each in self.training], "validation": [each.id for each in self.test]}

    @property
    def data_sets(self) -> tuple[str, ...]:
        """Names of the data sets that are scored on, each left out in turn across data sets; none if there is one."""
        scored = {each.data_set for each in self.test}
        return tuple(each.name for each in self.sources if each.name in scored) if len(self.sources) > 1 else ()

    @property
    def part_counts(self) -> tuple[int, int]:
        """How many groups of types and how many data sets are left out in turn."""
        return len(self.groups), len(self.data_sets)

    def scored_on(self, arm: str, part: int) -> NDArray[np.bool_]:
        """Return which test tiles a part of an arm is scored on, ``bool (tiles,)``: what it left out, else all."""
        if arm == ACROSS:
            return np.array([each.type_name in self.groups[part] for each in self.test], bool)
        if arm in LEAVING_OUT_DATA_SETS:
            return self.of_data_set(self.data_sets[part])
        return np.ones(len(self.test), bool)

    def of_data_set(self, name: str) -> NDArray[np.bool_]:
        """Return which test tiles are of a data set, ``bool (tiles,)``."""
        return np.array([each.data_set == name for each in self.test], bool)

    def labelled_for(self, arm: str, part: int) -> TrainingData:
        """Return the real tiles with labels that a part of an arm learns from; see `labelled`."""
        if arm in LEAVING_OUT_DATA_SETS:
            return self._without_data_set(self.data_sets[part])
        return self.labelled(self.groups[part] if arm == ACROSS else ())

    def check_order(self, split: Any) -> None:
        """Raise `RunError` if the tiles of a split are these in another order: scores are kept in their order."""
        try:
            other = any(split[part] != ids and sorted(split[part]) == sorted(ids) for part, ids in self.split.items())
        except (KeyError, TypeError):
            return
        if other:
            raise RunError("The study was begun with its folders of tiles in another order; give them in that one.")

    def labelled(self, left_out: Iterable[str] = ()) -> TrainingData:
        """Return tiles with labels to learn from, but for some types; test tiles are only validated on.

        Raises
        ------
        TrainingError
            If no type is left.
        """
        types = set(left_out)
        kept = [each for each in self.training if each.type_name not in types]
        if not kept:
            raise TrainingError(
                "All tiles to learn from are of one type, so that none can be left out; give tiles of other tissue, or "
                "leave the arm 'across' out."
            )
        return TrainingData(
            tuple(each.picture for each in kept),
            tuple(each.picture for each in self.test),
            _CLASSES,
            self.pixel_size,
            self.sources,
            {"by": "type", "training": [each.id for each in kept], "validation": self.split["validation"]},
        )

    def _without_data_set(self, name: str) -> TrainingData:
        """Return tiles with labels of all data sets but one, of which nothing is learnt or validated on."""
        kept = tuple(each for each in self.training if each.data_set != name)
        if not kept:
            raise TrainingError(
                f"All tiles to learn from are of the data set '{name}', so that it cannot be left out; give more tiles "
                "of another, or leave the arms across data sets out."
            )
        held_out = tuple(each for each in self.test if each.data_set != name) or self.test
        sources = tuple(each for each in self.sources if each.name != name)
        split = {"by": "data set", "training": [each.id for each in kept], "validation": [each.id for each in held_out]}
        learnt, validated = (tuple(each.picture for each in tiles) for tiles in (kept, held_out))
        return TrainingData(learnt, validated, _CLASSES, self.pixel_size, sources, split)

    def unlabelled(self) -> TrainingData:
        """Return what lends looks: pictures of the tiles to learn from, without their labels."""
        blank = tuple(without_labels(each.picture) for each in self.training)
        split = {"by": "none", "looks": self.split["training"]}
        return TrainingData(blank, (), _CLASSES, self.pixel_size, self.sources, split)


def read_typed_tiles(
    folders: Sequence[Path],
    recipe: LabelOrSynthesizeRecipe,
    *,
    organs: Sequence[str] = (),
    tile_pixel_size: float | None = None,
    licences: Sequence[str] = (),
) -> StudyTiles:
    """Read data sets and split each of their types, by patient where patients are known.

    Parameters
    ----------
    folders
        See `histoloom.layouts.tile_folders.open_tile_folder`. A tile's type is its organ where the folder's table tells
        it, else what ``organs`` says, else the folder's name.
    recipe
        How they are split, cut and grouped.
    organs
        Of each folder, in order; empty for those of which it is not known.
    tile_pixel_size
        µm per pixel of all tiles (default: what each file says, else 0.25).
    licences
        Of each folder, in order; none for "unknown".

    Raises
    ------
    TrainingError
        If organs or licences do not go with folders, or fewer than two tiles can be held out.
    TileError, LayoutError
        If a file is damaged.
    """
    check_licences(licences, len(folders))
    if organs and len(organs) != len(folders):
        raise TrainingError(
            f"The number of organs ({len(organs)}) is not that of the folders ({len(folders)}); give one for each "
            "folder in the same order, or none."
        )
    training: list[TypedTile] = []
    test: list[TypedTile] = []
    sources = []
    for place, path in enumerate(folders):
        folder = open_tile_folder(path, tile_pixel_size)
        labelled = tuple(each for each in folder.pairs if each.labels is not None)
        usable = replace(folder, pairs=labelled)
        pictures, _, sha256 = read_pictures(usable, recipe.pixel_size)
        default = (organs[place] if organs else "") or path.name
        held_out: set[str] = set()
        for type_name in sorted({_type_of(each, default) for each in labelled}):
            of_type = tuple(each for each in labelled if _type_of(each, default) == type_name)
            held_out |= _held_out(replace(usable, pairs=of_type), recipe)
        for pair in labelled:
            tile = TypedTile(
                f"{path.name}/{pair.id}", _type_of(pair, default), _prepared(pictures[pair.id], recipe.tile_size)
            )
            (test if pair.id in held_out else training).append(tile)
        sources.append(
            TrainingSource(
                name=path.name, licence=licences[place] if licences else "unknown", tiles=len(labelled),
                validation_tiles=len(held_out), sha256=sha256,
            )
        )  # fmt: skip
    if len(test) < 2 or not training:
        raise TrainingError(
            "Fewer than two tiles can be held out, so there is nothing to draw intervals from; give more tiles of more "
            "patients."
        )
    return StudyTiles(
        tuple(training), tuple(test), tuple(sources), recipe.pixel_size,
        _groups([*training, *test], recipe.type_groups),
    )  # fmt: skip


def without_labels(picture: LabelledPicture) -> LabelledPicture:
    """Return a picture of which nobody says where its nuclei are."""
    return LabelledPicture(picture.image, np.zeros(picture.image.shape[:2], np.int32), np.zeros(1, np.uint8))


def _type_of(pair: TilePair, default: str) -> str:
    return (pair.organ or default).strip().lower()


def _held_out(folder: TileFolder, recipe: LabelOrSynthesizeRecipe) -> set[str]:
    """Return which tiles of one type are scored on; none where it is of one patient, who cannot be in both parts."""
    patients = {each.patient for each in folder.pairs}
    by_patient = recipe.split_by == "patient" or (recipe.split_by == "auto" and None not in patients)
    if (len(patients) if by_patient else len(folder.pairs)) < 2:
        return set()
    shares = {"training": 1 - recipe.held_out_share, "test": recipe.held_out_share}
    return set(folder.split("patient" if by_patient else "tile", shares, recipe.split_seed)["test"])


def _groups(tiles: Sequence[TypedTile], count: int) -> tuple[tuple[str, ...], ...]:
    """Return types dealt into so many groups with about as many tiles each; each alone for 0."""
    sizes: dict[str, int] = {}
    for each in tiles:
        sizes[each.type_name] = sizes.get(each.type_name, 0) + 1
    groups: list[list[str]] = [[] for _ in range(min(count or len(sizes), len(sizes)))]
    for name in sorted(sizes, key=lambda each: (-sizes[each], each)):
        min(groups, key=lambda group: sum(sizes[each] for each in group)).append(name)
    return tuple(tuple(sorted(each)) for each in groups)


def _prepared(picture: LabelledPicture, size: int) -> LabelledPicture:
    """Return the middle of a tile, all nuclei of one class."""
    rows, columns = (
        slice(max(side - size, 0) // 2 if size else 0, (max(side - size, 0) // 2 + size) if size else side)
        for side in picture.label_map.shape
    )
    label_map = _numbered(picture.label_map[rows, columns])
    ignored = picture.ignored
    return LabelledPicture(
        np.ascontiguousarray(picture.image[rows, columns]),
        label_map,
        np.zeros(int(label_map.max(initial=0)) + 1, np.uint8),
        ignored=None if ignored is None else np.ascontiguousarray(ignored[rows, columns]),
    )


def _numbered(label_map: NDArray[Any]) -> NDArray[np.int32]:
    ids = np.unique(label_map)
    table = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
    table[ids[ids > 0]] = np.arange(1, int((ids > 0).sum()) + 1)
    return np.asarray(table[label_map], np.int32)
