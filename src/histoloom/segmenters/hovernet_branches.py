"""The three decoders of HoVer-Net (Graham et al. 2019), made of MONAI's layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets.hovernet import HoVerNet as MonaiHoVerNet
from torch import nn
from torch.nn import functional


def monai_hovernet(classes: int) -> MonaiHoVerNet:
    """Return MONAI's network in its fast form, 3 x 3 convolutions in the decoders, padded to keep their size.

    Only its layers are used. Its own forward pass takes 256 x 256 pixels, adds no features of the encoder at the two
    upper sizes when it pads, and enlarges bilinearly; ours adds all three and enlarges by repetition, as published.

    Parameters
    ----------
    classes
        How many classes of nuclei; the type branch tells them and the background apart.
    """
    return MonaiHoVerNet(mode="fast", out_classes=classes + 1, decoder_padding=True)


class HoVerNetBranches(nn.Module):
    """Figure 3 of the paper: one decoder each for nuclear pixels, for offsets from a nucleus's centre, and for types.

    Parameters
    ----------
    network
        Whose decoders it takes.
    """

    def __init__(self, network: MonaiHoVerNet) -> None:
        super().__init__()
        self.nucleus_prediction = network.nucleus_prediction
        self.horizontal_vertical = network.horizontal_vertical
        self.type_prediction = network.type_prediction

    def forward(self, deepest: torch.Tensor, encoded: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return ``nucleus (B, 1, H, W)``, ``offsets (B, 2, H, W)`` and ``classes (B, K + 1, H, W)``.

        Parameters
        ----------
        deepest
            ``(B, 1024, H/8, W/8)``.
        encoded
            What the encoder had before: ``(B, 256, H, W)``, ``(B, 512, H/2, W/2)`` and ``(B, 1024, H/4, W/4)``.
        """
        # The paper's branch is a softmax of two; the difference of its logits is the logit of being nuclear.
        outside, inside = _decoded(self.nucleus_prediction, deepest, encoded).chunk(2, dim=1)
        return {
            "nucleus": inside - outside,
            "offsets": _decoded(self.horizontal_vertical, deepest, encoded),
            "classes": _decoded(self.type_prediction, deepest, encoded),
        }


def _decoded(branch: nn.Module, x: torch.Tensor, encoded: Sequence[torch.Tensor]) -> torch.Tensor:
    whole, half, quarter = encoded
    x = _enlarged(x) + quarter  # (B, 1024, H/4, W/4)
    for block, seen in zip(branch.decoder_blocks, (half, whole), strict=True):
        x = _enlarged(block(x)) + seen  # (B, 512, H/2, W/2), (B, 256, H, W)
    for block in branch.output_features:
        x = block(x)  # (B, 64, H, W), (B, outputs, H, W)
    return x


def _enlarged(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
