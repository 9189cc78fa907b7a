"""What a system tells the training loop: its networks, one step, how it is judged and shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histoloom.models import ConditionFacts, JudgementFacts
from histoloom.training.batches import Batch
from histoloom.training.data import LabelledPicture
from histoloom.training.recipe import TrainingRecipe

Losses = dict[str, torch.Tensor]
Forward = Callable[..., Any]


class Work(Protocol):
    """The loop's side of one step: networks that are trained, and updates of their weights."""

    @property
    def networks(self) -> Mapping[str, Any]:
        """Networks by name, as they are trained."""

    def frozen(self, name: str) -> AbstractContextManager[Forward]:
        """Give the forward pass of a network through which gradients flow without reaching its own weights."""

    def update(self, name: str, loss: torch.Tensor) -> None:
        """Take one optimizer step of a network down a loss."""


@dataclass(frozen=True)
class NetworkFacts:
    """What a bundle says of the saved network; see `histoloom.models.BundleHeader`."""

    kind: Literal["generator", "discriminator", "segmenter", "classifier"]
    normalization: Literal["none", "batch statistics", "running statistics"]
    halo: int | None
    tile_invariant: bool
    takes_noise: bool = True
    """Whether another seed makes another picture of what it sees."""


class System(Protocol):
    """A system for one recipe and data set."""

    name: ClassVar[str]
    title: ClassVar[str]
    recipe_type: ClassVar[type[TrainingRecipe]]
    saved: ClassVar[str]
    """Which of its networks bundles hold."""

    recipe: TrainingRecipe

    @property
    def facts(self) -> NetworkFacts:
        """What bundles say of the saved network."""

    @property
    def planes(self) -> int:
        """How many planes `encode` returns: the condition's or the targets', and what else a step needs."""

    @property
    def compares_conditions(self) -> bool:
        """Whether batches need conditions of other crops."""

    @property
    def relative_rates(self) -> Mapping[str, float]:
        """By what the learning rate of some networks is multiplied; 1 for those that it does not name."""

    @property
    def margin(self) -> int:
        """How many pixels of condition on each side of what it weaves the saved network needs."""

    @property
    def reference_size(self) -> int:
        """Height and width of the pictures of other places that say how a tile looks; 0 for systems without looks."""

    @property
    def crop_multiple(self) -> int:
        """What the side of a crop must be a multiple of."""

    def encode(self, crop: LabelledPicture) -> NDArray[np.float32]:
        """Return the condition or the targets ``float32 (planes, H, W)`` of a crop with its margin."""

    def build(self) -> dict[str, nn.Module]:
        """Return new networks, their weights drawn from torch's generator."""

    def step(self, work: Work, batch: Batch) -> Losses:
        """Update each network once; return losses, detached."""

    def validate(self, networks: Mapping[str, nn.Module], batch: Batch) -> Losses:
        """Return losses on held-out crops, without updates."""


class WeavingSystem(System, Protocol):
    """A system whose saved network weaves; previews show its weaves, and their diversity and colours are measured."""

    @property
    def condition(self) -> ConditionFacts | None:
        """What the saved network sees; None for one that sees pictures."""

    def picture_of(self, condition: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return how previews show a condition, without its margin: RGB ``uint8 (H, W, 3)``."""

    def weave(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Return pictures ``(B, 3, H, W)`` in -1..1 of a batch's conditions by the saved network.

        Noise comes from torch's generator; the batch's real pictures may serve as looks, never as what is woven.
        """


@runtime_checkable
class RememberingSystem(System, Protocol):
    """A system whose steps are not all alike, and depend on more than weights and batch."""

    def begin_step(self, step: int) -> None:
        """Be told which step comes next, counted from 0; until then it takes a step that does everything."""

    def state(self) -> dict[str, Any]:
        """Return what it has to remember, as `histoloom.training.checkpoints.save_checkpoint` takes it."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""


@runtime_checkable
class JudgedSystem(System, Protocol):
    """A system whose saved network sees pictures; a score on held-out crops says which of its weights are the best."""

    score: ClassVar[str]
    """Which of the values of `validate` that is; higher is better."""
    shown: ClassVar[str]
    """What the pictures of a preview's row are, in words."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the saved network tells apart."""

    @property
    def patience(self) -> int:
        """After how many validations without a better score training ends; 0 for never."""

    @property
    def woven_share(self) -> float:
        """Share of the crops that are of woven tiles, in 0..1; it has no effect where there are none."""

    def vary(self, crop: LabelledPicture, random: np.random.Generator) -> LabelledPicture:
        """Return a training crop that looks otherwise; its labels stay as they are."""

    def show(self, network: nn.Module, batch: Batch) -> list[NDArray[np.uint8]]:
        """Return a row of a preview: pictures of one size, RGB ``uint8 (H, W, 3)``, of the batch's first crop."""


@runtime_checkable
class CalibratedSystem(JudgedSystem, Protocol):
    """A system whose saved network judges what is real; its bundles say how its logits become probabilities."""

    def judgement(self, network: nn.Module, batches: Sequence[Batch]) -> JudgementFacts:
        """Return what bundles say of that, measured on held-out crops."""
