"""Discriminators that several systems share."""

from __future__ import annotations

import torch
from torch import nn

from histoloom.generators.networks.layers import BatchStatisticsNorm, initialize_normal


class PatchDiscriminator(nn.Module):
    """PatchGAN of 70 x 70 pixels: C64-C128-C256-C512 and a map of logits (Isola et al. 2017, appendix 6.1.2).

    Parameters
    ----------
    channels
        Of its input; a conditional discriminator gets condition and picture stacked.
    width
        Channels after the first convolution; 64 in the paper.
    """

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        inner = width
        for factor, stride in ((2, 2), (4, 2), (8, 1)):
            # A bias before a norm does nothing.
            layers.append(nn.Conv2d(inner, factor * width, 4, stride, 1, bias=False))
            layers += [BatchStatisticsNorm(factor * width), nn.LeakyReLU(0.2)]
            inner = factor * width
        layers.append(nn.Conv2d(inner, 1, 4, 1, 1))
        self.layers = nn.Sequential(*layers)
        initialize_normal(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits ``(B, 1, H/8 - 2, W/8 - 2)`` of ``x (B, C, H, W)``; above 0 is real."""
        logits: torch.Tensor = self.layers(x)
        return logits
