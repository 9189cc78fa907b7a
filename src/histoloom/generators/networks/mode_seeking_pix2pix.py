"""The networks of mode-seeking-pix2pix (Allender et al. 2020), layer by layer as in tables 1 and 2 of its appendix.

The tables count two numbers a channel for a normalization after every hidden convolution but the first, which no row
names; docs/decisions/0007-mode-seeking-tables.md says how these and the misprints are read.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from histoloom.generators.networks.layers import BatchStatisticsNorm, NoiseDropout, ScaleAndShift, initialize_normal

_WIDEST = 8
_NOISY = 3


class ModeSeekingGenerator(nn.Module):
    """Table 1: a U-Net of 5 x 5 convolutions with stride 2.

    Parameters
    ----------
    channels
        Of the condition: mask and structure map.
    width
        Channels after the first convolution; 64 in the paper.
    depth
        How many times the size is halved; 8 in the paper, whose crops of 256 pixels become one. Height and width are
        ``2**depth`` or multiples of it.
    noise_channels
        Length of a noise vector that is laid beside the condition, for mode seeking between noises (Mao et al. 2019);
        the paper has none.
    """

    def __init__(self, channels: int = 2, width: int = 64, depth: int = 8, noise_channels: int = 0) -> None:
        super().__init__()
        self.noise_channels = noise_channels
        widths = [width * min(2**level, _WIDEST) for level in range(depth)]
        self.convolutions, self.normalizations = nn.ModuleList(), nn.ModuleList()
        for level, outer in enumerate([channels + noise_channels, *widths[:-1]]):
            self.convolutions.append(nn.Conv2d(outer, widths[level], 5, 2, 2))
            normalization: nn.Module = nn.Identity()
            if level == depth - 1:
                normalization = ScaleAndShift(widths[level])
            elif level > 0:
                normalization = BatchStatisticsNorm(widths[level])
            self.normalizations.append(normalization)
        self.transposed, self.transposed_normalizations = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(1, depth)):
            inner = widths[level] * (1 if level == depth - 1 else 2)
            self.transposed.append(nn.ConvTranspose2d(inner, widths[level - 1], 5, 2, 2, output_padding=1))
            self.transposed_normalizations.append(BatchStatisticsNorm(widths[level - 1]))
        self.last = nn.ConvTranspose2d(2 * widths[0], 3, 5, 2, 2, output_padding=1)
        self.noise = NoiseDropout()
        initialize_normal(self)

    def forward(self, condition: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """Return pictures ``(B, 3, H, W)`` in -1..1.

        Parameters
        ----------
        condition
            ``(B, C, H, W)``.
        noise
            Vectors ``(B, noise_channels)``, where the network has them.
        """
        x = condition
        if noise is not None:
            x = torch.cat([x, noise[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)
        skips = []
        for level, (convolution, normalization) in enumerate(zip(self.convolutions, self.normalizations, strict=True)):
            x = normalization(convolution(x if level == 0 else functional.leaky_relu(x, 0.2)))
            skips.append(x)  # (B, 64, H/2, W/2) .. (B, 512, H/256, W/256)
        skips.pop()
        layers = zip(self.transposed, self.transposed_normalizations, strict=True)
        for level, (transposed, normalization) in enumerate(layers):
            x = normalization(transposed(functional.relu(x)))
            if level < _NOISY:
                x = self.noise(x)
            x = torch.cat([x, skips.pop()], dim=1)  # (B, 1024, H/128, W/128) .. (B, 128, H/2, W/2)
        return torch.tanh(self.last(functional.relu(x)))


class ModeSeekingDiscriminator(nn.Module):
    """Table 2: four 5 x 5 convolutions, the last without stride, and one linear layer over all of its picture.

    Parameters
    ----------
    size
        Height and width of its pictures; 256 in the paper.
    channels
        3: it does not see the condition. With the condition's channels on top it is the paper's ablation.
    width
        Channels after the first convolution; 64 in the paper.
    """

    def __init__(self, size: int = 256, channels: int = 3, width: int = 64) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.convolutions, self.normalizations = nn.ModuleList(), nn.ModuleList()
        for level, outer in enumerate([channels, *widths[:-1]]):
            self.convolutions.append(nn.Conv2d(outer, widths[level], 5, 1 if level == 3 else 2, 2))
            self.normalizations.append(BatchStatisticsNorm(widths[level]) if level else nn.Identity())
        self.linear = nn.Linear(widths[-1] * (size // 8) ** 2, 1)
        initialize_normal(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits ``(B, 1)`` of pictures ``(B, C, size, size)``; above 0 is real."""
        for convolution, normalization in zip(self.convolutions, self.normalizations, strict=True):
            x = functional.leaky_relu(normalization(convolution(x)), 0.2)  # (B, 64, H/2, W/2) .. (B, 512, H/8, W/8)
        logits: torch.Tensor = self.linear(x.flatten(1))
        return logits
