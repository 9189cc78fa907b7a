"""Recognizing how a folder stores its tiles and labels, from the names of its files alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from histoloom.errors import LayoutError
from histoloom.layouts.label_formats import LABEL_FORMATS, FormatName, LabelSource
from histoloom.tiles.reading import PICTURE_SUFFIXES

_IMAGE_FOLDERS = (
    "images", "image", "imgs", "img", "tiles", "tissue images", "tissue_images", "original images", "original_images",
    "pictures",
)  # fmt: skip
_LABEL_FOLDERS = (
    "labels", "label", "masks", "mask", "annotations", "annotation", "annots", "anno", "label_maps", "label maps",
    "instances", "inst", "ground_truth", "groundtruth", "gt", "mat", "xml", "geojson", "gt_all",
)  # fmt: skip
_TYPE_FOLDERS = ("types", "classes")
_IGNORE_FOLDERS = ("ignore", "ignored")
IGNORE_ENDING = "_ignore"
"""What the name of a mask of regions to ignore ends with, beside a picture or its labels."""
_MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".npy")
_LABEL_ENDINGS = ("_anno", "_labels", "_label", "_mask", "_masks", "_inst", "_gt", "-labels", "-mask")
_COCO_BYTES = 2**29

Pairs = dict[str, tuple[Path, LabelSource | None]]
Named = tuple[FormatName, Path]


def find_pairs(folder: Path) -> Pairs:
    """Return id, picture and labels of each tile in a folder, sorted by id; labels are None where none were found.

    Raises
    ------
    LayoutError
        If a JSON file that should be COCO's is damaged.
    """
    mask_folders = _mask_folder_pairs(folder)
    if mask_folders:
        return mask_folders
    inner = {each.name.lower(): each for each in sorted(folder.iterdir()) if each.is_dir()}
    image_folder = next((inner[name] for name in _IMAGE_FOLDERS if name in inner), folder)
    label_folders = [inner[name] for name in _LABEL_FOLDERS if name in inner]
    pictures = _pictures(image_folder)
    labels = _labels_by_id(label_folders, endings_required=False)
    for stem, sources in _labels_by_id([image_folder], endings_required=True).items():
        labels.setdefault(stem, []).extend(sources)
    types = _types_by_id(inner)
    coco = _coco_file([folder, *label_folders, image_folder])
    listed = _names_in_coco(coco) if coco else set()

    pairs: Pairs = {}
    for stem, picture in sorted(pictures.items()):
        sources = [(name, path) for name, path in labels.get(stem, []) if path != picture]
        if sources:
            name, path = min(sources, key=lambda each: _RANK[each[0]])
            pairs[stem] = picture, LabelSource(name, path, types.get(stem))
        elif coco and picture.name in listed:
            pairs[stem] = picture, LabelSource("coco", coco, image_name=picture.name)
        else:
            pairs[stem] = picture, None
    return pairs


def find_ignore_masks(folder: Path) -> dict[str, Path]:
    """Return the mask of what is ignored of each tile that has one: ``ID_ignore.png``, or ``ignore/ID.png``."""
    inner = {each.name.lower(): each for each in sorted(folder.iterdir()) if each.is_dir()}
    found: dict[str, Path] = {}
    for place in [folder, *(inner[name] for name in (*_IMAGE_FOLDERS, *_LABEL_FOLDERS) if name in inner)]:
        for path in _files(place):
            if is_ignore_mask(path):
                found.setdefault(_stem(path)[: -len(IGNORE_ENDING)], path)
    for place in (inner[name] for name in _IGNORE_FOLDERS if name in inner):
        for path in _files(place):
            if path.suffix.lower() in _MASK_SUFFIXES:
                found.setdefault(_stem(path).removesuffix(IGNORE_ENDING), path)
    return found


def ignore_mask_of(labels: Path, name: str) -> Path | None:
    """Return the mask of what is ignored of the picture ``name``, beside its labels or in ``ignore``, or None."""
    endings = [(labels.parent, IGNORE_ENDING)]
    endings += [(above / each, "") for above in (labels.parent, labels.parent.parent) for each in _IGNORE_FOLDERS]
    places = (folder / f"{name}{ending}{suffix}" for folder, ending in endings for suffix in _MASK_SUFFIXES)
    return next((each for each in places if each.is_file()), None)


def count_labels(folder: Path) -> int:
    """Return how many label files a folder has that could belong to pictures."""
    folders = [each for each in folder.iterdir() if each.is_dir() and each.name.lower() in _LABEL_FOLDERS]
    return len(_labels_by_id(folders, endings_required=False))


_RANK = {each.name: index for index, each in enumerate(LABEL_FORMATS)}
_FORMAT_OF_SUFFIX = {suffix: each.name for each in LABEL_FORMATS for suffix in each.suffixes}


def _mask_folder_pairs(folder: Path) -> Pairs:
    """Find Data Science Bowl's ``ID/images/ID.png`` with ``ID/masks/*.png``, in the folder or as the folder."""
    pairs: Pairs = {}
    for tile in [folder, *sorted(each for each in folder.iterdir() if each.is_dir())]:
        images, masks = tile / "images", tile / "masks"
        if not (images.is_dir() and masks.is_dir()):
            continue
        pictures = _files(images)
        # Elsewhere "images" and "masks" hold many tiles each, paired by name.
        if len(pictures) == 1 and not (masks / pictures[0].name).exists():
            pairs[tile.name] = pictures[0], LabelSource("masks", masks)
    return pairs


def _pictures(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in _files(folder):
        if path.suffix.lower() in PICTURE_SUFFIXES and not is_ignore_mask(path):
            found.setdefault(_stem(path), path)
    # "tile_mask.png" is labels only where there is a "tile.png" that it can belong to.
    return {stem: path for stem, path in found.items() if _label_stem(path) not in found}


def _labels_by_id(folders: Iterable[Path], *, endings_required: bool) -> dict[str, list[Named]]:
    found: dict[str, list[Named]] = {}
    for folder in folders:
        for path in _files(folder):
            name = _FORMAT_OF_SUFFIX.get(path.suffix.lower())
            if name is None or is_ignore_mask(path):
                continue
            stem = _label_stem(path)
            unmistakable = name in ("mat", "xml", "geojson", "npy")
            if stem is None and endings_required and not unmistakable:
                continue
            for key in {_stem(path), stem or _stem(path)}:
                found.setdefault(key, []).append((name, path))
    return found


def is_ignore_mask(path: Path) -> bool:
    """Whether a file is named as a mask of regions to ignore."""
    return path.suffix.lower() in _MASK_SUFFIXES and _stem(path).lower().endswith(IGNORE_ENDING)


def _label_stem(path: Path) -> str | None:
    """Return the picture's stem for a file named as labels, such as ``train_1_anno.bmp``, and None for others."""
    stem = _stem(path)
    ending = next((each for each in _LABEL_ENDINGS if stem.lower().endswith(each)), None)
    return stem[: -len(ending)] if ending and len(stem) > len(ending) else None


def _stem(path: Path) -> str:
    return path.stem.removesuffix(".ome")


def _types_by_id(inner: dict[str, Path]) -> dict[str, Path]:
    folders = [inner[name] for name in _TYPE_FOLDERS if name in inner]
    return {path.stem: path for folder in folders for path in _files(folder) if path.suffix.lower() == ".json"}


def _coco_file(folders: Iterable[Path]) -> Path | None:
    for folder in folders:
        for path in _files(folder):
            if path.suffix.lower() != ".json" or path.stat().st_size > _COCO_BYTES:
                continue
            with path.open("rb") as file:
                start = file.read(1 << 16)
            # COCO's keys may come late in the file, after thousands of annotations.
            if b'"images"' in start or b'"annotations"' in start or b'"categories"' in start:
                return path
    return None


def _names_in_coco(path: Path) -> set[str]:
    try:
        images = json.loads(path.read_text(encoding="utf-8"))["images"]
        return {Path(each["file_name"]).name for each in images}
    except (OSError, ValueError, KeyError, TypeError):
        raise LayoutError(f"'{path.name}' lists no images as COCO JSON does; export it again.") from None


def _files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
