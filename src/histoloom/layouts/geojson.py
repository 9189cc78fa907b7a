"""Layouts as GeoJSON that QuPath opens with classes and colours, and back.

QuPath counts from the upper left corner of the first pixel, histoloom from its centre, so coordinates differ by half a
pixel. Each feature carries the nucleus's id twice: in a member ``histoloom`` that keeps the whole row, and in its UUID,
which QuPath keeps when it exports an edited file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError
from histoloom.layouts.classes import DEFAULT_CLASS, DEFAULT_CLASSES, NucleusClass, classes_for
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, MAX_ID, Layout, first_free_id
from histoloom.layouts.nested_rings import even_odd_polygons
from histoloom.layouts.nucleus import FARTHEST_ANCHOR, MOST_SEED, MOST_Z_ORDER, Nucleus
from histoloom.layouts.outline import Outline

SCHEMA_VERSION = 1

_HALF_PIXEL = 0.5
_UUID_PREFIX = "6c6f6f6d-0000-4000-8000-"


def layout_to_geojson(layout: Layout, object_type: str = "annotation") -> dict[str, Any]:
    """Return a layout as a GeoJSON FeatureCollection of plain JSON values.

    Parameters
    ----------
    layout
        What to write; nuclei come from the bottom to the top.
    object_type
        What the nuclei are to be in QuPath: ``"annotation"`` or ``"detection"``.

    Returns
    -------
    dict
        Coordinates are ``(x, y)`` in pixels from the upper left corner of the canvas. `layout_from_geojson` gives the
        same layout back, but for its tissue map and provenance, which the sidecar keeps.
    """
    colors = {each.name: list(each.color) for each in layout.classes}
    features = [_feature(nucleus, colors, object_type) for nucleus in layout.stacked]
    return {
        "type": "FeatureCollection",
        "features": features,
        "histoloom": {
            "schema_version": SCHEMA_VERSION,
            "shape": list(layout.shape),
            "pixel_size": layout.pixel_size,
            "classes": [{"name": each.name, "color": list(each.color)} for each in layout.classes],
        },
    }


def layout_from_geojson(
    source: str | Path | Mapping[str, Any] | Sequence[Any],
    shape: tuple[int, int] | None = None,
    pixel_size: float | None = None,
) -> Layout:
    """Read a layout from GeoJSON: histoloom's own, QuPath's exports, or any other with polygons.

    Parameters
    ----------
    source
        A file, or its parsed contents: a FeatureCollection, a Feature, or a list of Features.
    shape
        Canvas height and width; without one that of the file, else the smallest that holds all polygons.
    pixel_size
        µm per pixel; without one that of the file, else 0.25.

    Returns
    -------
    Layout
        Features that are no areas (points, lines) are left out; ``provenance["skipped"]`` counts them.

    Raises
    ------
    LayoutError
        If the file cannot be read or holds no features.
    """
    document = _parsed(source)
    features, header = _features_of(document)
    nuclei: list[Nucleus] = []
    colors: dict[str, NucleusClass] = {}
    taken: set[int] = set()
    skipped = 0
    for feature in features:
        outline = _outline_of(feature)
        if outline is None:
            skipped += 1
            continue
        row = _row_of(feature)
        each = _class_of(feature)
        colors.setdefault(each.name, each)
        key = _id_of(feature, row)
        if key is None or key in taken:
            # Ids of the rows that have one are not yet all known, so rows without wait for the end.
            key = -len(nuclei) - 1
        taken.add(key)
        nuclei.append(_nucleus(key, outline, each.name, row))
    nuclei = _with_ids(nuclei)
    canvas = shape or _shape_of(header) or _bounding_shape(nuclei)
    size = pixel_size or _pixel_size_of(header) or DEFAULT_PIXEL_SIZE
    classes = _classes_of(header, colors)
    provenance = {"skipped": skipped} if skipped else {}
    return Layout.from_nuclei(nuclei, canvas, size, classes=classes, provenance=provenance)


def geojson_header(source: str | Path) -> tuple[tuple[int, int] | None, float | None]:
    """Return the canvas ``(height, width)`` and the pixel size in µm that a GeoJSON file gives, None where it does not.

    Raises
    ------
    LayoutError
        If the file cannot be read or holds no features.
    """
    _, header = _features_of(_parsed(source))
    return _shape_of(header), _pixel_size_of(header)


def _feature(nucleus: Nucleus, colors: Mapping[str, list[int]], object_type: str) -> dict[str, Any]:
    geometry = _geometry(nucleus.outline)
    row: dict[str, Any] = {
        "id": nucleus.id,
        "z_order": nucleus.z_order,
        "texture_seed": nucleus.texture_seed,
        "anchor": list(nucleus.anchor),
        "angle": nucleus.angle,
    }
    if _outline_from(geometry) != nucleus.outline:
        # Ring order, rounding by the half pixel, or crossings that GeoJSON cannot say; kept beside what it can.
        row["rings"] = [ring.tolist() for ring in nucleus.outline.rings]
    return {
        "type": "Feature",
        "id": f"{_UUID_PREFIX}{nucleus.id:012x}",
        "geometry": geometry,
        "properties": {
            "objectType": object_type,
            "name": str(nucleus.id),
            "classification": {"name": nucleus.class_name, "color": colors[nucleus.class_name]},
            "histoloom": row,
        },
    }


def _geometry(outline: Outline) -> dict[str, Any]:
    polygons = [[_coordinates(ring) for ring in rings] for rings in even_odd_polygons(outline)]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _coordinates(ring: NDArray[np.float64]) -> list[list[float]]:
    points: list[list[float]] = (ring[:, ::-1] + _HALF_PIXEL).tolist()
    return [*points, points[0]]


def _outline_from(geometry: Any) -> Outline | None:
    """Return the outline of a Polygon or MultiPolygon, None if it is neither or encloses nothing."""
    if not isinstance(geometry, Mapping) or geometry.get("type") not in (
        "Polygon",
        "MultiPolygon",
        "GeometryCollection",
    ):
        return None
    if geometry["type"] == "GeometryCollection":
        parts = [_outline_from(part) for part in geometry.get("geometries", ())]
        joined = [ring for part in parts if part is not None for ring in part.rings]
        return Outline(joined) if joined else None
    coordinates = geometry.get("coordinates")
    polygons: Any = [coordinates] if geometry["type"] == "Polygon" else coordinates
    rings = []
    try:
        for polygon in polygons or ():
            for points in polygon:
                ring = np.array([point[:2] for point in points], np.float64)
                if len(ring) > 1 and np.array_equal(ring[0], ring[-1]):
                    ring = ring[:-1]
                if len(ring) >= 3:
                    rings.append(ring[:, ::-1] - _HALF_PIXEL)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):
        raise LayoutError(
            "The GeoJSON has a polygon whose coordinates are not lists of (x, y); export it again."
        ) from None
    return Outline(rings) if rings else None


def _outline_of(feature: Mapping[str, Any]) -> Outline | None:
    # QuPath cells have a second geometry for the nucleus, and the nucleus is what a layout is about.
    geometry = feature.get("nucleusGeometry") or feature.get("geometry")
    outline = _outline_from(geometry)
    rings = _row_of(feature).get("rings")
    if outline is None or not isinstance(rings, list):
        return outline
    try:
        exact = Outline(rings)
    except (LayoutError, TypeError, ValueError, OverflowError):
        return outline
    # The exact rings hold only as long as nobody has edited the geometry that was made from them.
    return exact if _outline_from(_geometry(exact)) == outline else outline


def _row_of(feature: Mapping[str, Any]) -> Mapping[str, Any]:
    row = _properties_of(feature).get("histoloom")
    return row if isinstance(row, Mapping) else {}


def _properties_of(feature: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = feature.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _id_of(feature: Mapping[str, Any], row: Mapping[str, Any]) -> int | None:
    key = row.get("id")
    uuid = feature.get("id")
    if key is None and isinstance(uuid, str) and uuid.startswith(_UUID_PREFIX):
        try:
            key = int(uuid.removeprefix(_UUID_PREFIX), 16)
        except ValueError:
            return None
    return key if isinstance(key, int) and not isinstance(key, bool) and 0 < key <= MAX_ID else None


def _class_of(feature: Mapping[str, Any]) -> NucleusClass:
    classification = _properties_of(feature).get("classification")
    if isinstance(classification, str):
        classification = {"name": classification}
    if not isinstance(classification, Mapping):
        return DEFAULT_CLASSES[0]
    name = classification.get("name")
    names = classification.get("names")
    if not isinstance(name, str) and isinstance(names, list):
        name = ": ".join(str(part) for part in names)
    if not isinstance(name, str) or not name:
        return DEFAULT_CLASSES[0]
    known = {each.name: each for each in DEFAULT_CLASSES}
    if name.lower() in known:
        name = name.lower()
    color = _color_of(classification)
    return NucleusClass(name, color) if color else classes_for([name])[0]


def _color_of(classification: Mapping[str, Any]) -> tuple[int, int, int] | None:
    color = classification.get("color")
    if (
        isinstance(color, list)
        and len(color) >= 3
        and all(isinstance(part, int) and 0 <= part <= 255 for part in color)
    ):
        return color[0], color[1], color[2]
    packed = classification.get("colorRGB")
    if isinstance(packed, int):
        # Older QuPath packs alpha, red, green and blue into one signed 32-bit number.
        return (packed >> 16) & 255, (packed >> 8) & 255, packed & 255
    return None


def _nucleus(key: int, outline: Outline, class_name: str, row: Mapping[str, Any]) -> Nucleus:
    plain = Nucleus.create(max(key, 1), outline, class_name)
    anchor = row.get("anchor")
    angle = row.get("angle")
    seed: Any = row.get("texture_seed")
    z_order: Any = row.get("z_order")
    has_anchor = (
        isinstance(anchor, list)
        and len(anchor) == 2
        and all(_is_number(part) and abs(part) <= FARTHEST_ANCHOR for part in anchor)
    )
    # What a row says beyond its range is left out like what it does not say: the nucleus itself is sound.
    return Nucleus(
        key,
        outline,
        class_name,
        z_order if _is_whole(z_order) and abs(z_order) < MOST_Z_ORDER else 0,
        seed if _is_whole(seed) and 0 <= seed <= MOST_SEED and key > 0 else plain.texture_seed,
        (float(anchor[0]), float(anchor[1])) if has_anchor and anchor else plain.anchor,
        float(angle) if angle is not None and _is_number(angle) else 0.0,
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _with_ids(nuclei: Sequence[Nucleus]) -> list[Nucleus]:
    """Number the nuclei that came without an id of their own after all that have one."""
    taken = [nucleus.id for nucleus in nuclei if nucleus.id > 0]
    following = first_free_id(taken, len(nuclei)) - 1
    numbered = []
    for nucleus in nuclei:
        if nucleus.id > 0:
            numbered.append(nucleus)
            continue
        following += 1
        fresh = Nucleus.create(following, nucleus.outline, nucleus.class_name, nucleus.z_order)
        numbered.append(fresh)
    return numbered


def _parsed(source: str | Path | Mapping[str, Any] | Sequence[Any]) -> Any:
    if not isinstance(source, str | Path):
        return source
    path = Path(source)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise LayoutError(
            f"'{path.name}' cannot be opened ({error.strerror}); check that the file is there."
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise LayoutError(f"'{path.name}' is not readable GeoJSON; it may be cut short, so export it again.") from error


def _features_of(document: Any) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
    header: Any = {}
    if isinstance(document, Mapping):
        header = document.get("histoloom", {})
        kind = document.get("type")
        features = (
            document.get("features") if kind == "FeatureCollection" else [document] if kind == "Feature" else None
        )
        if kind in ("Polygon", "MultiPolygon"):
            features = [{"type": "Feature", "geometry": document}]
    else:
        features = document
    if not isinstance(features, list | tuple) or not all(isinstance(each, Mapping) for each in features):
        raise LayoutError("The file holds no GeoJSON features; export objects as a FeatureCollection.")
    header = header if isinstance(header, Mapping) else {}
    version = header.get("schema_version", SCHEMA_VERSION)
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise LayoutError(
            f"The GeoJSON follows schema version {version}, which this histoloom does not know; update histoloom."
        )
    return list(features), header


def _shape_of(header: Mapping[str, Any]) -> tuple[int, int] | None:
    shape = header.get("shape")
    if isinstance(shape, list) and len(shape) == 2 and all(isinstance(side, int) and side > 0 for side in shape):
        return shape[0], shape[1]
    return None


def _pixel_size_of(header: Mapping[str, Any]) -> float | None:
    size = header.get("pixel_size")
    return float(size) if size is not None and _is_number(size) and size > 0 else None


def _bounding_shape(nuclei: Sequence[Nucleus]) -> tuple[int, int]:
    if not nuclei:
        raise LayoutError("The GeoJSON holds no polygons and no canvas size; give the size of its image.")
    return (
        max(1, *(nucleus.outline.window.y1 for nucleus in nuclei)),
        max(1, *(nucleus.outline.window.x1 for nucleus in nuclei)),
    )


def _classes_of(header: Mapping[str, Any], found: Mapping[str, NucleusClass]) -> tuple[NucleusClass, ...]:
    listed = header.get("classes")
    table: dict[str, NucleusClass] = {}
    if isinstance(listed, list):
        for each in listed:
            if isinstance(each, Mapping) and isinstance(each.get("name"), str):
                color = _color_of(each)
                name = str(each["name"])
                table[name] = NucleusClass(name, color) if color else classes_for([name])[0]
    else:
        table = {each.name: each for each in DEFAULT_CLASSES}
        # A colour chosen in QuPath counts more than our default for the same class.
        table.update({name: each for name, each in found.items() if name in table and name != DEFAULT_CLASS})
    for name, each in found.items():
        table.setdefault(name, each)
    return tuple(table.values())
