"""Layers that several published networks share."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class BatchStatisticsNorm(nn.BatchNorm2d):
    """Batch normalization that always uses the statistics of its batch, in training and in use alike.

    This is what pix2pix does (Isola et al. 2017, section 3.3): at batch size 1 it is instance normalization.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, track_running_stats=False)


class ScaleAndShift(nn.Module):
    """What is left of a normalization where each channel is one number, whose statistics would erase it.

    Has the normalization's two numbers for each channel, and takes no statistics.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``(B, C, H, W)``, each channel scaled and shifted."""
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class NoiseDropout(nn.Module):
    """Dropout that is on in training and in use alike: the noise of pix2pix (Isola et al. 2017, section 3.2)."""

    def __init__(self, probability: float = 0.5) -> None:
        super().__init__()
        self.probability = probability
        self.random: torch.Generator | None = None
        """Of the CPU; where there is one, all noise is drawn from it and not from torch's own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` with a random half of its values at 0 and the others doubled."""
        if self.random is None:
            return functional.dropout(x, self.probability, training=True)
        kept = torch.rand(x.shape, generator=self.random) >= self.probability
        return x * (kept.to(x.device, x.dtype) / (1.0 - self.probability))


def initialize_normal(network: nn.Module) -> None:
    """Draw weights as pix2pix does: N(0, 0.02), of norms N(1, 0.02), biases 0 (Isola et al. 2017, appendix 6.2)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d | ScaleAndShift):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
