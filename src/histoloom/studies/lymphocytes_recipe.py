"""The recipe of the study of lymphocytes (Hou et al. 2019, section 5.4): its arms, sizes and presets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import field_validator

from histoloom.recipes import recipe_field
from histoloom.studies.grid import Cell
from histoloom.studies.study_tiles import StudyRecipe
from histoloom.training.systems.lymphocytes_recipe import LymphocyteRecipe

UNIVERSAL, MEASURED, SUPERVISED, BOTH = "universal", "universal-measured", "supervised", "universal-and-real"

ARMS: Mapping[str, str] = MappingProxyType({
    UNIVERSAL: "Universal, lymphocytes of 7 µm",
    MEASURED: "Universal, as large as dark round nuclei look",
    SUPERVISED: "Supervised",
    BOTH: "Universal + real",
})  # fmt: skip
"""Name -> title. *Universal* learns from woven tiles alone: real ones lend their looks, and no label is read."""

_SHARED = (
    "steps", "batch_size", "crop_size", "learning_rate", "width", "average_decay", "positive_class", "pixel_size",
    "split_by", "checkpoint_every", "device", "precision",
)  # fmt: skip


class LymphocyteStudyRecipe(StudyRecipe):
    """Supervised and universal training of the 11-layer CNN; the defaults are the paper's where it says."""

    seeds: int = recipe_field(3, "Seeds", "How often everything is trained and woven.", ge=1, le=100)
    arms: tuple[str, ...] = recipe_field(tuple(ARMS), "Arms", "Which ways of training are compared.")
    positive_class: str = recipe_field("inflammatory", "Positive class", "Class of the nuclei that are lymphocytes.")
    background: float = recipe_field(
        1.0, "Background", "Points outside of nuclei that are scored on, for each nucleus of a tile.", gt=0.0, le=100.0
    )
    look_side: int = recipe_field(
        0, "Look side", "Larger tiles lend the look of a square of this at their middle; 0 for that of whole tiles.",
        unit="px", ge=0, le=100_000,
    )  # fmt: skip

    generator: str = recipe_field("texture", "Generator", "What weaves; 'texture' has learnt nothing from labels.")
    weave: int = recipe_field(20_000, "Weave", "Woven tiles of each seed.", ge=4, le=1_000_000)
    layout_side: int = recipe_field(256, "Layout side", "Height and width of woven tiles.", unit="px", ge=96, le=4096)
    lymphocyte_diameter: float = recipe_field(
        7.0, "Diameter", "Mean diameter of woven lymphocytes, where it is not measured.", unit="µm", gt=0.0, le=30.0
    )

    width: int = recipe_field(32, "Width", "Channels of the network's first level.", ge=4, le=256)
    steps: int = recipe_field(
        20_000, "Steps", "How many steps each classifier is trained, the same in all arms.", ge=1, le=100_000_000
    )
    batch_size: int = recipe_field(10, "Batch size", "Crops in each step.", ge=1, le=4096)
    crop_size: int = recipe_field(115, "Crop size", "Height and width of a crop.", unit="px", ge=75, le=8192)
    learning_rate: float = recipe_field(1e-3, "Learning rate", "Adam's.", gt=0.0, le=1.0)
    average_decay: float = recipe_field(
        0.99, "Weight average", "Decay of the running average of weights; 0 averages nothing.", ge=0.0, lt=1.0
    )
    checkpoint_every: int = recipe_field(
        2000, "Checkpoint every", "Steps between checkpoints; a kill loses at most these.", ge=1, le=100_000_000
    )

    @field_validator("arms")
    @classmethod
    def _known_arms(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in ARMS:
                raise ValueError(f"there is no arm called '{name}'")
        if not names or len(set(names)) != len(names):
            raise ValueError("name one arm or more, each once")
        return names

    def cell(self, arm: str, seed: int) -> Cell:
        """Return the training of one classifier."""
        recipe = LymphocyteRecipe.checked(
            **{name: getattr(self, name) for name in _SHARED},
            seed=seed, weave=0 if arm == SUPERVISED else self.weave, layout_side=self.layout_side,
            lymphocyte_diameter=0.0 if arm == MEASURED else self.lymphocyte_diameter,
            woven_share={SUPERVISED: 0.0, BOTH: 0.5}.get(arm, 1.0), validation_share=self.held_out_share,
            # Looked at once at the end, so that neither held-out tiles nor woven ones choose anything.
            validate_every=self.steps, preview_every=self.steps, validation_crops=4, previews=4,
        )  # fmt: skip
        return Cell(arm, seed, recipe)

    def cells(self) -> list[Cell]:
        """Return all trainings, one seed after the other."""
        return [self.cell(arm, seed) for seed in range(self.seeds) for arm in self.arms]


GROWING = ("seeds", "arms")
"""Fields that only add cells to a grid, so that a study can go on with more of them."""

PRESETS: Mapping[str, Mapping[str, object]] = MappingProxyType({
    "paper": {},
    "small": {
        "width": 8, "look_side": 384, "weave": 96, "steps": 300, "batch_size": 4, "average_decay": 0.97,
        "held_out_share": 0.3, "checkpoint_every": 100, "device": "cpu", "precision": "32-true",
    },
})  # fmt: skip
"""``paper``: the network's own width, for a GPU. ``small``: a narrow one, for minutes of a CPU's core."""
