"""The network of critics, which judge for generators that come without a discriminator."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

RECEPTIVE_FIELD = 99
"""Height and width in pixels of what one logit depends on."""

STEP = 16
"""Pixels of the picture from one logit to the next."""

_SLOPE = 0.2
_LEVELS = ((8, 5), (4, 4), (2, 3), (1, 1))
"""Of each level: pixels of its map in a step, and steps over which it is averaged, within the receptive field."""

_BANDS = 4
_BAND_STEPS = 4
"""Steps over which bands are averaged: with what they reach, 94 pixels."""

_SEEN_BANDS = 2
_BAND_GAIN = 8.0
"""Fine detail is faint beside colour, and networks would learn to see it late."""

_LINE = 32
"""Pixels along which a seam is followed."""

_DARKEST = 4.0 / 255.0
_FAINTEST = 1e-3


class CriticNetwork(nn.Module):
    """Judges patches of pictures beside a reference of the same tissue, as Hou et al. (2019, section 4.2) do.

    Their networks' reference branch ends in a mean over the reference, and so does this one; but here one trunk sees
    picture and reference, so that what it says of both can be subtracted. What a patch looks like, from its colours
    and how much detail it has of each size (in optical density, where stains are sums) to what the trunk's four levels
    find, is averaged over the patch and held against the reference's mean and spread.

    There is no padding, no normalization, and no transposed convolution: a logit is a function of its patch and the
    reference alone, and maps over windows that begin at multiples of `STEP` are parts of the map of the whole.

    Parameters
    ----------
    width
        Channels of the trunk's first level; the others have two, three and four times as many.
    with_reference
        Whether there is a reference at all.
    """

    def __init__(self, width: int = 16, with_reference: bool = True) -> None:
        super().__init__()
        self.receptive_field, self.step = RECEPTIVE_FIELD, STEP
        channels = [factor * width for factor in (1, 2, 3, 4)]
        seen = 3 * (1 + _SEEN_BANDS)
        self.levels = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(inner, outer, 5 if index == 0 else 3, 2),
                    nn.LeakyReLU(_SLOPE),
                    nn.Conv2d(outer, outer, 3),
                    nn.LeakyReLU(_SLOPE),
                )
                for index, (inner, outer) in enumerate(zip([seen, *channels], channels, strict=False))
            ]
        )
        self.with_reference = with_reference
        described = 9 + 3 * _BANDS + 2 + sum(channels)
        self.head = nn.Sequential(
            nn.Conv2d((4 if with_reference else 1) * described, channels[-1], 1),
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
        """Return logits ``(B, 1, (H - 99) // 16 + 1, (W - 99) // 16 + 1)``; above 0 is real.

        Parameters
        ----------
        picture
            ``(B, 3, H, W)`` in -1..1.
        reference
            Other places of the same tissue, ``(B, 3, h, w)`` in -1..1, or ``(1, 3, h, w)`` for all pictures; sides from
            99. None where the network has no reference.
        """
        if reference is None:
            return self.judged(picture)
        return self.judged(picture, self.usual(reference))

    def usual(self, reference: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and spread of what a reference's patches look like, each ``(B, C, 1, 1)``."""
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
            # Bounded, because the spread of a reference that is all alike is next to nothing; and without its sign too,
            # because too much and too little are alike, which a layer would learn late.
            bounded = apart / (apart.abs() + spread + 0.05)
            seen = torch.cat([seen, apart, bounded, bounded.abs()], 1)
        logits: torch.Tensor = self.head(seen)
        return logits

    def described(self, picture: torch.Tensor) -> torch.Tensor:
        """Return what patches look like, ``(B, C, h, w)``, from ``(B, 3, H, W)``."""
        density = -((picture + 1.0) / 2.0).clamp(min=_DARKEST).log()
        smooth, bands = density, []
        for index in range(_BANDS):
            reach = 2**index
            smoother = _smoothed(smooth, reach)
            bands.append(smooth[..., reach:-reach, reach:-reach] - smoother)
            smooth = smoother
        size = (smooth.shape[2], smooth.shape[3])
        detail = torch.cat([_middle(each, size).abs() for each in bands], 1)
        mean, amplitude = (_patch_means(each, STEP, _BAND_STEPS) for each in (smooth, detail))
        # As large as the darkest parts, nuclei, make it.
        darkest = _patch_means(smooth.clamp(min=0.0) ** 4, STEP, _BAND_STEPS)
        # (B, 9 + 12 + 2, about H / 16, W / 16), on a logarithmic scale but for the first.
        averaged = [mean, (mean + 0.02).log(), 0.25 * (darkest + 1e-5).log(), 0.5 * (amplitude + _FAINTEST).log() + 1.0]
        averaged += [_seams(density), _seams(density.transpose(2, 3)).transpose(2, 3)]

        inner = (bands[_SEEN_BANDS - 1].shape[2], bands[_SEEN_BANDS - 1].shape[3])
        fine = [_BAND_GAIN * _middle(each, inner) for each in bands[:_SEEN_BANDS]]
        # A fifth faster on CPUs in this memory format.
        x = torch.cat([_middle(density, inner), *fine], 1).contiguous(memory_format=torch.channels_last)
        for level, (cell, steps) in zip(self.levels, _LEVELS, strict=True):
            x = level(x)  # (B, C, about H / 2, H / 4, H / 8, H / 16)
            averaged.append(_patch_means(x, cell, steps))
        height, width = averaged[-1].shape[2:]
        return torch.cat([each[..., :height, :width] for each in averaged], 1)


def _patch_means(x: torch.Tensor, cell: int, steps: int) -> torch.Tensor:
    return functional.avg_pool2d(functional.avg_pool2d(x, cell), steps, 1)


def _seams(density: torch.Tensor) -> torch.Tensor:
    """Return how far the sharpest level line of a patch stands out from the rows beside it, ``(B, 1, h, w)``."""
    steps = (density[..., 1:, :] - density[..., :-1, :]).abs().mean(1, keepdim=True)
    along = functional.avg_pool2d(steps, (1, _LINE), (1, STEP)) + _FAINTEST
    beside = 0.5 * (along[..., :-4, :] + along[..., 4:, :])
    contrast = (along[..., 2:-2, :] / (beside + 0.01)).log()
    # 85 rows and 96 columns of a patch.
    return functional.max_pool2d(contrast, (5 * STEP, 5), (STEP, 1))


def _smoothed(x: torch.Tensor, reach: int) -> torch.Tensor:
    """Return a binomial blur of 1, 2, 1 in both directions, whose places lie ``reach`` apart, without its border."""
    down = 0.25 * (x[..., : -2 * reach, :] + x[..., 2 * reach :, :]) + 0.5 * x[..., reach:-reach, :]
    return 0.25 * (down[..., : -2 * reach] + down[..., 2 * reach :]) + 0.5 * down[..., reach:-reach]


def _middle(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    top, left = ((whole - part) // 2 for whole, part in zip(x.shape[2:], size, strict=True))
    return x[..., top : top + size[0], left : left + size[1]]
