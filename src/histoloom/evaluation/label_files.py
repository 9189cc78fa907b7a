"""Labels as files for scoring: read as they are, with classes and the pixel size only where a file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError, TileError
from histoloom.layouts import Layout
from histoloom.layouts.classes import DEFAULT_CLASS
from histoloom.layouts.files import stated_pixel_size
from histoloom.layouts.folder_recognition import is_ignore_mask
from histoloom.layouts.geojson import geojson_header, layout_from_geojson
from histoloom.layouts.hovernet_mat import read_hovernet_mat
from histoloom.layouts.label_formats import read_types
from histoloom.layouts.label_pictures import LABEL_PICTURE_SUFFIXES, read_label_picture
from histoloom.layouts.opening import SIDECAR_ENDING, layout_stem, open_layout
from histoloom.layouts.sidecar import sidecar_path
from histoloom.layouts.tile_folders import TileFolder, TilePair, open_tile_folder

_SUFFIXES = (".geojson", ".mat", *LABEL_PICTURE_SUFFIXES)
_LABEL_ENDINGS = (
    "_labels", "_label", "_masks", "_mask", "_inst", "_anno", "_gt", "_truth", "_prediction", "_pred",
)  # fmt: skip


@dataclass(frozen=True)
class Labels:
    """The labels of one picture.

    Parameters
    ----------
    label_map
        ``int32 (H, W)``, 0 is background.
    classes
        Class of each label, or None where nothing says.
    pixel_size
        µm per pixel, or None where nothing says.
    whole_canvas
        False where the size of the picture is not known and the map ends with its last nucleus.
    notes
        Sentences for people about what was found.
    """

    label_map: NDArray[np.int32]
    classes: Mapping[int, str] | None = None
    pixel_size: float | None = None
    whole_canvas: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelFile:
    """Where the labels of one picture are.

    Parameters
    ----------
    path
        The file.
    types_path
        JSON with the class of each label, or None.
    """

    path: Path
    types_path: Path | None = None

    def read(self, shape: tuple[int, int] | None = None) -> Labels:
        """Read the labels.

        Parameters
        ----------
        shape
            Height and width of the picture, for GeoJSON that does not give them.

        Raises
        ------
        EvaluationError, LayoutError
            If the file is missing, damaged, or holds no labels.
        """
        name = self.path.name.lower()
        if not self.path.is_file():
            raise EvaluationError(f"'{self.path.name}' does not exist; check the name and the folder.")
        if name.endswith(SIDECAR_ENDING) or (
            name.endswith((".tif", ".tiff", ".geojson")) and sidecar_path(self.path).exists()
        ):
            layout, notes = open_layout(self.path)
            return _of_layout(layout, layout.pixel_size, notes=tuple(notes))
        if name.endswith(".geojson"):
            stated, pixel_size = geojson_header(self.path)
            layout = layout_from_geojson(self.path, stated or shape)
            return _of_layout(layout, pixel_size, whole_canvas=bool(stated or shape))
        if name.endswith(".mat"):
            label_map, classes = read_hovernet_mat(self.path)
            return Labels(label_map, classes)
        if name.endswith(LABEL_PICTURE_SUFFIXES):
            label_map = read_label_picture(self.path, split_masks=False)
            classes = None if self.types_path is None else read_types(self.types_path)
            return Labels(label_map, classes, stated_pixel_size(self.path))
        raise EvaluationError(
            f"'{self.path.name}' is no file of labels by its ending; give a label map (TIFF, PNG, BMP, NPY, MAT) or "
            "GeoJSON."
        )


@dataclass(frozen=True)
class LabelsOfTile:
    """The labels of a tile of a folder whose format needs the picture as well.

    Parameters
    ----------
    folder, name
        The folder, and the tile's id in it.
    """

    folder: TileFolder
    name: str

    def read(self, _shape: tuple[int, int] | None = None) -> Labels:
        """Read the labels; no shape is needed, for the picture has one."""
        tile, layout = self.folder.open(self.name)
        with tile:
            if layout is None:
                raise EvaluationError(f"The labels of the tile '{self.name}' are gone; try again when they are back.")
            return _of_layout(layout, tile.pixel_size)


LabelSource = LabelFile | LabelsOfTile


class ReadableLabels(Protocol):
    """Whatever has the labels of one picture, in a file or not."""

    def read(self, shape: tuple[int, int] | None = None, /) -> Labels:
        """Return the labels, as large as ``shape`` where nothing else says how large their picture is."""


def label_file(path: str | Path) -> LabelFile:
    """Return a file of labels with the classes that lie beside it: ``types/ID.json`` in its folder or the one above."""
    source = Path(path)
    name = f"{paired_name(source)}.json"
    folders = (source.parent / "types", source.parent.parent / "types")
    return LabelFile(source, next((each / name for each in folders if (each / name).is_file()), None))


def paired_name(path: Path) -> str:
    """Return the name by which truth and prediction belong together: no suffix, no ending such as ``_labels``."""
    stem = layout_stem(path)
    ending = next((each for each in _LABEL_ENDINGS if stem.lower().endswith(each)), "")
    return stem[: len(stem) - len(ending)] or stem


def labels_in_folder(folder: str | Path) -> dict[str, LabelSource]:
    """Find the labels in a folder, by name.

    Known are folders of files of labels, where of several of one name that which is called ``..._labels`` or the like
    is taken before layouts, and these before other files; and folders of tiles with labels, as
    `histoloom.layouts.open_tile_folder` opens them.

    Raises
    ------
    EvaluationError
        If the folder is missing or holds no labels.
    """
    source = Path(folder)
    if not source.is_dir():
        raise EvaluationError(f"The folder '{source.name}' does not exist; check the name.")
    files = [each for each in sorted(source.iterdir()) if each.is_file() and not each.name.startswith(".")]
    direct = [each for each in files if each.suffix.lower() in _SUFFIXES and not is_ignore_mask(each)]
    if direct and not any(each.suffix.lower() == ".xml" for each in files):
        # Of equal names the first written stays, so the best comes last.
        return {paired_name(each): label_file(each) for each in sorted(direct, key=_preference, reverse=True)}
    try:
        tiles = open_tile_folder(source)
    except TileError:
        raise EvaluationError(
            f"The folder '{source.name}' holds no labels; choose one with label maps (TIFF, PNG, BMP, NPY, MAT), "
            "GeoJSON, or tiles and their labels."
        ) from None
    return {pair.id: _of_tile(tiles, pair) for pair in tiles.pairs if pair.labels is not None}


def _of_tile(tiles: TileFolder, pair: TilePair) -> LabelSource:
    labels = pair.labels
    if labels is not None and labels.path.is_file() and labels.path.suffix.lower() in _SUFFIXES:
        return LabelFile(labels.path, labels.types_path)
    return LabelsOfTile(tiles, pair.id)


def _preference(path: Path) -> tuple[bool, bool, int, str]:
    """Return what sorts files of one name: those meant to be labels first, then layouts, then by format."""
    named = layout_stem(path) != paired_name(path)
    formats = (".tif", ".tiff", ".mat", ".npy", ".geojson", ".bmp", ".png")
    return not named, not sidecar_path(path).exists(), formats.index(path.suffix.lower()), path.name


def _of_layout(
    layout: Layout, pixel_size: float | None, *, whole_canvas: bool = True, notes: tuple[str, ...] = ()
) -> Labels:
    classes = {key: nucleus.class_name for key, nucleus in layout.nuclei.items()}
    known = any(name != DEFAULT_CLASS for name in classes.values())
    return Labels(layout.rasterize(), classes if known else None, pixel_size, whole_canvas, notes)
