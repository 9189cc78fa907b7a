"""Feature matching: woven pictures shall have the discriminator's features of real ones (Wang et al. 2018, eq. 4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional


def local_feature_matching_loss(
    woven: Sequence[Sequence[torch.Tensor]], real: Sequence[Sequence[torch.Tensor]], cell: int
) -> torch.Tensor:
    """Return the mean L1 distance between local means of features.

    Pix2pixHD compares features pixel by pixel, which asks noise-driven texture to repeat one tile's fibres in their
    places and gives mush; means over squares ask for the same kind of texture in the same place.

    Parameters
    ----------
    woven, real
        Features ``(B, C, h, w)`` of each layer of each scale.
    cell
        Side of the squares in cells of the finest layer; coarser layers take as many of their own as come nearest.
    """
    distances = []
    for woven_layers, real_layers in zip(woven, real, strict=True):
        finest = woven_layers[0].shape[-1]
        for made, wanted in zip(woven_layers, real_layers, strict=True):
            side = max(round(cell * made.shape[-1] / finest), 1)
            distances.append(
                functional.l1_loss(
                    functional.avg_pool2d(made.float(), side), functional.avg_pool2d(wanted.detach().float(), side)
                )
            )
    return torch.stack(distances).mean()
