"""A history of refined pictures, so that a discriminator does not forget what it has seen through before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


class HistoryBuffer:
    """Pictures of earlier steps (Shrivastava et al. 2017, section 2.3), each with its labels and its reference.

    It fills up, and then a random half of every batch takes the place of random entries. What is drawn comes from
    torch's generator. Everything is kept as bytes in the memory of the processor.

    Parameters
    ----------
    capacity
        Most entries; 0 keeps none.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._entries: list[tuple[torch.Tensor, ...]] = []

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self._entries)

    def push(self, *parts: torch.Tensor) -> None:
        """Take in a batch: tensors ``uint8 (B, ...)`` whose entries belong together."""
        # Memory is estimated on tensors without contents.
        if self.capacity == 0 or parts[0].is_meta:
            return
        entries = list(zip(*(each.detach().cpu() for each in parts), strict=True))
        room = self.capacity - len(self._entries)
        self._entries += [_copied(each) for each in entries[:room]]
        if len(entries) <= room:
            return
        chosen = torch.randperm(len(entries))[: (len(entries) + 1) // 2].tolist()
        places = torch.randperm(len(self._entries))[: len(chosen)].tolist()
        for place, index in zip(places, chosen, strict=False):
            self._entries[place] = _copied(entries[index])

    def sample(self, count: int) -> tuple[torch.Tensor, ...]:
        """Return random entries, each part ``uint8 (B, ...)``; fewer where there are not as many."""
        places = torch.randperm(len(self._entries))[:count].tolist()
        return tuple(torch.stack(each) for each in zip(*(self._entries[place] for place in places), strict=True))

    def state(self) -> dict[str, Any]:
        """Return all entries for a checkpoint."""
        return {"parts": [torch.stack(each) for each in zip(*self._entries, strict=True)]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the entries of a checkpoint."""
        self._entries = [tuple(entry) for entry in zip(*state["parts"], strict=True)]


def as_bytes(values: torch.Tensor) -> torch.Tensor:
    """Return pictures in -1..1 as ``uint8``."""
    return values.detach().float().clamp(-1.0, 1.0).add(1.0).mul(127.5).round().to(torch.uint8)


def from_bytes(values: torch.Tensor) -> torch.Tensor:
    """Return the inverse of `as_bytes`."""
    return values.float().div(127.5).sub(1.0)


def _copied(entry: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    # Not views, which would keep the whole batch.
    return tuple(each.clone() for each in entry)
