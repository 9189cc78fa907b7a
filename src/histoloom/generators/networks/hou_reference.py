"""What refiner and discriminator of Hou et al. (2019) share: the branch that looks at the reference patch."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

SLOPE = 0.2
"""Of what is below 0 (the authors' code)."""

LEAST_REFERENCE = 38
"""Least height and width of a reference patch: what the unpadded convolutions leave a pixel of."""

_CONVOLUTIONS = 4


class ReferenceBranch(nn.Module):
    """Section 4.2 and figure 5 of the paper, in the layers of the authors' code: 5 convolutions and 2 poolings.

    A 4 x 4 convolution, an average pooling of 3 x 3 by 2, four 5 x 5 convolutions, all without padding, and the mean
    over all that is left: what a patch is like, wherever in it.

    Parameters
    ----------
    width
        Channels of all its layers; 32 in the code.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, kernel_size=4)
        self.pool = nn.AvgPool2d(kernel_size=3, stride=2)
        self.convolutions = nn.ModuleList([nn.Conv2d(width, width, kernel_size=5) for _ in range(_CONVOLUTIONS)])
        self.mean = nn.AdaptiveAvgPool2d(1)

    def forward(self, reference: torch.Tensor) -> torch.Tensor:
        """Return ``(B, C, 1, 1)`` of patches ``(B, 3, h, w)`` in -1..1, at least `LEAST_REFERENCE` wide."""
        x = self.pool(functional.leaky_relu(self.first(reference), SLOPE))  # (B, 32, h/2 - 2, w/2 - 2)
        for each in self.convolutions:
            x = functional.leaky_relu(each(x), SLOPE)  # 4 pixels less each
        vector: torch.Tensor = self.mean(x)
        return vector


def with_vector(features: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Return features ``(B, C, H, W)`` and a vector ``(B, c, 1, 1)`` tiled over them, ``(B, C + c, H, W)``."""
    return torch.cat([features, vector.expand(-1, -1, *features.shape[-2:])], 1)


def strengthen_as_he(network: nn.Module) -> None:
    """Enlarge Glorot's weights so that leaky ReLUs do not weaken what goes through many layers (He et al. 2015)."""
    gain = nn.init.calculate_gain("leaky_relu", SLOPE)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(gain)


def initialize_as_glorot(network: nn.Module) -> None:
    """Draw the weights of convolutions as the authors' code does (Glorot & Bengio 2010, equation 16), biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
