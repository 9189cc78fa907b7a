"""The file of an autosave: the layout's table as a few arrays.

A GeoJSON of 5,000 traced nuclei keeps Python's lock for a second while its text is made (measured), which a viewer
feels even from another thread. Arrays are gathered in steps that let go of the lock, and written without it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from histoloom.errors import LayoutError
from histoloom.layouts import Layout, Nucleus, NucleusClass, Outline, TissueMap
from histoloom.writing import written_whole


def write_autosave(layout: Layout, path: Path) -> None:
    """Write a layout, whole or not at all.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    nuclei = list(layout.nuclei.values())
    rings = [ring for each in nuclei for ring in each.outline.rings]
    names = [each.name for each in layout.classes]
    header = {
        "shape": layout.shape,
        "pixel_size": layout.pixel_size,
        "classes": [[each.name, each.color] for each in layout.classes],
        "provenance": dict(layout.provenance),
        "cell_size": layout.tissue_map.cell_size if layout.tissue_map is not None else 0,
    }
    arrays: dict[str, Any] = {
        "header": np.frombuffer(json.dumps(header).encode("utf-8"), np.uint8),
        "whole": np.array(
            [
                (each.id, each.z_order, each.texture_seed, names.index(each.class_name), len(each.outline.rings))
                for each in nuclei
            ],
            np.int64,
        ).reshape(-1, 5),
        "frames": np.array([(*each.anchor, each.angle) for each in nuclei], np.float64).reshape(-1, 3),
        "lengths": np.array([len(ring) for ring in rings], np.int64),
        "vertices": np.concatenate(rings) if rings else np.zeros((0, 2)),
        "tissues": layout.tissue_map.values if layout.tissue_map is not None else np.zeros((0, 0), np.uint8),
    }
    with written_whole(path) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_autosave(path: Path) -> Layout:
    """Read a layout back, exactly as it was.

    Raises
    ------
    LayoutError
        If the file is damaged or gone.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            header = json.loads(arrays["header"].tobytes().decode("utf-8"))
            vertices = np.split(arrays["vertices"], np.cumsum(arrays["lengths"])[:-1])
            whole, frames, tissues = arrays["whole"], arrays["frames"], arrays["tissues"]
        classes = tuple(NucleusClass(name, (int(r), int(g), int(b))) for name, (r, g, b) in header["classes"])
        nuclei = []
        first = 0
        for (key, z_order, seed, class_index, count), (y, x, angle) in zip(
            whole.tolist(), frames.tolist(), strict=True
        ):
            outline = Outline(vertices[first : first + count])
            first += count
            nuclei.append(Nucleus(key, outline, classes[class_index].name, z_order, seed, (y, x), angle))
        tissue_map = TissueMap(tissues, int(header["cell_size"])) if header["cell_size"] else None
        height, width = header["shape"]
        return Layout.from_nuclei(
            nuclei,
            (height, width),
            header["pixel_size"],
            classes=classes,
            tissue_map=tissue_map,
            provenance=header["provenance"],
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError, EOFError) as error:
        raise LayoutError(
            f"The autosave '{path.name}' cannot be read ({error}); it was damaged, and drawing starts anew."
        ) from error
