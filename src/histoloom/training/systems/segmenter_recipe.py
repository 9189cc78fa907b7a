"""The recipe of segmenters."""

from __future__ import annotations

from typing import Literal

from histoloom.recipes import recipe_field
from histoloom.training.appearance import AppearanceRecipe
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.woven_recipe import WovenTilesRecipe


class SegmenterRecipe(TrainingRecipe, AppearanceRecipe, WovenTilesRecipe):
    """A segmenter of any architecture. The defaults are those of the one that ships."""

    architecture: str = recipe_field("hover-unet", "Architecture", "Name of the network, such as 'unet'.")
    width: int = recipe_field(
        0, "Width", "Channels of the first level, of architectures that have a width; 0 for their own.", ge=0, le=512
    )
    imagenet: bool = recipe_field(
        False, "ImageNet", "Begin from ImageNet's weights, which are downloaded, of architectures that had them."
    )
    tell_classes: bool = recipe_field(
        True, "Tell classes", "Learn the classes of nuclei where labels have them; else only where nuclei are."
    )
    class_weights: Literal["none", "median frequency"] = recipe_field(
        "none", "Class weights", "Weigh classes of pixels by how rare they are in the training tiles."
    )
    dice_weight: float = recipe_field(1.0, "Dice weight", "Weight of the Dice loss of nuclei.", ge=0.0, le=1e6)
    class_weight: float = recipe_field(1.0, "Class weight", "Weight of the cross-entropy of classes.", ge=0.0, le=1e6)
    offset_weight: float = recipe_field(
        2.0, "Offset weight", "Weight of the error of HoVer-Net's offsets.", ge=0.0, le=1e6
    )
    offset_gradient_weight: float = recipe_field(
        1.0, "Offset gradient weight", "Weight of the error of the offsets' gradients in nuclei.", ge=0.0, le=1e6
    )
    patience: int = recipe_field(
        0, "Patience", "Validations without a better score after which training ends; 0 for never.", ge=0, le=10_000
    )

    steps: int = recipe_field(6000, "Steps", "How many training steps.", ge=1, le=100_000_000)
    batch_size: int = recipe_field(8, "Batch size", "Crops in each step, on each device.", ge=1, le=4096)
    crop_size: int = recipe_field(192, "Crop size", "Height and width of a training crop.", unit="px", ge=32, le=8192)
    learning_rate: float = recipe_field(1e-3, "Learning rate", "Adam's learning rate.", gt=0.0, le=1.0)
    beta_1: float = recipe_field(0.9, "Beta 1", "Adam's decay of the mean gradient.", ge=0.0, lt=1.0)
    decay_from: float = recipe_field(
        0.4, "Decay from", "Share of the steps after which the learning rate falls linearly to 0.", ge=0.0, le=1.0
    )
    gradient_clip: float = recipe_field(
        5.0, "Gradient clip", "Largest norm of a network's gradient; 0 clips nothing.", ge=0.0, le=1e9
    )
    average_decay: float = recipe_field(
        0.99, "Weight average", "Decay of the running average of weights that is saved and shown; 0 averages nothing.",
        ge=0.0, lt=1.0,
    )  # fmt: skip
    validation_crops: int = recipe_field(32, "Validation crops", "Fixed crops to validate on.", ge=1, le=10_000)
    rotate: Literal["none", "quarter turns", "any angle"] = recipe_field(
        "any angle", "Rotate", "Turn crops; by any angle, pixels are interpolated and lose a little sharpness."
    )
    scale_spread: float = recipe_field(
        0.35, "Scale spread", "Crops are enlarged or shrunk by up to this share.", ge=0.0, le=0.9
    )
    elastic: float = recipe_field(
        0.4, "Elastic", "Standard deviation of elastic deformation.", unit="µm", ge=0.0, le=20.0
    )
