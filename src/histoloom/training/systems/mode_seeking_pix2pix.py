"""mode-seeking-pix2pix (Allender et al. 2020): different conditions shall give different pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from histoloom.conditions import (
    ClassesEncoding,
    ClassesRecipe,
    Encoding,
    MaskAndStructureEncoding,
    MaskAndStructureRecipe,
)
from histoloom.generators.networks.mode_seeking_pix2pix import ModeSeekingDiscriminator, ModeSeekingGenerator
from histoloom.training.batches import Batch
from histoloom.training.data import TrainingData
from histoloom.training.losses.adversarial import real_loss, woven_loss
from histoloom.training.losses.mode_seeking import mode_seeking_loss
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.conditional_generator import ConditionalGenerator
from histoloom.training.systems.contract import Losses, Work
from histoloom.training.systems.mode_seeking_recipe import ModeSeekingRecipe


class ModeSeekingPix2Pix(ConditionalGenerator):
    """GAN + 10 L1 + 10 mode seeking, with a discriminator that does not see the condition (equation 5)."""

    name: ClassVar[str] = "mode-seeking-pix2pix"
    title: ClassVar[str] = "Mode-seeking pix2pix"
    recipe_type: ClassVar[type[TrainingRecipe]] = ModeSeekingRecipe

    def __init__(self, recipe: ModeSeekingRecipe, data: TrainingData) -> None:
        encoding: Encoding = MaskAndStructureEncoding(MaskAndStructureRecipe.checked(source=recipe.structure))
        if not recipe.structure_map:
            # The mask alone; where nuclei have classes, one mask for each.
            masks = ClassesRecipe.checked(classes=data.classes, background=False, contour=False)
            encoding = ClassesEncoding(masks)
        super().__init__(encoding, data, recipe.depth)
        self.recipe: ModeSeekingRecipe = recipe

    @property
    def compares_conditions(self) -> bool:
        """Whether the term is between conditions: a batch of 1 has no pair, so the second is drawn apart."""
        return self.recipe.mode_seeking == "conditions" and self.recipe.mode_seeking_weight > 0

    def build(self) -> dict[str, nn.Module]:
        """Return generator and discriminator."""
        recipe, channels = self.recipe, self.condition.channels
        noise = recipe.noise_channels if recipe.mode_seeking == "noises" else 0
        seen = 3 + (channels if recipe.conditional_discriminator else 0)
        return {
            "generator": ModeSeekingGenerator(channels, recipe.width, recipe.depth, noise),
            "discriminator": ModeSeekingDiscriminator(recipe.crop_size, seen, recipe.discriminator_width),
        }

    def step(self, work: Work, batch: Batch) -> Losses:
        """Update the discriminator, then the generator."""
        recipe, generator = self.recipe, work.networks["generator"]
        noise = self._noise(batch.condition)
        woven = generator(batch.condition, noise)
        discriminator = work.networks["discriminator"]
        discriminator_loss = real_loss(discriminator(self._seen(batch.condition, batch.image))) + woven_loss(
            discriminator(self._seen(batch.condition, woven.detach()))
        )
        work.update("discriminator", discriminator_loss)
        with work.frozen("discriminator") as judged:
            adversarial = real_loss(judged(self._seen(batch.condition, woven)))
            distance = functional.l1_loss(woven, batch.image)
            loss = adversarial + recipe.l1_weight * distance
            losses = {"adversarial": adversarial, "l1": distance, "discriminator": discriminator_loss}
            if recipe.mode_seeking != "none" and recipe.mode_seeking_weight > 0:
                losses["mode seeking"] = self._mode_seeking(generator, batch, woven, noise)
                loss = loss + recipe.mode_seeking_weight * losses["mode seeking"]
            work.update("generator", loss)
        return {name: each.detach() for name, each in losses.items()}

    def validate(self, networks: Mapping[str, nn.Module], batch: Batch) -> Losses:
        """Return the distance to the real tile."""
        woven = self.weave(networks["generator"], batch)
        return {"l1": functional.l1_loss(woven.float(), batch.image)}

    def weave(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Return pictures ``(B, 3, H, W)`` in -1..1."""
        woven: torch.Tensor = network(batch.condition, self._noise(batch.condition))
        return woven

    def _mode_seeking(
        self, generator: nn.Module, batch: Batch, woven: torch.Tensor, noise: torch.Tensor | None
    ) -> torch.Tensor:
        bound = self.recipe.mode_seeking_bound
        if noise is not None:
            other_noise = self._noise(batch.condition)
            other = generator(batch.condition, other_noise)
            return mode_seeking_loss(noise, other_noise, woven, other, bound)
        other_condition = batch.condition if batch.other_condition is None else batch.other_condition
        return mode_seeking_loss(batch.condition, other_condition, woven, generator(other_condition, None), bound)

    def _noise(self, condition: torch.Tensor) -> torch.Tensor | None:
        if self.recipe.mode_seeking != "noises":
            return None
        return torch.randn(len(condition), self.recipe.noise_channels, device=condition.device)

    def _seen(self, condition: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        return torch.cat([condition, picture], 1) if self.recipe.conditional_discriminator else picture
