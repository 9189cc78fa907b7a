"""The CNN of 11 layers of Hou et al. (2019), which says of a patch whether a lymphocyte is at its centre."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from histoloom.errors import SegmenterError
from histoloom.segmenters.hou_layers import SLOPE

PATCH = 75
"""Height and width in pixels of a patch: what one logit depends on (section 5.1 of the paper)."""

STEP = 4
"""Pixels from one patch of a larger picture to the next."""

_KERNELS = ((3, 3), (3, 3), (3, 3, 3, 3, 3, 5))
"""Of the convolutions at each of three sizes; with the last one, which is a pixel wide, 11."""


class HouClassifier(nn.Module):
    """Section 5 of the paper: "a network with 11 convolutional layers for classification", of 75 x 75 patches.

    Paper and authors' notes say no more of it. Ours has two convolutions at the picture's size, two and six at the next
    two, which maximum poolings of 3 x 3 make as those of the authors' discriminator do, and one that ends in the
    logit; no norms, like their other networks. Nothing is padded, so of a larger picture it gives the logits of all
    patches that begin at multiples of `STEP`, each a function of its patch alone.

    Parameters
    ----------
    width
        Channels at the picture's size; each size below has twice those above it.
    """

    name: ClassVar[str] = "hou-classifier"
    title: ClassVar[str] = "11-layer CNN of Hou et al."

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        channels = 3
        for level, kernels in enumerate(_KERNELS):
            layers: list[nn.Module] = []
            for kernel in kernels:
                layers += [nn.Conv2d(channels, width * 2**level, kernel), nn.LeakyReLU(SLOPE)]
                channels = width * 2**level
            self.levels.append(nn.Sequential(*layers))
        self.last = nn.Conv2d(channels, 1, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # Not Glorot's, by which signals fade over eleven layers before anything is learnt.
                nn.init.kaiming_normal_(module.weight, SLOPE)
                nn.init.zeros_(module.bias)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Return logits ``(B, 1, (H - 75) // 4 + 1, (W - 75) // 4 + 1)``; above 0 is a lymphocyte.

        Parameters
        ----------
        picture
            RGB ``float32 (B, 3, H, W)`` in 0..1, sides from `PATCH`.

        Raises
        ------
        SegmenterError
            If the picture is smaller than a patch.
        """
        height, width = picture.shape[2:]
        if min(height, width) < PATCH:
            raise SegmenterError(
                f"A picture of {height} x {width} pixels is smaller than a patch; give one of {PATCH} x {PATCH} or "
                "more."
            )
        x = (4.0 * picture - 2.5).contiguous(memory_format=torch.channels_last)
        x = self.levels[0](x)  # (B, 32, H - 4, W - 4)
        x = self.levels[1](functional.max_pool2d(x, 3, 2))  # (B, 64, about H/2, W/2)
        x = self.levels[2](functional.max_pool2d(x, 3, 2))  # (B, 128, about H/4, W/4)
        logits: torch.Tensor = self.last(x)
        return logits
