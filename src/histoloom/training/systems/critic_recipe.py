"""The recipe of critics."""

from __future__ import annotations

from histoloom.recipes import recipe_field
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.woven_recipe import WovenTilesRecipe


class CriticRecipe(TrainingRecipe, WovenTilesRecipe):
    """A critic: a discriminator trained on demand, for generators that come without one."""

    width: int = recipe_field(
        16, "Width", "Channels of the network's first level; the others have 2, 3 and 4 times as many.", ge=4, le=256
    )
    reference_size: int = recipe_field(
        131,
        "Reference size",
        "Height and width of the crops that show what a tile's tissue looks like; 0 for a critic without a reference.",
        unit="px", ge=0, le=4096,
    )  # fmt: skip
    woven_share: float = recipe_field(
        0.3, "Woven share", "Share of the crops that are of woven tiles; the others are of real ones.", ge=0.05, le=0.95
    )
    degraded_share: float = recipe_field(
        0.4,
        "Degraded share",
        "Share of the crops of real tiles that are made unreal in one way and count as woven; 0 compares real with "
        "woven tiles alone, as importance weights are defined.",
        ge=0.0, le=0.9,
    )  # fmt: skip
    least_blur: float = recipe_field(
        0.3, "Least blur", "Smallest standard deviation of degraded crops that are blurred.", unit="µm", ge=0.0, le=10.0
    )
    largest_blur: float = recipe_field(
        1.0,
        "Largest blur",
        "Largest standard deviation of degraded crops that are blurred.",
        unit="µm",
        ge=0.0,
        le=10.0,
    )
    least_stain_shift: float = recipe_field(
        1.0, "Least stain shift", "Smallest shift of stains, in standard deviations from tile to tile.", ge=0.0, le=10.0
    )
    largest_stain_shift: float = recipe_field(
        3.0,
        "Largest stain shift",
        "Largest shift of stains, in standard deviations from tile to tile.",
        ge=0.0,
        le=10.0,
    )
    least_scale: float = recipe_field(
        1.25, "Least scale", "Smallest factor by which degraded crops are enlarged or shrunk.", ge=1.0, le=4.0
    )
    largest_scale: float = recipe_field(
        2.0, "Largest scale", "Largest factor by which degraded crops are enlarged or shrunk.", ge=1.0, le=4.0
    )
    least_piece: float = recipe_field(
        8.0, "Least piece", "Smallest side of the squares that change places.", unit="µm", ge=1.0, le=1000.0
    )
    largest_piece: float = recipe_field(
        32.0, "Largest piece", "Largest side of the squares that change places.", unit="µm", ge=1.0, le=1000.0
    )
    together_gain: float = recipe_field(
        0.3,
        "Stain gain of both",
        "Stains of crop and reference alike are strengthened or weakened by a factor of up to exp of this, so that "
        "what is judged is whether they go together.",
        ge=0.0, le=2.0,
    )  # fmt: skip
    together_blur: float = recipe_field(
        0.2, "Blur of both", "Largest standard deviation of a blur of crop and reference alike, in half of the crops.",
        unit="µm", ge=0.0, le=10.0,
    )  # fmt: skip
    compressed: float = recipe_field(
        0.3, "Compressed", "Share of crops, real and woven alike, that are compressed as JPEG.", ge=0.0, le=1.0
    )

    steps: int = recipe_field(4000, "Steps", "How many training steps.", ge=1, le=100_000_000)
    batch_size: int = recipe_field(8, "Batch size", "Crops in each step, on each device.", ge=1, le=4096)
    crop_size: int = recipe_field(147, "Crop size", "Height and width of a training crop.", unit="px", ge=99, le=8192)
    learning_rate: float = recipe_field(1e-3, "Learning rate", "Adam's learning rate.", gt=0.0, le=1.0)
    beta_1: float = recipe_field(0.9, "Beta 1", "Adam's decay of the mean gradient.", ge=0.0, lt=1.0)
    beta_2: float = recipe_field(0.99, "Beta 2", "Adam's decay of the squared gradient.", ge=0.0, lt=1.0)
    gradient_clip: float = recipe_field(
        5.0, "Gradient clip", "Largest norm of a network's gradient; 0 clips nothing.", ge=0.0, le=1e9
    )
    average_decay: float = recipe_field(
        0.99, "Weight average", "Decay of the running average of weights that is saved and shown; 0 averages nothing.",
        ge=0.0, lt=1.0,
    )  # fmt: skip
    validation_crops: int = recipe_field(
        96, "Validation crops", "Fixed held-out crops, half of them woven, to validate and calibrate on.",
        ge=2, le=10_000,
    )  # fmt: skip
    scale_spread: float = recipe_field(
        0.0, "Scale spread", "Crops are enlarged or shrunk by up to this share.", ge=0.0, le=0.9
    )
