"""Ready-made recipes of the systems, by name; nothing here needs torch."""

from __future__ import annotations

from typing import Any

from histoloom.errors import RecipeError
from histoloom.training.systems.registry import recipe_type

FAST_LOOK, PAPER, GPU = "fast look", "paper", "gpu"

_FAST = {
    "steps": 600,
    "crop_size": 128,
    "validation_crops": 4,
    "validate_every": 100,
    "preview_every": 100,
    "checkpoint_every": 200,
}
_GPU = {
    "precision": "bf16-mixed",
    "workers": 8,
    "log_every": 50,
}

_PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "pix2pix": {
        FAST_LOOK: _FAST | {"width": 16, "depth": 6, "discriminator_width": 16, "batch_size": 2},
        PAPER: {},
        # As many crops as the paper's, sixteen at a time.
        GPU: _GPU | {"batch_size": 16, "steps": 6000},
    },
    "mode-seeking-pix2pix": {
        FAST_LOOK: _FAST | {"width": 16, "depth": 6, "discriminator_width": 16, "batch_size": 2},
        PAPER: {},
        GPU: _GPU | {"batch_size": 16, "steps": 3750},
    },
    "segmenter": {
        FAST_LOOK: _FAST | {"steps": 400, "width": 16, "crop_size": 128, "validation_crops": 16},
        PAPER: {},
        GPU: _GPU | {"steps": 20_000, "crop_size": 256, "batch_size": 16},
    },
    "loom": {
        FAST_LOOK: _FAST | {"steps": 1000, "width": 12, "discriminator_width": 24, "batch_size": 2},
        PAPER: {},
        GPU: _GPU | {"steps": 60_000, "crop_size": 256, "batch_size": 8},
    },
}


def presets_of(system: str) -> dict[str, dict[str, Any]]:
    """Return a system's presets: the values by which each differs from the recipe's defaults.

    ``"fast look"`` shows within minutes on a laptop's processor whether the data do, ``"paper"`` is the published
    training, and ``"gpu"`` sees as many crops in larger batches, in bf16. No paper describes loom: its ``"paper"`` is
    the recipe's defaults, and its ``"gpu"`` a longer training.

    Raises
    ------
    RecipeError
        If there is no such system.
    """
    recipe_type(system)
    return {name: dict(values) for name, values in _PRESETS.get(system, {}).items()}


def preset_values(system: str, name: str) -> dict[str, Any]:
    """Return the values of one preset; raises `RecipeError` if the system has none of that name."""
    presets = presets_of(system)
    if name not in presets:
        known = ", ".join(f"'{each}'" for each in presets) or "none"
        raise RecipeError(f"'{system}' has no preset called '{name}'; choose one of its own: {known}.")
    return presets[name]
