"""What the two networks of Hou et al. (2019) share: their convolutions, their beginning and their answers."""

from __future__ import annotations

import torch
from torch import nn

SLOPE = 0.2
"""Of what is below 0 (the authors' code)."""


def convolutions(channels: int, width: int, count: int) -> nn.Sequential:
    """Return 3 x 3 convolutions of one width, each followed by leaky ReLU and none by a norm."""
    layers: list[nn.Module] = []
    for index in range(count):
        seen = width if index else channels
        layers += [nn.Conv2d(seen, width, kernel_size=3, padding=1), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


class DetectionAndSegmentation(nn.Module):
    """The last convolution: where nuclei are and which pixels are theirs, and of several classes also of which.

    Parameters
    ----------
    channels
        Of what it sees.
    classes
        How many classes of nuclei. The paper has one, and of one there is nothing to tell.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.convolution = nn.Conv2d(channels, 2 + (classes + 1 if classes > 1 else 0), kernel_size=3, padding=1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``detection`` and ``segmentation (B, 1, H, W)``; of several classes, ``classes (B, K + 1, H, W)``."""
        x = self.convolution(x)
        answers = {"detection": x[:, :1], "segmentation": x[:, 1:2]}
        if self.classes > 1:
            answers["classes"] = x[:, 2:]
        return answers


def initialize_as_glorot(network: nn.Module) -> None:
    """Draw the weights of convolutions as the authors' code does (Glorot & Bengio 2010, equation 16), biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
