"""Weights with the names and shapes of torchvision's inception_v3, written down apart from the network."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from histoloom.segmenters import imagenet

Shapes = dict[str, tuple[int, ...]]


def _unit(name: str, channels: int, width: int, height: int, breadth: int) -> Shapes:
    norms: Shapes = {f"{name}.bn.{each}": (width,) for each in ("weight", "bias", "running_mean", "running_var")}
    return {f"{name}.conv.weight": (width, channels, height, breadth), **norms, f"{name}.bn.num_batches_tracked": ()}


def _block(name: str, channels: int, units: str) -> Shapes:
    """Read units such as ``branch5x5_2 48>64 5x5``; one without a first number sees what the block sees."""
    shapes: Shapes = {}
    for unit in units.split(","):
        path, widths, kernel = unit.split()
        seen, made = widths.split(">")
        shapes |= _unit(f"{name}.{path}", int(seen or channels), int(made), *map(int, kernel.split("x")))
    return shapes


def inception_shapes() -> Shapes:
    shapes = {
        **_unit("Conv2d_1a_3x3", 3, 32, 3, 3),
        **_unit("Conv2d_2a_3x3", 32, 32, 3, 3),
        **_unit("Conv2d_2b_3x3", 32, 64, 3, 3),
        **_unit("Conv2d_3b_1x1", 64, 80, 1, 1),
        **_unit("Conv2d_4a_3x3", 80, 192, 3, 3),
    }
    for name, channels, pooled in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        shapes |= _block(
            f"Mixed_{name}",
            channels,
            "branch1x1 >64 1x1,branch5x5_1 >48 1x1,branch5x5_2 48>64 5x5,branch3x3dbl_1 >64 1x1,"
            f"branch3x3dbl_2 64>96 3x3,branch3x3dbl_3 96>96 3x3,branch_pool >{pooled} 1x1",
        )
    shapes |= _block(
        "Mixed_6a",
        288,
        "branch3x3 >384 3x3,branch3x3dbl_1 >64 1x1,branch3x3dbl_2 64>96 3x3,branch3x3dbl_3 96>96 3x3",
    )
    for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        shapes |= _block(
            f"Mixed_{name}",
            768,
            f"branch1x1 >192 1x1,branch7x7_1 >{width} 1x1,branch7x7_2 {width}>{width} 1x7,"
            f"branch7x7_3 {width}>192 7x1,branch7x7dbl_1 >{width} 1x1,branch7x7dbl_2 {width}>{width} 7x1,"
            f"branch7x7dbl_3 {width}>{width} 1x7,branch7x7dbl_4 {width}>{width} 7x1,"
            f"branch7x7dbl_5 {width}>192 1x7,branch_pool >192 1x1",
        )
    shapes |= {**_unit("AuxLogits.conv0", 768, 128, 1, 1), **_unit("AuxLogits.conv1", 128, 768, 5, 5)}
    shapes |= {"AuxLogits.fc.weight": (1000, 768), "AuxLogits.fc.bias": (1000,)}
    shapes |= _block(
        "Mixed_7a",
        768,
        "branch3x3_1 >192 1x1,branch3x3_2 192>320 3x3,branch7x7x3_1 >192 1x1,branch7x7x3_2 192>192 1x7,"
        "branch7x7x3_3 192>192 7x1,branch7x7x3_4 192>192 3x3",
    )
    for name, channels in (("7b", 1280), ("7c", 2048)):
        shapes |= _block(
            f"Mixed_{name}",
            channels,
            "branch1x1 >320 1x1,branch3x3_1 >384 1x1,branch3x3_2a 384>384 1x3,branch3x3_2b 384>384 3x1,"
            "branch3x3dbl_1 >448 1x1,branch3x3dbl_2 448>384 3x3,branch3x3dbl_3a 384>384 1x3,"
            "branch3x3dbl_3b 384>384 3x1,branch_pool >192 1x1",
        )
    return shapes | {"fc.weight": (1000, 2048), "fc.bias": (1000,)}


def drawn_weights() -> dict[str, torch.Tensor]:
    """Return random weights that keep the size of what passes them, the same ones always."""
    shapes = inception_shapes()
    total = sum(torch.Size(shape).numel() for shape in shapes.values())
    # The same numbers again and again: drawing millions of them would take longer than the network.
    numbers = torch.from_numpy(np.resize(np.random.default_rng(0).standard_normal(100_003).astype(np.float32), total))
    weights, start = {}, 0
    for name, shape in shapes.items():
        count = torch.Size(shape).numel()
        drawn = numbers[start : start + count].reshape(shape)
        start += count
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.zeros((), dtype=torch.int64)
        elif name.endswith("conv.weight"):
            weights[name] = drawn * (2.0 / (count / shape[0])) ** 0.5
        elif name.endswith(("bn.weight", "running_var")):
            weights[name] = 1.0 + 0.1 * drawn.tanh()
        else:
            weights[name] = 0.1 * drawn
    return weights


def save_as_published(weights: dict[str, torch.Tensor], folder: Path) -> Path:
    """Write weights to a file with the beginning of its hash in its name."""
    torch.save(weights, folder / "new.pth")
    digest = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()
    return (folder / "new.pth").rename(folder / f"inception_v3_google-{digest[:8]}.pth")


def stand_in_for_torchvision(file: Path, home: Path, monkeypatch: pytest.MonkeyPatch, *, kept: bool) -> Path:
    """Take a file for the published one; return where torch.hub keeps it, or where the server offers it."""
    places = home / "hub" / "checkpoints", home / "server"
    for folder in places:
        folder.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(home))
    monkeypatch.setattr(imagenet, "_SERVER", places[1].as_uri())
    monkeypatch.setitem(imagenet.IMAGENET_FILES, "inception_v3", file.name)
    place = places[0 if kept else 1] / file.name
    place.symlink_to(file)
    return place
