"""A small folder of tiles and labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image


def write_tiles(
    folder: Path,
    tiles: int = 4,
    side: int = 64,
    patients: int | None = None,
    label_side: int | None = None,
    classes: str | int | None = None,
    nuclei: int = 6,
):
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    rows = ["id,patient"]
    for index in range(tiles):
        random = np.random.default_rng(index)
        label_map = np.zeros((max(label_side or 0, side),) * 2, np.uint16)
        for label in range(1, nuclei + 1):
            y, x = random.integers(6, side - 6, 2)
            label_map[y - 5 : y + 5, x - 4 : x + 4] = label * 10
        image = np.full((side, side, 3), (230, 180, 210), np.uint8)
        image[label_map[:side, :side] > 0] = (90, 60, 140)
        noise = random.integers(-15, 16, image.shape)
        Image.fromarray(np.clip(image + noise, 0, 255).astype(np.uint8)).save(folder / "images" / f"t{index}.png")
        label_map = label_map[:label_side, :label_side] if label_side else label_map
        tifffile.imwrite(folder / "labels" / f"t{index}.tif", label_map)
        if classes is not None:
            (folder / "types").mkdir(exist_ok=True)
            (folder / "types" / f"t{index}.json").write_text(
                json.dumps({str(int(label)): classes for label in np.unique(label_map) if label})
            )
        rows.append(f"t{index},p{index % (patients or 1)}")
    if patients:
        (folder / "meta.csv").write_text("\n".join(rows) + "\n")
    return folder
