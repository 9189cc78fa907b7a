"""The recipe of lymphocyte classifiers."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from histoloom.recipes import recipe_field
from histoloom.training.appearance import AppearanceRecipe
from histoloom.training.recipe import TrainingRecipe


class LymphocyteRecipe(TrainingRecipe, AppearanceRecipe):
    """The CNN of 11 layers for lymphocytes, and the lymphocytes that are woven for it (Hou et al. 2019, 5.4)."""

    width: int = recipe_field(
        32, "Width", "Channels of the network's first level; those below have twice and four times as many.",
        ge=4, le=256,
    )  # fmt: skip
    positive_class: str = recipe_field(
        "inflammatory", "Positive class", "Class of the nuclei that are lymphocytes, in labels and in layouts."
    )
    center_radius: float = recipe_field(
        1.25,
        "Centre radius",
        "A patch has a nucleus at its centre if the nucleus's centroid is no farther from it.",
        unit="µm", gt=0.0, le=10.0,
    )  # fmt: skip
    clear_radius: float = recipe_field(
        2.5,
        "Clear radius",
        "From here on a lymphocyte is not at a patch's centre any more: a near miss. Between both nothing is said.",
        unit="µm", gt=0.0, le=20.0,
    )  # fmt: skip
    woven_share: float = recipe_field(
        0.5, "Woven share", "Share of the crops that are of woven tiles, where there are any; the others are real.",
        ge=0.0, le=1.0,
    )  # fmt: skip
    weave: int = recipe_field(
        0, "Weave", "Tiles that are woven before the training begins; 0 for none.", ge=0, le=100_000
    )
    layout_side: int = recipe_field(384, "Layout side", "Height and width of woven tiles.", unit="px", ge=96, le=4096)
    layout_preset: str = recipe_field(
        "", "Layout preset", "Of random layouts, such as 'colon glands'; empty for each preset in turn."
    )
    lymphocyte_share: float = recipe_field(
        0.3, "Lymphocytes: share", "Share of lymphocytes among the nuclei of a layout that stand in no row.",
        gt=0.0, le=0.6,
    )  # fmt: skip
    lymphocyte_twins: float = recipe_field(
        0.2,
        "Lymphocytes: pale twins",
        "Share of nuclei that are as large and round as lymphocytes and as pale as others, so that darkness counts.",
        ge=0.0, le=0.35,
    )  # fmt: skip
    lymphocyte_diameter: float = recipe_field(
        7.0,
        "Lymphocytes: diameter",
        "Mean diameter of woven lymphocytes; 0 measures it on the dark, round nuclei of the tiles that lend looks.",
        unit="µm", ge=0.0, le=30.0,
    )  # fmt: skip
    lymphocyte_spread: float = recipe_field(
        0.18, "Lymphocytes: size spread", "Standard deviation of the diameter, as a fraction of its mean.",
        ge=0.0, le=0.6,
    )  # fmt: skip
    lymphocyte_elongation: float = recipe_field(
        1.15, "Lymphocytes: elongation", "Mean length over width of woven lymphocytes.", ge=1.0, le=6.0
    )
    lymphocyte_irregularity: float = recipe_field(
        0.15, "Lymphocytes: irregularity", "How far woven lymphocytes depart from smooth ellipses.", ge=0.0, le=1.0
    )
    lymphocyte_darkness: float = recipe_field(
        1.0,
        "Lymphocytes: darkness",
        "How far the texture weaver paints them as dark as the look's darkest nuclei, and others no darker than usual.",
        ge=0.0, le=1.0,
    )  # fmt: skip
    patience: int = recipe_field(
        0, "Patience", "Validations without a better score after which training ends; 0 for never.", ge=0, le=10_000
    )

    steps: int = recipe_field(4000, "Steps", "How many training steps.", ge=1, le=100_000_000)
    batch_size: int = recipe_field(8, "Batch size", "Crops in each step, on each device.", ge=1, le=4096)
    crop_size: int = recipe_field(
        115, "Crop size", "Height and width of a crop, whose patches of 75 pixels are all learnt from.", unit="px",
        ge=75, le=8192,
    )  # fmt: skip
    learning_rate: float = recipe_field(1e-3, "Learning rate", "Adam's learning rate.", gt=0.0, le=1.0)
    beta_1: float = recipe_field(0.9, "Beta 1", "Adam's decay of the mean gradient.", ge=0.0, lt=1.0)
    decay_from: float = recipe_field(
        0.4, "Decay from", "Share of the steps after which the learning rate falls linearly to 0.", ge=0.0, le=1.0
    )
    gradient_clip: float = recipe_field(
        5.0, "Gradient clip", "Largest norm of the network's gradient; 0 clips nothing.", ge=0.0, le=1e9
    )
    average_decay: float = recipe_field(
        0.98, "Weight average", "Decay of the running average of weights that is saved and shown; 0 averages nothing.",
        ge=0.0, lt=1.0,
    )  # fmt: skip
    validation_crops: int = recipe_field(32, "Validation crops", "Fixed crops to validate on.", ge=1, le=10_000)
    rotate: Literal["none", "quarter turns", "any angle"] = recipe_field(
        "any angle", "Rotate", "Turn crops; by any angle, pixels are interpolated and lose a little sharpness."
    )
    scale_spread: float = recipe_field(
        0.3, "Scale spread", "Crops are enlarged or shrunk by up to this share.", ge=0.0, le=0.9
    )

    @model_validator(mode="after")
    def _radii_in_order(self) -> Self:
        if self.clear_radius < self.center_radius:
            raise ValueError("the clear radius is smaller than the centre radius; make it as large or larger")
        return self
