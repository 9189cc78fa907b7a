"""HoVer-Net's losses on horizontal and vertical offsets (Graham et al. 2019, section III.B)."""

from __future__ import annotations

import torch
from torch.nn import functional

from histoloom.training.losses.segmentation import by_importance

_REACH = 2
"""Pixels on each side of the 5 x 5 kernel of gradients, as in the authors' code."""


def offset_loss(
    predicted: torch.Tensor,
    truth: torch.Tensor,
    counted: torch.Tensor | None = None,
    importance: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the mean squared error of offsets ``(B, 2, H, W)``: the paper's equation 2.

    The mean is over the pixels ``(B, 1, H, W)`` that count (default: all); ``importance`` multiplies each crop's part.
    """
    if counted is None:
        counted = torch.ones_like(truth[:, :1])
    squares = (predicted.float() - truth).square()
    return (squares * by_importance(counted, importance)).sum() / (2.0 * counted.sum()).clamp(min=1.0)


def offset_gradient_loss(
    predicted: torch.Tensor, truth: torch.Tensor, nuclei: torch.Tensor, importance: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean squared error of the offsets' gradients inside nuclei: the paper's equation 3.

    Where two nuclei touch, offsets jump from 1 to -1; only this term sees how sharply.

    Parameters
    ----------
    predicted, truth
        ``(B, 2, H, W)``: the horizontal map, whose horizontal gradient counts, and the vertical one, whose vertical.
    nuclei
        ``(B, 1, H, W)``: 1 in nuclei, 0 elsewhere.
    importance
        By what each crop's part of the sum is multiplied, ``(B,)``. None for 1.
    """
    kernels = _kernels(predicted.device)
    apart = functional.conv2d(predicted.float() - truth, kernels, padding=_REACH, groups=2)
    return (apart.square() * by_importance(nuclei, importance)).sum() / (2.0 * nuclei.sum()).clamp(min=1.0)


def _kernels(device: torch.device) -> torch.Tensor:
    """Return ``(2, 1, 5, 5)``: Sobel's idea at any size, each weight its distance along over its squared distance."""
    along = torch.arange(-_REACH, _REACH + 1, dtype=torch.float32, device=device)
    squared = along.square()[:, None] + along.square()
    horizontal = along[None] / squared.clamp(min=1.0)
    return torch.stack([horizontal, horizontal.T])[:, None]
