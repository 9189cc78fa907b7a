"""HoVer-Net with ResNet34 for its encoder, as DAFF-GAN is measured with."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from histoloom.segmenters.contract import OutputName, SegmenterNetwork
from histoloom.segmenters.hovernet_branches import HoVerNetBranches, monai_hovernet
from histoloom.segmenters.imagenet import same_names
from histoloom.segmenters.resnet import ResNet

_DECODED = (256, 512, 1024, 1024)
"""Channels of what HoVer-Net's decoders see, of each of the encoder's four sizes."""


class HoVerNetResNet34(SegmenterNetwork):
    """Table I of the DAFF-GAN paper: HoVer-Net (Graham et al. 2019) with the encoder of Qu et al. (2019).

    The paper says no more. The encoder is ResNet34 (He et al. 2016), which keeps the picture's size at first, as
    HoVer-Net's does; 1 x 1 convolutions widen its features to those that the decoders see, which stay as they are.

    Parameters
    ----------
    classes
        How many classes of nuclei.
    """

    name: ClassVar[str] = "hovernet-resnet34"
    title: ClassVar[str] = "HoVer-Net (ResNet34)"
    outputs: ClassVar[tuple[OutputName, ...]] = ("nucleus", "offsets", "classes")
    multiple: ClassVar[int] = 8
    imagenet: ClassVar[str] = "resnet34"

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.encoder = ResNet(34, whole=True)
        self.widen = nn.ModuleList(
            nn.Conv2d(own, decoded, kernel_size=1, bias=False)
            for own, decoded in zip(self.encoder.widths, _DECODED, strict=True)
        )
        self.branches = HoVerNetBranches(monai_hovernet(classes))

    def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``nucleus (B, 1, H, W)``, ``offsets (B, 2, H, W)`` and ``classes (B, K + 1, H, W)``."""
        stages = self.encoder(x)  # (B, 64, H, W) .. (B, 512, H/8, W/8)
        *encoded, deepest = [widen(stage) for widen, stage in zip(self.widen, stages, strict=True)]
        outputs: dict[str, torch.Tensor] = self.branches(deepest, encoded)
        return outputs

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last stage of ResNet34, ``(B, 512, H/8, W/8)``."""
        features: torch.Tensor = self.encoder(x)[-1]
        return features

    def imagenet_names(self) -> dict[str, str]:
        """Return the names of ResNet34, which are torchvision's."""
        return same_names(self.encoder, "encoder")
