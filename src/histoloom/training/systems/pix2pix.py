"""pix2pix (Isola et al. 2017), on the structure labels of Yasuno (2020): the first published system."""

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
    StructureLabelsEncoding,
    StructureLabelsRecipe,
)
from histoloom.generators.networks.discriminators import PatchDiscriminator
from histoloom.generators.networks.pix2pix import Pix2PixGenerator
from histoloom.training.batches import Batch
from histoloom.training.data import TrainingData
from histoloom.training.losses.adversarial import real_loss, woven_loss
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.conditional_generator import ConditionalGenerator
from histoloom.training.systems.contract import Losses, Work
from histoloom.training.systems.pix2pix_recipe import Pix2PixRecipe


class Pix2Pix(ConditionalGenerator):
    """GAN + 100 L1 with a U-Net and a conditional PatchGAN; dropout is the noise."""

    name: ClassVar[str] = "pix2pix"
    title: ClassVar[str] = "pix2pix"
    recipe_type: ClassVar[type[TrainingRecipe]] = Pix2PixRecipe
    compares_conditions = False

    def __init__(self, recipe: Pix2PixRecipe, data: TrainingData) -> None:
        encoding: Encoding = StructureLabelsEncoding(StructureLabelsRecipe.checked(source=recipe.structure))
        if recipe.condition == "classes and contour":
            encoding = ClassesEncoding(ClassesRecipe.checked(classes=data.classes))
        super().__init__(encoding, data, recipe.depth)
        self.recipe: Pix2PixRecipe = recipe

    def build(self) -> dict[str, nn.Module]:
        """Return generator and discriminator."""
        channels = self.condition.channels
        return {
            "generator": Pix2PixGenerator(channels, self.recipe.width, self.recipe.depth),
            "discriminator": PatchDiscriminator(channels + 3, self.recipe.discriminator_width),
        }

    def step(self, work: Work, batch: Batch) -> Losses:
        """Update the discriminator, then the generator (section 3.3: the former's objective is halved)."""
        woven = work.networks["generator"](batch.condition)
        discriminator = work.networks["discriminator"]
        real_logits = discriminator(torch.cat([batch.condition, batch.image], 1))
        woven_logits = discriminator(torch.cat([batch.condition, woven.detach()], 1))
        discriminator_loss = 0.5 * (real_loss(real_logits) + woven_loss(woven_logits))
        work.update("discriminator", discriminator_loss)
        with work.frozen("discriminator") as judged:
            adversarial = real_loss(judged(torch.cat([batch.condition, woven], 1)))
            distance = functional.l1_loss(woven, batch.image)
            work.update("generator", adversarial + self.recipe.l1_weight * distance)
        return {
            "discriminator": discriminator_loss.detach(),
            "adversarial": adversarial.detach(),
            "l1": distance.detach(),
        }

    def validate(self, networks: Mapping[str, nn.Module], batch: Batch) -> Losses:
        """Return the distance to the real tile."""
        return {"l1": functional.l1_loss(networks["generator"](batch.condition).float(), batch.image)}

    def weave(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Return pictures ``(B, 3, H, W)`` in -1..1."""
        woven: torch.Tensor = network(batch.condition)
        return woven
