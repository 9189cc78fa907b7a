"""The CNN of 15 layers of Hou et al. (2019)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch.nn import functional

from histoloom.segmenters.contract import OutputName, SegmenterNetwork
from histoloom.segmenters.hou_layers import DetectionAndSegmentation, convolutions, initialize_as_glorot


class HouCNN(SegmenterNetwork):
    """Section 5 of the paper: 15 convolutions and 2 poolings to detect and to segment.

    Paper and code say no more of it. Ours has three convolutions at each of three sizes, and three and two on the way
    back to the picture's, without the U-Net's skips. Its layers are those of the authors' U-Net but twice as wide, as
    the paper calls the U-Net the cheaper of the two. Of several classes a third output, ``classes``, tells which.

    Parameters
    ----------
    classes
        How many classes of nuclei.
    width
        Channels at the picture's size; each size below has twice those above it.
    """

    name: ClassVar[str] = "hou-cnn"
    title: ClassVar[str] = "15-layer CNN of Hou et al."
    outputs: ClassVar[tuple[OutputName, ...]] = ("detection", "segmentation")
    multiple: ClassVar[int] = 4

    def __init__(self, classes: int, width: int = 32) -> None:
        super().__init__(classes)
        self.first = convolutions(3, width, 3)
        self.second = convolutions(width, 2 * width, 3)
        self.third = convolutions(2 * width, 4 * width, 3)
        self.fourth = convolutions(4 * width, 2 * width, 3)
        self.fifth = convolutions(2 * width, width, 2)
        self.last = DetectionAndSegmentation(width, classes)
        initialize_as_glorot(self)
        if classes > 1:
            self.outputs = (*type(self).outputs, "classes")  # type: ignore[misc]  # more than the published ones

    def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``detection`` and ``segmentation (B, 1, H, W)``; of several classes, ``classes (B, K + 1, H, W)``."""
        x = self.encode(x)  # (B, 128, H/4, W/4)
        x = self.fourth(_enlarged(x))  # (B, 64, H/2, W/2)
        x = self.fifth(_enlarged(x))  # (B, 32, H, W)
        answers: dict[str, torch.Tensor] = self.last(x)
        return answers

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features ``(B, 128, H/4, W/4)`` after the second pooling's convolutions."""
        x = functional.max_pool2d(self.first(x), 2)  # (B, 32, H/2, W/2)
        x = functional.max_pool2d(self.second(x), 2)  # (B, 64, H/4, W/4)
        deepest: torch.Tensor = self.third(x)
        return deepest


def _enlarged(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
