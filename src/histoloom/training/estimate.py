"""What a training will take, found by building it and timing a step."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from histoloom.training.batches import Batches
from histoloom.training.data import TrainingData
from histoloom.training.devices import device_name, fabric_for
from histoloom.training.memory import check_crop, check_memory, free_memory
from histoloom.training.optimization import Optimization
from histoloom.training.randomness import keyed_torch
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.contract import JudgedSystem
from histoloom.training.systems.registry import system_for

_TIMED_STEPS = 2


@dataclass(frozen=True)
class TrainingEstimate:
    """About what a training will take on one device of this machine, as busy as it is.

    Parameters
    ----------
    memory_bytes
        Memory of the device.
    free_bytes
        How much of it is free; None where nothing says.
    seconds_per_step
        Time of one step, or of preparing its crops where that takes longer.
    total_seconds
        Time of all steps, without validations, previews and checkpoints.
    device
        What people call it.
    parameters
        Trained numbers of all networks.
    """

    memory_bytes: int
    free_bytes: int | None
    seconds_per_step: float
    total_seconds: float
    device: str
    parameters: int


def estimate_training(recipe: TrainingRecipe, data: TrainingData) -> TrainingEstimate:
    """Build a system's networks, time two steps after a first one, and forget them; nothing is written.

    Raises
    ------
    TrainingError
        If device, memory or crop size do not do.
    """
    system = system_for(recipe, data)
    check_crop(system)
    fabric = fabric_for(recipe)
    fabric.launch()
    free = free_memory(fabric.device)
    memory = check_memory(system, free, mixed=fabric.strategy.precision.precision != "32-true")
    with keyed_torch(torch.device("cpu"), recipe.seed):
        networks = system.build()
    optimization = Optimization(fabric, networks, recipe)
    judged = system if isinstance(system, JudgedSystem) else None
    batches = Batches(
        data,
        recipe,
        system.encode,
        system.compares_conditions,
        margin=system.margin,
        reference_size=system.reference_size,
        vary=judged.vary if judged else None,
        woven_share=judged.woven_share if judged else 0.0,
        with_stains=judged is None,
    )
    preparing = training = 0.0
    # The first step also chooses kernels and makes the optimizers' state.
    for step in range(1 + _TIMED_STEPS):
        begin = time.perf_counter()
        host_batch = batches.at(step)
        prepared = time.perf_counter()
        with keyed_torch(fabric.device, recipe.seed, step):
            losses = system.step(optimization, host_batch.to(fabric.device))
        for each in losses.values():
            # Reading a number waits for the device.
            float(each)
        if step > 0:
            preparing += prepared - begin
            training += time.perf_counter() - prepared
    seconds = max(training, preparing / recipe.workers) / _TIMED_STEPS
    return TrainingEstimate(
        memory,
        free,
        seconds,
        seconds * recipe.steps,
        device_name(fabric.device),
        sum(each.numel() for network in networks.values() for each in network.parameters()),
    )
