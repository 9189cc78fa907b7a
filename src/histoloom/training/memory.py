"""How much memory a training will need, known before it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from histoloom.errors import TrainingError
from histoloom.generators.networks.canonical_stain import STAIN_ROW
from histoloom.training.batches import Batch
from histoloom.training.systems.contract import Forward, System

_WORKSPACE = 1.25
"""Share by which kernels' workspaces and the allocator's gaps exceed what tensors take (a rule of thumb)."""

_OPTIMIZED_COPIES = 4
"""A weight, its gradient, and Adam's two running means."""

_MIXED = 0.6
"""Share of activations in bf16-mixed: most of them are halved, losses and norms stay as they are."""


@dataclass
class _Probe:
    """Runs a step on tensors without contents and counts what autograd would keep."""

    networks: Mapping[str, nn.Module]
    peak: int = 0

    def __post_init__(self) -> None:
        self._kept: dict[int, torch.Tensor] = {}
        self._weights = {_storage_of(each) for network in self.networks.values() for each in network.parameters()}

    @contextmanager
    def frozen(self, name: str) -> Iterator[Forward]:
        yield self.networks[name]

    def update(self, name: str, loss: torch.Tensor) -> None:  # noqa: ARG002 - the loop's side has them
        # What the earlier update kept is freed with its graph; counting it still errs on the safe side only.
        self.peak = sum(each.untyped_storage().nbytes() for each in self._kept.values())

    def keep(self, tensor: torch.Tensor) -> torch.Tensor:
        if _storage_of(tensor) not in self._weights:
            self._kept[_storage_of(tensor)] = tensor
        return tensor


def estimate_memory(system: System, batch_size: int, crop_size: int, *, mixed: bool = False) -> int:
    """Return about how many bytes a training step needs on its device.

    Raises
    ------
    TrainingError
        If the networks are too deep for the crop.
    """
    if crop_size != system.recipe.crop_size:
        # Networks may be built for one size of crops.
        system = copy(system)
        system.recipe = system.recipe.model_copy(update={"crop_size": crop_size})
    with torch.device("meta"):
        networks = system.build()
        side = crop_size + 2 * system.margin
        condition = torch.empty(batch_size, system.planes, side, side)
        image = torch.empty(batch_size, 3, crop_size, crop_size)
        probe = _Probe(networks)
        with _shapes_said(system, crop_size), torch.autograd.graph.saved_tensors_hooks(probe.keep, lambda each: each):
            other = condition if system.compares_conditions else None
            reference = torch.empty(batch_size, 3, system.reference_size, system.reference_size)
            stains = torch.empty(batch_size, STAIN_ROW)
            looks = (reference, stains) if system.reference_size else (None, None)
            system.step(probe, Batch(condition, image, other, *looks))
    weights = {name: _bytes_of(each) for name, each in networks.items()}
    fixed = _OPTIMIZED_COPIES * sum(weights.values()) + weights[system.saved]
    return int((fixed + probe.peak * (_MIXED if mixed else 1.0)) * _WORKSPACE)


def check_crop(system: System) -> None:
    """Raise `TrainingError` if a system's networks cannot see crops of its recipe's size."""
    recipe = system.recipe
    if recipe.crop_size % system.crop_multiple:
        raise TrainingError(
            f"A crop size of {recipe.crop_size} does not do for {system.title}; "
            f"give a multiple of {system.crop_multiple}."
        )


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that are free on a device, or None where nothing says."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "cpu":
        import psutil

        return int(psutil.virtual_memory().available)
    return None


def check_memory(system: System, free: int | None, *, mixed: bool = False) -> int:
    """Return the estimate for the system's recipe.

    Raises
    ------
    TrainingError
        If it is more than is free; the sentence names the batch or crop that fits.
    """
    recipe = system.recipe
    needed = estimate_memory(system, recipe.batch_size, recipe.crop_size, mixed=mixed)
    if free is None or needed <= free:
        return needed

    def fits(size: int, crop: int) -> bool:
        try:
            return estimate_memory(system, size, crop, mixed=mixed) <= free
        except TrainingError:
            return False

    raise TrainingError(
        f"Training would need about {needed / 2**30:.1f} GB of memory and {free / 2**30:.1f} GB are free; "
        f"{fitting_words(system, fits)}."
    )


def fitting_words(system: System, fits: Callable[[int, int], Any]) -> str:
    """Return what to do so that it fits: a smaller batch, else a smaller crop, else a smaller network."""
    recipe = system.recipe
    size = recipe.batch_size // 2
    while size >= 1:
        if fits(size, recipe.crop_size):
            return f"a batch size of {size} fits"
        size //= 2
    crop = recipe.crop_size // 2 // system.crop_multiple * system.crop_multiple
    while crop >= system.crop_multiple:
        if fits(1, crop):
            return f"a batch size of 1 with a crop size of {crop} fits"
        crop = crop // 2 // system.crop_multiple * system.crop_multiple
    return "not even the smallest crop fits, so take a narrower network or another device"


@contextmanager
def _shapes_said(system: System, crop_size: int) -> Iterator[None]:
    try:
        yield
    except (ValueError, RuntimeError) as error:
        # Of shapes that do not fit, networks complain in words of their own.
        raise TrainingError(
            f"Crops of {crop_size} pixels are too small for {system.title} as it is set up; give a larger crop size, "
            "or fewer layers."
        ) from error


def _storage_of(tensor: torch.Tensor) -> int:
    # Tensors without contents have no address; this is what torch's own reference counting tells storages apart by.
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001


def _bytes_of(network: nn.Module) -> int:
    return sum(each.numel() * each.element_size() for each in network.parameters())
