"""What every training can be told; each system's recipe adds its own fields."""

from __future__ import annotations

from typing import Literal

from histoloom.recipes import Recipe, recipe_field

Precision = Literal["auto", "32-true", "bf16-mixed"]


class TrainingRecipe(Recipe):
    """Fields that all systems share. A run is a function of recipe and data."""

    seed: int = recipe_field(0, "Seed", "Equal recipes, data and seeds give equal runs.", ge=0, le=2**53)
    steps: int = recipe_field(20_000, "Steps", "How many training steps.", ge=1, le=100_000_000)
    batch_size: int = recipe_field(1, "Batch size", "Crops in each step, on each device.", ge=1, le=4096)
    crop_size: int = recipe_field(256, "Crop size", "Height and width of a training crop.", unit="px", ge=8, le=8192)
    pixel_size: float = recipe_field(
        0.25, "Pixel size", "Tiles are rescaled to this before training.", unit="µm", gt=0.0, le=10.0
    )

    learning_rate: float = recipe_field(2e-4, "Learning rate", "Adam's learning rate.", gt=0.0, le=1.0)
    beta_1: float = recipe_field(0.5, "Beta 1", "Adam's decay of the mean gradient.", ge=0.0, lt=1.0)
    beta_2: float = recipe_field(0.999, "Beta 2", "Adam's decay of the squared gradient.", ge=0.0, lt=1.0)
    decay_from: float = recipe_field(
        0.5, "Decay from", "Share of the steps after which the learning rate falls linearly to 0.", ge=0.0, le=1.0
    )
    gradient_clip: float = recipe_field(
        0.0, "Gradient clip", "Largest norm of a network's gradient; 0 clips nothing.", ge=0.0, le=1e9
    )
    average_decay: float = recipe_field(
        0.0, "Weight average", "Decay of the running average of weights that is saved and shown; 0 averages nothing.",
        ge=0.0, lt=1.0,
    )  # fmt: skip

    split_by: Literal["auto", "patient", "tile"] = recipe_field(
        "auto", "Split by", "Hold out whole patients or tiles; 'auto' takes patients where all are known."
    )
    validation_share: float = recipe_field(
        0.15, "Validation share", "Share of the tiles held out for validation.", gt=0.0, lt=1.0
    )
    leave_out: tuple[str, ...] = recipe_field(
        (),
        "Leave out",
        "Names of tiles that are not used, such as those with ink on them; in every folder that has them.",
    )
    split_masks: bool = recipe_field(
        False, "Split masks", "Take each connected piece of a label for a nucleus, where labels are masks of classes."
    )
    validation_crops: int = recipe_field(8, "Validation crops", "Fixed crops to validate on.", ge=1, le=10_000)
    validate_every: int = recipe_field(500, "Validate every", "Steps between validations.", ge=1, le=100_000_000)
    preview_every: int = recipe_field(500, "Preview every", "Steps between previews.", ge=1, le=100_000_000)
    previews: int = recipe_field(4, "Previews", "Fixed held-out layouts in each preview.", ge=1, le=64)
    compared_weaves: int = recipe_field(
        4, "Compared weaves", "Seeds with which one held-out layout is woven, to see how diverse weaves are.",
        ge=2, le=64,
    )  # fmt: skip
    checkpoint_every: int = recipe_field(
        1000, "Checkpoint every", "Steps between checkpoints; a crash loses at most these.", ge=1, le=100_000_000
    )
    checkpoints_kept: int = recipe_field(
        2, "Checkpoints kept", "Latest checkpoints kept to resume from; each one's bundle stays.", ge=1, le=10_000
    )
    log_every: int = recipe_field(10, "Log every", "Steps between reports of losses.", ge=1, le=1_000_000)

    rotate: Literal["none", "quarter turns", "any angle"] = recipe_field(
        "quarter turns", "Rotate", "Turn crops; by any angle, pixels are interpolated and lose a little sharpness."
    )
    mirror: bool = recipe_field(True, "Mirror", "Mirror crops at random.")
    scale_spread: float = recipe_field(
        0.1, "Scale spread", "Crops are enlarged or shrunk by up to this share.", ge=0.0, le=0.9
    )
    elastic: float = recipe_field(
        0.0, "Elastic", "Standard deviation of elastic deformation.", unit="µm", ge=0.0, le=20.0
    )
    stain_jitter: float = recipe_field(
        0.0, "Stain jitter", "Share by which haematoxylin and eosin are strengthened or weakened.", ge=0.0, le=1.0
    )

    device: Literal["auto", "cpu", "cuda", "mps"] = recipe_field("auto", "Device", "Where to train.")
    precision: Precision = recipe_field(
        "auto", "Precision", "'auto' takes bf16 where the hardware multiplies it fast, and float32 elsewhere."
    )
    workers: int = recipe_field(1, "Workers", "Threads that prepare crops.", ge=1, le=64)
