"""FCN-8s on VGG16 (Long et al. 2015)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from histoloom.segmenters.contract import OutputName, SegmenterNetwork
from histoloom.segmenters.imagenet import same_names
from histoloom.segmenters.vgg16 import VGG16, initialize_for_rectifiers

_BORDER = 100
# Where the picture begins in each map, of the border and of convolutions without one.
_IN_FIFTH, _IN_FOURTH, _IN_THIRD, _IN_ENLARGED = 3, 5, 9, 31


class FCN8s(SegmenterNetwork):
    """Section 4 of the paper: VGG16 made convolutional to its end, and the scores of three sizes added.

    As in the authors' networks, 100 zeros surround the picture, so that pictures of any size have scores everywhere.
    Scores begin at 0, and enlarging begins as bilinear interpolation; the last enlarging stays that.

    Parameters
    ----------
    classes
        How many classes of nuclei.
    width
        Channels of the first block; 64 in the paper. What was VGG16's classifier has 64 times as many.
    """

    name: ClassVar[str] = "fcn8s"
    title: ClassVar[str] = "FCN-8s (VGG16)"
    outputs: ClassVar[tuple[OutputName, ...]] = ("classes",)
    imagenet: ClassVar[str] = "vgg16"

    _bilinear: torch.Tensor

    def __init__(self, classes: int, width: int = 64) -> None:
        super().__init__(classes)
        scores = classes + 1
        self.encoder = VGG16(width, border=_BORDER, ceiling=True)
        self.sixth = nn.Conv2d(8 * width, 64 * width, kernel_size=7)
        self.seventh = nn.Conv2d(64 * width, 64 * width, kernel_size=1)
        self.dropout = nn.Dropout(0.5)
        initialize_for_rectifiers(self)
        self.score_seventh = _score(64 * width, scores)
        self.score_fourth = _score(8 * width, scores)
        self.score_third = _score(4 * width, scores)
        self.enlarge_seventh = nn.ConvTranspose2d(scores, scores, kernel_size=4, stride=2, bias=False)
        self.enlarge_fourth = nn.ConvTranspose2d(scores, scores, kernel_size=4, stride=2, bias=False)
        for enlarge in (self.enlarge_seventh, self.enlarge_fourth):
            enlarge.weight.data.copy_(_bilinear(scores, 2))
        self.register_buffer("_bilinear", _bilinear(scores, 8), persistent=False)

    def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``classes (B, K + 1, H, W)``."""
        picture = x
        *_, third, fourth, fifth = self.encoder(x)  # (B, 512, H/32 + 6, W/32 + 6) the fifth, the others 2 and 4 times
        x = self.dropout(functional.relu(self.sixth(fifth)))  # (B, 4096, H/32, W/32)
        x = self.dropout(functional.relu(self.seventh(x)))
        x = self.enlarge_seventh(self.score_seventh(x))  # (B, K + 1, H/16 + 2, W/16 + 2)
        x = x + _cut(self.score_fourth(fourth), _IN_FOURTH, x)
        x = self.enlarge_fourth(x)  # (B, K + 1, H/8 + 6, W/8 + 6)
        x = x + _cut(self.score_third(third), _IN_THIRD, x)
        x = functional.conv_transpose2d(x, self._bilinear, stride=8)  # (B, K + 1, H + 56, W + 56)
        return {"classes": _cut(x, _IN_ENLARGED, picture)}

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return what leaves the fifth pooling, ``(B, 512, H/32, W/32)``, without the border's."""
        fifth: torch.Tensor = self.encoder(x)[-1]
        return fifth[:, :, _IN_FIFTH:-_IN_FIFTH, _IN_FIFTH:-_IN_FIFTH]

    def imagenet_names(self) -> dict[str, str]:
        """Return the names of VGG16, whose two hidden linear layers are convolutions here."""
        names = same_names(self.encoder, "encoder")
        for ours, theirs in (("sixth", "classifier.0"), ("seventh", "classifier.3")):
            names |= {f"{ours}.{each}": f"{theirs}.{each}" for each in ("weight", "bias")}
        return names


def _score(channels: int, scores: int) -> nn.Conv2d:
    convolution = nn.Conv2d(channels, scores, kernel_size=1)
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)
    return convolution


def _cut(x: torch.Tensor, begin: int, like: torch.Tensor) -> torch.Tensor:
    height, width = like.shape[2:]
    return x[:, :, begin : begin + height, begin : begin + width]


def _bilinear(channels: int, times: int) -> torch.Tensor:
    """Return the kernel ``(C, C, 2 times, 2 times)`` of a transposed convolution that enlarges each channel."""
    distance = (torch.arange(2 * times) - (times - 0.5)).abs() / times
    kernel = (1 - distance)[:, None] * (1 - distance)
    return torch.eye(channels)[:, :, None, None] * kernel
