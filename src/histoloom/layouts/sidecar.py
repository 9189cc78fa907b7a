"""The ``.layout.json`` beside a label map or GeoJSON: all of the table that such files cannot hold."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from histoloom.errors import LayoutError
from histoloom.layouts.classes import NucleusClass
from histoloom.layouts.layout import Layout
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.outline import Outline, as_rings
from histoloom.layouts.tissue_map import TissueMap
from histoloom.writing import write_text

SCHEMA_VERSION = 1
_FORMAT = "histoloom layout"


@dataclass(frozen=True)
class Sidecar:
    """What a sidecar holds.

    Parameters
    ----------
    layout
        The complete layout.
    raster_sha256
        Hash of the label map that was written with it (int32, little-endian, row by row); None beside GeoJSON.
    """

    layout: Layout
    raster_sha256: str | None


def sidecar_path(path: str | Path) -> Path:
    """Return where the sidecar of a label map or GeoJSON lies: ``NAME.layout.json`` beside ``NAME.tif``."""
    return Path(path).with_suffix(".layout.json")


def sidecar_document(layout: Layout, raster_sha256: str | None = None) -> dict[str, Any]:
    """Return a layout as plain JSON values, nothing lost; columns rather than rows keep it short."""
    nuclei = list(layout.nuclei.values())
    tissue = layout.tissue_map
    return {
        "format": _FORMAT,
        "schema_version": SCHEMA_VERSION,
        "shape": list(layout.shape),
        "pixel_size": layout.pixel_size,
        "classes": [{"name": each.name, "color": list(each.color)} for each in layout.classes],
        "nuclei": {
            "id": [nucleus.id for nucleus in nuclei],
            "class": [nucleus.class_name for nucleus in nuclei],
            "z_order": [nucleus.z_order for nucleus in nuclei],
            "texture_seed": [nucleus.texture_seed for nucleus in nuclei],
            "anchor": [list(nucleus.anchor) for nucleus in nuclei],
            "angle": [nucleus.angle for nucleus in nuclei],
            "outline": as_rings([nucleus.outline for nucleus in nuclei]),
        },
        "tissue_map": None if tissue is None else {"cell_size": tissue.cell_size, "values": tissue.values.tolist()},
        "provenance": dict(layout.provenance),
        "raster_sha256": raster_sha256,
    }


def write_sidecar(
    path: str | Path, layout: Layout, raster_sha256: str | None = None, marks: Mapping[str, Any] | None = None
) -> None:
    """Write the sidecar of the label map or GeoJSON at ``path``, whole or not at all, with further marks in it."""
    write_compact_json(sidecar_path(path), {**(marks or {}), **sidecar_document(layout, raster_sha256)})


def write_compact_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON without white space: a hundred thousand vertices would fill as many lines."""
    write_text(path, json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n")


def read_sidecar(path: str | Path) -> Sidecar | None:
    """Read the sidecar of the label map or GeoJSON at ``path``; None if there is none.

    Raises
    ------
    LayoutError
        If there is one that cannot be read, is cut short, or follows a newer schema.
    """
    beside = sidecar_path(path)
    if not beside.exists():
        return None
    try:
        document = json.loads(beside.read_text(encoding="utf-8"))
    except OSError as error:
        raise LayoutError(f"'{beside.name}' cannot be opened ({error.strerror}); check its permissions.") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise _damaged(beside) from error
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise LayoutError(f"'{beside.name}' is not a histoloom layout; move it away to open the file beside it alone.")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise LayoutError(
            f"'{beside.name}' follows schema version {version}, which this histoloom does not know; update histoloom, "
            "or move it away to open the file beside it alone."
        )
    try:
        return Sidecar(layout_of_document(document), document.get("raster_sha256"))
    except _DamagedTissueMap as error:
        raise LayoutError(
            f"The tissue map in '{beside.name}' is damaged; restore the file, or write null in place of its "
            "'tissue_map' to open the nuclei without it."
        ) from error
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError, LayoutError) as error:
        raise _damaged(beside) from error


def layout_of_document(document: Mapping[str, Any]) -> Layout:
    """Return the layout of a sidecar's contents; raises whatever malformed contents raise."""
    columns = document["nuclei"]
    rows = zip(
        columns["id"],
        columns["outline"],
        columns["class"],
        columns["z_order"],
        columns["texture_seed"],
        columns["anchor"],
        columns["angle"],
        strict=True,
    )
    table: dict[int, Nucleus] = {}
    for key, rings, name, z_order, seed, anchor, angle in rows:
        frame = (float(anchor[0]), float(anchor[1]), float(angle))
        if key in table or not all(math.isfinite(part) for part in frame):
            raise ValueError
        table[key] = Nucleus(int(key), Outline(rings), str(name), int(z_order), int(seed), frame[:2], frame[2])
    classes = tuple(
        NucleusClass(each["name"], (each["color"][0], each["color"][1], each["color"][2]))
        for each in document["classes"]
    )
    tissue = document.get("tissue_map")
    tissue_map = None if tissue is None else _tissue_map_of(tissue)
    height, width = document["shape"]
    return Layout(
        table,
        (int(height), int(width)),
        float(document["pixel_size"]),
        classes,
        tissue_map,
        document.get("provenance", {}),
    )


class _DamagedTissueMap(Exception):
    """The tissue map of a sidecar cannot be read, whatever becomes of the rest."""


def _tissue_map_of(entry: Any) -> TissueMap:
    try:
        values = np.array(entry["values"])
        if values.dtype.kind not in "iu" or values.min(initial=0) < 0 or values.max(initial=0) > np.iinfo(np.uint8).max:
            raise ValueError
        return TissueMap(values.astype(np.uint8), operator.index(entry["cell_size"]))
    except (KeyError, TypeError, ValueError, OverflowError, LayoutError) as error:
        raise _DamagedTissueMap from error


def _damaged(path: Path) -> LayoutError:
    return LayoutError(
        f"'{path.name}' is damaged or cut short; restore it, or move it away to open the file beside it alone."
    )
