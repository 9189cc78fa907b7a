"""SegNet on VGG16 (Badrinarayanan et al. 2017)."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from histoloom.segmenters.contract import OutputName, SegmenterNetwork
from histoloom.segmenters.vgg16 import BLOCKS, initialize_for_rectifiers


class SegNet(SegmenterNetwork):
    """Figure 2 of the paper: VGG16's 13 convolutions, and 13 more back, which enlarge by the places of the maxima.

    Each but the last is followed by batch norm and ReLU. A pooling keeps where each maximum was, and the decoder puts
    values back there, with zeros between.

    Parameters
    ----------
    classes
        How many classes of nuclei.
    width
        Channels of the first block; 64 in the paper.
    """

    name: ClassVar[str] = "segnet"
    title: ClassVar[str] = "SegNet (VGG16)"
    outputs: ClassVar[tuple[OutputName, ...]] = ("classes",)
    multiple: ClassVar[int] = 32
    imagenet: ClassVar[str] = "vgg16"

    def __init__(self, classes: int, width: int = 64) -> None:
        super().__init__(classes)
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        channels = 3
        for widths, convolutions in BLOCKS:
            inner = width * widths
            self.encoder.append(_convolutions([channels, *[inner] * convolutions]))
            outer = inner if channels == 3 else channels
            self.decoder.insert(0, _convolutions([*[inner] * convolutions, outer]))
            channels = inner
        # The last layer is a classifier, as wide as there are classes, and has neither norm nor ReLU.
        self.decoder[-1] = nn.Sequential(
            _convolutions([width, width]), nn.Conv2d(width, classes + 1, kernel_size=3, padding=1)
        )
        initialize_for_rectifiers(self)

    def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``classes (B, K + 1, H, W)``."""
        x, places = self._encoded(x)  # (B, 512, H/32, W/32)
        for block in self.decoder:
            x = functional.max_unpool2d(x, places.pop(), kernel_size=2)
            x = block(x)  # (B, 512, H/16, W/16) .. (B, 64, H/2, W/2); (B, K + 1, H, W)
        return {"classes": x}

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return what leaves the fifth pooling, ``(B, 512, H/32, W/32)``."""
        return self._encoded(x)[0]

    def imagenet_names(self) -> dict[str, str]:
        """Return the names of VGG16's convolutions; it has no norms, so those begin anew."""
        names: dict[str, str] = {}
        place = 0
        for block, (_, convolutions) in enumerate(BLOCKS):
            for convolution in range(convolutions):
                for each in ("weight", "bias"):
                    names[f"encoder.{block}.{3 * convolution}.{each}"] = f"features.{place}.{each}"
                place += 2
            place += 1
        return names

    def _encoded(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        places = []
        for block in self.encoder:
            x, place = functional.max_pool2d(block(x), kernel_size=2, return_indices=True)
            places.append(place)  # (B, 64, H/2, W/2) .. (B, 512, H/32, W/32)
        return x, places


def _convolutions(channels: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for seen, made in pairwise(channels):
        layers += [nn.Conv2d(seen, made, kernel_size=3, padding=1), nn.BatchNorm2d(made), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
