"""pix2pix (Isola et al. 2017), on the structure labels of Yasuno (2020): the first published system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
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
from histoloom.models import ConditionFacts
from histoloom.training.batches import Batch
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.losses.adversarial import real_loss, woven_loss
from histoloom.training.previews import condition_picture
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.contract import Losses, NetworkFacts, Work
from histoloom.training.systems.encodings import condition_facts, encoded
from histoloom.training.systems.pix2pix_recipe import Pix2PixRecipe


class Pix2Pix:
    """GAN + 100 L1 with a U-Net and a conditional PatchGAN; dropout is the noise."""

    name: ClassVar[str] = "pix2pix"
    title: ClassVar[str] = "pix2pix"
    recipe_type: ClassVar[type[TrainingRecipe]] = Pix2PixRecipe
    saved: ClassVar[str] = "generator"
    facts = NetworkFacts("generator", "batch statistics", halo=None, tile_invariant=False)
    margin = reference_size = 0
    relative_rates: ClassVar[Mapping[str, float]] = {}
    compares_conditions = False

    def __init__(self, recipe: Pix2PixRecipe, data: TrainingData) -> None:
        self.recipe: Pix2PixRecipe = recipe
        self._data = data
        self.encoding: Encoding = StructureLabelsEncoding(StructureLabelsRecipe.checked(source=recipe.structure))
        if recipe.condition == "classes and contour":
            self.encoding = ClassesEncoding(ClassesRecipe.checked(classes=data.classes))

    @property
    def condition(self) -> ConditionFacts:
        """What the generator sees."""
        return condition_facts(self.encoding)

    @property
    def planes(self) -> int:
        """Those of the condition."""
        return self.condition.channels

    @property
    def crop_multiple(self) -> int:
        """What the U-Net can halve."""
        return int(2**self.recipe.depth)

    def encode(self, crop: LabelledPicture) -> NDArray[np.float32]:
        """Return the condition ``float32 (C, H, W)`` of a crop."""
        return encoded(self.encoding, crop, self._data)

    def picture_of(self, condition: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return how previews show a condition: RGB ``uint8 (H, W, 3)``."""
        return condition_picture(condition)

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
