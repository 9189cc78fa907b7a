"""Texture and colour without places: woven pixels and patches shall be distributed as real ones are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

_PATCH = 9
_SHORTEST = 1.6
_ASPECT = 0.6
_KINDS = 6
_TURNS = 4
_POOLED = 3
_LEVELS = 3
_LEAST_SPREAD = 0.02
_DIRECTIONS = 8
_VALUE_CELLS = (1, 4)
_ELSEWHERE = 1e3


def patch_distribution_loss(
    woven: torch.Tensor, real: torch.Tensor, regions: Sequence[torch.Tensor], repeats: int = 1
) -> torch.Tensor:
    """Return the sliced Wasserstein distance of patches of 9 x 9 pixels in the levels of a Laplacian pyramid.

    Patches are projected on random filters, drawn from torch's generator, and the sorted projections of both pictures
    compared (Rabin et al. 2011; on patches, Elnekave and Weiss 2022, section 3). It asks for a region's kind of texture
    and leaves open where each fibre lies. The filters are oriented waves, as in Heeger and Bergen (1995): to edges and
    fibres they answer rarely and strongly, to grain often and weakly, while white filters answer to both alike. They
    sum to 0: brightness is another term's business.

    Which way fibres run is not in the layout, so half of the waves count all directions as one. If all of them did, it
    would be cheapest to let all fibres run one way; the others make that dear, because real crops are turned at random.
    The pyramid keeps fine grain from standing in for coarse structure (Karras et al. 2018, section 5), and each level
    counts in units of how much real patches vary in it.

    Parameters
    ----------
    woven
        Pictures ``(repeats B, 3, H, W)``; height and width are multiples of 4.
    real
        Pictures ``(B, 3, H, W)``; the first ``B`` woven ones are compared with them, and so are the next ``B``.
    regions
        Where patches are compared, each ``(B, 1, H, W)`` of 0 and 1, the same places in woven and real pictures.
    repeats
        How often each real picture was woven.

    Returns
    -------
    torch.Tensor
        Mean distance of the projections over levels and regions; 0 where a region is empty.
    """
    distances = []
    shown = [woven.float(), real.float()]
    for level in range(_LEVELS):
        bands = shown
        if level < _LEVELS - 1:
            coarser = [functional.avg_pool2d(each, 2) for each in shown]
            bands = [
                each - functional.interpolate(below, scale_factor=2, mode="bilinear")
                for each, below in zip(shown, coarser, strict=True)
            ]
            shown = coarser
        filters = _oriented_filters(woven.shape[1]).to(woven.device)
        made, wanted = (functional.conv2d(each, filters).unflatten(1, (_KINDS, _TURNS)) for each in bands)
        margin = _PATCH // 2
        for region in regions:
            inside = functional.avg_pool2d(region, 2**level)[..., margin:-margin, margin:-margin] > 0.5
            places = inside.sum().clamp(min=1) * _KINDS * _TURNS
            spread = (wanted.square() * inside[:, None]).sum().div(places).sqrt().clamp(min=_LEAST_SPREAD)
            together = inside[:, None].expand(-1, -1, _TURNS, -1, -1)
            pooled = _distance(made[:, :_POOLED], wanted[:, :_POOLED], together, repeats)
            apart = _distance(made[:, _POOLED:].flatten(1, 2), wanted[:, _POOLED:].flatten(1, 2), inside, repeats)
            distances.append(0.5 * (pooled + apart) / spread)
    return torch.stack(distances).mean()


def value_distribution_loss(
    woven: torch.Tensor, real: torch.Tensor, regions: Sequence[torch.Tensor], repeats: int = 1
) -> torch.Tensor:
    """Return the sliced Wasserstein distance of single pixels, and of means over 4 x 4 pixels.

    It is to colours what `patch_distribution_loss` is to texture, and takes the same parameters: how dark, how pink and
    how varied a region is, wherever its darker places lie. A pixel-wise distance would settle on the median of each.
    """
    distances = []
    for cell in _VALUE_CELLS:
        shown = [functional.avg_pool2d(each.float(), cell) for each in (woven, real)]
        directions = torch.randn(_DIRECTIONS, woven.shape[1], 1, 1, device=woven.device)
        directions = directions / directions.square().sum(1, keepdim=True).sqrt()
        projected = [functional.conv2d(each, directions) for each in shown]
        for region in regions:
            inside = functional.avg_pool2d(region, cell) > 0.5
            distances.append(_distance(projected[0], projected[1], inside, repeats))
    return torch.stack(distances).mean()


def _oriented_filters(channels: int) -> torch.Tensor:
    """Return Gabor filters ``(_KINDS * _TURNS, channels, _PATCH, _PATCH)``.

    Each kind has a random wavelength, phase and colour, and comes in `_TURNS` directions from a random one on.
    """
    turns = torch.arange(_TURNS) / _TURNS
    direction = torch.pi * (torch.rand(_KINDS, 1) + turns)[..., None, None]
    phase = 2 * torch.pi * torch.rand(_KINDS, 1, 1, 1)
    wavelength = _SHORTEST * (_PATCH / _SHORTEST) ** torch.rand(_KINDS, 1, 1, 1)
    offsets = torch.arange(_PATCH) - _PATCH // 2
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    across = x * torch.cos(direction) + y * torch.sin(direction)
    along = y * torch.cos(direction) - x * torch.sin(direction)
    envelope = torch.exp(-2.0 * (across.square() + (along * _ASPECT).square()) / wavelength.square())
    waves = envelope * torch.cos(2 * torch.pi * across / wavelength + phase)
    waves = waves - envelope * (waves.sum((2, 3), keepdim=True) / envelope.sum((2, 3), keepdim=True))
    filters = torch.randn(_KINDS, 1, channels, 1, 1) * waves[:, :, None]
    return (filters / filters.square().sum((2, 3, 4), keepdim=True).sqrt()).flatten(0, 1)


def _distance(woven: torch.Tensor, real: torch.Tensor, inside: torch.Tensor, repeats: int) -> torch.Tensor:
    """Return the mean distance of sorted projections ``(repeats B, F, ...)`` and ``(B, F, ...)`` inside a region."""
    # As many places lie elsewhere in both, and all with one value: sorted, they come last and cancel.
    wanted = _sorted(torch.where(inside, real, _ELSEWHERE).flatten(2)).repeat(repeats, 1, 1)
    made = _sorted(torch.where(torch.cat([inside] * repeats), woven, _ELSEWHERE).flatten(2))
    places = inside.sum().clamp(min=1) * repeats
    return (made - wanted).abs().sum() / (woven.shape[1] * places)


def _sorted(values: torch.Tensor) -> torch.Tensor:
    if values.device.type != "cpu":
        return values.sort(2).values
    # NumPy sorts several times faster on a CPU, and sorting is most of this loss.
    order = torch.from_numpy(np.argsort(values.detach().numpy(), axis=2))
    return values.gather(2, order)
