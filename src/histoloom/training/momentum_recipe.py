"""What a recipe says of an optimizer other than Adam."""

from __future__ import annotations

from typing import Literal

from histoloom.recipes import recipe_field
from histoloom.training.recipe import TrainingRecipe


class MomentumRecipe(TrainingRecipe):
    """Fields of systems that were published with plain gradient descent and momentum."""

    optimizer: Literal["momentum", "adam"] = recipe_field(
        "momentum", "Optimizer", "Gradient descent with momentum, or Adam."
    )
    momentum: float = recipe_field(
        0.95, "Momentum", "What gradient descent keeps of its last step; Adam has its betas.", ge=0.0, lt=1.0
    )
    clip_apart: bool = recipe_field(
        False,
        "Clip apart",
        "Limit the gradient of each weight tensor by itself, and not a network's as a whole.",
    )
