"""The discriminators of pix2pix and of mode-seeking pix2pix, whose norms take the statistics of a window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch

from histoloom.generators.networks.discriminators import PatchDiscriminator
from histoloom.generators.networks.mode_seeking_pix2pix import ModeSeekingDiscriminator
from histoloom.importance.judging.contract import JudgingNetwork

_PATCH, _PATCH_STEP = 70, 8
_MODE_SEEKING_STEPS = 8


class Pix2PixJudge(JudgingNetwork):
    """PatchGAN on condition and picture (Isola et al. 2017)."""

    @classmethod
    def from_recipe(cls, recipe: Mapping[str, Any], channels: int) -> Self:
        """Build one; see `JudgingNetwork.from_recipe`."""
        network = PatchDiscriminator(channels + 3, recipe["discriminator_width"])
        # Its last two convolutions are one pixel of their map larger than their padding makes up for.
        return cls(
            network, receptive_field=_PATCH, step=_PATCH_STEP, offset=1.0,
            side=_halved(recipe["crop_size"], _PATCH_STEP), sees_condition=True,
        )  # fmt: skip

    def logits(self, picture: torch.Tensor, condition: torch.Tensor | None, reference: Any) -> torch.Tensor:  # noqa: ARG002
        """Return logits ``(H / 8 - 2, W / 8 - 2)``; see `JudgingNetwork.logits`."""
        seen = picture if condition is None else torch.cat([condition, picture], 1)
        found: torch.Tensor = self.network(seen)
        return found[0, 0]


class ModeSeekingJudge(JudgingNetwork):
    """One logit for a whole window (Allender et al. 2020); windows overlap, so a picture still has a map."""

    @classmethod
    def from_recipe(cls, recipe: Mapping[str, Any], channels: int) -> Self:
        """Build one; see `JudgingNetwork.from_recipe`."""
        side = _halved(recipe["crop_size"], _MODE_SEEKING_STEPS)
        sees_condition = bool(recipe.get("conditional_discriminator", False))
        network = ModeSeekingDiscriminator(side, 3 + (channels if sees_condition else 0), recipe["discriminator_width"])
        return cls(
            network, receptive_field=side, step=side // _MODE_SEEKING_STEPS, offset=0.0, side=side,
            sees_condition=sees_condition,
        )  # fmt: skip

    def logits(self, picture: torch.Tensor, condition: torch.Tensor | None, reference: Any) -> torch.Tensor:  # noqa: ARG002
        """Return the window's logit at each of its steps; see `JudgingNetwork.logits`."""
        seen = torch.cat([condition, picture], 1) if self.sees_condition and condition is not None else picture
        logit: torch.Tensor = self.network(seen)
        return logit[0].expand(_MODE_SEEKING_STEPS, _MODE_SEEKING_STEPS)


def _halved(side: int, multiple: int) -> int:
    """Return a side of training crops; raises `ValueError` if the network cannot have seen such."""
    if not isinstance(side, int) or side < multiple or side % multiple:
        raise ValueError("no side of training crops")
    return side
