"""Mode-seeking terms: different inputs shall give different pictures."""

from __future__ import annotations

import torch


def mode_seeking_loss(
    first: torch.Tensor, second: torch.Tensor, first_woven: torch.Tensor, second_woven: torch.Tensor, bound: float
) -> torch.Tensor:
    """Return how much more two inputs differ than what was woven from them.

    With conditions as inputs it is equation 4 of Allender et al. (2020), with noise vectors the reciprocal of Mao et
    al. (2019), equation 3: mean L1 of the inputs over mean L1 of the pictures, ``d / p``. The published ratio has no
    limit and is known to diverge where pictures become equal. Here it is ``d / (p + d / bound)``: nearly the same while
    it is far below ``bound``, never above it, and, unlike a clamped one, with a gradient away from equal pictures.

    Parameters
    ----------
    first, second
        Inputs ``(B, ...)`` of the same shape.
    first_woven, second_woven
        The pictures from them ``(B, 3, H, W)``.
    bound
        Largest value.

    Returns
    -------
    torch.Tensor
        Mean over those of the batch whose inputs differ; 0 where none do.
    """
    apart = (first.float() - second.float()).abs().flatten(1).mean(1)
    pictures_apart = (first_woven.float() - second_woven.float()).abs().flatten(1).mean(1)
    differs = apart > 0
    # The 1 keeps pairs of equal inputs, which the mask drops, from dividing 0 by 0 in the gradient.
    ratio = apart / torch.where(differs, pictures_apart + apart / bound, 1.0)
    return ratio.sum() / differs.sum().clamp(min=1)
