"""A layout's table as a few flat arrays: exact, compact, and quick to send or to hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError
from histoloom.layouts.classes import NucleusClass
from histoloom.layouts.layout import Layout
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.outline import Outline
from histoloom.layouts.tissue_map import TissueMap

Columns = dict[str, NDArray[Any]]


def nuclei_to_columns(nuclei: Iterable[Nucleus]) -> tuple[Columns, list[str]]:
    """Return nuclei as arrays, and the class names that the column ``class_index`` counts in.

    Parameters
    ----------
    nuclei
        N nuclei; their order is kept.

    Returns
    -------
    columns
        ``id``, ``class_index``, ``z_order``, ``texture_seed`` and ``ring_count`` ``int64 (N,)``; ``anchor`` ``float64
        (N, 2)``; ``angle`` ``float64 (N,)``; ``ring_length`` ``int64 (R,)`` over all R rings; ``vertices`` ``float64
        (V, 2)`` over all rings one after another.
    class_names
        The distinct names, in order of appearance.
    """
    table = list(nuclei)
    class_names = list(dict.fromkeys(nucleus.class_name for nucleus in table))
    position = {name: index for index, name in enumerate(class_names)}
    rings = [ring for nucleus in table for ring in nucleus.outline.rings]
    columns = {
        "id": np.array([nucleus.id for nucleus in table], np.int64),
        "class_index": np.array([position[nucleus.class_name] for nucleus in table], np.int64),
        "z_order": np.array([nucleus.z_order for nucleus in table], np.int64),
        "texture_seed": np.array([nucleus.texture_seed for nucleus in table], np.int64),
        "anchor": np.array([nucleus.anchor for nucleus in table], np.float64).reshape(-1, 2),
        "angle": np.array([nucleus.angle for nucleus in table], np.float64),
        "ring_count": np.array([len(nucleus.outline.rings) for nucleus in table], np.int64),
        "ring_length": np.array([len(ring) for ring in rings], np.int64),
        "vertices": np.concatenate(rings) if rings else np.zeros((0, 2)),
    }
    return columns, class_names


def nuclei_from_columns(columns: Mapping[str, NDArray[Any]], class_names: list[str]) -> list[Nucleus]:
    """Return the nuclei that `nuclei_to_columns` was given, equal to the last bit.

    Raises
    ------
    LayoutError
        If the columns do not fit each other.
    """
    try:
        rings = _split(columns["vertices"], columns["ring_length"])
        shapes = _split(rings, columns["ring_count"])
        rows = zip(
            columns["id"].tolist(),
            shapes,
            columns["class_index"].tolist(),
            columns["z_order"].tolist(),
            columns["texture_seed"].tolist(),
            columns["anchor"].tolist(),
            columns["angle"].tolist(),
            strict=True,
        )
        return [
            Nucleus(key, Outline(shape), class_names[index], z_order, seed, (anchor[0], anchor[1]), angle)
            for key, shape, index, z_order, seed, anchor, angle in rows
        ]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise LayoutError(f"The table of nuclei is damaged ({error}); make it again from its source.") from error


def layout_to_columns(layout: Layout) -> tuple[Columns, dict[str, Any]]:
    """Return a layout as arrays and plain JSON values; nuclei are sorted by id, so equal layouts give equal parts."""
    columns, class_names = nuclei_to_columns(layout.nuclei[key] for key in sorted(layout.nuclei))
    values: dict[str, Any] = {
        "shape": list(layout.shape),
        "pixel_size": layout.pixel_size,
        "classes": [[each.name, *each.color] for each in layout.classes],
        "class_names": class_names,
        "provenance": dict(layout.provenance),
    }
    if layout.tissue_map is not None:
        columns["tissue_map"] = layout.tissue_map.values
        values["tissue_cell_size"] = layout.tissue_map.cell_size
    return columns, values


def layout_from_columns(columns: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Layout:
    """Return the layout that `layout_to_columns` was given."""
    nuclei = nuclei_from_columns(columns, values["class_names"])
    tissue_map = TissueMap(columns["tissue_map"], values["tissue_cell_size"]) if "tissue_map" in columns else None
    return Layout.from_nuclei(
        nuclei,
        (values["shape"][0], values["shape"][1]),
        values["pixel_size"],
        classes=tuple(NucleusClass(name, (red, green, blue)) for name, red, green, blue in values["classes"]),
        tissue_map=tissue_map,
        provenance=values["provenance"],
    )


def layout_fingerprint(layout: Layout) -> str:
    """Return a SHA-256 that two layouts share if and only if `Layout.equals` holds; provenance plays no part."""
    columns, values = layout_to_columns(layout)
    del values["provenance"]
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for name in sorted(columns):
        array = columns[name]
        if np.issubdtype(array.dtype, np.floating):
            array = array + 0.0  # -0.0 equals 0.0 but has other bytes
        digest.update(f"{name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _split(items: Any, lengths: NDArray[Any]) -> list[Any]:
    ends = np.cumsum(lengths)
    if len(items) != (int(ends[-1]) if len(ends) else 0) or (lengths < 0).any():
        raise ValueError("its lengths do not add up")
    return [items[end - length : end] for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)]
