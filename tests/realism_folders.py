"""Folders of drawn tiles to compare, and a segmenter that takes what is dark for nuclei."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

from histoloom.models import Bundle, BundleHeader, save_bundle
from histoloom.segmenters.contract import OutputName, SegmenterNetwork
from histoloom.segmenters.registry import build_segmenter, register_architecture

register_architecture("dark-and-random", f"{__name__}:DarkAndRandom")

Picture = NDArray[np.uint8]


class DarkAndRandom(SegmenterNetwork):
    """Takes what absorbs much for nuclei; its features are those of two random convolutions."""

    name = "dark-and-random"
    title = "Dark pixels, random features"
    outputs: tuple[OutputName, ...] = ("classes",)

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.first = torch.nn.Conv2d(3, 16, 3)
        self.second = torch.nn.Conv2d(16, 16, 3)
        with torch.no_grad():
            self.first.bias.zero_()
            # Filters without a mean see detail and no colour.
            self.first.weight[8:] -= self.first.weight[8:].mean((1, 2, 3), keepdim=True)
            self.first.weight[8:] *= 10

    def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        dark = -x.mean(1, keepdim=True) * 20.0
        return {"classes": torch.cat([-dark, dark, dark + 1][: self.classes + 1], 1)}

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))))


def save_segmenter(path: Path, **changes: object) -> Path:
    torch.manual_seed(0)
    network = build_segmenter("dark-and-random", 1)
    values = {
        "kind": "segmenter", "system": "segmenter", "recipe": {"architecture": "dark-and-random"},
        "classes": ("nucleus",), "pixel_size": 0.25, "normalization": "none", **changes,
    }  # fmt: skip
    weights = {name: each.numpy() for name, each in network.state_dict().items()}
    save_bundle(Bundle(BundleHeader(**values), weights), path)  # type: ignore[arg-type]
    return path


def drawn(seed: int, side: int = 128, radius: int = 7) -> tuple[Picture, NDArray[np.uint16]]:
    """Return a picture of dark discs that lie apart, and its label map."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    label_map = np.zeros((side, side), np.uint16)
    for label, (row, column) in enumerate(np.ndindex(side // 32, side // 32), start=1):
        y, x = 32 * row + 16 + random.integers(-6, 7), 32 * column + 16 + random.integers(-6, 7)
        label_map[(rows - y) ** 2 + (columns - x) ** 2 < (radius + random.integers(-2, 3)) ** 2] = label
    picture = np.where(label_map[..., None] > 0, [100, 60, 140], [225, 180, 205]) + random.normal(0, 8, (side, side, 3))
    return picture.clip(0, 255).astype(np.uint8), label_map


def write_folder(
    folder: Path,
    seeds: Sequence[int],
    change: Callable[[Picture], Picture] = lambda picture: picture,
    *,
    ending: str = "",
    labels: bool = True,
    pixel_size: float = 0.25,
    patients: int = 0,
    side: int = 128,
) -> Path:
    """Write a folder of tiles called t0, t1, ... by their seeds, two of each patient."""
    rows = ["id,patient,organ"]
    for part in ("images", "labels") if labels else ("images",):
        (folder / part).mkdir(parents=True)
    for seed in seeds:
        picture, label_map = drawn(seed, side)
        dots = 25400.0 / pixel_size
        name = f"t{seed}{ending}"
        Image.fromarray(change(picture)).save(folder / "images" / f"{name}.png", dpi=(dots, dots))
        if labels:
            tifffile.imwrite(folder / "labels" / f"{name}.tif", label_map)
        rows.append(f"{name},p{seed % patients if patients else ''},{'breast' if seed % 2 else 'colon'}")
    if patients:
        (folder / "meta.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder
