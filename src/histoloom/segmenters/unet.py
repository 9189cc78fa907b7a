"""The U-Net (Ronneberger et al. 2015)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from histoloom.segmenters.contract import OutputName, SegmenterNetwork


class UNet(SegmenterNetwork):
    """Figure 1 of the paper: four halvings, two 3 x 3 convolutions a level, and each level's features seen again.

    Two things differ from it, as in most of today's: convolutions are padded, so that the output has the picture's
    size, and batch norm follows each (Ioffe & Szegedy 2015), its running statistics in use. At width 64 and 2 outputs
    it has the paper's 31.0 M weights.

    Parameters
    ----------
    classes
        How many classes of nuclei.
    width
        Channels of the first level; 64 in the paper. Each level below has twice those above it.
    """

    name: ClassVar[str] = "unet"
    title: ClassVar[str] = "U-Net"
    outputs: ClassVar[tuple[OutputName, ...]] = ("classes",)
    multiple: ClassVar[int] = 16

    def __init__(self, classes: int, width: int = 64) -> None:
        super().__init__(classes)
        widths = [width * 2**level for level in range(5)]
        self.down = nn.ModuleList(
            _two_convolutions(outer, inner) for outer, inner in zip([3, *widths[:-1]], widths, strict=True)
        )
        self.halve = nn.MaxPool2d(2)
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose2d(2 * each, each, kernel_size=2, stride=2) for each in reversed(widths[:-1])
        )
        self.up = nn.ModuleList(_two_convolutions(2 * each, each) for each in reversed(widths[:-1]))
        self.last = nn.Conv2d(width, classes + 1, kernel_size=1)

    def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``classes (B, K + 1, H, W)``."""
        *skips, x = self._levels(x)  # (B, 64, H, W) .. (B, 512, H/8, W/8); (B, 1024, H/16, W/16)
        for enlarge, up in zip(self.enlarge, self.up, strict=True):
            x = up(torch.cat([skips.pop(), enlarge(x)], dim=1))  # (B, 512, H/8, W/8) .. (B, 64, H, W)
        return {"classes": self.last(x)}

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the lowest level's features ``(B, 1024, H/16, W/16)``."""
        return self._levels(x)[-1]

    def _levels(self, x: torch.Tensor) -> list[torch.Tensor]:
        levels: list[torch.Tensor] = []
        for down in self.down:
            x = down(self.halve(x) if levels else x)
            levels.append(x)
        return levels


def _two_convolutions(channels: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for seen in (channels, width):
        layers += [nn.Conv2d(seen, width, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers)
