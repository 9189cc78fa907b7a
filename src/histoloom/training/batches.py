"""Batches: which crops a step sees is a function of seed and step, so that a resumed run sees the same ones."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from histoloom.errors import TrainingError
from histoloom.generators.networks.canonical_stain import stain_rows
from histoloom.keyed_random import keyed_generator, shuffled_index
from histoloom.training.augmentation import augmented_crop, plain_crop, reference_crop
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.recipe import TrainingRecipe

Encode = Callable[[LabelledPicture], NDArray[np.float32]]
"""What makes the condition ``float32 (C, H, W)`` of a crop."""

Vary = Callable[[LabelledPicture, np.random.Generator], LabelledPicture]
"""What makes a training crop look otherwise."""

_ORDER, _CROP, _OTHER_ORDER, _OTHER_CROP, _VALIDATION, _REFERENCE, _VALIDATION_REFERENCE, _WOVEN_ORDER = range(1, 9)
_PARTS = 1_000_000
"""In which the share of woven crops is counted."""

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
    reference
        Where the system sees looks: pictures of other places of the same tiles in -1..1, ``float32 (B, 3, h, w)``.
    stains
        Where the system sees looks: stains of the whole tiles, see `canonical_stain.stain_rows`.
    importance
        By what each crop's part of the loss is multiplied, ``float32 (B,)``; None where that is 1 for all.
    """

    condition: torch.Tensor
    image: torch.Tensor
    other_condition: torch.Tensor | None = None
    reference: torch.Tensor | None = None
    stains: torch.Tensor | None = None
    importance: torch.Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        blocking = device.type == "cpu"
        moved = [
            None if each is None else each.to(device, non_blocking=not blocking)
            for each in (
                self.condition, self.image, self.other_condition, self.reference, self.stains, self.importance,
            )
        ]  # fmt: skip
        return Batch(*moved)


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
    margin
        Pixels of the condition beyond the crop's picture on each side.
    reference_size
        Height and width of pictures of other places of the crops' tiles; 0 for none.
    vary
        What else is done to training crops, after they have been augmented as the recipe says.
    woven_share
        Share of the crops that are of woven tiles. Where there are none, all are real, and the other way round.
    with_stains
        Whether the stains of the crops' tiles come along with the references; to measure them takes a while.
    """

    data: TrainingData
    recipe: TrainingRecipe
    encode: Encode
    with_other: bool = False
    rank: int = 0
    world_size: int = 1
    margin: int = 0
    reference_size: int = 0
    vary: Vary | None = None
    woven_share: float = 0.0
    with_stains: bool = True

    def at(self, step: int) -> Batch:
        """Return the batch of a step, counted from 0."""
        size = self.recipe.batch_size
        first = (step * self.world_size + self.rank) * size
        crops = [self._crop(place, _ORDER, _CROP) for place in range(first, first + size)]
        others = None
        if self.with_other:
            others = [self._crop(place, _OTHER_ORDER, _OTHER_CROP) for place in range(first, first + size)]
        return self._batch(crops, others, _REFERENCE, first)

    def validation(self) -> list[Batch]:
        """Return the fixed held-out crops, one to a batch; those in which all is ignored are left out.

        Raises
        ------
        TrainingError
            If none is left.
        """
        pictures = self.data.validation
        batches = []
        for place in range(self.recipe.validation_crops):
            random = keyed_generator(self.recipe.seed, _VALIDATION, place)
            crop = plain_crop(pictures[place % len(pictures)], self.recipe.crop_size + 2 * self.margin, random)
            # Without a pixel that counts, a score would be perfect.
            if crop.ignored is None or not crop.ignored.all():
                batches.append(self._batch([crop], None, _VALIDATION_REFERENCE, place))
        if not batches:
            raise TrainingError(
                "All held-out crops lie in regions to ignore, so nothing can be validated on; ignore less, or hold "
                "other tiles out."
            )
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
        random = keyed_generator(self.recipe.seed, crop, place)
        tile = self._tile(place, order)
        made = augmented_crop(tile, self.recipe, self.data.pixel_size, random, self.margin)
        return made if self.vary is None else self.vary(made, random)

    def _tile(self, place: int, order: int) -> LabelledPicture:
        real, woven = self.data.training, self._woven
        # In whole numbers, of which no number of steps loses digits.
        share = round(self.woven_share * _PARTS) if real and woven else _PARTS if woven else 0
        before, after = place * share // _PARTS, (place + 1) * share // _PARTS
        if after > before:
            return woven[shuffled_index(before, len(woven), self.recipe.seed, _WOVEN_ORDER, order)]
        return real[shuffled_index(place - before, len(real), self.recipe.seed, order)]

    @cached_property
    def _woven(self) -> tuple[LabelledPicture, ...]:
        """Those that count, weighted so that the mean over them is a weighted mean, whatever the weights' sum."""
        kept = [each for each in self.data.woven if each.weight > 0] if self.woven_share > 0 else []
        mean = sum(each.weight for each in kept) / max(len(kept), 1)
        return tuple(replace(each, weight=each.weight / mean) for each in kept)

    def _batch(
        self, crops: Sequence[LabelledPicture], others: Sequence[LabelledPicture] | None, key: int, first: int
    ) -> Batch:
        references = None
        if self.reference_size:
            references = [
                reference_crop(crop, self.reference_size, self.margin, keyed_generator(self.recipe.seed, key, place))
                for place, crop in enumerate(crops, first)
            ]
        return as_batch(crops, self.encode, others, self.margin, references, self.with_stains)


def as_batch(
    crops: Sequence[LabelledPicture],
    encode: Encode,
    others: Sequence[LabelledPicture] | None = None,
    margin: int = 0,
    references: Sequence[NDArray[np.uint8]] | None = None,
    with_stains: bool = True,
) -> Batch:
    """Return crops as the tensors that networks see; pictures are without the margin."""
    inner = slice(margin, -margin or None)
    return Batch(
        _stacked([encode(crop) for crop in crops]),
        as_tensor([crop.image[inner, inner] for crop in crops]),
        None if others is None else _stacked([encode(crop) for crop in others]),
        None if references is None else as_tensor(references),
        stain_rows([crop.stains for crop in crops]) if references is not None and with_stains else None,
        torch.tensor([crop.weight for crop in crops]) if any(crop.weight != 1 for crop in crops) else None,
    )


def as_tensor(pictures: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    """Return pictures RGB ``uint8 (H, W, 3)`` as ``float32 (B, 3, H, W)`` in -1..1: the inverse of `as_pictures`."""
    image = np.stack(pictures).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(image)).float().div_(127.5).sub_(1.0)


def as_pictures(images: torch.Tensor) -> NDArray[np.uint8]:
    """Return pictures ``(B, 3, H, W)`` in -1..1 as RGB ``uint8 (B, H, W, 3)``."""
    values = images.detach().float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return np.asarray(values.permute(0, 2, 3, 1).cpu().numpy())


def _stacked(conditions: Sequence[NDArray[Any]]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.stack(conditions), dtype=np.float32))
