"""The recipe of the refiner."""

from __future__ import annotations

from typing import Literal

from histoloom.recipes import recipe_field
from histoloom.training.momentum_recipe import MomentumRecipe


class RefinerRecipe(MomentumRecipe):
    """The refiner of Hou et al. (2019), with its discriminator and its learner.

    The defaults are the paper's, and where the paper is silent those of the authors' code.
    """

    steps: int = recipe_field(15_000, "Steps", "How many rounds of updates.", ge=1, le=100_000_000)
    batch_size: int = recipe_field(
        20,
        "Batch size",
        "First pictures, and as many real crops, in each round, on each device; updates of the refiner share them out.",
        ge=2, le=4096,
    )  # fmt: skip
    crop_size: int = recipe_field(
        200, "Crop size", "Height and width of what is refined and judged.", unit="px", ge=56, le=2048
    )
    learning_rate: float = recipe_field(
        3e-6, "Learning rate", "Of the refiner and of the learner; losses are sums.", gt=0.0, le=1.0
    )
    decay_from: float = recipe_field(
        1.0, "Decay from", "Share of the steps after which the learning rate falls linearly to 0.", ge=0.0, le=1.0
    )
    gradient_clip: float = recipe_field(
        50.0, "Gradient clip", "Largest norm of a gradient; 0 clips nothing.", ge=0.0, le=1e9
    )
    clip_apart: bool = recipe_field(
        True, "Clip apart", "Limit the gradient of each weight tensor by itself, and not a network's as a whole."
    )
    scale_spread: float = recipe_field(
        0.0, "Scale spread", "Real crops are enlarged or shrunk by up to this share.", ge=0.0, le=0.9
    )

    layers: Literal["paper", "code"] = recipe_field(
        "paper",
        "Layers",
        "As many as the paper says (refiner 21 convolutions, discriminator 15), or those of the authors' code, whose "
        "discriminator needs crops of 336 pixels or more.",
    )
    width: int = recipe_field(32, "Width", "Channels of the refiner.", ge=1, le=512)
    blocks: int = recipe_field(0, "Blocks", "Residual blocks of the refiner; 0 for those of its layers.", ge=0, le=64)
    kernel: Literal[3, 5, 7] = recipe_field(5, "Kernel", "Height and width of the blocks' convolutions.")
    discriminator: Literal["hou", "critic"] = recipe_field(
        "hou",
        "Discriminator",
        "The published network, or the critic's: it computes colours and detail, which the published one learns to see "
        "after thousands of steps.",
    )
    discriminator_width: int = recipe_field(
        32, "Discriminator width", "Channels of the discriminator's first layers.", ge=1, le=512
    )
    discriminator_start: Literal["glorot", "he"] = recipe_field(
        "glorot",
        "Discriminator start",
        "How large the published one's first weights are: as in the authors' code, or so large that signals keep their "
        "strength (He et al. 2015), which saves hundreds of steps.",
    )
    detail_gain: float = recipe_field(
        0.0,
        "Detail gain",
        "How many times as strong fine detail is added to what the published discriminator sees; 0 adds none.",
        ge=0.0, le=100.0,
    )  # fmt: skip
    discriminator_pace: float = recipe_field(
        10.0, "Discriminator pace", "The discriminator's learning rate over the refiner's.", gt=0.0, le=1e4
    )
    reference_size: int = recipe_field(
        200, "Reference size", "Height and width of the reference patches.", unit="px", ge=38, le=2048
    )
    other_references: float = recipe_field(
        0.0,
        "Other references",
        "Share of first pictures whose reference is of another tile than their textures.",
        ge=0.0, le=1.0,
    )  # fmt: skip
    first_pictures: int = recipe_field(
        10, "First pictures", "How many canvases of random polygons are woven of each tile.", ge=1, le=10_000
    )

    regularization_weight: float = recipe_field(
        1.0, "Regularization", "Weight of what refining changes (alpha).", ge=0.0, le=1e9
    )
    realism_weight: float = recipe_field(
        1.0, "Realism", "Weight of the discriminator's judgement (beta).", ge=0.0, le=1e9
    )
    hardness_weight: float = recipe_field(
        1e-7, "Hardness", "Weight of how hard pictures are for the learner (gamma).", ge=0.0, le=1e9
    )
    l1_weight: float = recipe_field(1e-5, "L1", "Weight of the sum of all changes (lambda 1).", ge=0.0, le=1e9)
    l2_weight: float = recipe_field(1e-4, "L2", "Weight of the L2 norm of all changes (lambda 2).", ge=0.0, le=1e9)
    square_term: Literal["norm", "squared norm"] = recipe_field(
        "norm", "L2 as", "The norm is the paper's, its square the code's."
    )
    over_map: Literal["mean", "sum"] = recipe_field(
        "mean", "Over the map", "One judgement for each picture is the paper's, the sum of all its places the code's."
    )
    realism_form: Literal["log(1 - D)", "-log D"] = recipe_field(
        "log(1 - D)", "Realism as", "The paper's form, or the one whose gradient does not vanish."
    )

    learner: Literal["hou-unet", "hou-cnn"] = recipe_field(
        "hou-unet", "Learner", "The segmenter for which pictures shall be hard."
    )
    learner_width: int = recipe_field(0, "Learner width", "Channels of its first level; 0 for its own.", ge=0, le=512)
    weigh_pictures: bool = recipe_field(
        True, "Weigh pictures", "Multiply the learner's loss of each picture by its importance weight (equation 5)."
    )
    weight_clip: Literal["none", "code"] = recipe_field(
        "none", "Weight clip", "Limits of the importance weights; the code's are 0.2 and 2."
    )

    history: int = recipe_field(
        64_000,
        "History",
        "Most refined pictures that are kept, half of every batch of fakes; full, 64,000 of 200 x 200 take 20 GB.",
        ge=0, le=10_000_000,
    )  # fmt: skip
    refiner_first: int = recipe_field(
        1000, "Refiner first", "Rounds in which the refiner only learns to change nothing.", ge=0, le=100_000_000
    )
    discriminator_first: int = recipe_field(
        1000, "Discriminator first", "Rounds after that of the discriminator alone.", ge=0, le=100_000_000
    )
    adversarial_first: int = recipe_field(
        1000, "Adversarial first", "Rounds after that of both, without the learner.", ge=0, le=100_000_000
    )
    learner_first: int = recipe_field(
        1000, "Learner first", "Rounds after that of the learner alone.", ge=0, le=100_000_000
    )
    learner_last: int = recipe_field(
        1000, "Learner last", "Rounds at the end of the learner alone.", ge=0, le=100_000_000
    )
    refiner_updates: int = recipe_field(2, "Refiner updates", "Of the refiner, in each round.", ge=1, le=1000)
    discriminator_updates: int = recipe_field(
        1, "Discriminator updates", "Of the discriminator, in each round.", ge=1, le=1000
    )
    learner_updates: int = recipe_field(
        6, "Learner updates", "Of the learner, in each round of all three; 0 leaves it and hardness out.", ge=0, le=1000
    )
