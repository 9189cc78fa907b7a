"""Random numbers inside networks, as a function of a key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from histoloom.keyed_random import keyed_hash


@contextmanager
def keyed_torch(device: torch.device, *key: int) -> Iterator[None]:
    """Make what torch draws in the block a function of the key, and leave its state outside as it was.

    Dropout takes no generator, so the global one is set; no state of it needs to be saved to resume a run.
    """
    devices = [device] if device.type != "cpu" else []
    with torch.random.fork_rng(devices, device_type=device.type if devices else "cuda"):
        torch.manual_seed(int(keyed_hash(*key)) >> 1)
        yield
