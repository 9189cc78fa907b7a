"""A segmenter whose weights are set by hand: what is dark is a nucleus, and what is very dark an inflammatory one."""

from __future__ import annotations

from pathlib import Path

import torch

from histoloom.models import Bundle, BundleHeader, save_bundle
from histoloom.segmenters.unet import UNet

CLASSES = ("epithelial", "inflammatory")


def dark_segmenter(path: Path, pixel_size: float = 0.25) -> Path:
    """Save a U-Net whose only live path is its first skip connection, which passes on how dark each pixel is."""
    network = UNet(len(CLASSES), width=2)
    with torch.no_grad():
        for each in network.parameters():
            if each.ndim == 4:
                each.zero_()
        first, second = network.down[0][0], network.down[0][3]
        first.weight[0, :2, 1, 1] = -0.5
        second.weight[0, 0, 1, 1] = 1.0
        network.up[-1][0].weight[0, 0, 1, 1] = 1.0
        network.up[-1][3].weight[0, 0, 1, 1] = 1.0
        network.last.weight[1:, 0, 0, 0] = torch.tensor([40.0, 80.0])
        network.last.bias[:] = torch.tensor([0.0, -10.0, -45.0])
    header = BundleHeader(
        kind="segmenter",
        system="segmenter",
        recipe={"architecture": "unet", "width": 2},
        classes=CLASSES,
        pixel_size=pixel_size,
        normalization="running statistics",
    )
    save_bundle(Bundle(header, {key: each.numpy() for key, each in network.state_dict().items()}), path)
    return path
