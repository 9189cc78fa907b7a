"""VGG16 (Simonyan & Zisserman 2014), the encoder of FCN-8s and SegNet."""

from __future__ import annotations

import torch
from torch import nn

BLOCKS = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))
"""Configuration D of the paper's table 1: of each block its channels, in widths, and its convolutions."""


class VGG16(nn.Module):
    """The 13 convolutions and 5 poolings of configuration D, without its classifier.

    `features` has the names and the order of torchvision's, so that its ImageNet weights fit as they are.

    Parameters
    ----------
    width
        Channels of the first block; 64 in the paper.
    border
        Zeros around the picture at the first convolution; 1 keeps its size, FCN takes 100.
    ceiling
        Whether a pooling keeps an odd last row and column, as Caffe's do.
    """

    def __init__(self, width: int = 64, border: int = 1, ceiling: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for widths, convolutions in BLOCKS:
            for _ in range(convolutions):
                convolution = nn.Conv2d(channels, width * widths, kernel_size=3, padding=1 if layers else border)
                layers += [convolution, nn.ReLU(inplace=True)]
                channels = width * widths
            layers.append(nn.MaxPool2d(2, ceil_mode=ceiling))
        self.features = nn.Sequential(*layers)
        initialize_for_rectifiers(self)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return what leaves each pooling: ``(B, 64, H/2, W/2)`` to ``(B, 512, H/32, W/32)``, of ``(B, 3, H, W)``."""
        pooled = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                pooled.append(x)
        return pooled


def initialize_for_rectifiers(network: nn.Module) -> None:
    """Draw the weights of convolutions so that ReLUs keep the variance (He et al. 2015, equation 10), biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
