"""The discriminator of Hou et al. (2019, section 4.2): tells real tissue of the kind that a reference shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from histoloom.generators.networks.critic import CriticNetwork
from histoloom.generators.networks.hou_reference import (
    SLOPE,
    ReferenceBranch,
    initialize_as_glorot,
    with_vector,
)
from histoloom.generators.networks.hou_refiner import Layers

_CODE_WIDTH = 32

_STAGES: Mapping[Layers, Sequence[tuple[int, int, int]]] = {
    "code": ((32, 2, 2), (48, 3, 3), (64, 3, 3), (80, 3, 3)),
    "paper": ((32, 2, 2), (48, 3, 0)),
}
"""Channels, 5 x 5 convolutions, and side of the average pooling after them, which halves; 0 for none."""

_DETAIL = 5
"""Pixels over which a mean is taken; what differs from it is detail."""

_LAST_CHANNELS, _LAST_KERNELS = 128, (5, 3, 3)


class HouDiscriminator(nn.Module):
    """Judges patches of a picture beside a reference of the same tile; no normalization, no padding.

    The authors' code halves four times, which makes 5 x 5 judgements of a picture of 400 x 400; with its reference
    branch it has 21 convolutions and 6 poolings. The paper has 15 and 3, and pictures of 75 x 75 and 200 x 200: these
    are the code's layers without its two largest stages and the poolings before and between them.

    Parameters
    ----------
    width
        Channels of the first convolutions and of the reference branch, 32 in the code; the others in proportion.
    layers
        Whose layers.
    detail_gain
        How many times as strong as it is fine detail is added to what is seen; 0 is the published discriminator. Detail
        is faint beside colour, and without norms a network learns to see it only after thousands of steps.
    """

    def __init__(self, width: int = _CODE_WIDTH, layers: Layers = "paper", detail_gain: float = 0.0) -> None:
        super().__init__()
        self.detail_gain = detail_gain
        self.reference = ReferenceBranch(width)
        self.first = nn.Conv2d(3, width, kernel_size=3)
        self.stages = nn.ModuleList()
        self.receptive_field, self.step = 3 + (_DETAIL - 1 if detail_gain > 0 else 0), 1
        channels = 2 * width
        for wide, count, pooled in _STAGES[layers]:
            inner = _in_proportion(wide, width)
            stage = nn.Sequential()
            for _ in range(count):
                stage += nn.Sequential(nn.Conv2d(channels, inner, kernel_size=5), nn.LeakyReLU(SLOPE))
                channels = inner
                self._sees_more(5)
            if pooled:
                stage.append(nn.AvgPool2d(pooled, stride=2))
                self._sees_more(pooled, 2)
            self.stages.append(stage)
        self.last = nn.ModuleList()
        for kernel in _LAST_KERNELS:
            inner = _in_proportion(_LAST_CHANNELS, width)
            self.last.append(nn.Conv2d(channels, inner, kernel))
            channels = inner
            self._sees_more(kernel)
        self.judgement = nn.Conv2d(channels, 2, kernel_size=1)
        initialize_as_glorot(self)

    def forward(self, picture: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Return logits ``(B, 1, h, w)``, above 0 is real; each is of a patch as wide as `receptive_field`.

        Of the two numbers of the last convolution, whose softmax the published losses take, this is the difference:
        its sigmoid is that softmax.

        Parameters
        ----------
        picture
            ``(B, 3, H, W)`` in -1..1, at least `receptive_field` wide.
        reference
            Other places of the same tiles, ``(B, 3, H', W')``.
        """
        if self.detail_gain > 0:
            picture = self._with_detail(picture)
            margin = _DETAIL // 2
            reference = self._with_detail(functional.pad(reference, [margin] * 4, mode="reflect"))
        x = functional.leaky_relu(self.first(picture), SLOPE)  # (B, 32, H - 2, W - 2)
        x = with_vector(x, self.reference(reference))  # (B, 64, H - 2, W - 2)
        for stage in self.stages:
            x = stage(x)
        for convolution in self.last:
            x = functional.leaky_relu(convolution(x), SLOPE)  # (B, 128, h, w)
        real_and_woven = self.judgement(x)  # (B, 2, h, w)
        return real_and_woven[:, :1] - real_and_woven[:, 1:]

    def _with_detail(self, picture: torch.Tensor) -> torch.Tensor:
        margin = _DETAIL // 2
        inner = picture[..., margin:-margin, margin:-margin]
        return inner + self.detail_gain * (inner - functional.avg_pool2d(picture, _DETAIL, stride=1))

    def _sees_more(self, kernel: int, stride: int = 1) -> None:
        self.receptive_field += (kernel - 1) * self.step
        self.step *= stride


def discriminator_from_recipe(recipe: Mapping[str, Any]) -> HouDiscriminator | CriticNetwork:
    """Return a new discriminator of a refiner's training recipe; raises `KeyError` where it is of something else."""
    if recipe.get("discriminator") == "critic":
        return CriticNetwork(recipe["discriminator_width"])
    return HouDiscriminator(recipe["discriminator_width"], recipe["layers"], recipe.get("detail_gain", 0.0))


def _in_proportion(channels: int, width: int) -> int:
    return max(channels * width // _CODE_WIDTH, 1)
