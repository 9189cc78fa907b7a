"""The formats that labels of nuclei come in, and reading any of them into a layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from histoloom.errors import LayoutError
from histoloom.layouts.aperio_xml import read_aperio_xml
from histoloom.layouts.hovernet_mat import MERGED_CONSEP_CLASSES, class_name_of, read_hovernet_mat
from histoloom.layouts.label_pictures import read_label_picture, read_mask_folder
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, Layout

FormatName = Literal["tiff", "npy", "png", "glas", "mat", "xml", "geojson", "coco", "masks"]


@dataclass(frozen=True)
class LabelFormat:
    """One way to store labels.

    Parameters
    ----------
    name
        Short name.
    title
        How to say it after "with".
    suffixes
        Suffixes of its files, in lower case.
    """

    name: FormatName
    title: str
    suffixes: tuple[str, ...]


LABEL_FORMATS: tuple[LabelFormat, ...] = (
    LabelFormat("geojson", "QuPath outlines (GeoJSON)", (".geojson",)),
    LabelFormat("mat", "HoVer-Net labels (MAT)", (".mat",)),
    LabelFormat("xml", "ImageScope outlines (XML, as MoNuSeg)", (".xml",)),
    LabelFormat("tiff", "label maps (TIFF)", (".tif", ".tiff")),
    LabelFormat("npy", "label maps (NPY)", (".npy",)),
    LabelFormat("glas", "label maps (GlaS _anno.bmp)", (".bmp",)),
    LabelFormat("png", "label maps (PNG)", (".png",)),
    LabelFormat("coco", "outlines (COCO JSON)", ()),
    LabelFormat("masks", "one mask for each nucleus (Data Science Bowl)", ()),
)
"""All formats; of several that label the same picture, the first is read."""


@dataclass(frozen=True)
class LabelSource:
    """Where one picture's labels are.

    Parameters
    ----------
    format_name
        How they are stored.
    path
        The file; for masks their folder.
    types_path
        JSON with the class of each label, beside a label map.
    image_name
        File name of the picture, by which a COCO file lists it.
    """

    format_name: FormatName
    path: Path
    types_path: Path | None = None
    image_name: str | None = None


def read_labels(
    source: LabelSource,
    shape: tuple[int, int],
    pixel_size: float = DEFAULT_PIXEL_SIZE,
    class_names: Mapping[int, str] | None = None,
) -> Layout:
    """Read labels of any known format.

    Parameters
    ----------
    source
        Where they are and how they are stored.
    shape
        Height and width of their picture in pixels.
    pixel_size
        µm per pixel of the layout.
    class_names
        Names of numbered classes (default: CoNSeP's).

    Raises
    ------
    LayoutError
        If the file is damaged, of another format, or its label map has another size than the picture.
    """
    path = source.path
    match source.format_name:
        case "xml":
            return read_aperio_xml(path, shape, pixel_size)
        case "geojson":
            from histoloom.layouts.geojson import layout_from_geojson

            return layout_from_geojson(path, shape, pixel_size)
        case "coco":
            from histoloom.layouts.coco import layout_from_coco

            layout = layout_from_coco(_parsed_coco(path, path.stat().st_mtime_ns), source.image_name, pixel_size)
            _refuse_other_size(path, layout.shape, shape)
            return layout
        case "mat":
            label_map, class_of = read_hovernet_mat(path, class_names)
        case "masks":
            label_map, class_of = read_mask_folder(sorted(path.glob("*.png")), shape), None
        case _:
            label_map, class_of = read_label_picture(path), None
    if source.types_path is not None:
        class_of = read_types(source.types_path, class_names)
    _refuse_other_size(path, (label_map.shape[0], label_map.shape[1]), shape)
    return Layout.from_label_map(label_map, pixel_size, class_of)


def read_types(path: Path, class_names: Mapping[int, str] | None = None) -> dict[int, str]:
    """Read the class of each label from JSON: ``{"1": 3, ...}`` or ``{"1": "epithelial", ...}``.

    Numbers get their names from ``class_names`` (default: the four of HoVer-Net's paper).
    """
    names = MERGED_CONSEP_CLASSES if class_names is None else class_names
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
        return {
            int(label): each if isinstance(each, str) else class_name_of(int(each), names)
            for label, each in values.items()
        }
    except (OSError, UnicodeDecodeError, ValueError, AttributeError, TypeError):
        raise LayoutError(
            f'\'{path.name}\' does not give a class for each label; write JSON such as {{"1": "epithelial"}}.'
        ) from None


def _refuse_other_size(path: Path, found: tuple[int, int], wanted: tuple[int, int]) -> None:
    if found != wanted:
        raise LayoutError(
            f"The labels '{path.name}' are {found[0]} x {found[1]} pixels and their picture {wanted[0]} x {wanted[1]}; "
            "put labels and pictures of the same size together."
        )


@lru_cache(maxsize=1)
def _parsed_coco(path: Path, _modified: int) -> Mapping[str, Any]:
    """Parse a COCO file once for all of its pictures; `find_pairs` has seen that it is one."""
    document: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
