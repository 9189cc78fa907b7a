"""Layouts as COCO instances, and back: polygons, and run-length masks plain or compressed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError
from histoloom.layouts.classes import DEFAULT_CLASS, DEFAULT_CLASSES, classes_for
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, MAX_ID, MAX_RASTER_PIXELS, Layout
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.outline import Outline
from histoloom.window import Window

_HALF_PIXEL = 0.5


def layout_to_coco(layout: Layout, image_name: str) -> dict[str, Any]:
    """Return a layout as a COCO instances dictionary of plain JSON values.

    Parameters
    ----------
    layout
        What to write. Nuclei without a pixel on the canvas are left out.
    image_name
        File name of the picture that it belongs to.

    Returns
    -------
    dict
        One image, a category for each class, an annotation for each nucleus with its id. Nuclei of one ring are
        polygons in ``x, y`` from the image's upper left corner; those with holes or pieces are uncompressed run-length
        masks.
    """
    category = {each.name: index + 1 for index, each in enumerate(layout.classes)}
    annotations = []
    for nucleus in layout.stacked:
        window = nucleus.outline.window.intersection(layout.window)
        mask = nucleus.outline.mask(window) if not window.is_empty else np.zeros((0, 0), bool)
        if not mask.any():
            continue
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        segmentation: Any
        if len(nucleus.outline.rings) == 1:
            segmentation = [(nucleus.outline.rings[0][:, ::-1] + _HALF_PIXEL).ravel().tolist()]
        else:
            segmentation = {"size": list(layout.shape), "counts": _run_lengths(mask, window, layout.shape)}
        annotations.append(
            {
                "id": nucleus.id,
                "image_id": 1,
                "category_id": category[nucleus.class_name],
                "segmentation": segmentation,
                "area": int(mask.sum()),
                "bbox": [
                    window.x0 + int(columns[0]),
                    window.y0 + int(rows[0]),
                    int(columns[-1] - columns[0]) + 1,
                    int(rows[-1] - rows[0]) + 1,
                ],
                "iscrowd": 0,
            }
        )
    return {
        "info": {"description": "nuclei, written by histoloom; for research, not diagnosis"},
        "images": [{"id": 1, "file_name": image_name, "height": layout.shape[0], "width": layout.shape[1]}],
        "categories": [
            {"id": category[each.name], "name": each.name, "supercategory": "nucleus"} for each in layout.classes
        ],
        "annotations": annotations,
    }


def layout_from_coco(
    source: str | Path | Mapping[str, Any],
    image: str | int | None = None,
    pixel_size: float = DEFAULT_PIXEL_SIZE,
) -> Layout:
    """Read the nuclei of one image from COCO instances.

    Parameters
    ----------
    source
        A JSON file or its parsed contents.
    image
        File name (with or without folders and ending) or id of the image; not needed where there is only one.
    pixel_size
        µm per pixel; COCO does not say.

    Returns
    -------
    Layout
        In the order of the file, later annotations on top.

    Raises
    ------
    LayoutError
        If the file cannot be read, does not hold the image, or has a segmentation that cannot be read.
    """
    document = _parsed(source)
    record = _image_record(document, image)
    try:
        shape = (int(record["height"]), int(record["width"]))
        names = {each["id"]: str(each["name"]) for each in document.get("categories", ())}
        chosen = [each for each in document.get("annotations", ()) if each["image_id"] == record["id"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise LayoutError("The COCO file lacks sizes, categories or image ids; export it again as instances.") from None
    if shape[0] < 1 or shape[1] < 1 or shape[0] * shape[1] > MAX_RASTER_PIXELS:
        raise LayoutError(
            f"The COCO file gives its image {shape[0]} x {shape[1]} pixels; correct its height and width."
        )
    known = {each.name for each in DEFAULT_CLASSES}
    nuclei: dict[int, Nucleus] = {}
    ids = _usable_ids(chosen)
    for key, annotation in zip(ids, chosen, strict=True):
        outline = _outline(annotation.get("segmentation"), shape)
        if outline is None:
            continue
        name = names.get(annotation.get("category_id"), DEFAULT_CLASS)
        name = name.lower() if name.lower() in known else name
        nuclei[key] = Nucleus.create(key, outline, name, z_order=len(nuclei))
    classes = classes_for([*names.values(), *(nucleus.class_name for nucleus in nuclei.values())] or [DEFAULT_CLASS])
    return Layout.from_nuclei(nuclei.values(), shape, pixel_size, classes=classes)


def _usable_ids(annotations: list[Any]) -> list[int]:
    ids = [each.get("id") for each in annotations]
    usable = all(isinstance(key, int) and 0 < key <= MAX_ID for key in ids) and len(set(ids)) == len(ids)
    return [int(key) for key in ids] if usable else list(range(1, len(annotations) + 1))


def _parsed(source: str | Path | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(source, str | Path):
        path = Path(source)
        try:
            source = json.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise LayoutError(
                f"'{path.name}' cannot be opened ({error.strerror}); check that the file is there."
            ) from error
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise LayoutError(
                f"'{path.name}' is not readable COCO JSON; it may be cut short, so export it again."
            ) from error
    if not isinstance(source, Mapping) or not isinstance(source.get("images"), list) or not source["images"]:
        raise LayoutError("The file is not COCO instances; it needs lists of images, annotations and categories.")
    return source


def _image_record(document: Mapping[str, Any], image: str | int | None) -> Mapping[str, Any]:
    records = [each for each in document["images"] if isinstance(each, Mapping) and "id" in each]
    if image is None and len(records) == 1:
        return records[0]
    for record in records:
        if image is not None and image in (record["id"], record.get("file_name")):
            return record
    if isinstance(image, str):
        for record in records:
            if Path(str(record.get("file_name", ""))).stem == Path(image).stem:
                return record
    if image is None:
        raise LayoutError(f"The COCO file holds {len(records)} images; say which one by its file name or id.")
    raise LayoutError(f"The COCO file holds no image '{image}'; give the file name or id of one that it lists.")


def _outline(segmentation: Any, shape: tuple[int, int]) -> Outline | None:
    try:
        if isinstance(segmentation, Mapping):
            mask = _decoded(segmentation, shape)
            return Outline.from_mask(mask) if mask.any() else None
        rings = [np.array(part, np.float64).reshape(-1, 2)[:, ::-1] - _HALF_PIXEL for part in segmentation or ()]
        rings = [ring for ring in rings if len(ring) >= 3]
    except (TypeError, ValueError, KeyError, IndexError):
        raise LayoutError("The COCO file has a segmentation that cannot be read; export it again.") from None
    if len(rings) < 2:
        return Outline(rings) if rings else None
    return _union(rings)


def _union(rings: list[NDArray[np.float64]]) -> Outline:
    """Return the union of polygons; COCO's parts may overlap, where the even-odd rule would cut a hole."""
    from shapely import Polygon, STRtree, union_all

    shapes = [Polygon(ring) for ring in rings]
    first, second = STRtree(shapes).query(shapes, predicate="intersects")
    if np.all(first == second):
        return Outline(rings)
    joined = union_all([shape if shape.is_valid else shape.buffer(0) for shape in shapes])
    parts = [part for part in getattr(joined, "geoms", [joined]) if part.geom_type == "Polygon"]
    return Outline(np.array(ring.coords)[:-1] for part in parts for ring in (part.exterior, *part.interiors))


def _run_lengths(mask: NDArray[np.bool_], window: Window, shape: tuple[int, int]) -> list[int]:
    """Return COCO's counts: runs of 0, 1, 0, ... down the columns of the whole image."""
    rows, columns = np.nonzero(mask)
    places = np.sort((columns + window.x0) * shape[0] + rows + window.y0)
    breaks = np.flatnonzero(np.diff(places) != 1)
    starts = places[np.concatenate([[0], breaks + 1])]
    stops = places[np.concatenate([breaks, [len(places) - 1]])] + 1
    edges = np.concatenate([[0], np.stack([starts, stops], axis=1).ravel(), [shape[0] * shape[1]]])
    counts: list[int] = np.diff(edges).tolist()
    return counts if counts[-1] else counts[:-1]


def _decoded(segmentation: Mapping[str, Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    height, width = (int(side) for side in segmentation["size"])
    counts = segmentation["counts"]
    runs = np.array(_decompressed(counts) if isinstance(counts, str | bytes) else counts, np.int64)
    if (height, width) != shape or (runs < 0).any() or int(runs.sum()) != height * width:
        raise ValueError
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def _decompressed(counts: str | bytes) -> list[int]:
    """Decode COCO's compressed counts: base-32 digits from character 48 up, from the fourth count on differences."""
    text = counts.decode("ascii") if isinstance(counts, bytes) else counts
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64:
            raise ValueError
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            if digit & 16:
                value |= -1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    return runs
