"""Training of segmenters, of any architecture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histoloom.errors import TrainingError
from histoloom.layouts.classes import DEFAULT_CLASS
from histoloom.segmenters.imagenet import begin_from_imagenet
from histoloom.segmenters.instances import check_instances
from histoloom.segmenters.probabilities import nucleus_probability
from histoloom.segmenters.registry import architecture, build_segmenter
from histoloom.training.appearance import varied
from histoloom.training.batches import Batch, as_pictures
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.losses.offsets import offset_gradient_loss, offset_loss
from histoloom.training.losses.segmentation import (
    IGNORED,
    UNTYPED,
    binary_loss,
    by_importance,
    class_loss,
    dice_loss,
    median_frequency_weights,
)
from histoloom.training.nuclei_to_learn import (
    check_training_nuclei,
    check_validation_nuclei,
    counted_pixels,
)
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.segmenter_targets import plane_count, target_planes, targets_by_name
from histoloom.training.systems.contract import Losses, NetworkFacts, Work
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe

_OF_SINGLE_NUCLEI = {"offsets", "detection", "distance"}
_NO_INSTANCES = (
    "switch 'Split masks' on ('--split-masks') to take their pieces for nuclei, give labels of single nuclei, or train "
    "an architecture that needs none, such as 'unet'"
)

_MATCH, _ONLY_PREDICTED, _ONLY_TRUE = (255, 255, 255), (0, 200, 0), (220, 0, 220)
"""Colours of Yasuno (2020, figure 5): white match, green over-segmented, magenta missed."""


class SegmenterTraining:
    """One network, the losses that its outputs ask for, and Dice of nuclei as its score."""

    name: ClassVar[str] = "segmenter"
    title: ClassVar[str] = "Segmenter"
    recipe_type: ClassVar[type[TrainingRecipe]] = SegmenterRecipe
    saved: ClassVar[str] = "segmenter"
    score: ClassVar[str] = "dice"
    shown: ClassVar[str] = "picture, nuclei, and where the network finds them"
    facts = NetworkFacts("segmenter", "running statistics", halo=None, tile_invariant=False)
    margin = reference_size = 0
    relative_rates: ClassVar[Mapping[str, float]] = {}
    compares_conditions = False

    def __init__(self, recipe: SegmenterRecipe, data: TrainingData) -> None:
        self.recipe: SegmenterRecipe = recipe
        self._pixel_size = data.pixel_size
        self._outputs = architecture(recipe.architecture).outputs
        self._check_tiles(data)
        typed = tuple(each for each in _classes_to_tell(data) if each != DEFAULT_CLASS)
        self.classes = data.told or (typed if typed and recipe.tell_classes else (DEFAULT_CLASS,))
        """What the network tells apart."""
        unsaid = 1 if self.classes == (DEFAULT_CLASS,) else UNTYPED
        self._place_of = np.array(
            [self.classes.index(each) + 1 if each in self.classes else unsaid for each in data.classes], np.int16
        )
        self._class_weights = self._weights_of(data) if recipe.class_weights == "median frequency" else None

    def _check_tiles(self, data: TrainingData) -> None:
        woven = self._woven(data)
        if data.woven and not woven and self.recipe.woven_share > 0:
            raise TrainingError(
                "All woven tiles are rejected (their weights are 0); keep some, or train without woven tiles."
            )
        check_training_nuclei((*data.training, *woven))
        if not data.validation:
            raise TrainingError("There are no tiles to validate on; hold some out.")
        check_validation_nuclei(data.validation)
        if _OF_SINGLE_NUCLEI.intersection(self._outputs):
            for what, tiles in (("training", data.training), ("held-out", data.validation), ("woven", woven)):
                for each in tiles:
                    check_instances(each.label_map, f"The label map of a {what} tile", _NO_INSTANCES)

    def _woven(self, data: TrainingData) -> list[LabelledPicture]:
        """Return the woven tiles that are trained on."""
        return [each for each in data.woven if each.weight > 0] if self.recipe.woven_share > 0 else []

    @property
    def woven_share(self) -> float:
        """Share of the crops that are of woven tiles."""
        return float(self.recipe.woven_share)

    @property
    def planes(self) -> int:
        """Those of the targets."""
        return plane_count(self._outputs)

    @property
    def patience(self) -> int:
        """After how many validations without a better score training ends; 0 for never."""
        return int(self.recipe.patience)

    @property
    def crop_multiple(self) -> int:
        """Networks pad what they see."""
        return 1

    def encode(self, crop: LabelledPicture) -> NDArray[np.float32]:
        """Return the targets ``float32 (planes, H, W)`` of a crop."""
        return target_planes(crop, self._place_of, self._outputs)

    def vary(self, crop: LabelledPicture, random: np.random.Generator) -> LabelledPicture:
        """Return a crop that looks otherwise."""
        return replace(crop, image=varied(crop, self.recipe, self._pixel_size, random))

    def build(self) -> dict[str, nn.Module]:
        """Return the network."""
        settings = {"width": self.recipe.width} if self.recipe.width else {}
        network = build_segmenter(self.recipe.architecture, len(self.classes), settings)
        # Memory is estimated on a network without contents.
        if self.recipe.imagenet and not next(network.parameters()).is_meta:
            begin_from_imagenet(network)
        return {"segmenter": network}

    def step(self, work: Work, batch: Batch) -> Losses:
        """Update the network once."""
        losses = self._losses(work.networks["segmenter"](_seen(batch)), batch)
        work.update("segmenter", torch.stack(list(losses.values())).sum())
        return {name: each.detach() for name, each in losses.items()}

    def validate(self, networks: Mapping[str, nn.Module], batch: Batch) -> Losses:
        """Return the losses, and Dice of where nuclei are; 1 where none are and none are found."""
        outputs = networks["segmenter"](_seen(batch))
        target = targets_by_name(batch.condition, self._outputs)["class"][:, None]
        counted = target != IGNORED
        found, true = (nucleus_probability(outputs) > 0.5) & counted, (target != 0) & counted
        dice = (2.0 * (found & true).sum() + 1e-6) / (found.sum() + true.sum() + 1e-6)
        return {**self._losses(outputs, batch), "dice": dice}

    def show(self, network: nn.Module, batch: Batch) -> list[NDArray[np.uint8]]:
        """Return RGB ``uint8 (H, W, 3)``: the first picture of a batch, its nuclei, and where the network has them."""
        picture = as_pictures(batch.image)[0]
        target = batch.condition[0, 0].cpu().numpy()
        found = nucleus_probability(network(_seen(batch)))[0, 0].cpu().numpy() > 0.5
        counted = target != IGNORED
        found, true = found & counted, (target != 0) & counted
        agreement = picture // 4
        agreement[~counted] = picture[~counted]
        for where, color in ((found & true, _MATCH), (found & ~true, _ONLY_PREDICTED), (true & ~found, _ONLY_TRUE)):
            agreement[where] = color
        return [picture, np.repeat((true * np.uint8(255))[..., None], 3, axis=2), agreement]

    def _losses(self, outputs: Mapping[str, torch.Tensor], batch: Batch) -> Losses:
        recipe, importance = self.recipe, batch.importance
        targets = targets_by_name(batch.condition, self._outputs)
        target = targets["class"]
        counted = (target != IGNORED).float()[:, None]
        nuclei = (target != 0).float()[:, None] * counted
        losses: Losses = {}
        for name in ("nucleus", "segmentation"):
            if name in outputs:
                losses[name] = binary_loss(outputs[name], nuclei, counted, importance)
        if "classes" in outputs and recipe.class_weight > 0:
            of_classes = class_loss(outputs["classes"], target, self._class_weights, importance)
            losses["classes"] = recipe.class_weight * of_classes
        if recipe.dice_weight > 0:
            of_nuclei = dice_loss(nucleus_probability(outputs), nuclei, counted, importance)
            losses["dice loss"] = recipe.dice_weight * of_nuclei
        if "offsets" in outputs:
            true = targets["offsets"]
            losses["offsets"] = recipe.offset_weight * offset_loss(outputs["offsets"], true, counted, importance)
            gradients = offset_gradient_loss(outputs["offsets"], true, nuclei, importance)
            losses["offset gradients"] = recipe.offset_gradient_weight * gradients
        if "detection" in outputs:
            losses["detection"] = binary_loss(outputs["detection"], targets["detection"], counted, importance)
        if "distance" in outputs:
            squares = (outputs["distance"].float() - targets["distance"]).square()
            losses["distance"] = (squares * by_importance(counted, importance)).mean()
        return losses

    def _weights_of(self, data: TrainingData) -> tuple[float, ...]:
        counts = np.zeros(len(self.classes) + 1)
        for each in (*data.training, *self._woven(data)):
            table = np.maximum(self._place_of[each.class_of], 0)
            table[0] = 0
            pixels = np.bincount(each.label_map[counted_pixels(each)], minlength=len(table))
            # Untyped nuclei are of no class and not of the background either.
            said = np.r_[True, self._place_of[each.class_of[1:]] > 0]
            counts += np.bincount(table[said], weights=pixels[: len(table)][said], minlength=len(counts))
        return tuple(float(each) for each in median_frequency_weights(counts))


def _classes_to_tell(data: TrainingData) -> tuple[str, ...]:
    """Return the classes of real nuclei, or of woven ones where no real tile is trained on.

    Layouts are drawn with classes that nobody may have labelled: what a network tells apart, real tiles decide.
    """
    if not data.woven or not data.training:
        return data.classes
    real = np.unique(np.concatenate([each.class_of[1:] for each in (*data.training, *data.validation)]))
    return tuple(name for index, name in enumerate(data.classes) if index in real)


def _seen(batch: Batch) -> torch.Tensor:
    """Return pictures as networks see them, in 0..1."""
    return (batch.image + 1.0) * 0.5
