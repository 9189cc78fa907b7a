"""Variation of a picture and its reference alike, after which they go together as well, or as badly, as before."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from histoloom.tiles.stains import HEMATOXYLIN_EOSIN

_DARKEST = 4.0 / 255.0
_REACH = 3
"""Pixels on each side of a blur's middle."""


def varied_together(pictures: Sequence[torch.Tensor], gain: float, sigma: float) -> list[torch.Tensor]:
    """Return pictures ``(B, 3, H, W)`` in -1..1 in other stains and less sharp; draws from torch's generator.

    The first of each is changed as the first of the others.

    Parameters
    ----------
    pictures
        Any number of batches of one length; their heights and widths may differ.
    gain
        Each stain is strengthened or weakened by a factor of up to exp of this.
    sigma
        Largest standard deviation of a blur in pixels; half of the pictures stay as sharp as they are.
    """
    first = pictures[0]
    draws = torch.rand(4, len(first), device=first.device)
    if gain > 0:
        matrix = _stain_matrix(gain * (2.0 * draws[:2] - 1.0))
        pictures = [_restained(each, matrix) for each in pictures]
    if sigma > 0:
        wide = torch.where(draws[2] < 0.5, torch.full_like(draws[3], 0.05), (sigma * draws[3]).clamp(min=0.05))
        pictures = [_softened(each, wide) for each in pictures]
    return list(pictures)


def _stain_matrix(gains: torch.Tensor) -> torch.Tensor:
    """Return ``(B, 3, 3)``, by which rows of optical density are multiplied; gains are logarithms ``(2, B)``."""
    basis = torch.tensor(HEMATOXYLIN_EOSIN.tolist(), device=gains.device)
    across = torch.linalg.cross(basis[0], basis[1])
    whole = torch.cat([basis, (across / across.norm())[None]])
    factors = torch.cat([gains.exp(), torch.ones_like(gains[:1])]).T
    return torch.linalg.inv(whole) @ (factors[:, :, None] * whole)


def _restained(picture: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    density = -((picture + 1.0) / 2.0).clamp(min=_DARKEST).log()
    changed = torch.einsum("bchw,bcd->bdhw", density, matrix)
    return (-changed).exp().clamp(max=1.0) * 2.0 - 1.0


def _softened(picture: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    places = torch.arange(-_REACH, _REACH + 1, device=picture.device, dtype=picture.dtype)
    kernel = (-(places**2) / (2.0 * sigma[:, None] ** 2)).exp()
    kernel = kernel / kernel.sum(1, keepdim=True)
    batch, channels, height, width = picture.shape
    rows = kernel.repeat_interleave(channels, 0)[:, None]
    padded = functional.pad(picture, (_REACH,) * 4, mode="reflect").reshape(
        1, batch * channels, height + 2 * _REACH, width + 2 * _REACH
    )
    down = functional.conv2d(padded, rows[..., None], groups=batch * channels)
    both = functional.conv2d(down, rows[:, :, None], groups=batch * channels)
    return both.reshape(batch, channels, height, width)
