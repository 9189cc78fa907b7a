"""The mini FC-DenseNet of 42 layers (Jégou et al. 2017; Li et al. 2022, section 3.2)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from histoloom.segmenters.contract import OutputName, SegmenterNetwork
from histoloom.segmenters.vgg16 import initialize_for_rectifiers

_POOLINGS = 4
_LAYERS = 4
_FIRST = 48
_DROPOUT = 0.2


class FCDenseNet(SegmenterNetwork):
    """Figure 1 of Jégou et al.: dense blocks down and up, where a layer sees all before it in its block.

    The pyramid paper says that it has 42 layers and about a million weights, and no more than that. Four poolings, four
    layers a block and a growth of 12 from 48 channels are 42 convolutions and 0.98 M weights: our inference. The four
    transposed convolutions are not among the 42, though Jégou et al. count them in the names of theirs.

    Parameters
    ----------
    classes
        How many classes of nuclei.
    width
        Channels that each layer adds, the growth rate. The first convolution has 4 times as many.
    """

    name: ClassVar[str] = "fcdensenet"
    title: ClassVar[str] = "Mini FC-DenseNet"
    outputs: ClassVar[tuple[OutputName, ...]] = ("classes",)
    multiple: ClassVar[int] = 2**_POOLINGS

    def __init__(self, classes: int, width: int = 12) -> None:
        super().__init__(classes)
        channels, new = _FIRST * width // 12, _LAYERS * width
        self.first = nn.Conv2d(3, channels, kernel_size=3, padding=1)
        self.down, self.halve = nn.ModuleList(), nn.ModuleList()
        skipped = []
        for _ in range(_POOLINGS):
            self.down.append(_DenseBlock(channels, width))
            channels += new
            skipped.append(channels)
            self.halve.append(_transition_down(channels))
        self.deepest = _DenseBlock(channels, width)
        self.enlarge, self.up = nn.ModuleList(), nn.ModuleList()
        for skip in reversed(skipped):
            self.enlarge.append(nn.ConvTranspose2d(new, new, kernel_size=3, stride=2))
            self.up.append(_DenseBlock(new + skip, width))
        self.last = nn.Conv2d(new + skipped[0] + new, classes + 1, kernel_size=1)
        initialize_for_rectifiers(self)

    def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``classes (B, K + 1, H, W)``."""
        x, skips = self._halved(x)  # (B, 240, H/16, W/16)
        new = self.deepest(x)  # (B, 48, H/16, W/16)
        for enlarge, up in zip(self.enlarge, self.up, strict=True):
            skip = skips.pop()
            height, width = skip.shape[2:]
            # Only what a block has made is enlarged, or channels would grow without end (section 3.3).
            x = torch.cat([skip, enlarge(new)[:, :, :height, :width]], dim=1)  # (B, 288, H/8, W/8) .. (B, 144, H, W)
            new = up(x)  # (B, 48, H/8, W/8) .. (B, 48, H, W)
        return {"classes": self.last(torch.cat([x, new], dim=1))}

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return all that the deepest block saw and made, ``(B, 288, H/16, W/16)``."""
        x, _ = self._halved(x)
        return torch.cat([x, self.deepest(x)], dim=1)

    def _halved(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        x = self.first(x)  # (B, 48, H, W)
        skips = []
        for down, halve in zip(self.down, self.halve, strict=True):
            x = torch.cat([x, down(x)], dim=1)  # (B, 96, H, W) .. (B, 240, H/8, W/8)
            skips.append(x)
            x = halve(x)
        return x, skips


class _DenseBlock(nn.Module):
    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(channels + index * growth),
                nn.ReLU(),
                nn.Conv2d(channels + index * growth, growth, kernel_size=3, padding=1),
                nn.Dropout(_DROPOUT),
            )
            for index in range(_LAYERS)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the layers made, ``(B, 4 growth, H, W)``, without what the block was given."""
        made: list[torch.Tensor] = []
        for layer in self.layers:
            made.append(layer(torch.cat([x, *made], dim=1)))
        return torch.cat(made, dim=1)


def _transition_down(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel_size=1),
        nn.Dropout(_DROPOUT),
        nn.MaxPool2d(2),
    )
