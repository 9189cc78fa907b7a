"""The refiner of Hou et al. (2019, section 4.2), its discriminator, and the learner that it makes things hard for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histoloom.errors import TrainingError
from histoloom.generators.networks.critic import RECEPTIVE_FIELD
from histoloom.generators.networks.hou_discriminator import discriminator_from_recipe
from histoloom.generators.networks.hou_reference import strengthen_as_he
from histoloom.generators.networks.hou_refiner import BLOCKS, refiner_from_recipe, refiner_margin
from histoloom.segmenters.nucleus_maps import centre_map
from histoloom.segmenters.registry import build_segmenter
from histoloom.training.batches import Batch, as_pictures
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.first_pictures import FirstPictures
from histoloom.training.history_buffer import HistoryBuffer, as_bytes, from_bytes
from histoloom.training.losses.refining import (
    batch_weights,
    judgement_loss,
    realism_loss,
    regularization_loss,
    task_loss,
)
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.contract import Losses, NetworkFacts, Work
from histoloom.training.systems.refiner_recipe import RefinerRecipe
from histoloom.training.systems.refining_schedule import Round, main_round, round_at

_PICTURE = 3
_TARGETS = ("segmentation", "detection")
_CODE_CLIP = (0.2, 2.0)
_BORDER_SHARE = 1 / 8


class Refiner:
    """S+U learning with a reference: regularization, realism and hardness (equation 6), each network in its turn."""

    name: ClassVar[str] = "refiner"
    title: ClassVar[str] = "refiner (Hou et al.)"
    recipe_type: ClassVar[type[TrainingRecipe]] = RefinerRecipe
    saved: ClassVar[str] = "refiner"
    crop_multiple = 1
    compares_conditions = False
    condition = None
    planes = _PICTURE + len(_TARGETS)

    def __init__(self, recipe: RefinerRecipe, data: TrainingData) -> None:
        if recipe.batch_size < recipe.refiner_updates:
            raise TrainingError(
                f"{recipe.refiner_updates} updates of the refiner cannot share out a batch of {recipe.batch_size}; "
                "give a larger batch size, or fewer updates."
            )
        least = min(recipe.crop_size, recipe.reference_size)
        if recipe.discriminator == "critic" and least < RECEPTIVE_FIELD:
            raise TrainingError(
                f"The critic as a discriminator sees {RECEPTIVE_FIELD} pixels at once, and crops or references have "
                f"{least}; give a crop size and a reference size from {RECEPTIVE_FIELD}."
            )
        self.recipe: RefinerRecipe = recipe
        self._first_pictures = FirstPictures(data.training, data.pixel_size, recipe.first_pictures, recipe.seed)
        self._history = HistoryBuffer(recipe.history)
        self._round = main_round(recipe)

    @property
    def facts(self) -> NetworkFacts:
        """What bundles say of the refiner."""
        return NetworkFacts("generator", "none", halo=self.margin, tile_invariant=True, takes_noise=False)

    @property
    def relative_rates(self) -> Mapping[str, float]:
        """The discriminator's."""
        return {"discriminator": self.recipe.discriminator_pace}

    @property
    def margin(self) -> int:
        """What the refiner sees around what it refines, so that it does not learn borders that no canvas has."""
        return refiner_margin(self.recipe.blocks or BLOCKS[self.recipe.layers], self.recipe.kernel)

    @property
    def reference_size(self) -> int:
        """Side of the reference patches."""
        return self.recipe.reference_size

    def encode(self, crop: LabelledPicture) -> NDArray[np.float32]:
        """Return a first picture in -1..1, its nuclei and their centres: ``float32 (5, H, W)``."""
        picture, labels = self._first_pictures.beside(crop, crop.label_map.shape[0])
        values = picture.transpose(2, 0, 1).astype(np.float32) / np.float32(127.5) - np.float32(1.0)
        targets = {"segmentation": labels > 0, "detection": centre_map(labels)}
        return np.concatenate([values, *(targets[name][None].astype(np.float32) for name in _TARGETS)])

    def picture_of(self, condition: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the first picture without its margin: RGB ``uint8 (H, W, 3)``."""
        first: NDArray[np.uint8] = as_pictures(torch.from_numpy(self._without_margin(condition[:_PICTURE]))[None])[0]
        return first

    def build(self) -> dict[str, nn.Module]:
        """Return refiner, discriminator, and where there is one the learner."""
        recipe = self.recipe.as_json()
        networks: dict[str, nn.Module] = {
            "refiner": refiner_from_recipe(recipe),
            "discriminator": discriminator_from_recipe(recipe),
        }
        if self.recipe.discriminator == "hou" and self.recipe.discriminator_start == "he":
            strengthen_as_he(networks["discriminator"])
        if self.recipe.learner_updates:
            settings = {"width": self.recipe.learner_width} if self.recipe.learner_width else {}
            networks["learner"] = build_segmenter(self.recipe.learner, 1, settings)
        return networks

    def begin_step(self, step: int) -> None:
        """Be told which step comes; where nobody tells, all networks are updated."""
        self._round = round_at(step, self.recipe)

    def state(self) -> dict[str, Any]:
        """Return the history, for checkpoints."""
        return self._history.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the history of a checkpoint."""
        self._history.restore(state)

    def step(self, work: Work, batch: Batch) -> Losses:
        """Update each network as often as it is its turn; return losses of single pictures, detached."""
        seen = self._seen(batch)
        losses: Losses = {}
        count = len(batch.image) // self.recipe.refiner_updates
        for index in range(self._round.refiner):
            losses |= self._refine(work, [each[index * count : (index + 1) * count] for each in seen], self._round)
        for _ in range(self._round.learner):
            losses |= self._learn(work, seen, count)
        for _ in range(self._round.discriminator):
            losses |= self._discriminate(work, seen, batch, count)
        return losses

    def validate(self, networks: Mapping[str, nn.Module], batch: Batch) -> Losses:
        """Return how much refining changes held-out first pictures, and how real both are to the discriminator."""
        first, _, reference = self._seen(batch, shuffled=False)
        refined = networks["refiner"](first, reference)
        inner, refined = self._without_margin(first), self._without_margin(refined)
        judge = networks["discriminator"]
        shown = {"real": batch.image, "refined": refined, "first": inner}
        judged = {name: torch.sigmoid(judge(each, reference).float()).mean() for name, each in shown.items()}
        return {"change": (refined - inner).abs().mean(), **judged}

    def weave(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Return refined pictures ``(B, 3, H, W)`` in -1..1."""
        first, _, reference = self._seen(batch, shuffled=False)
        return self._without_margin(network(first, reference))

    def _refine(self, work: Work, seen: list[torch.Tensor], kind: Round) -> Losses:
        recipe = self.recipe
        first, targets, reference = seen
        refined = self._without_margin(work.networks["refiner"](first, reference))
        regularization = regularization_loss(
            self._without_margin(first), refined, recipe.l1_weight, recipe.l2_weight, recipe.square_term
        )
        losses = {"regularization": regularization}
        total = recipe.regularization_weight * regularization
        with ExitStack() as frozen:
            if not kind.is_alone:
                judged = frozen.enter_context(work.frozen("discriminator"))
                losses["realism"] = realism_loss(judged(refined, reference), recipe.realism_form, recipe.over_map)
                total = total + recipe.realism_weight * losses["realism"]
            if kind.learner and recipe.hardness_weight > 0:
                learner = frozen.enter_context(work.frozen("learner"))
                losses["hardness"] = -self._task_loss(learner(_for_learner(refined)), targets)
                total = total + recipe.hardness_weight * losses["hardness"]
            work.update("refiner", total.sum())
        if kind.is_remembered:
            self._history.push(as_bytes(refined), targets.to(torch.uint8), as_bytes(reference))
        return {name: each.detach().mean() for name, each in losses.items()}

    def _learn(self, work: Work, seen: list[torch.Tensor], count: int) -> Losses:
        refined, targets, reference = self._fakes(work, seen, count)
        each = self._task_loss(work.networks["learner"](_for_learner(refined)), targets)
        weighted = each
        if self.recipe.weigh_pictures:
            with torch.no_grad():
                logits = work.networks["discriminator"](refined, reference)
            weighted = each * batch_weights(logits, _CODE_CLIP if self.recipe.weight_clip == "code" else None)
        work.update("learner", weighted.sum())
        return {"learner": each.detach().mean()}

    def _discriminate(self, work: Work, seen: list[torch.Tensor], batch: Batch, count: int) -> Losses:
        over_map = self.recipe.over_map
        chosen = torch.randperm(len(batch.image))[:count].to(batch.image.device)
        discriminator = work.networks["discriminator"]
        judged = discriminator(batch.image[chosen], _given(batch.reference)[chosen])
        of_real = judgement_loss(judged, is_real=True, over_map=over_map)
        refined, _, reference = self._fakes(work, seen, count)
        of_woven = judgement_loss(discriminator(refined, reference), is_real=False, over_map=over_map)
        work.update("discriminator", of_real.sum() + of_woven.sum())
        return {"real": of_real.detach().mean(), "woven": of_woven.detach().mean()}

    def _fakes(self, work: Work, seen: list[torch.Tensor], count: int) -> list[torch.Tensor]:
        """Return refined pictures, targets and references: half are fresh, and half of the history if it has them."""
        old = min(count // 2, len(self._history))
        chosen = torch.randperm(len(seen[0]))[: count - old].to(seen[0].device)
        first, targets, reference = (each[chosen] for each in seen)
        with torch.no_grad():
            refined = self._without_margin(work.networks["refiner"](first, reference)).float()
        fresh = [refined, targets, reference]
        if old:
            pictures, labels, references = (each.to(refined.device) for each in self._history.sample(old))
            remembered = [from_bytes(pictures), labels.float(), from_bytes(references)]
            both = [torch.cat(pair) for pair in zip(fresh, remembered, strict=True)]
        else:
            both = fresh
        self._history.push(as_bytes(refined), targets.to(torch.uint8), as_bytes(reference))
        return both

    def _seen(self, batch: Batch, *, shuffled: bool = True) -> list[torch.Tensor]:
        """Return first pictures with their margin, targets without it, and references."""
        first, targets = batch.condition[:, :_PICTURE], self._without_margin(batch.condition[:, _PICTURE:])
        reference = _given(batch.reference)
        if shuffled and self.recipe.other_references > 0:
            # The next crop's, which is another tile's wherever there are enough tiles.
            moved = (torch.rand(len(reference)) < self.recipe.other_references).to(reference.device)
            reference = torch.where(moved[:, None, None, None], reference.roll(1, 0), reference)
        return [first, targets, reference]

    def _without_margin(self, planes: Any) -> Any:
        return planes[..., self.margin : -self.margin, self.margin : -self.margin]

    def _task_loss(self, outputs: Mapping[str, torch.Tensor], targets: torch.Tensor) -> torch.Tensor:
        border = round(targets.shape[-1] * _BORDER_SHARE)
        named = {name: targets[:, index : index + 1] for index, name in enumerate(_TARGETS)}
        return task_loss(outputs, named, border)


def _given(reference: torch.Tensor | None) -> torch.Tensor:
    if reference is None:
        raise ValueError("Batches of this system come with references.")
    return reference


def _for_learner(pictures: torch.Tensor) -> torch.Tensor:
    """Return pictures as segmenters see them, in 0..1."""
    return (pictures + 1.0) * 0.5
