"""The discriminator of the house generator: patches at two scales, which also see a reference."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from histoloom.generators.networks.loom import ReferenceBranch

SCALES = 2
"""Full and half size."""

_REFERENCE_NUMBERS = 32
_SLOPE = 0.2


class LoomDiscriminator(nn.Module):
    """Judges patches of canonical pictures beside their condition, and whether they belong to a reference's tile.

    Two PatchGANs with instance norm, on the picture and on its half (Wang et al. 2018, section 3.2). The norm is what
    makes them look at texture: without it, discriminator and generator go on shifting each other's brightness. What a
    reference says enters as a projection (Miyato and Koyama 2018): a logit for each patch that is the scalar product
    of its features and the reference's.

    Parameters
    ----------
    channels
        Of the condition.
    width
        Channels after the first convolution.
    """

    def __init__(self, channels: int, width: int = 48) -> None:
        super().__init__()
        self.reference = ReferenceBranch(_REFERENCE_NUMBERS)
        self.scales = nn.ModuleList([_Patches(channels + 3, width) for _ in range(SCALES)])

    def forward(
        self, picture: torch.Tensor, condition: torch.Tensor, reference: torch.Tensor
    ) -> tuple[list[torch.Tensor], list[list[torch.Tensor]]]:
        """Return, for each scale, logits and features.

        Parameters
        ----------
        picture
            Canonical ``(B, 3, H, W)`` in -1..1.
        condition
            ``(B, C, H, W)``.
        reference
            Canonical pictures ``(b, 3, h, w)`` of other places of the same tiles; the first ``b`` pictures belong to
            them, and so do the next ``b``.

        Returns
        -------
        tuple
            Logits ``(B, 1, h, w)``, above 0 is real, and features ``(B, C, h, w)`` of each layer, both per scale.
        """
        vector = self.reference(reference).repeat(len(picture) // len(reference), 1)
        logits, features = [], []
        seen = torch.cat([picture, condition], 1)
        for index, scale in enumerate(self.scales):
            if index:
                seen = functional.avg_pool2d(seen, 2)
            judged, layers = scale(seen, vector)
            logits.append(judged)
            features.append(layers)
        return logits, features


class _Patches(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        shapes = ((channels, width, 4, 2), (width, 2 * width, 4, 2), (2 * width, 4 * width, 4, 2))
        self.layers = nn.ModuleList(
            [nn.Conv2d(inner, outer, kernel, stride, 1) for inner, outer, kernel, stride in shapes]
        )
        self.layers.append(nn.Conv2d(4 * width, 4 * width, 3, 1, 1))
        self.logit = nn.Conv2d(4 * width, 1, 1)
        self.projection = nn.Linear(_REFERENCE_NUMBERS, 4 * width)

    def forward(self, x: torch.Tensor, vector: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        features = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            x = functional.leaky_relu(functional.instance_norm(x) if index else x, _SLOPE)
            features.append(x)
        projected = torch.einsum("bchw,bc->bhw", x, self.projection(vector))[:, None]
        return self.logit(x) + projected / x.shape[1] ** 0.5, features
