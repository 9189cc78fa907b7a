"""Batches: which crops a step sees is a function of seed and step, so that a resumed run sees the same ones."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from histoloom.keyed_random import keyed_generator, keyed_hash
from histoloom.training.augmentation import augmented_crop, plain_crop
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.recipe import TrainingRecipe

Encode = Callable[[LabelledPicture], NDArray[np.float32]]
"""What makes the condition ``float32 (C, H, W)`` of a crop."""

_ORDER, _CROP, _OTHER_ORDER, _OTHER_CROP, _VALIDATION = range(1, 6)
_PREFETCHED = 2


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step sees.

    Parameters
    ----------
    condition
        ``float32 (B, C, H, W)``.
    image
        The real pictures in -1..1, ``float32 (B, 3, H, W)``.
    other_condition
        Conditions of other crops, drawn apart, where the system compares two; else None.
    """

    condition: torch.Tensor
    image: torch.Tensor
    other_condition: torch.Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        blocking = device.type == "cpu"
        moved = [
            None if each is None else each.to(device, non_blocking=not blocking)
            for each in (self.condition, self.image, self.other_condition)
        ]
        return Batch(moved[0], moved[1], moved[2])


@dataclass(frozen=True, eq=False)
class Batches:
    """Makes the batch of any step.

    Parameters
    ----------
    data, recipe, encode
        What is trained on, how crops are made, and what the network sees of them.
    with_other
        Whether conditions of other crops come along.
    rank, world_size
        Which of several devices this is; together they see ``world_size * batch_size`` crops a step.
    """

    data: TrainingData
    recipe: TrainingRecipe
    encode: Encode
    with_other: bool = False
    rank: int = 0
    world_size: int = 1

    def at(self, step: int) -> Batch:
        """Return the batch of a step, counted from 0."""
        size = self.recipe.batch_size
        first = (step * self.world_size + self.rank) * size
        crops = [self._crop(place, _ORDER, _CROP) for place in range(first, first + size)]
        others = None
        if self.with_other:
            others = [self._crop(place, _OTHER_ORDER, _OTHER_CROP) for place in range(first, first + size)]
        return as_batch(crops, self.encode, others)

    def validation(self) -> list[Batch]:
        """Return the fixed held-out crops, one to a batch."""
        pictures = self.data.validation
        batches = []
        for place in range(self.recipe.validation_crops):
            random = keyed_generator(self.recipe.seed, _VALIDATION, place)
            crop = plain_crop(pictures[place % len(pictures)], self.recipe.crop_size, random)
            batches.append(as_batch([crop], self.encode))
        return batches

    def stream(self, first: int, last: int) -> Iterator[tuple[int, Batch, float]]:
        """Yield ``(step, batch, seconds waited)`` for steps from ``first`` to before ``last``, prepared in threads."""
        ahead = _PREFETCHED * self.recipe.workers
        pool = ThreadPoolExecutor(self.recipe.workers, thread_name_prefix="batches")
        waiting: deque[tuple[int, Future[Batch]]] = deque()
        following = first
        try:
            for _ in range(first, last):
                while following < last and len(waiting) < ahead:
                    waiting.append((following, pool.submit(self.at, following)))
                    following += 1
                step, future = waiting.popleft()
                begin = time.perf_counter()
                batch = future.result()
                yield step, batch, time.perf_counter() - begin
        finally:
            for _, future in waiting:
                future.cancel()
            pool.shutdown(wait=True)

    def _crop(self, place: int, order: int, crop: int) -> LabelledPicture:
        tile = shuffled_index(place, len(self.data.training), self.recipe.seed, order)
        random = keyed_generator(self.recipe.seed, crop, place)
        return augmented_crop(self.data.training[tile], self.recipe, self.data.pixel_size, random)


def shuffled_index(place: int, count: int, *key: int) -> int:
    """Return which of ``count`` things comes at a place of an endless order in which every round shows each once."""
    turn, position = divmod(place, count)
    order = np.argsort(keyed_hash(*key, turn, np.arange(count)), kind="stable")
    return int(order[position])


def as_batch(
    crops: Sequence[LabelledPicture], encode: Encode, others: Sequence[LabelledPicture] | None = None
) -> Batch:
    """Return crops as the tensors that networks see."""
    image = np.stack([crop.image for crop in crops]).transpose(0, 3, 1, 2)
    return Batch(
        _stacked([encode(crop) for crop in crops]),
        torch.from_numpy(np.ascontiguousarray(image)).float().div_(127.5).sub_(1.0),
        None if others is None else _stacked([encode(crop) for crop in others]),
    )


def as_pictures(images: torch.Tensor) -> NDArray[np.uint8]:
    """Return pictures ``(B, 3, H, W)`` in -1..1 as RGB ``uint8 (B, H, W, 3)``."""
    values = images.detach().float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return np.asarray(values.permute(0, 2, 3, 1).cpu().numpy())


def _stacked(conditions: Sequence[NDArray[Any]]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.stack(conditions), dtype=np.float32))
