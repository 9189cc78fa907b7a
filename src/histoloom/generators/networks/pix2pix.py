"""The generator of pix2pix (Isola et al. 2017): a U-Net with dropout as its noise."""

from __future__ import annotations

import torch
from torch import nn

from histoloom.generators.networks.layers import BatchStatisticsNorm, NoiseDropout, initialize_normal

_WIDEST = 8
_NOISY = 3


class Pix2PixGenerator(nn.Module):
    """U-Net 256 of appendix 6.1.1.

    Encoder C64-C128-C256-C512-C512-C512-C512-C512, decoder CD512-CD512-CD512-C512-C256-C128-C64 and a last convolution,
    all 4 x 4 with stride 2, each decoder layer seeing the encoder's of the same size beside the one before. The paper's
    innermost norm, which sees one number a channel and erases it, is left out as in the authors' code and the paper's
    own erratum.

    Parameters
    ----------
    channels
        Of the condition.
    width
        Channels of the first layer; 64 in the paper.
    depth
        How many times the size is halved; 8 in the paper. Height and width are multiples of ``2**depth``.
    """

    def __init__(self, channels: int, width: int = 64, depth: int = 8) -> None:
        super().__init__()
        widths = [width * min(2**level, _WIDEST) for level in range(depth)]
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for level, outer in enumerate([channels, *widths[:-1]]):
            innermost = level == depth - 1
            layers: list[nn.Module] = [] if level == 0 else [nn.LeakyReLU(0.2)]
            normalized = level > 0 and not innermost
            layers.append(nn.Conv2d(outer, widths[level], 4, 2, 1, bias=not normalized))
            if normalized:
                layers.append(BatchStatisticsNorm(widths[level]))
            self.downs.append(nn.Sequential(*layers))
        for level in reversed(range(1, depth)):
            inner = widths[level] * (1 if level == depth - 1 else 2)
            layers = [nn.ReLU(), nn.ConvTranspose2d(inner, widths[level - 1], 4, 2, 1, bias=False)]
            layers.append(BatchStatisticsNorm(widths[level - 1]))
            if depth - 1 - level < _NOISY:
                layers.append(NoiseDropout())
            self.ups.append(nn.Sequential(*layers))
        self.last = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(2 * widths[0], 3, 4, 2, 1), nn.Tanh())
        initialize_normal(self)

    def forward(self, condition: torch.Tensor) -> torch.Tensor:
        """Return pictures ``(B, 3, H, W)`` in -1..1 of conditions ``(B, C, H, W)``."""
        skips = []
        x = condition
        for down in self.downs:
            x = down(x)
            skips.append(x)  # (B, 64..512, H/2, W/2) .. (B, 512, H/256, W/256)
        skips.pop()
        for up in self.ups:
            x = torch.cat([up(x), skips.pop()], dim=1)  # (B, 1024..128, H/128, W/128) .. (B, 128, H/2, W/2)
        picture: torch.Tensor = self.last(x)
        return picture
