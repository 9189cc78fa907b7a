"""A system of two small networks and one of everything that the loop offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from torch import nn

from histoloom.layouts import Layout
from histoloom.models import ConditionFacts, TrainingSource
from histoloom.recipes import recipe_field
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.previews import condition_picture
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.contract import NetworkFacts
from histoloom.training.systems.registry import register_system

register_system("tiny", f"{__name__}:TinyRecipe", f"{__name__}:TinySystem")


class TinyRecipe(TrainingRecipe):
    fail_at: int = recipe_field(-1, "Fail at", "Step at which the loss is no number.")


class TinySystem:
    name: ClassVar[str] = "tiny"
    title: ClassVar[str] = "The tiny system"
    recipe_type: ClassVar = TinyRecipe
    saved: ClassVar[str] = "generator"
    facts = NetworkFacts("generator", "none", 2, True)
    margin = reference_size = 0
    relative_rates: ClassVar[Mapping[str, float]] = {}
    condition = ConditionFacts(encoding="mask", channels=1)
    compares_conditions = True
    planes = 1
    crop_multiple = 4

    def __init__(self, recipe, data):
        self.recipe, self.data = recipe, data
        self.steps = 0

    def encode(self, crop: LabelledPicture):
        return (crop.label_map > 0).astype(np.float32)[None]

    def picture_of(self, condition):
        return condition_picture(condition)

    def build(self):
        generator = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(8, 3, 3, padding=1), nn.Tanh()
        )
        return {"generator": generator, "discriminator": nn.Conv2d(3, 1, 3)}

    def step(self, work, batch):
        self.steps += 1
        fake = work.networks["generator"](batch.condition)
        critic = work.networks["discriminator"]
        judged = (critic(fake.detach()) - critic(batch.image)).mean() + 0.1 * critic(batch.image).square().mean()
        work.update("discriminator", judged)
        with work.frozen("discriminator") as frozen:
            distance = (fake - batch.image).abs().mean()
            loss = distance - 0.01 * frozen(fake).mean()
            if self.steps == self.recipe.fail_at:
                loss = loss * float("nan")
            work.update("generator", loss)
        assert batch.other_condition.shape == batch.condition.shape
        return {"distance": distance.detach(), "generator": loss.detach()}

    def validate(self, networks: Mapping[str, nn.Module], batch):
        return {"distance": (networks["generator"](batch.condition) - batch.image).abs().mean()}

    def weave(self, network, batch):
        return network(batch.condition)


def tiny_data(tiles: int = 4, side: int = 40) -> TrainingData:
    pictures = []
    for index in range(tiles):
        random = np.random.default_rng(index)
        label_map = np.zeros((side, side), np.int32)
        for label in range(1, 5):
            y, x = random.integers(4, side - 4, 2)
            label_map[y - 3 : y + 3, x - 3 : x + 3] = label
        image = np.where(label_map[..., None] > 0, [90, 60, 140], [230, 180, 210]).astype(np.uint8)
        pictures.append(LabelledPicture(image, label_map, np.zeros(5, np.uint8)))
    sources = (TrainingSource(name="squares", licence="CC0", tiles=tiles),)
    return TrainingData(tuple(pictures[1:]), tuple(pictures[:1]), ("nucleus",), 0.25, sources, {"by": "tile"})


def layout_of(picture: LabelledPicture) -> Layout:
    return picture.layout(("nucleus",), 0.25)
