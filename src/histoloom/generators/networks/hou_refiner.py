"""The refiner of Hou et al. (2019, section 4.2): a first picture becomes more like the tissue of a reference patch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional

from histoloom.generators.networks.hou_reference import (
    SLOPE,
    ReferenceBranch,
    initialize_as_glorot,
    with_vector,
)

Layers = Literal["paper", "code"]

BLOCKS: Mapping[Layers, int] = {"paper": 7, "code": 5}
"""Residual blocks; with seven, convolutions and poolings are as many as the paper says (21 and 2)."""


class HouRefiner(nn.Module):
    """Adds a residual to a picture (figure 5); no normalization, so a pixel depends on its surroundings alone.

    A 3 x 3 convolution, to which what the reference is like is added as further channels; residual blocks of two
    convolutions; a last convolution to the residual. The first block has no shortcut, because it halves the channels.

    The authors' code has 5 blocks, 17 convolutions in all; the paper has 21 and 2 poolings. Both poolings are the
    reference branch's, as the trunk has none, so it counts in, and two more blocks make up the difference.

    Parameters
    ----------
    width
        Channels; 32 in the code.
    blocks
        Residual blocks; see `BLOCKS`.
    kernel
        Height and width of the blocks' convolutions, an odd number; 5 in the code.
    """

    def __init__(self, width: int = 32, blocks: int = BLOCKS["paper"], kernel: int = 5) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, kernel_size=3, padding=1)
        self.reference = ReferenceBranch(width)
        channels = [2 * width] + [width] * (blocks - 1)
        self.blocks = nn.ModuleList([_Block(each, width, kernel) for each in channels])
        self.last = nn.Conv2d(width, 3, kernel_size=3, padding=1)
        self.margin = refiner_margin(blocks, kernel)
        """How many pixels around one decide about it."""
        initialize_as_glorot(self)

    def forward(self, picture: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Return refined pictures ``(B, 3, H, W)``, like ``picture`` in -1..1; ``reference`` is ``(B, 3, h, w)``."""
        return self.refine(picture, self.reference(reference))

    def refine(self, picture: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
        """Return the same for what the reference branch has said, ``(B, C, 1, 1)``."""
        x = functional.leaky_relu(self.first(picture), SLOPE)  # (B, 32, H, W)
        x = with_vector(x, vector)  # (B, 64, H, W)
        for block in self.blocks:
            x = block(x)  # (B, 32, H, W)
        return (picture + self.last(x)).clamp(-1.0, 1.0)


class _Block(nn.Module):
    def __init__(self, channels: int, width: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, kernel, padding=kernel // 2)
        self.second = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.has_shortcut = channels == width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        residual = self.second(functional.leaky_relu(self.first(x), SLOPE))
        return functional.leaky_relu(x + residual if self.has_shortcut else residual, SLOPE)


def refiner_margin(blocks: int, kernel: int) -> int:
    """Return how many pixels around one decide about it."""
    return 2 + 2 * blocks * (kernel // 2)


def refiner_from_recipe(recipe: Mapping[str, Any]) -> HouRefiner:
    """Return a new refiner of a training recipe's shape; raises `KeyError` where the recipe is of something else."""
    blocks = recipe["blocks"] or BLOCKS[recipe["layers"]]
    return HouRefiner(recipe["width"], blocks, recipe["kernel"])
