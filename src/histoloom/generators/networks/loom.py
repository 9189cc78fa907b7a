"""The networks of the house generator: fully convolutional, without statistics of the picture, made for the brush.

The picture is woven from coarse to fine, at 8, 4, 2 and 1 pixels a cell. At each level the network sees the condition
at that scale, noise of that scale, and what the coarser level made. No convolution pads: every level starts from more
cells than it hands on, so no pixel depends on an invented border, and a window's pixels are those of the whole.
Upsampling repeats pixels and is followed by a convolution; a transposed one would leave a checkerboard.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from histoloom.generators.loom.noise import LEVELS, NOISE_PLANES
from histoloom.generators.networks.canonical_stain import STAIN_NUMBERS

MARGIN = 48
"""Pixels of condition and noise that the network needs on each side of what it weaves."""

TEXTURE_NUMBERS = 16
"""Length of the vector that says how a look's tissue is textured."""

CONVOLUTIONS = 3
"""Convolutions at each level."""

_SLOPE = 0.2
_LEAST_SQUARE = 1e-6
_MARGINS_AFTER = (24, 12, 6, 3)
"""Pixels beyond the woven window that each level hands on: its convolutions eat three cells a side."""


def level_widths(width: int) -> tuple[int, int, int, int]:
    """Return the channels of the levels, coarse to fine, for ``width`` channels at full size."""
    return 10 * width, 6 * width, 2 * width, width


class LoomNetwork(nn.Module):
    """Weaves stain concentrations from a condition, noise and a look.

    Parameters
    ----------
    channels
        Of the condition.
    widths
        Channels of the levels, coarse to fine.
    """

    def __init__(self, channels: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.reference = ReferenceBranch(TEXTURE_NUMBERS)
        style = 64
        self.style = nn.Sequential(
            nn.Linear(TEXTURE_NUMBERS + STAIN_NUMBERS, style),
            nn.LeakyReLU(0.2),
            nn.Linear(style, style),
            nn.LeakyReLU(0.2),
        )
        self.levels = nn.ModuleList()
        coarser = 0
        for cell, width, planes in zip(LEVELS, widths, NOISE_PLANES, strict=True):
            self.levels.append(_Level(coarser, channels + planes, width, style, is_finest=cell == LEVELS[-1]))
            coarser = width
        # Two convolutions of the finest level are in it; the third is this one.
        self.out = nn.Conv2d(widths[-1], 3, 3)

    def forward(
        self, condition: torch.Tensor, noise: Sequence[torch.Tensor], reference: torch.Tensor, stains: torch.Tensor
    ) -> torch.Tensor:
        """Return what `weave` does, with the texture of references.

        Parameters
        ----------
        condition, noise, stains
            As for `weave`; ``stains`` has a row for each reference.
        reference
            Canonical pictures ``(b, 3, H, W)`` in -1..1; the first ``b`` conditions take their looks, and so do the
            next ``b``.
        """
        repeats = len(condition) // len(reference)
        return self.weave(condition, noise, self.reference(reference).repeat(repeats, 1), stains.repeat(repeats, 1))

    def weave(
        self, condition: torch.Tensor, noise: Sequence[torch.Tensor], texture: torch.Tensor, stains: torch.Tensor
    ) -> torch.Tensor:
        """Return relative stain concentrations.

        Parameters
        ----------
        condition
            ``(B, C, h, w)`` in 0..1; height and width are multiples of 8.
        noise
            Of the same window: ``(B, NOISE_PLANES[i], h / LEVELS[i], w / LEVELS[i])`` for each of the `LEVELS`.
        texture
            ``(B, TEXTURE_NUMBERS)``: what `reference` says of a tile.
        stains
            ``(B, STAIN_NUMBERS)``.

        Returns
        -------
        torch.Tensor
            ``(B, 3, h - 2 MARGIN, w - 2 MARGIN)``: haematoxylin, eosin and the residual; 1 is the concentration that a
            percent of the look's pixels exceed.
        """
        style = self.style(torch.cat([texture, stains], 1))
        conditions = [condition]
        for _ in LEVELS[1:]:
            conditions.append(functional.avg_pool2d(conditions[-1], 2))
        x: torch.Tensor | None = None
        margin = MARGIN
        for index, cell in enumerate(LEVELS):
            border = (MARGIN - margin) // cell
            seen = [_cut(conditions[len(LEVELS) - 1 - index], border), _cut(noise[index], border)]
            x = self.levels[index](x, seen, style)
            margin = _MARGINS_AFTER[index]
        return _cut(self.out(x), margin)


class _Level(nn.Module):
    """What the coarser level made, enlarged, beside the condition; then convolutions in the style of the look."""

    def __init__(self, coarser: int, seen: int, width: int, style: int, *, is_finest: bool) -> None:
        super().__init__()
        # At full size, normalizing costs more than it brings.
        self.normalizes = not is_finest
        # Narrowed before it is enlarged, which costs a quarter of doing so after.
        self.narrowed = nn.Conv2d(coarser, width, 1) if coarser else None
        inner = (width if coarser else 0) + seen
        count = CONVOLUTIONS - is_finest
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(inner if index == 0 else width, width, 3) for index in range(count)]
        )
        self.styles = nn.ModuleList([nn.Linear(style, 2 * width) for _ in range(count)])
        for each in self.styles:
            nn.init.normal_(each.weight, std=0.02)
            nn.init.zeros_(each.bias)

    def forward(self, coarser: torch.Tensor | None, seen: Sequence[torch.Tensor], style: torch.Tensor) -> torch.Tensor:
        if torch.is_inference_mode_enabled() and len(style) == 1:
            return self._in_one_style(coarser, seen, style)
        if self.narrowed is not None:
            seen = [functional.interpolate(self.narrowed(coarser), scale_factor=2, mode="nearest"), *seen]
        x = torch.cat(list(seen), 1)
        for index, (convolution, affine) in enumerate(zip(self.convolutions, self.styles, strict=True)):
            scale, shift = affine(style)[:, :, None, None].chunk(2, 1)
            made = functional.leaky_relu(torch.addcmul(shift, convolution(x), 1.0 + scale), _SLOPE)
            if index > 0:
                made = made + x[..., 1:-1, 1:-1]
            x = normalized_pixels(made) if self.normalizes else made
        return x

    def _in_one_style(
        self, coarser: torch.Tensor | None, seen: Sequence[torch.Tensor], style: torch.Tensor
    ) -> torch.Tensor:
        """Return the same in fewer passes over the picture: styles go into weights, and what is made stays in place."""
        x = torch.empty(
            (1, self.convolutions[0].in_channels, *seen[0].shape[2:]), memory_format=torch.channels_last,
            device=style.device,
        )  # fmt: skip
        first = 0
        if self.narrowed is not None and coarser is not None:
            pixels = coarser.movedim(1, -1)
            narrowed = functional.linear(pixels, self.narrowed.weight[:, :, 0, 0], self.narrowed.bias).movedim(-1, 1)
            first = narrowed.shape[1]
            enlarged = x[:, :first].unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
            enlarged.copy_(narrowed[:, :, :, None, :, None])
        # Concatenation would fall back to another order in memory, which convolutions have to turn back.
        for each in seen:
            x[:, first : first + each.shape[1]] = each
            first += each.shape[1]
        for index, (convolution, affine) in enumerate(zip(self.convolutions, self.styles, strict=True)):
            scale, shift = affine(style)[0].chunk(2)
            weight = convolution.weight * (1.0 + scale)[:, None, None, None]
            made = functional.conv2d(x, weight, torch.addcmul(shift, convolution.bias, 1.0 + scale))
            functional.leaky_relu_(made, _SLOPE)
            if index > 0:
                made += x[..., 1:-1, 1:-1]
            if self.normalizes:
                squares = torch.linalg.vector_norm(made, dim=1, keepdim=True).square_()
                made *= squares.div_(made.shape[1]).add_(_LEAST_SQUARE).rsqrt_()
            x = made
        return x


class ReferenceBranch(nn.Module):
    """Says in a few numbers how a real tile is textured: what stays of its features when places are forgotten.

    Parameters
    ----------
    numbers
        How many numbers, in -1..1.
    width
        Channels after the first convolution.
    """

    def __init__(self, numbers: int, width: int = 24) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        inner = 3
        for each in widths:
            layers += [
                nn.Conv2d(inner, each, 3, 2, 1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(each, each, 3, 1, 1),
                nn.LeakyReLU(0.2),
            ]
            inner = each
        self.features = nn.Sequential(*layers)
        self.numbers = nn.Linear(2 * inner, numbers)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Return ``(B, numbers)`` for canonical pictures ``(B, 3, H, W)`` in -1..1, 32 pixels or more a side."""
        features = self.features(picture).float()
        mean = features.mean((2, 3))
        spread = (features - mean[:, :, None, None]).square().mean((2, 3)).add(1e-6).sqrt()
        vector: torch.Tensor = torch.tanh(self.numbers(torch.cat([mean, spread], 1)))
        return vector


def normalized_pixels(x: torch.Tensor) -> torch.Tensor:
    """Scale each pixel's features to mean square 1 (Karras et al. 2018, section 4.2); no other pixel has a say."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + _LEAST_SQUARE)


def _cut(x: torch.Tensor, border: int) -> torch.Tensor:
    return x[..., border : x.shape[-2] - border, border : x.shape[-1] - border] if border else x
