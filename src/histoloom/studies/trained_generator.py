"""The generator at the end of a study's run, ready to weave what it would see in training."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from histoloom.errors import RunError
from histoloom.models import load_bundle
from histoloom.runs import Run
from histoloom.training.batches import Batch, as_batch, as_pictures
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.randomness import keyed_torch
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.contract import WeavingSystem
from histoloom.training.systems.registry import system_for

Picture = NDArray[np.uint8]


class TrainedGenerator:
    """The generator at the end of a run, ready to weave conditions of crops.

    Parameters
    ----------
    recipe, data
        What it was trained by and on.
    run
        Its run folder, with the final bundle.
    """

    def __init__(self, recipe: TrainingRecipe, data: TrainingData, run: Run) -> None:
        if run.bundle is None:
            raise RunError(f"The run '{run.folder.name}' is not finished; train it to its end first.")
        self._system = cast("WeavingSystem", system_for(recipe, data))
        self._network = self._system.build()[self._system.saved]
        weights = load_bundle(run.bundle).weights
        self._network.load_state_dict({name: torch.from_numpy(np.array(each)) for name, each in weights.items()})
        self._network.eval()

    def condition(self, crop: LabelledPicture) -> torch.Tensor:
        """Return the condition ``(1, C, H, W)`` of a crop."""
        return as_batch([crop], self._system.encode).condition

    def with_structure_of(self, crop: LabelledPicture, other: LabelledPicture) -> torch.Tensor:
        """Return the mask of one crop with the structure map of another; where the system sees none, the mask."""
        own = self.condition(crop)
        seen = self._system.condition
        if own.shape[1] < 2 or seen is None or seen.encoding != "mask-and-structure":
            return own
        return torch.cat([own[:, :1], self.condition(other)[:, 1:]], dim=1)

    def weave(self, condition: torch.Tensor, noise_seed: int = 0) -> Picture:
        """Return the picture ``uint8 (H, W, 3)`` of a condition; dropout and noise are functions of the seed."""
        # The system looks at the real picture of a batch nowhere when it weaves; it cannot look at what is not there.
        batch = Batch(condition, torch.full((1, 3, *condition.shape[2:]), torch.nan))
        with torch.no_grad(), keyed_torch(torch.device("cpu"), noise_seed):
            return np.asarray(as_pictures(self._system.weave(self._network, batch))[0])
