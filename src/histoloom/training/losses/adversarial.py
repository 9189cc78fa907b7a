"""The adversarial loss of the first GAN (Goodfellow et al. 2014), on logits."""

from __future__ import annotations

import torch
from torch.nn import functional


def real_loss(logits: torch.Tensor) -> torch.Tensor:
    """Return the mean of ``-log D``: small where logits of any shape say real.

    A generator minimizes it on its own pictures, as all do, because ``log(1 - D)`` gives it no gradient at first.
    """
    return functional.softplus(-logits.float()).mean()


def woven_loss(logits: torch.Tensor) -> torch.Tensor:
    """Return the mean of ``-log(1 - D)``: small where logits of any shape say woven."""
    return functional.softplus(logits.float()).mean()
