"""What all architectures' outputs say about nuclei, in one form."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def nucleus_probability(outputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return ``(B, 1, H, W)`` in 0..1: how probably each pixel is of a nucleus of any class.

    From the output that was made for it, `nucleus` or `segmentation`; else from `classes`, as all but the background.
    """
    for name in ("nucleus", "segmentation"):
        if name in outputs:
            return torch.sigmoid(outputs[name].float())
    return 1.0 - torch.softmax(outputs["classes"].float(), dim=1)[:, :1]


def class_probabilities(outputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return ``(B, K, H, W)``: how probably a nucleus at each pixel is of each class; they sum to 1.

    Where an architecture has no `classes`, all nuclei are of one.
    """
    if "classes" not in outputs:
        return torch.ones_like(next(iter(outputs.values()))[:, :1]).float()
    return torch.softmax(outputs["classes"].float()[:, 1:], dim=1)
