"""Texture without places: woven patches shall be distributed as real ones are."""

from __future__ import annotations

import torch
from torch.nn import functional

_PATCH = 7
_FILTERS = 32
_SCALES = 3
_ELSEWHERE = 1e3


def patch_distribution_loss(woven: torch.Tensor, real: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """Return the sliced Wasserstein distance of patches of 7 x 7 pixels at full, half and quarter size.

    Patches are projected on random filters, drawn from torch's generator, and the sorted projections of both pictures
    compared (Rabin et al. 2011; on patches, Elnekave and Weiss 2022, section 3). It asks for a region's kind of texture
    and leaves open where each fibre lies. The filters sum to 0 in each channel: brightness is another term's business.

    Parameters
    ----------
    woven, real
        Pictures ``(B, 3, H, W)``.
    region
        Where patches are compared, ``(B, 1, H, W)`` of 0 and 1, the same places in both.

    Returns
    -------
    torch.Tensor
        Mean distance of the projections; 0 where the region is empty.
    """
    distances = []
    for scale in range(_SCALES):
        if scale:
            woven, real, region = (functional.avg_pool2d(each, 2) for each in (woven, real, region))
        filters = torch.randn(_FILTERS, 3, _PATCH, _PATCH, device=woven.device)
        filters = filters - filters.mean((2, 3), keepdim=True)
        filters = filters / filters.square().sum((1, 2, 3), keepdim=True).sqrt()
        margin = _PATCH // 2
        inside = region[..., margin:-margin, margin:-margin] > 0.5
        # As many places lie elsewhere in both, and all with one value: sorted, they come last and cancel.
        projected = [
            torch.where(inside, functional.conv2d(each.float(), filters), _ELSEWHERE).flatten(2).sort(2).values
            for each in (woven, real)
        ]
        apart = (projected[0] - projected[1]).abs().sum()
        distances.append(apart / (_FILTERS * inside.sum().clamp(min=1)))
    return torch.stack(distances).mean()
