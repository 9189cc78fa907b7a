"""The loop's side of a step: forward passes, gradients, and updates, on one device or several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_utilities.core.apply_func import apply_to_collection
from torch import nn

from histoloom.training.learning_rates import constant_then_linear
from histoloom.training.momentum_recipe import MomentumRecipe
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.contract import Forward


class Optimization:
    """Networks with their optimizers, set up on the devices of a fabric.

    Parameters
    ----------
    fabric
        Devices and precision.
    networks
        By name; an optimizer of its own trains each of them.
    recipe
        Learning rate and its plan, Adam's betas, and the limit on gradients.
    relative_rates
        By what the learning rate of some networks is multiplied.
    """

    def __init__(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        recipe: TrainingRecipe,
        relative_rates: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.recipe = recipe
        self._relative_rates = relative_rates
        self._fabric = fabric
        self._plain = dict(networks)
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.networks: dict[str, Any] = {}
        self._wrapped: dict[str, Any] = {}
        for name, network in networks.items():
            network.to(fabric.device)
            optimizer = _optimizer(network, recipe, fabric.device)
            self.optimizers[name] = optimizer
            self.networks[name], self._wrapped[name] = fabric.setup(network, optimizer)

    @property
    def plain_networks(self) -> dict[str, nn.Module]:
        """The networks themselves, without what spreads them over devices."""
        return self._plain

    def plan_learning_rate(self, step: int) -> float:
        """Set the learning rates of a step, counted from 0, and return the one that others are relative to."""
        rate = self.recipe.learning_rate * constant_then_linear(step, self.recipe.steps, self.recipe.decay_from)
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = rate * self._relative_rates.get(name, 1.0)
        return rate

    @contextmanager
    def frozen(self, name: str) -> Iterator[Forward]:
        """Give the forward pass of a network through which gradients flow without reaching its own weights."""
        network = self._plain[name]
        parameters = [each for each in network.parameters() if each.requires_grad]

        def forward(*inputs: torch.Tensor) -> Any:
            # Not the wrapped network: over several devices it would wait for gradients that never come.
            with self._fabric.autocast():
                result = network(*inputs)
            return apply_to_collection(result, torch.Tensor, torch.Tensor.float)

        for each in parameters:
            each.requires_grad_(False)
        try:
            yield forward
        finally:
            for each in parameters:
                each.requires_grad_(True)

    def update(self, name: str, loss: torch.Tensor) -> None:
        """Take one optimizer step of a network down a loss."""
        optimizer = self._wrapped[name]
        optimizer.zero_grad(set_to_none=True)
        self._fabric.backward(loss)
        if self.recipe.gradient_clip > 0 and isinstance(self.recipe, MomentumRecipe) and self.recipe.clip_apart:
            for each in self._plain[name].parameters():
                torch.nn.utils.clip_grad_norm_(each, self.recipe.gradient_clip)
        elif self.recipe.gradient_clip > 0:
            self._fabric.clip_gradients(
                self.networks[name], optimizer, max_norm=self.recipe.gradient_clip, error_if_nonfinite=False
            )
        optimizer.step()


def _optimizer(network: nn.Module, recipe: TrainingRecipe, device: torch.device) -> torch.optim.Optimizer:
    # One kernel for all weights is several times faster than one for each.
    fused = device.type in ("cpu", "cuda")
    if isinstance(recipe, MomentumRecipe) and recipe.optimizer == "momentum":
        return torch.optim.SGD(network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, fused=fused)
    betas = (recipe.beta_1, recipe.beta_2)
    return torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, betas=betas, fused=fused)
