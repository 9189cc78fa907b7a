"""The losses of Hou et al. (2019, section 4.2 and equation 6), one number for each picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch.nn import functional

SquareTerm = Literal["norm", "squared norm"]
MapTerm = Literal["mean", "sum"]
RealismForm = Literal["log(1 - D)", "-log D"]


def regularization_loss(
    first: torch.Tensor, refined: torch.Tensor, l1_weight: float, l2_weight: float, square_term: SquareTerm = "norm"
) -> torch.Tensor:
    """Return the elastic net of what refining changes, ``(B,)``.

    ``l1_weight ||I - X||_1 + l2_weight ||I - X||_2``; norms add up all values of a picture and do not average them.

    Parameters
    ----------
    first, refined
        ``(B, 3, H, W)`` in -1..1.
    l1_weight, l2_weight
        The paper's are 1e-5 and 1e-4, the code's 1e-3 and 1e-2.
    square_term
        The second norm as in the paper, or its square as in the code.
    """
    change = (first - refined).float().flatten(1)
    squares = change.square().sum(1)
    # The root has no gradient where nothing has changed.
    second = squares if square_term == "squared norm" else (squares + 1e-12).sqrt()
    return l1_weight * change.abs().sum(1) + l2_weight * second


def realism_loss(logits: torch.Tensor, form: RealismForm = "log(1 - D)", over_map: MapTerm = "mean") -> torch.Tensor:
    """Return how unreal a discriminator finds refined pictures, ``(B,)``.

    Parameters
    ----------
    logits
        ``(B, 1, h, w)``, above 0 is real: one for each place of a picture.
    form
        The paper's ``log(1 - D)``, or ``-log D``, whose gradient does not vanish where D is sure.
    over_map
        One number for each picture is what the paper's equation has; the code adds up all places.
    """
    logits = logits.float()
    each = -functional.softplus(logits) if form == "log(1 - D)" else functional.softplus(-logits)
    return _over_map(each, over_map)


def judgement_loss(logits: torch.Tensor, *, is_real: bool, over_map: MapTerm = "mean") -> torch.Tensor:
    """Return the cross-entropy of a discriminator's judgement, ``(B,)``; parameters as `realism_loss`."""
    return _over_map(functional.softplus(-logits.float() if is_real else logits.float()), over_map)


def task_loss(outputs: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor], border: int) -> torch.Tensor:
    """Return the cross-entropy of a learner with two outputs, added up over pixels, ``(B,)``.

    Hardness is minus this (the paper's L_hard), and its weight of 1e-7 only means something with sums.

    Parameters
    ----------
    outputs
        Logits ``(B, 1, H, W)`` by name.
    targets
        Of the same names and shapes, 0 or 1.
    border
        Pixels along the sides that count a hundredth (the authors' code: 50 of 400), because a learner does not see
        what lies beyond.
    """
    total: torch.Tensor | None = None
    for name, target in targets.items():
        losses = functional.binary_cross_entropy_with_logits(outputs[name].float(), target, reduction="none")
        weights = torch.full_like(losses, 0.01)
        weights[..., border : losses.shape[-2] - border, border : losses.shape[-1] - border] = 1.0
        of_output = (losses * weights).sum((1, 2, 3))
        total = of_output if total is None else total + of_output
    if total is None:
        raise ValueError("A learner without targets has no loss.")
    return total


def batch_weights(logits: torch.Tensor, clip: tuple[float, float] | None) -> torch.Tensor:
    """Return the importance weights of a batch, ``(B,)``, without gradients: ``D / (1 - D)``, as real and fake are one.

    Equation 5, with the mean of D over each picture's map as the code takes it.

    Parameters
    ----------
    logits
        ``(B, 1, h, w)``.
    clip
        Least and greatest weight, such as the code's (0.2, 2); None for neither.
    """
    probability = torch.sigmoid(logits.detach().float()).mean((1, 2, 3))
    weights = probability / (1.0 - probability + 1e-6)
    return weights if clip is None else weights.clamp(*clip)


def _over_map(values: torch.Tensor, over_map: MapTerm) -> torch.Tensor:
    return values.sum((1, 2, 3)) if over_map == "sum" else values.mean((1, 2, 3))
