"""Discriminators without padding and normalization: what they say of a patch is the same in every window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histoloom.generators.networks.critic import RECEPTIVE_FIELD, STEP, CriticNetwork
from histoloom.generators.networks.hou_discriminator import discriminator_from_recipe
from histoloom.importance.judging.contract import JudgingNetwork, as_tensor, central

_MOST_REFERENCE = 2
"""How many times its least size a reference may be high and wide; more tells little and takes long."""


class _Unpadded(JudgingNetwork):
    """A network whose first logit is centred in the middle of its receptive field."""

    def __init__(self, network: nn.Module, receptive_field: int, step: int, reference_size: int) -> None:
        super().__init__(
            network,
            receptive_field=receptive_field,
            step=step,
            offset=0.5 * receptive_field / step - 0.5,
            reference_size=reference_size,
        )

    def _middle(self, reference: NDArray[np.uint8]) -> torch.Tensor:
        """Return the middle of a reference ``(1, 3, h, w)`` in -1..1."""
        device = next(self.network.parameters()).device
        return as_tensor(central(reference, _MOST_REFERENCE * self.reference_size), device)


class CriticJudge(_Unpadded):
    """The critic that is trained on demand."""

    network: CriticNetwork

    @classmethod
    def from_recipe(cls, recipe: Mapping[str, Any], channels: int) -> Self:  # noqa: ARG003 - it sees pictures alone
        """Build one; see `JudgingNetwork.from_recipe`."""
        size = int(recipe["reference_size"])
        return cls(CriticNetwork(recipe["width"], with_reference=size > 0), RECEPTIVE_FIELD, STEP, size)

    def prepared_reference(self, reference: NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what is usual in the middle of a reference."""
        mean, spread = self.network.usual(self._middle(reference))
        return mean, spread

    def logits(self, picture: torch.Tensor, condition: torch.Tensor | None, reference: Any) -> torch.Tensor:  # noqa: ARG002
        """Return logits ``(h, w)``; see `JudgingNetwork.logits`."""
        found: torch.Tensor = self.network.judged(picture, reference)
        return found[0, 0]


class RefinerJudge(_Unpadded):
    """The discriminator of a refiner (Hou et al. 2019, section 4.2)."""

    @classmethod
    def from_recipe(cls, recipe: Mapping[str, Any], channels: int) -> Self:  # noqa: ARG003 - it sees pictures alone
        """Build one; see `JudgingNetwork.from_recipe`."""
        network = discriminator_from_recipe(recipe)
        return cls(network, network.receptive_field, network.step, int(recipe["reference_size"]))

    def prepared_reference(self, reference: NDArray[np.uint8]) -> torch.Tensor:
        """Return the middle of a reference ``(1, 3, h, w)`` in -1..1."""
        return self._middle(reference)

    def logits(self, picture: torch.Tensor, condition: torch.Tensor | None, reference: Any) -> torch.Tensor:  # noqa: ARG002
        """Return logits ``(h, w)``; see `JudgingNetwork.logits`."""
        found: torch.Tensor = self.network(picture, reference)
        return found[0, 0]
