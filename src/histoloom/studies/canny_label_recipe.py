"""The recipe of the study of canny-label-pix2pix: its arms, sizes and presets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import field_validator

from histoloom.recipes import recipe_field
from histoloom.segmenters.registry import ARCHITECTURES
from histoloom.studies.grid import Cell
from histoloom.studies.study_tiles import StudyRecipe
from histoloom.training.systems.pix2pix_recipe import Pix2PixRecipe
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe

INITIAL, REPLICA, SHAPE, UNWOVEN = "initial", "replica", "shape", "unwoven"

ARMS: Mapping[str, str] = MappingProxyType({INITIAL: "Initial", REPLICA: "+ replica (G0)", SHAPE: "+ shape (G1)"})
"""The paper's three (section 2.1): name -> title."""

OPTIONAL_ARMS: Mapping[str, str] = MappingProxyType({UNWOVEN: "+ shape, not woven"})
"""What the paper does not have, on request."""

SEGMENTERS: Mapping[str, str] = MappingProxyType({
    "fcn8s": "FCN-8s",
    "unet": "U-Net",
    "segnet": "SegNet-VGG16",
    "deeplabv3plus-resnet18": "DeepLabv3+ ResNet18",
    "deeplabv3plus-resnet50": "DeepLabv3+ ResNet50",
})  # fmt: skip
"""The paper's five (section 2.2), by their names in `histoloom.segmenters.registry`, with its titles."""

GENERATOR = "generator"
"""Arm of the cells that train the generator."""

_FROM_IMAGENET = frozenset({"fcn8s", "segnet", "deeplabv3plus-resnet18", "deeplabv3plus-resnet50"})

_AS_THEY_ARE: Mapping[str, Any] = MappingProxyType({
    "rotate": "none", "mirror": False, "scale_spread": 0.0, "elastic": 0.0, "stain_gain": 0.0, "stain_shift": 0.0,
    "stain_turn": 0.0, "contrast": 0.0, "blur": 0.0, "coarseness": 1.0, "noise": 0.0, "compressed": 0.0,
})  # fmt: skip


class CannyLabelStudyRecipe(StudyRecipe):
    """Initial, + replica and + shape (Yasuno 2020) for its segmenters; the defaults are the paper's where it says."""

    seeds: int = recipe_field(3, "Seeds", "How often each segmenter is trained.", ge=1, le=100)
    generators: int = recipe_field(
        3, "Generators", "How many generators are trained on each data set; seeds take them in turn.", ge=1, le=100
    )
    architectures: tuple[str, ...] = recipe_field(
        tuple(SEGMENTERS), "Architectures", "Names of the segmenters, such as 'unet'."
    )
    unwoven: bool = recipe_field(
        False, "Unwoven", "Also train with the real pixels of the shape set's crops, to tell weaving from moving."
    )

    generator_steps: int = recipe_field(
        96_000, "Generator steps", "How many training steps pix2pix takes.", ge=1, le=100_000_000
    )
    generator_width: int = recipe_field(64, "Generator width", "Channels of its first layer.", ge=1, le=512)
    discriminator_width: int = recipe_field(
        64, "Discriminator width", "Channels of the discriminator's first layer.", ge=1, le=512
    )
    generator_depth: int = recipe_field(8, "Generator depth", "How often it halves the size.", ge=2, le=10)
    generator_learning_rate: float = recipe_field(
        2e-4, "Generator learning rate", "Adam's, of generator and discriminator.", gt=0.0, le=1.0
    )
    l1_weight: float = recipe_field(100.0, "L1 weight", "Weight of the distance to the real tile.", ge=0.0, le=1e6)

    steps: int = recipe_field(
        6000, "Steps", "How many steps each segmenter is trained, the same in all arms.", ge=1, le=100_000_000
    )
    batch_size: int = recipe_field(8, "Batch size", "Blocks in each step.", ge=1, le=4096)
    learning_rate: float = recipe_field(1e-3, "Learning rate", "Adam's, of segmenters.", gt=0.0, le=1.0)
    average_decay: float = recipe_field(
        0.0, "Weight average", "Decay of the running average of a segmenter's weights; 0 averages nothing.",
        ge=0.0, lt=1.0,
    )  # fmt: skip
    unet_width: int = recipe_field(64, "U-Net width", "Channels of the U-Net's first level.", ge=1, le=512)
    resnet_width: int = recipe_field(
        64, "ResNet width", "Channels of the first level of DeepLabv3+'s encoders.", ge=1, le=512
    )
    imagenet: bool = recipe_field(
        True, "ImageNet", "Segmenters with published encoders begin from ImageNet's weights, which are downloaded."
    )
    augmented: bool = recipe_field(
        False, "Augmented", "Turn, mirror and rescale all blocks in segmenters' training, which the paper does not."
    )

    block_size: int = recipe_field(
        256, "Block size", "Height and width of the blocks that tiles are cut into.", unit="px", ge=32, le=8192
    )
    tile_size: int = recipe_field(
        0, "Tile size", "Larger tiles are cut to a square of this at their middle; 0 for whole tiles.", unit="px",
        ge=0, le=100_000,
    )  # fmt: skip
    training_tiles: int = recipe_field(
        0, "Training tiles", "Largest number of tiles that are trained on; 0 for all.", ge=0, le=1_000_000
    )
    replica_rounds: int = recipe_field(
        1, "Replica rounds", "How often each block is woven in the replica set.", ge=1, le=100
    )
    shape_rounds: int = recipe_field(
        1, "Shape rounds", "How many times as many crops as blocks the shape set has.", ge=1, le=100
    )
    shape_spread: float = recipe_field(
        0.25, "Shape spread", "Crops of the shape set are enlarged or shrunk by up to this share.", ge=0.0, le=0.9
    )

    checkpoint_every: int = recipe_field(
        2000, "Checkpoint every", "Steps between checkpoints; a kill loses at most these.", ge=1, le=100_000_000
    )

    @field_validator("architectures")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in ARCHITECTURES:
                raise ValueError(f"there is no architecture called '{name}'")
        if not names or len(set(names)) != len(names):
            raise ValueError("name one architecture or more, each once")
        return names

    @property
    def arms(self) -> dict[str, str]:
        """Name -> title, what the others are compared with first."""
        return {**ARMS, **(OPTIONAL_ARMS if self.unwoven else {})}

    @property
    def replica_share(self) -> float:
        """Share of woven blocks in initial + replica."""
        return self.replica_rounds / (1 + self.replica_rounds)

    @property
    def shape_share(self) -> float:
        """Share of woven blocks in initial + shape."""
        return self.shape_rounds / (1 + self.shape_rounds)

    def generator_of(self, seed: int) -> int:
        """Return the seed of the generator that weaves for a segmenter's seed."""
        return seed % self.generators

    def generator_seeds(self) -> range:
        """Return the seeds of all generators."""
        return range(min(self.generators, self.seeds))

    def generator_cell(self, seed: int) -> Cell:
        """Return the training of the generator of one seed."""
        shared = {name: getattr(self, name) for name in ("discriminator_width", "l1_weight", *_SHARED)}
        recipe = Pix2PixRecipe.checked(
            **shared, seed=seed, steps=self.generator_steps, width=self.generator_width, depth=self.generator_depth,
            crop_size=self.block_size, validate_every=self.generator_steps, preview_every=self.checkpoint_every,
            validation_share=self.held_out_share,
        )  # fmt: skip
        return Cell(GENERATOR, seed, recipe)

    def segmenter_cell(self, architecture: str, arm: str, seed: int) -> Cell:
        """Return the training of one segmenter on one arm's blocks."""
        shared = {name: getattr(self, name) for name in ("steps", "batch_size", "learning_rate", *_SHARED)}
        moved = {} if self.augmented else _AS_THEY_ARE
        woven = {REPLICA: self.replica_share, SHAPE: self.shape_share, UNWOVEN: self.shape_share}
        recipe = SegmenterRecipe.checked(
            **(shared | dict(moved)), seed=seed, architecture=architecture, width=self._width(architecture),
            imagenet=self.imagenet and architecture in _FROM_IMAGENET, tell_classes=False,
            class_weights="median frequency", dice_weight=0.0, average_decay=self.average_decay,
            crop_size=self.block_size, woven_share=woven.get(arm, 0.0),
            # Looked at once at the end, so that the held-out tiles choose nothing.
            validate_every=self.steps, preview_every=self.steps, validation_crops=1, previews=1,
            validation_share=self.held_out_share,
        )  # fmt: skip
        return Cell(f"{architecture}-{arm}", seed, recipe)

    def segmenter_cells(self, seed: int) -> list[tuple[str, str, Cell]]:
        """Return ``(architecture, arm, cell)`` of all segmenters of one seed, those of optional arms last."""
        return [
            (architecture, arm, self.segmenter_cell(architecture, arm, seed))
            for arms in (ARMS, OPTIONAL_ARMS if self.unwoven else {})
            for architecture in self.architectures
            for arm in arms
        ]

    def _width(self, architecture: str) -> int:
        if architecture == "unet":
            return self.unet_width
        return self.resnet_width if architecture.startswith("deeplabv3plus") else 0


GROWING = ("seeds", "unwoven")
"""Fields that only add cells to a grid, so that a study can go on with more of them."""

_SHARED = ("pixel_size", "split_by", "checkpoint_every", "device", "precision")

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "paper": {},
    "small": {
        "architectures": ("unet", "deeplabv3plus-resnet18"), "unwoven": True, "generator_steps": 1500,
        "generator_width": 16, "discriminator_width": 16, "generator_depth": 7, "generator_learning_rate": 4e-4,
        "steps": 200, "batch_size": 4, "learning_rate": 2e-3, "average_decay": 0.95, "unet_width": 8,
        "resnet_width": 16, "imagenet": False, "block_size": 128, "tile_size": 512, "training_tiles": 12,
        "held_out_share": 0.3, "checkpoint_every": 250, "device": "cpu", "precision": "32-true",
    },
})  # fmt: skip
"""``paper``: the paper's sizes, for a GPU. ``small``: two narrow segmenters on few small tiles, for two CPU cores."""
