"""The recipe of the house generator."""

from __future__ import annotations

from typing import Literal

from histoloom.recipes import recipe_field
from histoloom.training.recipe import TrainingRecipe


class LoomRecipe(TrainingRecipe):
    """loom, the house generator."""

    steps: int = recipe_field(60_000, "Steps", "How many training steps.", ge=1, le=100_000_000)
    batch_size: int = recipe_field(
        2, "Batch size", "Crops in each step, on each device; each is woven twice.", ge=1, le=4096
    )
    crop_size: int = recipe_field(96, "Crop size", "Height and width of what is woven.", unit="px", ge=64, le=2048)
    learning_rate: float = recipe_field(3e-4, "Learning rate", "Adam's learning rate of the generator.", gt=0.0, le=1.0)
    beta_2: float = recipe_field(0.99, "Beta 2", "Adam's decay of the squared gradient.", ge=0.0, lt=1.0)
    average_decay: float = recipe_field(
        0.998, "Weight average", "Decay of the running average of weights that is saved and shown; 0 averages nothing.",
        ge=0.0, lt=1.0,
    )  # fmt: skip
    gradient_clip: float = recipe_field(
        10.0, "Gradient clip", "Largest norm of a network's gradient; 0 clips nothing.", ge=0.0, le=1e9
    )
    rotate: Literal["none", "quarter turns", "any angle"] = recipe_field(
        "any angle", "Rotate", "Turn crops; by any angle, blocks of compressed tiles lie in no direction."
    )
    scale_spread: float = recipe_field(
        0.15, "Scale spread", "Crops are enlarged or shrunk by up to this share.", ge=0.0, le=0.9
    )

    width: int = recipe_field(
        12, "Width", "Channels at full size; coarser levels have more in proportion.", ge=2, le=256
    )
    discriminator_width: int = recipe_field(
        48, "Discriminator width", "Channels of the discriminator's first layer.", ge=2, le=512
    )
    discriminator_pace: float = recipe_field(
        2.5, "Discriminator pace", "The discriminator's learning rate over the generator's.", gt=0.0, le=100.0
    )
    reference_size: int = recipe_field(
        96, "Reference size", "Height and width of the crops that show how a tile looks.", unit="px", ge=32, le=1024
    )
    feature_matching_weight: float = recipe_field(
        5.0, "Feature matching weight", "Weight of the distance between local means of the discriminator's features.",
        ge=0.0, le=1e6,
    )  # fmt: skip
    local_means_weight: float = recipe_field(
        3.0, "Local means weight", "Weight of the distance between local means of woven and real pictures.",
        ge=0.0, le=1e6,
    )  # fmt: skip
    nuclear_means_weight: float = recipe_field(
        2.0, "Nuclear means weight", "Weight of the distance between finer means of woven and real nuclei.",
        ge=0.0, le=1e6,
    )  # fmt: skip
    patch_distribution_weight: float = recipe_field(
        3.0,
        "Patch distribution weight",
        "Weight of the distance between distributions of woven and real patches.",
        ge=0.0, le=1e6,
    )  # fmt: skip
    value_distribution_weight: float = recipe_field(
        1.0,
        "Value distribution weight",
        "Weight of the distance between distributions of woven and real stain concentrations.",
        ge=0.0, le=1e6,
    )  # fmt: skip
    mode_seeking_weight: float = recipe_field(
        0.05, "Mode-seeking weight", "Weight of the term that keeps different noise from giving one picture.",
        ge=0.0, le=1e6,
    )  # fmt: skip
    mode_seeking_bound: float = recipe_field(
        10.0, "Mode-seeking bound", "Largest value of that term, so that it cannot outpull all else.", gt=0.0, le=1e6
    )
    vector_jitter: float = recipe_field(
        0.04, "Stain vector jitter", "Standard deviation by which stain vectors are misjudged.", ge=0.0, le=0.5
    )
    maximum_jitter: float = recipe_field(
        0.15, "Stain strength jitter", "Standard deviation of the logarithm of the stains' strength.", ge=0.0, le=2.0
    )
    forget_tissue: float = recipe_field(
        0.15, "Forget tissue", "Share of crops whose tissue map is hidden, as layouts without one have it.",
        ge=0.0, le=1.0,
    )  # fmt: skip
    forget_classes: float = recipe_field(
        0.3, "Forget classes", "Share of crops whose classes of nuclei are hidden.", ge=0.0, le=1.0
    )
    show_edges: float = recipe_field(
        0.2, "Show edges", "Share of crops that come with the edges of structure labels.", ge=0.0, le=1.0
    )
