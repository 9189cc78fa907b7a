"""A small U-Net with the outputs of HoVer-Net, made for laptops' processors."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from histoloom.segmenters.contract import OutputName, SegmenterNetwork


class HoVerUNet(SegmenterNetwork):
    """One U-Net (Ronneberger et al. 2015) with HoVer-Net's three outputs (Graham et al. 2019) from one decoder.

    Nothing is computed at the picture's own size, where most of a U-Net's time goes: each 2 x 2 pixels enter as one
    with twelve channels, and each leaves as 2 x 2 pixels (sub-pixel convolution, Shi et al. 2016). Blocks are residual
    (He et al. 2016), and the decoder adds what the encoder saw, as HoVer-Net's does.

    Parameters
    ----------
    classes
        How many classes of nuclei.
    width
        Channels of the first level; the second has twice, the third and the fourth four times as many. Processors are
        fastest with multiples of 16.
    """

    name: ClassVar[str] = "hover-unet"
    title: ClassVar[str] = "Small U-Net with HoVer-Net's outputs"
    outputs: ClassVar[tuple[OutputName, ...]] = ("nucleus", "offsets", "classes")
    multiple: ClassVar[int] = 16

    def __init__(self, classes: int, width: int = 32) -> None:
        super().__init__(classes)
        widths = [width, 2 * width, 4 * width, 4 * width]
        self.enter = _convolution(12, width)
        self.down = nn.ModuleList(_Residual(each) for each in widths)
        self.deepen = nn.ModuleList(_convolution(outer, inner) for outer, inner in pairwise(widths))
        self.halve = nn.MaxPool2d(2)
        self.narrow = nn.ModuleList(
            nn.Conv2d(inner, outer, kernel_size=1) for outer, inner in reversed(list(pairwise(widths)))
        )
        self.up = nn.ModuleList(
            nn.Sequential(_convolution(each, each), _Residual(each)) for each in reversed(widths[:-1])
        )
        self._channels = (1, 2, classes + 1)
        self.last = nn.Sequential(_convolution(width, width), nn.Conv2d(width, 4 * sum(self._channels), kernel_size=1))

    def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``nucleus (B, 1, H, W)``, ``offsets (B, 2, H, W)`` and ``classes (B, K + 1, H, W)``."""
        *skips, x = self._levels(x)  # (B, 32, H/2, W/2) .. (B, 128, H/8, W/8); (B, 128, H/16, W/16)
        for narrow, up in zip(self.narrow, self.up, strict=True):
            # Narrowed first, which is the same and takes a quarter of the time.
            x = functional.interpolate(narrow(x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = up(x + skips.pop())  # (B, 128, H/8, W/8) .. (B, 32, H/2, W/2)
        pixels = functional.pixel_shuffle(self.last(x), 2)  # (B, 1 + 2 + K + 1, H, W)
        nucleus, offsets, classes = pixels.split(self._channels, dim=1)
        return {"nucleus": nucleus, "offsets": offsets, "classes": classes}

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the lowest level's features ``(B, 128, H/16, W/16)``."""
        return self._levels(x)[-1]

    def _levels(self, x: torch.Tensor) -> list[torch.Tensor]:
        pixels = functional.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)  # (B, 12, H/2, W/2)
        x = self.enter(pixels)  # (B, 32, H/2, W/2)
        levels = [self.down[0](x)]
        for deepen, down in zip(self.deepen, list(self.down)[1:], strict=True):
            levels.append(down(deepen(self.halve(levels[-1]))))
        return levels


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(x + self.second(self.first(x)))


def _convolution(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
    )
