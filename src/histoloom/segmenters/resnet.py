"""Residual networks of 18, 34 and 50 layers (He et al. 2016), the encoders of DeepLabv3+ and of one HoVer-Net."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional

Layers = Literal[18, 34, 50]

_BLOCKS: dict[int, tuple[int, int, int, int]] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
_BOTTLENECK = 4


class ResNet(nn.Module):
    """Table 1 of the paper, without its classifier.

    Names of weights are torchvision's, so that its ImageNet weights fit as they are. As there, a bottleneck halves the
    size in its 3 x 3 convolution.

    Parameters
    ----------
    layers
        18 and 34 have blocks of two convolutions, 50 has bottlenecks.
    width
        Channels of the first convolution; 64 in the paper.
    atrous
        The last stage keeps its size and looks twice as far instead (Chen et al. 2018): the output is 1/16.
    whole
        The first convolution keeps the size and nothing is pooled, as in HoVer-Net (Graham et al. 2019): the stages
        have 1, 1/2, 1/4 and 1/8 of the picture's size.
    """

    def __init__(self, layers: Layers, width: int = 64, *, atrous: bool = False, whole: bool = False) -> None:
        super().__init__()
        block = _Bottleneck if layers == 50 else _Basic
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=1 if whole else 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool = nn.Identity() if whole else nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.widths = tuple(width * 2**stage * block.expansion for stage in range(4))
        """Channels of each stage's output."""
        outer = width
        for stage, blocks in enumerate(_BLOCKS[layers]):
            stays = stage == 0 or (atrous and stage == 3)
            made: list[nn.Module] = []
            for index in range(blocks):
                stride = 1 if stays or index else 2
                dilation = 2 if atrous and stage == 3 and index else 1
                made.append(block(outer, width * 2**stage, stride, dilation))
                outer = self.widths[stage]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*made))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the four stages' outputs: ``(B, 64, H/4, W/4)`` to ``(B, 512, H/32, W/32)``, of ``(B, 3, H, W)``.

        Of 50 layers the channels are four times those.
        """
        x = self.pool(functional.relu(self.bn1(self.conv1(x))))  # (B, 64, H/4, W/4)
        stages = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            stages.append(x)
        return stages


class _Basic(nn.Module):
    """Figure 5, left."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = _convolution(channels, width, stride, dilation)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, 1, dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(channels, width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        residual = functional.relu(self.bn1(self.conv1(x)))
        residual = self.bn2(self.conv2(residual))
        return functional.relu(self.downsample(x) + residual)


class _Bottleneck(nn.Module):
    """Figure 5, right."""

    expansion = _BOTTLENECK

    def __init__(self, channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, stride, dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, _BOTTLENECK * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(_BOTTLENECK * width)
        self.downsample = _shortcut(channels, _BOTTLENECK * width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        residual = functional.relu(self.bn1(self.conv1(x)))
        residual = functional.relu(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        return functional.relu(self.downsample(x) + residual)


def _convolution(channels: int, width: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=dilation, dilation=dilation, bias=False)


def _shortcut(channels: int, width: int, stride: int) -> nn.Module:
    """Return a projection where the sizes differ (option B), else what passes all on."""
    if stride == 1 and channels == width:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels, width, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(width))
