"""Losses of segmenters on classes of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.nn import functional

from histoloom.errors import TrainingError

UNTYPED, IGNORED = -1, -2
"""In place of a class: a nucleus of a class that nobody has said, and a pixel that nothing is learnt from."""


def median_frequency_weights(pixel_counts: ArrayLike) -> NDArray[np.float64]:
    """Return a weight for each class: the median of all classes' pixel counts over its own.

    Yasuno (2020, section 3.1) has 45,564 thousand pixels of background and 15,892 thousand of nuclei, which gives 0.674
    and 1.933. The idea is of Eigen & Fergus (2015, section 6.3.2).

    Parameters
    ----------
    pixel_counts
        ``(K + 1,)``, in any unit.

    Raises
    ------
    TrainingError
        If a class has no pixels.
    """
    counts = np.asarray(pixel_counts, np.float64)
    if not counts.size or not (counts > 0).all():
        raise TrainingError(
            "A class without a single pixel cannot be weighted by how frequent it is; leave it out, or switch the "
            "weights of classes off."
        )
    return np.asarray(np.median(counts) / counts)


def class_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    weights: Sequence[float] | None = None,
    importance: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the cross-entropy of classes, averaged over pixels.

    A pixel of a nucleus of unknown class (`UNTYPED`) counts as one of any class but the background: what is minimized
    is minus the logarithm of the sum of their probabilities. So it says nothing about which class it is.

    Parameters
    ----------
    logits
        ``(B, K + 1, H, W)``, channel 0 background.
    target
        ``(B, H, W)`` whole numbers: 0 background, 1..K, `UNTYPED` or `IGNORED`.
    weights
        Of each class, background first; an untyped nucleus has the mean of the nuclei's. None for 1.
    importance
        By what each crop's part of the sum is multiplied, ``(B,)``. None for 1.
    """
    log_probability = functional.log_softmax(logits.float(), dim=1)
    place = target.long().clamp(min=0)
    chosen = log_probability.gather(1, place[:, None])[:, 0]
    any_nucleus = torch.logsumexp(log_probability[:, 1:], dim=1)
    untyped = target == UNTYPED
    counted = (target != IGNORED).float()
    if weights is not None:
        table = torch.tensor(weights, dtype=torch.float32, device=logits.device)
        counted = counted * torch.where(untyped, table[1:].mean(), table[place])
    of_nuclei = torch.where(untyped, any_nucleus, chosen)
    return -(of_nuclei * by_importance(counted, importance)).sum() / counted.sum().clamp(min=1.0)


def binary_loss(
    logits: torch.Tensor, truth: torch.Tensor, counted: torch.Tensor, importance: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the binary cross-entropy, averaged over the pixels that count; all ``(B, 1, H, W)``.

    ``importance`` ``(B,)`` multiplies each crop's part of the sum.
    """
    losses = functional.binary_cross_entropy_with_logits(logits.float(), truth, reduction="none")
    return (losses * by_importance(counted, importance)).sum() / counted.sum().clamp(min=1.0)


def dice_loss(
    probability: torch.Tensor, truth: torch.Tensor, counted: torch.Tensor, importance: torch.Tensor | None = None
) -> torch.Tensor:
    """Return 1 minus the Dice coefficient of probabilities (Milletari et al. 2016), of a whole batch.

    Pooled, because a crop without nuclei has no Dice of its own.

    Parameters
    ----------
    probability, truth, counted
        ``(B, C, H, W)`` in 0..1; what is not counted is left out. A batch without nuclei has a loss near 0 where none
        are predicted.
    importance
        How much each crop counts in the pool beside the others, and, on the mean, the batch, ``(B,)``. None for 1.
    """
    batch_counts = torch.ones((), device=counted.device)
    if importance is not None:
        # A ratio is the same whatever all of it is multiplied by, so the batch's own importance is taken out and put
        # before it; else a batch of crops that hardly matter would be learnt from like any other.
        weighted = by_importance(counted, importance)
        batch_counts = weighted.sum() / counted.sum().clamp(min=1.0)
        counted = weighted / batch_counts.clamp(min=torch.finfo(weighted.dtype).tiny)
    probability = probability * counted
    both = (probability * truth).sum()
    return batch_counts * (1.0 - (2.0 * both + 1.0) / (probability.sum() + (truth * counted).sum() + 1.0))


def by_importance(counted: torch.Tensor, importance: torch.Tensor | None) -> torch.Tensor:
    """Return what counts, ``(B, ...)``, multiplied by each crop's importance ``(B,)``.

    Averages are still taken over what counts: an average over what was multiplied would give a batch of one crop that
    crop's full loss, however little it matters.
    """
    return counted if importance is None else counted * importance.reshape(-1, *[1] * (counted.dim() - 1))
