"""Training of critics: what is real, beside a reference, and what is woven or made unreal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from histoloom.errors import TrainingError
from histoloom.generators.networks.critic import RECEPTIVE_FIELD, STEP, CriticNetwork
from histoloom.models import JudgementFacts
from histoloom.training.batches import Batch, as_pictures
from histoloom.training.critic_data import BLURRED, PIECED, REAL, SCALED, STAINED, UNSAID, WOVEN
from histoloom.training.critic_judging import calibrated_facts
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.degradations import (
    blurred,
    magnified,
    pieced_together,
    shift_of,
    stain_axes,
    stain_shifted,
)
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.shared_appearance import varied_together
from histoloom.training.systems.contract import Losses, NetworkFacts, Work
from histoloom.training.systems.critic_recipe import CriticRecipe

_ROUGHEST_JPEG, _FINEST_JPEG = 50, 95
_CENTER = RECEPTIVE_FIELD // 2


class CriticTraining:
    """One network and its cross-entropy: what it says is a probability, from which weights follow (Hou et al., Eq. 5).

    Degraded crops of real tiles count as woven in training, or a critic of clean weaves would never have seen a blur.
    What remains of the probability's meaning is for calibration, which is on held-out real and woven tiles alone: for a
    tile that no degradation would give, the density of what was called woven is that of woven tiles times a constant,
    which the calibration's intercept takes in; a tile as a degradation would give it is weighed less than by its
    density among woven tiles.
    """

    name: ClassVar[str] = "critic"
    title: ClassVar[str] = "Critic"
    recipe_type: ClassVar[type[TrainingRecipe]] = CriticRecipe
    saved: ClassVar[str] = "critic"
    score: ClassVar[str] = "log score"
    shown: ClassVar[str] = "picture, reference, and where the picture is taken for real"
    facts = NetworkFacts("discriminator", "none", halo=RECEPTIVE_FIELD // 2, tile_invariant=True)
    margin = 0
    relative_rates: ClassVar[Mapping[str, float]] = {}
    compares_conditions = False
    planes = 1
    crop_multiple = 1
    classes: ClassVar[tuple[str, ...]] = ()
    patience = 0

    def __init__(self, recipe: CriticRecipe, data: TrainingData) -> None:
        if 0 < recipe.reference_size < RECEPTIVE_FIELD:
            raise TrainingError(
                f"References of {recipe.reference_size} pixels are smaller than what the critic sees at once; give a "
                f"reference size from {RECEPTIVE_FIELD}, or 0 for a critic without a reference."
            )
        if not data.woven:
            raise TrainingError(
                "A critic needs woven tiles beside real ones; give a folder of them, or have some woven ('--weave')."
            )
        self.recipe: CriticRecipe = recipe
        self._pixel_size = data.pixel_size
        self._stain_axes = stain_axes([each.image for each in data.training])

    @property
    def woven_share(self) -> float:
        """Share of the crops that are of woven tiles."""
        return float(self.recipe.woven_share)

    @property
    def reference_size(self) -> int:
        """Side of the pictures that show what a tile's tissue looks like."""
        return int(self.recipe.reference_size)

    def encode(self, crop: LabelledPicture) -> NDArray[np.float32]:
        """Return what is said of each pixel, ``float32 (1, H, W)``."""
        return crop.label_map[None].astype(np.float32)

    def vary(self, crop: LabelledPicture, random: np.random.Generator) -> LabelledPicture:
        """Return a crop as it is or, of a real tile, made unreal; and some of both compressed."""
        degraded = random.random() < self.recipe.degraded_share
        if degraded and (crop.label_map == REAL).all():
            crop = self._degraded(crop, random)
        if random.random() < self.recipe.compressed:
            crop = replace(crop, image=_compressed(crop.image, int(random.integers(_ROUGHEST_JPEG, _FINEST_JPEG + 1))))
        return crop

    def _degraded(self, crop: LabelledPicture, random: np.random.Generator) -> LabelledPicture:
        recipe, size = self.recipe, self._pixel_size
        what = int(random.choice((BLURRED, STAINED, SCALED, PIECED)))
        said = np.full(crop.label_map.shape, what, np.int32)
        if what == BLURRED:
            image = blurred(crop.image, random.uniform(recipe.least_blur, recipe.largest_blur) / size)
        elif what == STAINED:
            deviations = random.uniform(recipe.least_stain_shift, recipe.largest_stain_shift)
            shift = shift_of(self._stain_axes, deviations, random.uniform(0, 2 * math.pi))
            image = stain_shifted(crop.image, shift)
        elif what == SCALED:
            tile, place = crop.tile or crop, crop.footprint
            factor = math.exp(random.uniform(math.log(recipe.least_scale), math.log(recipe.largest_scale)))
            center = None if place is None else ((place.y0 + place.y1) / 2, (place.x0 + place.x1) / 2)
            image = magnified(tile.image, factor ** random.choice((-1, 1)), recipe.crop_size, center)
        else:
            side = round(random.uniform(recipe.least_piece, recipe.largest_piece) / size)
            image, seen = pieced_together(crop.image, side, random)
            said[~seen] = UNSAID
        return replace(crop, image=image, label_map=said)

    def build(self) -> dict[str, nn.Module]:
        """Return the network."""
        return {"critic": CriticNetwork(self.recipe.width, self.reference_size > 0)}

    def step(self, work: Work, batch: Batch) -> Losses:
        """Update the network once."""
        pictures = [batch.image] if batch.reference is None else [batch.image, batch.reference]
        recipe = self.recipe
        varied = varied_together(pictures, recipe.together_gain, recipe.together_blur / self._pixel_size)
        logits = work.networks["critic"](*varied)
        loss = _cross_entropy(logits, _said_of(logits, batch.condition))
        work.update("critic", loss)
        return {"loss": loss.detach()}

    def validate(self, networks: Mapping[str, nn.Module], batch: Batch) -> Losses:
        """Return the logarithm of the probability given to the truth, and the share of patches told rightly."""
        logits = self._judged(networks["critic"], batch)
        said = _said_of(logits, batch.condition)
        right = ((logits > 0) == (said == REAL)).float().mean()
        return {"log score": -_cross_entropy(logits, said), "accuracy": right}

    def show(self, network: nn.Module, batch: Batch) -> list[NDArray[np.uint8]]:
        """Return RGB ``uint8 (H, W, 3)``: the first picture of a batch, its reference, and where it is found real."""
        picture = as_pictures(batch.image)[0]
        probability = torch.sigmoid(self._judged(network, batch)[:1])
        size = (picture.shape[0], picture.shape[1])
        seen = functional.interpolate(probability, size, mode="bilinear")[0, 0].cpu().numpy()
        judged = np.repeat((seen * 255).astype(np.uint8)[..., None], 3, axis=2)
        if batch.reference is None:
            return [picture, judged]
        reference = np.zeros_like(picture)
        beside = as_pictures(batch.reference)[0][: size[0], : size[1]]
        reference[: beside.shape[0], : beside.shape[1]] = beside
        return [picture, reference, judged]

    def judgement(self, network: nn.Module, batches: Sequence[Batch]) -> JudgementFacts:
        """Return how logits become probabilities and weights, calibrated on held-out crops."""
        logits, is_real = [], []
        for batch in batches:
            values = self._judged(network, batch)
            logits.append(values.flatten().cpu().numpy())
            is_real.append((_said_of(values, batch.condition) == REAL).flatten().cpu().numpy())
        return calibrated_facts(np.concatenate(logits), np.concatenate(is_real), self.reference_size)

    @staticmethod
    def _judged(network: nn.Module, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = (
            network(batch.image) if batch.reference is None else network(batch.image, batch.reference)
        )
        return logits.float()


def _said_of(logits: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
    """Return what is said of the pixel in the middle of each logit's patch, ``(B, 1, h, w)``."""
    height, width = logits.shape[2:]
    return said[:, :, _CENTER::STEP, _CENTER::STEP][:, :, :height, :width]


def _cross_entropy(logits: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
    """Return the mean of those of real and of all other patches, so that both count alike however many they are."""
    values = functional.binary_cross_entropy_with_logits(logits.float(), (said == REAL).float(), reduction="none")
    means = []
    for chosen in (said == REAL, said >= WOVEN):
        weight = chosen.float()
        means.append((values * weight).sum() / weight.sum().clamp(min=1.0))
    present = ((said == REAL).any() & (said >= WOVEN).any()).float() + 1.0
    return (means[0] + means[1]) / present


def _compressed(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    import cv2

    _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
