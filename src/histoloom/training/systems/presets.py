"""Ready-made recipes of the systems, by name; nothing here needs torch."""

from __future__ import annotations

from typing import Any

from histoloom.errors import RecipeError
from histoloom.training.systems.registry import recipe_type

FAST_LOOK, PAPER, GPU = "fast look", "paper", "gpu"
SMALL, CODE = "small", "code"

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
_SMALL_REFINER = {
    "crop_size": 115,
    "batch_size": 4,
    "reference_size": 115,
    "width": 16,
    "blocks": 5,
    "kernel": 3,
    # The published one sees nothing for many hundreds of steps.
    "discriminator": "critic",
    "discriminator_width": 12,
    "discriminator_pace": 4.0,
    "refiner_updates": 1,
    "history": 1024,
    "optimizer": "adam",
    "learning_rate": 3e-4,
    "beta_2": 0.99,
    "decay_from": 0.6,
    "clip_apart": False,
    "gradient_clip": 10.0,
    "average_decay": 0.99,
    # Between the paper's weights, which hold nothing back in crops this small, and the code's, beside which a judgement
    # that is one mean for each picture moves nothing.
    "l1_weight": 5e-5,
    "l2_weight": 5e-4,
    "square_term": "squared norm",
    "realism_form": "-log D",
    "hardness_weight": 3e-6,
    "weight_clip": "code",
    "learner_width": 8,
    "learner_updates": 1,
    "learner_last": 0,
    "validation_crops": 24,
}
_REFINER_OF_THE_CODE = {
    "layers": "code",
    "crop_size": 400,
    "reference_size": 400,
    "l1_weight": 1e-3,
    "l2_weight": 1e-2,
    "square_term": "squared norm",
    "over_map": "sum",
    "realism_form": "-log D",
    "weight_clip": "code",
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
    "refiner": {
        FAST_LOOK: _FAST
        | _SMALL_REFINER
        | {
            "crop_size": 115,
            "refiner_first": 40,
            "discriminator_first": 160,
            "adversarial_first": 100,
            "learner_first": 20,
            "validation_crops": 8,
        },
        SMALL: _SMALL_REFINER
        | {
            "steps": 2000,
            "refiner_first": 60,
            "discriminator_first": 300,
            "adversarial_first": 200,
            "learner_first": 60,
        },
        PAPER: {},
        CODE: _REFINER_OF_THE_CODE,
        GPU: _GPU | {"history": 8000},
    },
    "critic": {
        FAST_LOOK: _FAST | {"steps": 400, "validation_crops": 32},
        PAPER: {},
        GPU: _GPU | {"steps": 20_000, "crop_size": 221, "batch_size": 32},
    },
    "lymphocytes": {
        FAST_LOOK: _FAST | {"steps": 400, "width": 12, "crop_size": 115, "validation_crops": 16},
        PAPER: {},
        GPU: _GPU | {"steps": 20_000, "batch_size": 32},
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
    training, and ``"gpu"`` sees as many crops in larger batches, in bf16. No paper describes loom and critic: their
    ``"paper"`` is the recipe's defaults, and their ``"gpu"`` a longer training.

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
