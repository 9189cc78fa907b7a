"""The network of critics, which judge for generators that come without a discriminator."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

RECEPTIVE_FIELD = 93
"""Height and width in pixels of what one logit depends on."""

STEP = 16
"""Pixels of the picture from one logit to the next."""

_SLOPE = 0.2
_LEVELS = ((8, 5), (4, 4), (2, 3), (1, 1))
"""Of each level: pixels of its map in a step, and steps over which it is averaged, within the receptive field."""


class CriticNetwork(nn.Module):
    """Judges patches of pictures beside a reference of the same tissue, as Hou et al. (2019, section 4.2) do.

    Their networks' reference branch ends in a mean over the reference, and so does this one; but here one trunk sees
    picture and reference, so that what it says of both can be subtracted. What a patch looks like on four levels,
    from the sharpness of edges to nuclei and what lies around them, is averaged over the patch and held against the
    reference's mean and spread.

    There is no padding, no normalization, and no transposed convolution: a logit is a function of its patch and the
    reference alone, and maps over windows that begin at multiples of `STEP` are parts of the map of the whole.

    Parameters
    ----------
    width
        Channels of the first level; the others have two, three and four times as many.
    with_reference
        Whether there is a reference at all.
    """

    def __init__(self, width: int = 24, with_reference: bool = True) -> None:
        super().__init__()
        channels = [factor * width for factor in (1, 2, 3, 4)]
        self.levels = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(inner, outer, 5 if inner == 3 else 3, 2),
                    nn.LeakyReLU(_SLOPE),
                    nn.Conv2d(outer, outer, 3),
                    nn.LeakyReLU(_SLOPE),
                )
                for inner, outer in zip([3, *channels], channels, strict=False)
            ]
        )
        self.with_reference = with_reference
        described = sum(channels)
        self.head = nn.Sequential(
            nn.Conv2d((3 if with_reference else 1) * described, channels[-1], 1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(channels[-1], channels[-1], 1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(channels[-1], 1, 1),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, _SLOPE)
                nn.init.zeros_(module.bias)

    def forward(self, picture: torch.Tensor, reference: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits ``(B, 1, (H - 93) // 16 + 1, (W - 93) // 16 + 1)``; above 0 is real.

        Parameters
        ----------
        picture
            ``(B, 3, H, W)`` in -1..1.
        reference
            Other places of the same tissue, ``(B, 3, h, w)`` in -1..1, or ``(1, 3, h, w)`` for all pictures; sides from
            93. None where the network has no reference.
        """
        if reference is None:
            return self.judged(picture)
        return self.judged(picture, self.usual(reference))

    def usual(self, reference: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and spread of what a reference's patches look like, each ``(B, 10 * width, 1, 1)``."""
        described = self.described(reference)
        mean = described.mean((2, 3), keepdim=True)
        return mean, (described - mean).square().mean((2, 3), keepdim=True).add(1e-6).sqrt()

    def judged(self, picture: torch.Tensor, usual: tuple[torch.Tensor, torch.Tensor] | None = None) -> torch.Tensor:
        """Return the logits of `forward`, for a reference of which `usual` is known."""
        seen = self.described(picture)
        if self.with_reference:
            if usual is None:
                raise ValueError("This critic sees a reference.")
            mean, spread = usual
            apart = seen - mean
            seen = torch.cat([seen, apart, apart.abs() / (spread + 0.05)], 1)
        logits: torch.Tensor = self.head(seen)
        return logits

    def described(self, picture: torch.Tensor) -> torch.Tensor:
        """Return what patches look like, ``(B, 10 * width, h, w)``, from ``(B, 3, H, W)``."""
        averaged = []
        # A fifth faster on CPUs.
        picture = picture.contiguous(memory_format=torch.channels_last)
        for level, (cell, steps) in zip(self.levels, _LEVELS, strict=True):
            picture = level(picture)  # (B, C, about H / 2, H / 4, H / 8, H / 16)
            averaged.append(functional.avg_pool2d(functional.avg_pool2d(picture, cell), steps, 1))
        height, width = averaged[-1].shape[2:]
        return torch.cat([each[..., :height, :width] for each in averaged], 1)
