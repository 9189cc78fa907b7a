"""Noise like that of `histoloom.generators.loom.noise`, drawn for training."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from histoloom.generators.loom.noise import LEVELS, NUCLEUS_NUMBERS, OCTAVES, SMOOTH_GAIN, WHITE_PLANES

_TABLE = 1024


def drawn_noise(ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return noise for label maps ``(B, 1, h, w)`` at each of the `LEVELS`, drawn from torch's generator.

    White noise needs no frames here: wherever a nucleus lies, its noise is as good as any other.
    """
    count, _, height, width = ids.shape
    planes = [
        _uniform((count, planes, height // cell, width // cell), ids.device)
        for cell, planes in zip(LEVELS, WHITE_PLANES, strict=True)
    ]
    coarse = LEVELS[0]
    outside = 1.0 - functional.avg_pool2d((ids > 0).float(), coarse)
    smooth = [_smooth(octave, outside, coarse) for octave in OCTAVES]
    table = _uniform((count, NUCLEUS_NUMBERS, _TABLE), ids.device)
    place = (ids.long() % _TABLE).flatten(1)[:, None].expand(-1, NUCLEUS_NUMBERS, -1)
    numbers = table.gather(2, place).view(count, NUCLEUS_NUMBERS, height, width) * (ids > 0)
    planes[0] = torch.cat([planes[0], *smooth, functional.avg_pool2d(numbers, coarse)], 1)
    return tuple(planes)


def _smooth(octave: int, outside: torch.Tensor, coarse: int) -> torch.Tensor:
    count, _, height, width = outside.shape
    factor = octave // coarse
    nodes = _uniform((count, 2, height // factor + 2, width // factor + 2), outside.device)
    values = functional.interpolate(nodes, scale_factor=factor, mode="bilinear", align_corners=False)
    return values[..., factor : factor + height, factor : factor + width] * SMOOTH_GAIN * outside


def _uniform(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return uniform numbers about 0 with variance 1."""
    return (torch.rand(shape, device=device) - 0.5) * math.sqrt(12.0)
