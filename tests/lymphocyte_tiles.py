"""A small folder of tiles whose labels tell lymphocytes from other nuclei."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image


def write_lymphocyte_tiles(folder: Path, tiles: int = 6, side: int = 192) -> Path:
    """Write pictures of round, dark nuclei of 5 µm (class 2) and of pale, long ones (class 3)."""
    for name in ("images", "labels", "types"):
        (folder / name).mkdir(parents=True)
    rows, columns = np.mgrid[:side, :side]
    for index in range(tiles):
        random = np.random.default_rng(index)
        label_map, types = np.zeros((side, side), np.uint16), {}
        image = np.full((side, side, 3), (228, 190, 215), np.float64)
        places = [(y, x) for y in range(24, side - 20, 36) for x in range(24, side - 20, 36)]
        for label, (y, x) in enumerate(places, start=1):
            y, x = y + random.integers(-4, 5), x + random.integers(-4, 5)
            is_lymphocyte = bool(random.integers(2))
            reach = (10, 10) if is_lymphocyte else (8, 15)
            inside = ((rows - y) / reach[0]) ** 2 + ((columns - x) / reach[1]) ** 2 <= 1
            label_map[inside], types[str(label)] = label, 2 if is_lymphocyte else 3
            image[inside] = (70, 45, 120) if is_lymphocyte else (160, 120, 185)
        image += random.integers(-12, 13, image.shape)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"t{index}.png")
        tifffile.imwrite(folder / "labels" / f"t{index}.tif", label_map)
        (folder / "types" / f"t{index}.json").write_text(json.dumps(types))
    return folder
