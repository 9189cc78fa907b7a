"""The recipe of the study of "to Label or to Synthesize?" (Hou et al. 2019): its arms, sizes and presets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import field_validator

from histoloom.recipes import recipe_field
from histoloom.segmenters.registry import ARCHITECTURES
from histoloom.studies.grid import Cell
from histoloom.studies.study_tiles import StudyRecipe
from histoloom.training.systems.critic_recipe import CriticRecipe
from histoloom.training.systems.presets import preset_values
from histoloom.training.systems.refiner_recipe import RefinerRecipe
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe

WITHIN, ACROSS, UNIFORM, WEIGHTED, BOTH = "within", "across", "uniform", "weighted", "universal-and-real"
ACROSS_DATA_SETS, BOTH_ACROSS_DATA_SETS = "across-datasets", "universal-and-real-across-datasets"
REFINED, REFINED_UNIFORM = "refined", "refined-uniform"
NO_REFERENCE, NOT_HARD = "refined-no-reference", "refined-not-hard"

ARMS: Mapping[str, str] = MappingProxyType({
    WITHIN: "Supervised, within types",
    ACROSS: "Supervised, across types",
    UNIFORM: "Universal, uniform weights",
    WEIGHTED: "Universal, importance weights",
    BOTH: "Universal + real",
    ACROSS_DATA_SETS: "Supervised, across data sets",
    BOTH_ACROSS_DATA_SETS: "Universal + real, across data sets",
    REFINED: "Universal, refined (proposed)",
    REFINED_UNIFORM: "Refined, no importance weights",
    NO_REFERENCE: "Refined, no reference",
    NOT_HARD: "Refined, no hard examples",
})  # fmt: skip
"""Name -> title. *Universal* learns from woven tiles alone: real ones lend their looks, and no label is read."""

CRITIC = "critic"
"""Arm of the cells that train what weighs woven tiles that nothing has refined."""

REFINER, BLIND_REFINER, EASY_REFINER = "refiner", "refiner-no-reference", "refiner-not-hard"

REFINED_BY: Mapping[str, str] = MappingProxyType({
    REFINED: REFINER, REFINED_UNIFORM: REFINER, NO_REFERENCE: BLIND_REFINER, NOT_HARD: EASY_REFINER,
})  # fmt: skip
"""Which refiner's tiles an arm learns from; its own discriminator weighs them (section 4.2 of the paper)."""

FROM_REAL = frozenset({WITHIN, ACROSS, ACROSS_DATA_SETS})
"""Arms that learn from real tiles alone."""

LEAVING_OUT_DATA_SETS = frozenset({ACROSS_DATA_SETS, BOTH_ACROSS_DATA_SETS})
"""Arms that read no label of the data set that they are scored on (section 5.1 and table 2 of the paper)."""

_WOVEN_SHARE = MappingProxyType({BOTH: 0.5, BOTH_ACROSS_DATA_SETS: 0.5})
_SHARED = ("pixel_size", "split_by", "checkpoint_every", "device", "precision")


class LabelOrSynthesizeRecipe(StudyRecipe):
    """Supervised and universal training (Hou et al. 2019, section 5); the defaults are the paper's where it says."""

    seeds: int = recipe_field(3, "Seeds", "How often everything is trained and woven.", ge=1, le=100)
    architectures: tuple[str, ...] = recipe_field(
        ("hou-unet", "hou-cnn"), "Architectures", "Names of the segmenters, such as 'hou-unet'."
    )
    arms: tuple[str, ...] = recipe_field(tuple(ARMS), "Arms", "Which ways of training are compared.")
    width: int = recipe_field(0, "Width", "Channels of a segmenter's first level; 0 for its own.", ge=0, le=512)
    type_groups: int = recipe_field(
        0, "Type groups", "Into how many groups types of tissue are dealt, each left out in turn of training across "
        "types; 0 leaves out each type alone.", ge=0, le=100,
    )  # fmt: skip
    tile_size: int = recipe_field(
        0, "Tile size", "Larger tiles are cut to a square of this at their middle; 0 for whole tiles.", unit="px",
        ge=0, le=100_000,
    )  # fmt: skip

    generator: str = recipe_field("texture", "Generator", "What weaves; 'texture' has learnt nothing from labels.")
    weave: int = recipe_field(20_000, "Weave", "Woven tiles of each seed.", ge=2, le=1_000_000)
    nuclear_variety: float = recipe_field(
        0.0,
        "Nuclear variety",
        "How much more woven nuclei vary than those that a weaver finds in a look.",
        ge=0.0,
        le=1.0,
    )
    layout_side: int = recipe_field(400, "Layout side", "Height and width of woven tiles.", unit="px", ge=128, le=4096)

    steps: int = recipe_field(
        60_000, "Steps", "How many steps each segmenter is trained, the same in all arms.", ge=1, le=100_000_000
    )
    batch_size: int = recipe_field(10, "Batch size", "Crops in each step.", ge=1, le=4096)
    crop_size: int = recipe_field(200, "Crop size", "Height and width of a crop.", unit="px", ge=32, le=8192)
    learning_rate: float = recipe_field(1e-3, "Learning rate", "Adam's.", gt=0.0, le=1.0)
    average_decay: float = recipe_field(
        0.99, "Weight average", "Decay of the running average of a segmenter's weights; 0 averages nothing.",
        ge=0.0, lt=1.0,
    )  # fmt: skip
    critic_steps: int = recipe_field(4000, "Critic steps", "How many steps a critic takes.", ge=1, le=100_000_000)
    critic_width: int = recipe_field(24, "Critic width", "Channels of its first level.", ge=4, le=256)
    critic_batch_size: int = recipe_field(8, "Critic batch size", "Crops in each of its steps.", ge=1, le=4096)
    critic_crops: int = recipe_field(
        96, "Critic crops", "Held-out crops, half of them woven, that it is calibrated on.", ge=2, le=10_000
    )
    refiner_preset: str = recipe_field("paper", "Refiner preset", "Of the refiners' recipe, such as 'small'.")
    refiner_steps: int = recipe_field(15_000, "Refiner steps", "How many rounds they take.", ge=1, le=100_000_000)
    least_weight: float = recipe_field(
        0.2, "Least weight", "Smaller importance weights are set to this.", ge=0.0, le=1.0
    )
    largest_weight: float = recipe_field(
        2.0, "Largest weight", "Larger importance weights are set to this.", ge=1.0, le=1e6
    )
    weight_groups: int = recipe_field(
        1, "Weight groups", "Into how many groups woven tiles are parted by how much of them is nuclei, in each of "
        "which importance weights have the mean 1; 1 for the paper's.", ge=1, le=1000,
    )  # fmt: skip
    checkpoint_every: int = recipe_field(
        2000, "Checkpoint every", "Steps between checkpoints; a kill loses at most these.", ge=1, le=100_000_000
    )

    @field_validator("architectures")
    @classmethod
    def _known_architectures(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _each_once(names, ARCHITECTURES, "architecture")

    @field_validator("arms")
    @classmethod
    def _known_arms(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _each_once(names, ARMS, "arm")

    @property
    def helpers(self) -> tuple[str, ...]:
        """Arms of the cells that are trained for the segmenters' sake: a critic and refiners."""
        refiners = dict.fromkeys(REFINED_BY[arm] for arm in self.arms if arm in REFINED_BY)
        return (*((CRITIC,) if WEIGHTED in self.arms else ()), *refiners)

    def helper_cell(self, name: str, seed: int) -> Cell:
        """Return the training of a critic or refiner of one seed."""
        return self._critic_cell(seed) if name == CRITIC else self._refiner_cell(name, seed)

    def parts(self, arm: str, groups: int, data_sets: int = 0) -> range:
        """Return the cells that an arm has for each seed: one for each group of types or data set that is left out."""
        if arm in LEAVING_OUT_DATA_SETS:
            return range(data_sets)
        return range(groups if arm == ACROSS else 1)

    def segmenter_cell(self, architecture: str, arm: str, seed: int, part: int = 0) -> Cell:
        """Return the training of one segmenter."""
        shared = {name: getattr(self, name) for name in ("steps", "batch_size", "crop_size", "learning_rate", *_SHARED)}
        woven = {} if arm in FROM_REAL else self._woven()
        recipe = SegmenterRecipe.checked(
            **shared, **woven, seed=seed, architecture=architecture, width=self.width, tell_classes=False,
            average_decay=self.average_decay, woven_share=_WOVEN_SHARE.get(arm, 0.0 if arm in FROM_REAL else 1.0),
            # Looked at once at the end, so that neither held-out tiles nor woven ones choose anything.
            validate_every=self.steps, preview_every=self.steps, validation_crops=1, previews=1,
            validation_share=self.held_out_share,
        )  # fmt: skip
        has_parts = arm == ACROSS or arm in LEAVING_OUT_DATA_SETS
        return Cell(f"{architecture}-{arm}" + (f"-{part + 1}" if has_parts else ""), seed, recipe)

    def segmenter_cells(self, seed: int, groups: int, data_sets: int = 0) -> list[tuple[str, str, int, Cell]]:
        """Return ``(architecture, arm, part, cell)`` of all segmenters of one seed."""
        return [
            (architecture, arm, part, self.segmenter_cell(architecture, arm, seed, part))
            for architecture in self.architectures
            for arm in self.arms
            for part in self.parts(arm, groups, data_sets)
        ]

    def _critic_cell(self, seed: int) -> Cell:
        shared = {name: getattr(self, name) for name in _SHARED}
        recipe = CriticRecipe.checked(
            **shared, seed=seed, steps=self.critic_steps, width=self.critic_width, batch_size=self.critic_batch_size,
            validation_crops=self.critic_crops,
            # Real tiles against woven ones alone, as importance weights are defined.
            degraded_share=0.0, validate_every=self.critic_steps, preview_every=self.critic_steps,
        )  # fmt: skip
        return Cell(CRITIC, seed, recipe)

    def _refiner_cell(self, name: str, seed: int) -> Cell:
        values = preset_values("refiner", self.refiner_preset)
        values |= {each: getattr(self, each) for each in _SHARED}
        values |= {"seed": seed, "steps": self.refiner_steps}
        values |= {"validate_every": self.refiner_steps, "preview_every": self.refiner_steps}
        if name == EASY_REFINER:
            # A learner for which nothing is made hard changes nothing but how long it takes.
            values |= {"hardness_weight": 0.0, "learner_updates": 0}
        return Cell(name, seed, RefinerRecipe.checked(**values))

    def _woven(self) -> dict[str, Any]:
        return {
            "weave": self.weave, "layouts": "mixed", "layout_side": self.layout_side,
            "nuclear_variety": self.nuclear_variety,
        }  # fmt: skip


def _each_once(names: tuple[str, ...], known: Mapping[str, Any], what: str) -> tuple[str, ...]:
    for name in names:
        if name not in known:
            raise ValueError(f"there is no {what} called '{name}'")
    if not names or len(set(names)) != len(names):
        raise ValueError(f"name one {what} or more, each once")
    return names


GROWING = ("seeds", "arms")
"""Fields that only add cells to a grid, so that a study can go on with more of them."""

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "paper": {"nuclear_variety": 1.0},
    "small": {
        "architectures": ("hover-unet",), "width": 16, "type_groups": 3, "tile_size": 512, "weave": 192,
        "nuclear_variety": 1.0, "layout_side": 256, "steps": 400, "batch_size": 4, "crop_size": 128,
        "learning_rate": 2e-3,
        "average_decay": 0.97, "critic_steps": 250, "critic_width": 12, "critic_batch_size": 4,
        "weight_groups": 6, "refiner_preset": "fast look", "refiner_steps": 500, "held_out_share": 0.3,
        "checkpoint_every": 200, "device": "cpu", "precision": "32-true",
    },
})  # fmt: skip
"""``paper``: the paper's two learners at its sizes, for a GPU. ``small``: one narrow segmenter, for a CPU's core."""
