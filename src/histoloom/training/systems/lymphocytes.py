"""Training of lymphocyte classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from histoloom.errors import TrainingError
from histoloom.segmenters.hou_classifier import PATCH, STEP, HouClassifier
from histoloom.training.appearance import varied
from histoloom.training.batches import Batch, as_pictures
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.lymphocyte_targets import ELSEWHERE, LYMPHOCYTE, OTHER, UNSAID, center_codes
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.contract import Losses, NetworkFacts, Work
from histoloom.training.systems.lymphocytes_recipe import LymphocyteRecipe

_CENTER = PATCH // 2
_SHARES = {LYMPHOCYTE: 0.5, OTHER: 0.25, ELSEWHERE: 0.25}
"""Of the loss, however many patches of each there are."""

_FOUND, _TRUE = (255, 255, 255), (0, 200, 0)


class LymphocyteTraining:
    """One network and the cross-entropy of its patches; half of it is of patches with a lymphocyte at their centre.

    Hou et al. train on single patches. Here all patches of a crop are learnt from at once, as the network gives all of
    their logits for little more than the price of one; their shares of the loss stand in for how many of each kind
    would have been drawn.
    """

    name: ClassVar[str] = "lymphocytes"
    title: ClassVar[str] = "Lymphocytes"
    recipe_type: ClassVar[type[TrainingRecipe]] = LymphocyteRecipe
    saved: ClassVar[str] = "classifier"
    score: ClassVar[str] = "log score"
    shown: ClassVar[str] = "picture, lymphocytes' centres, and how probable the network finds one at each place"
    facts = NetworkFacts("classifier", "none", halo=_CENTER, tile_invariant=True)
    margin = reference_size = 0
    relative_rates: ClassVar[Mapping[str, float]] = {}
    compares_conditions = False
    planes = 1
    crop_multiple = 1

    def __init__(self, recipe: LymphocyteRecipe, data: TrainingData) -> None:
        self.recipe: LymphocyteRecipe = recipe
        self._pixel_size, self._names = data.pixel_size, data.classes
        self.classes = (recipe.positive_class,)
        """What the network tells from everything else."""
        woven = [each for each in data.woven if each.weight > 0] if recipe.woven_share > 0 else []
        if data.woven and not woven and recipe.woven_share > 0:
            raise TrainingError(
                "All woven tiles are rejected (their weights are 0); keep some, or train without woven tiles."
            )
        if not data.validation:
            raise TrainingError("There are no tiles to validate on; hold some out.")
        for what, tiles in (("training tiles", [*data.training, *woven]), ("held-out tiles", data.validation)):
            present = {self._names[place] for each in tiles for place in each.class_of[1:]}
            if recipe.positive_class not in present:
                known = ", ".join(f"'{each}'" for each in sorted(present)) or "none at all"
                raise TrainingError(
                    f"The {what} have no nucleus of the class '{recipe.positive_class}' (but {known}); give labels "
                    "that tell classes, layouts with lymphocytes, or another 'Positive class' ('--positive-class')."
                )

    @property
    def woven_share(self) -> float:
        """Share of the crops that are of woven tiles."""
        return float(self.recipe.woven_share)

    @property
    def patience(self) -> int:
        """After how many validations without a better score training ends; 0 for never."""
        return int(self.recipe.patience)

    def encode(self, crop: LabelledPicture) -> NDArray[np.float32]:
        """Return what is said of the patch about each pixel, ``float32 (1, H, W)``."""
        radii = (self.recipe.center_radius / self._pixel_size, self.recipe.clear_radius / self._pixel_size)
        return center_codes(crop, self._names, self.recipe.positive_class, *radii)[None].astype(np.float32)

    def vary(self, crop: LabelledPicture, random: np.random.Generator) -> LabelledPicture:
        """Return a crop that looks otherwise."""
        return replace(crop, image=varied(crop, self.recipe, self._pixel_size, random))

    def build(self) -> dict[str, nn.Module]:
        """Return the network."""
        return {"classifier": HouClassifier(self.recipe.width)}

    def step(self, work: Work, batch: Batch) -> Losses:
        """Update the network once."""
        loss = _cross_entropy(work.networks["classifier"](_seen(batch)), batch.condition, batch.importance)
        work.update("classifier", loss)
        return {"loss": loss.detach()}

    def validate(self, networks: Mapping[str, nn.Module], batch: Batch) -> Losses:
        """Return the logarithm of the probability given to the truth, and the share of patches told rightly."""
        logits = networks["classifier"](_seen(batch)).float()
        said = _said_of(logits, batch.condition)
        counted = (said != UNSAID).float()
        right = ((logits > 0) == (said == LYMPHOCYTE)).float()
        accuracy = (right * counted).sum() / counted.sum().clamp(min=1.0)
        return {"log score": -_cross_entropy(logits, batch.condition), "accuracy": accuracy}

    def show(self, network: nn.Module, batch: Batch) -> list[NDArray[np.uint8]]:
        """Return RGB ``uint8 (H, W, 3)``: a batch's first picture, where lymphocytes are, and where one is seen."""
        picture = as_pictures(batch.image)[0]
        true = batch.condition[0, 0].cpu().numpy() == LYMPHOCYTE
        probability = torch.sigmoid(network(_seen(batch)).float())[:1]
        inner = (picture.shape[0] - PATCH + 1, picture.shape[1] - PATCH + 1)
        seen = functional.interpolate(probability, inner, mode="bilinear", align_corners=False)[0, 0].cpu().numpy()
        marked, judged = picture.copy(), picture // 4
        marked[true] = _TRUE
        where = judged[_CENTER : _CENTER + inner[0], _CENTER : _CENTER + inner[1]]
        where += ((np.array(_FOUND) - where) * seen[..., None]).astype(np.uint8)
        return [picture, marked, judged]


def _said_of(logits: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
    """Return what is said of the centre of each logit's patch, ``(B, 1, h, w)``."""
    height, width = logits.shape[2:]
    return said[:, :, _CENTER::STEP, _CENTER::STEP][:, :, :height, :width]


def _cross_entropy(
    logits: torch.Tensor, condition: torch.Tensor, importance: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the means over patches of each kind, weighed by `_SHARES` among the kinds that there are."""
    said = _said_of(logits, condition)
    truth = (said == LYMPHOCYTE).float()
    values = functional.binary_cross_entropy_with_logits(logits.float(), truth, reduction="none")
    if importance is not None:
        values = values * importance[:, None, None, None]
    total = present = torch.zeros((), device=logits.device)
    for kind, share in _SHARES.items():
        chosen = (said == kind).float()
        count = chosen.sum()
        total = total + share * (values * chosen).sum() / count.clamp(min=1.0)
        present = present + share * (count > 0).float()
    return total / present.clamp(min=min(_SHARES.values()))


def _seen(batch: Batch) -> torch.Tensor:
    """Return pictures as the network sees them, in 0..1."""
    return (batch.image + 1.0) * 0.5
