"""Devices and precision, through Lightning Fabric."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

import torch
from lightning_fabric import Fabric

from histoloom import __version__
from histoloom.errors import TrainingError
from histoloom.training.recipe import TrainingRecipe


def fabric_for(recipe: TrainingRecipe, devices: int = 1, nodes: int = 1) -> Fabric:
    """Return the fabric that a recipe asks for; nothing is launched yet.

    Raises
    ------
    TrainingError
        If the device is absent, or there are fewer of it than asked for.
    """
    kind = _usable_device(recipe)
    if devices < 1 or nodes < 1:
        raise TrainingError(f"{devices} devices on {nodes} nodes cannot train; give whole numbers from 1.")
    if kind == "cuda" and devices > torch.cuda.device_count():
        raise TrainingError(
            f"{devices} GPUs were asked for and {torch.cuda.device_count()} are here; ask for as many or fewer."
        )
    if kind == "mps" and devices > 1:
        raise TrainingError("Apple's GPU is one device; train with one.")
    strategy = "ddp" if devices * nodes > 1 else "auto"
    precision = precision_for(recipe, kind)
    return Fabric(accelerator=kind, devices=devices, num_nodes=nodes, strategy=strategy, precision=precision)


def precision_for(recipe: TrainingRecipe, kind: str) -> Any:
    """Return Fabric's name of the precision: what the recipe says, or for ``"auto"`` what the device is fast at."""
    if recipe.precision != "auto":
        return recipe.precision
    if kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16-mixed"
    if kind == "cpu" and _cpu_multiplies_bf16():
        return "bf16-mixed"
    return "32-true"


def device_name(device: torch.device) -> str:
    """Return what people call a device."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return {"cpu": "CPU", "mps": "Apple GPU"}.get(device.type, str(device.type))


def environment_of(fabric: Fabric) -> dict[str, Any]:
    """Return versions and device, as a run folder keeps them; nothing of it names a person, a machine or a path."""
    packages = ("torch", "lightning-fabric", "numpy", "opencv-python-headless", "safetensors")
    return {
        "histoloom": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "device": device_name(fabric.device),
        "world_size": fabric.world_size,
        "precision": str(fabric.strategy.precision.precision),
        "threads": torch.get_num_threads(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
    }


def _usable_device(recipe: TrainingRecipe) -> str:
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if recipe.device == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if present[kind])
    if not present[recipe.device]:
        words = "NVIDIA GPU" if recipe.device == "cuda" else "Apple GPU"
        raise TrainingError(f"No {words} answers here; choose the device 'auto' or 'cpu', or check the driver.")
    return recipe.device


def _cpu_multiplies_bf16() -> bool:
    # Only tile units multiply bf16 faster than float32; plain AVX-512 bf16 gains less than the conversions cost.
    asked = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(asked and asked())
