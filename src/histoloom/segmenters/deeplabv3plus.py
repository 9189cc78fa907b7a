"""DeepLabv3+ on residual networks (Chen et al. 2018)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from histoloom.segmenters.contract import OutputName, SegmenterNetwork
from histoloom.segmenters.imagenet import same_names
from histoloom.segmenters.resnet import Layers, ResNet

_RATES = (6, 12, 18)
_PYRAMID = 256
_LOW = 48
_DROPOUT = 0.1
"""Of the authors' code; the paper names none."""


class DeepLabV3Plus(SegmenterNetwork):
    """Figure 2 of the paper with ResNet's encoder at 1/16 of the size: atrous pyramid, and a decoder that sees 1/4.

    Convolutions are plain, as the paper's with ResNet-101; separable ones are its Xception's.

    Parameters
    ----------
    classes
        How many classes of nuclei.
    width
        Channels of the encoder's first convolution; 64 in the papers. Pyramid and decoder have 4 times as many.
    """

    multiple: ClassVar[int] = 16
    outputs: ClassVar[tuple[OutputName, ...]] = ("classes",)
    imagenet: ClassVar[str]
    layers: ClassVar[Layers]

    def __init__(self, classes: int, width: int = 64) -> None:
        super().__init__(classes)
        pyramid, low = _PYRAMID * width // 64, _LOW * width // 64
        self.encoder = ResNet(self.layers, width, atrous=True)
        self.pyramid = AtrousSpatialPyramid(self.encoder.widths[3], pyramid)
        self.low = _convolution(self.encoder.widths[0], low, kernel=1)
        self.decoder = nn.Sequential(_convolution(pyramid + low, pyramid), _convolution(pyramid, pyramid))
        self.last = nn.Conv2d(pyramid, classes + 1, kernel_size=1)

    def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``classes (B, K + 1, H, W)``."""
        size = x.shape[2:]
        low, *_, high = self.encoder(x)  # (B, 64, H/4, W/4), (B, 512, H/16, W/16)
        high = _enlarged(self.pyramid(high), low.shape[2:])  # (B, 256, H/4, W/4)
        x = self.decoder(torch.cat([high, self.low(low)], dim=1))  # (B, 304, H/4, W/4) to (B, 256, H/4, W/4)
        return {"classes": _enlarged(self.last(x), size)}

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last stage of the ResNet, ``(B, 512, H/16, W/16)``; of 50 layers four times the channels."""
        features: torch.Tensor = self.encoder(x)[-1]
        return features

    def imagenet_names(self) -> dict[str, str]:
        """Return the names of the ResNet, which are torchvision's."""
        return same_names(self.encoder, "encoder")


class DeepLabV3PlusResNet18(DeepLabV3Plus):
    """On ResNet18."""

    name: ClassVar[str] = "deeplabv3plus-resnet18"
    title: ClassVar[str] = "DeepLabv3+ (ResNet18)"
    imagenet: ClassVar[str] = "resnet18"
    layers: ClassVar[Layers] = 18


class DeepLabV3PlusResNet50(DeepLabV3Plus):
    """On ResNet50."""

    name: ClassVar[str] = "deeplabv3plus-resnet50"
    title: ClassVar[str] = "DeepLabv3+ (ResNet50)"
    imagenet: ClassVar[str] = "resnet50"
    layers: ClassVar[Layers] = 50


class AtrousSpatialPyramid(nn.Module):
    """One 1 x 1 convolution, three 3 x 3 of rates 6, 12 and 18, and the picture's mean, side by side.

    Section 3.3 of Chen et al. 2017, which this one takes over.

    Parameters
    ----------
    channels
        Of what it sees.
    width
        Channels of each part, and of what it returns.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            [_convolution(channels, width, kernel=1), *(_convolution(channels, width, rate=rate) for rate in _RATES)]
        )
        self.mean = nn.Sequential(nn.Conv2d(channels, width, kernel_size=1, bias=False), _NormOfMeans(width), nn.ReLU())
        self.together = _convolution(width * (len(self.parts) + 1), width, kernel=1)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``(B, width, h, w)`` of ``(B, channels, h, w)``."""
        mean = self.mean(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        x = torch.cat([*(part(x) for part in self.parts), mean], dim=1)
        together: torch.Tensor = self.dropout(self.together(x))
        return together


class _NormOfMeans(nn.BatchNorm2d):
    """Batch norm of one value a channel and picture: of a single picture there are no statistics but the running."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and len(x) == 1:
            return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        normalized: torch.Tensor = super().forward(x)
        return normalized


def _convolution(channels: int, width: int, kernel: int = 3, rate: int = 1) -> nn.Sequential:
    padding = rate * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel, padding=padding, dilation=rate, bias=False), nn.BatchNorm2d(width), nn.ReLU()
    )


def _enlarged(x: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
