"""The discriminator of the house generator: patches at two scales, beside condition and reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from histoloom.generators.networks.canonical_stain import canonical_pictures, relative_concentrations, stain_rows
from histoloom.generators.networks.loom_discriminator import SCALES, LoomDiscriminator
from histoloom.importance.judging.contract import JudgingNetwork, as_tensor, central
from histoloom.tiles.stain_summary import StainSummary

_STEP = 8
_RECEPTIVE_FIELD = 76
"""Of the coarser scale: 38 pixels of the halved picture."""


class _Look(NamedTuple):
    stains: torch.Tensor
    reference: torch.Tensor


class LoomJudge(JudgingNetwork):
    """The mean of the two scales' logits, of a picture in canonical colours by the stains of its reference.

    It was trained by a hinge loss, which asks for no probabilities: its logits rank pictures, and only calibration
    makes weights of them.
    """

    @classmethod
    def from_recipe(cls, recipe: Mapping[str, Any], channels: int) -> Self:
        """Build one; see `JudgingNetwork.from_recipe`."""
        side = recipe["crop_size"]
        if side % (_STEP * 2 ** (SCALES - 1)):
            raise ValueError("no side of training crops")
        network = LoomDiscriminator(channels, recipe["discriminator_width"])
        return cls(
            network, receptive_field=_RECEPTIVE_FIELD, step=_STEP, offset=0.0, side=side,
            reference_size=recipe["reference_size"], sees_condition=True,
        )  # fmt: skip

    def prepared_reference(self, reference: NDArray[np.uint8]) -> _Look:
        """Return the reference's stains and its middle in canonical colours.

        Raises
        ------
        LookError
            If it shows no tissue.
        """
        device = next(self.network.parameters()).device
        stains = stain_rows([StainSummary.of(reference)]).to(device)
        picture = as_tensor(central(reference, self.reference_size), device)
        return _Look(stains, canonical_pictures(relative_concentrations(picture, stains)))

    def logits(self, picture: torch.Tensor, condition: torch.Tensor | None, reference: _Look) -> torch.Tensor:
        """Return logits ``(H / 8, W / 8)``; see `JudgingNetwork.logits`."""
        canonical = canonical_pictures(relative_concentrations(picture, reference.stains))
        scales, _ = self.network(canonical, condition, reference.reference)
        fine: torch.Tensor = scales[0]
        total = sum(functional.interpolate(each, fine.shape[2:], mode="nearest") for each in scales[1:])
        return ((fine + total) / len(scales))[0, 0]
