"""The U-Net with two outputs of Hou et al. (2019)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from histoloom.segmenters.contract import OutputName, SegmenterNetwork
from histoloom.segmenters.hou_layers import SLOPE, DetectionAndSegmentation, convolutions, initialize_as_glorot

_CONVOLUTIONS = (3, 4, 4, 5, 6)


class HouUNet(SegmenterNetwork):
    """Section 5 of the paper in the numbers of the authors' code: five levels, 39 convolutions of 3 x 3, no norms.

    Of several classes of nuclei a third output, ``classes``, tells which; the paper has one class.

    Parameters
    ----------
    classes
        How many classes of nuclei.
    width
        Channels of the first level; 16 in the code. Each level below has twice those above it.
    """

    name: ClassVar[str] = "hou-unet"
    title: ClassVar[str] = "U-Net of Hou et al."
    outputs: ClassVar[tuple[OutputName, ...]] = ("detection", "segmentation")
    multiple: ClassVar[int] = 16

    def __init__(self, classes: int, width: int = 16) -> None:
        super().__init__(classes)
        widths = [width * 2**level for level in range(len(_CONVOLUTIONS))]
        self.down, self.enlarge, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for channels, inner, count in zip([3, *widths[:-1]], widths, _CONVOLUTIONS, strict=True):
            self.down.append(convolutions(channels, inner, count))
        for inner, outer, count in zip(widths[:0:-1], widths[-2::-1], _CONVOLUTIONS[-2::-1], strict=True):
            self.enlarge.append(nn.ConvTranspose2d(inner, inner, kernel_size=2, stride=2))
            self.up.append(convolutions(inner + outer, outer, count))
        self.last = DetectionAndSegmentation(width, classes)
        initialize_as_glorot(self)
        if classes > 1:
            self.outputs = (*type(self).outputs, "classes")  # type: ignore[misc]  # more than the published ones

    def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``detection`` and ``segmentation (B, 1, H, W)``; of several classes, ``classes (B, K + 1, H, W)``."""
        *skips, x = self._levels(x)  # (B, 16, H, W) .. (B, 128, H/8, W/8); (B, 256, H/16, W/16)
        for enlarge, up in zip(self.enlarge, self.up, strict=True):
            x = functional.leaky_relu(enlarge(x), SLOPE)
            x = up(torch.cat([x, skips.pop()], dim=1))  # (B, 128, H/8, W/8) .. (B, 16, H, W)
        answers: dict[str, torch.Tensor] = self.last(x)
        return answers

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the lowest level's features ``(B, 256, H/16, W/16)``."""
        return self._levels(x)[-1]

    def _levels(self, x: torch.Tensor) -> list[torch.Tensor]:
        levels: list[torch.Tensor] = []
        for down in self.down:
            x = down(functional.max_pool2d(x, 2) if levels else x)
            levels.append(x)
        return levels
