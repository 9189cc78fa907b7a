"""Random layouts with lymphocytes: round nuclei of about 7 µm among others (Hou et al. 2019, section 5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from histoloom.errors import TrainingError
from histoloom.keyed_random import keyed_hash
from histoloom.layouts.layout import Layout
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import PRESETS, RANDOM_CLASSES, preset_recipe
from histoloom.segmenters.otsu_watershed import otsu_nuclei
from histoloom.tiles.stains import optical_density
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.systems.lymphocytes_recipe import LymphocyteRecipe

_LAYOUT = 221
_TWIN = "other"
"""Class of the nuclei that are like lymphocytes but for their darkness; no preset has it."""

_MEASURED, _MEASURED_SIDE = 12, 512
_LEAST_DIAMETER, _LEAST_ROUNDNESS, _DARKEST = 2.5, 0.8, 0.75


@dataclass(frozen=True)
class LymphocyteLayouts:
    """The layouts of the tiles that a recipe has woven.

    Parameters
    ----------
    recipe
        Sizes, shapes and shares of lymphocytes and of their pale twins; all else is as the presets of random layouts
        have it.

    Raises
    ------
    TrainingError
        If random layouts know no class such as the recipe's positive one.
    """

    recipe: LymphocyteRecipe

    def __post_init__(self) -> None:
        if self.recipe.positive_class not in RANDOM_CLASSES:
            raise TrainingError(
                f"Random layouts have no nuclei of the class '{self.recipe.positive_class}'; take one of "
                f"{', '.join(RANDOM_CLASSES)}, or train on tiles that are there already."
            )
        if self.recipe.layout_preset:
            preset_recipe(self.recipe.layout_preset)  # says which presets there are

    @property
    def facts(self) -> dict[str, Any]:
        """What decides about the layouts, beside seed and size, as plain values."""
        values = self.recipe.as_json()
        return {name: each for name, each in values.items() if name.startswith("lymphocyte_")} | {
            "positive_class": self.recipe.positive_class, "layout_preset": self.recipe.layout_preset,
        }  # fmt: skip

    def with_looks_of(self, data: TrainingData) -> LymphocyteLayouts:
        """Return layouts whose lymphocytes are as large as they look in tiles, where the recipe gives no diameter."""
        if self.recipe.lymphocyte_diameter:
            return self
        diameter = dark_round_diameter(data.training, data.pixel_size)
        return replace(self, recipe=self.recipe.model_copy(update={"lymphocyte_diameter": diameter}))

    def at(self, index: int) -> Layout:
        """Return the layout of one tile."""
        recipe = self.recipe
        name = recipe.layout_preset or list(PRESETS)[index % len(PRESETS)]
        twin = _TWIN if recipe.positive_class != _TWIN else ""
        twins = recipe.lymphocyte_twins if twin else 0.0
        shapes = preset_recipe(name).class_shapes
        others = sum(shape.share for each, shape in shapes.items() if each not in (recipe.positive_class, twin))
        alike = ("diameter", "spread", "elongation", "irregularity")
        changes: dict[str, Any] = {}
        for each, share in ((recipe.positive_class, recipe.lymphocyte_share), (twin, twins)):
            if each:
                changes[f"{each}_share"] = share / (1.0 - recipe.lymphocyte_share - twins) * others
                changes |= {f"{each}_{part}": getattr(recipe, f"lymphocyte_{part}") for part in alike}
        side = recipe.layout_side
        return random_layout(
            preset_recipe(name, height=side, width=side, pixel_size=recipe.pixel_size, **changes),
            int(keyed_hash(recipe.seed, _LAYOUT, index)) & 0x7FFFFFFF,
        )


def dark_round_diameter(pictures: Sequence[LabelledPicture], pixel_size: float) -> float:
    """Return the median diameter in µm of the dark, round nuclei of pictures whose labels are not read.

    Nuclei are those of Otsu's threshold and a watershed. Round are those whose area is .8 or more of that of a circle
    with their outline's length, and dark is the darkest quarter of those of all pictures.

    Raises
    ------
    TrainingError
        If there are none.
    """
    from skimage.measure import regionprops_table

    step = max(len(pictures) // _MEASURED, 1)
    found = []
    for each in pictures[::step]:
        top, left = (max(side - _MEASURED_SIDE, 0) // 2 for side in each.image.shape[:2])
        image = each.image[top : top + _MEASURED_SIDE, left : left + _MEASURED_SIDE]
        table = regionprops_table(
            otsu_nuclei(image, pixel_size),
            optical_density(image).mean(axis=2),
            properties=("area", "perimeter", "intensity_mean"),
        )
        found.append(np.stack([np.asarray(table[name], np.float64) for name in table], axis=1))
    area, perimeter, darkness = np.concatenate(found).T if found else np.empty((3, 0))
    diameter = 2.0 * np.sqrt(area / np.pi) * pixel_size
    round_ones = (4.0 * np.pi * area >= _LEAST_ROUNDNESS * perimeter**2) & (diameter >= _LEAST_DIAMETER)
    if not round_ones.any():
        raise TrainingError(
            "The tiles that lend their looks show no round nuclei to measure lymphocytes on; say how large these are "
            "('--lymphocyte-diameter')."
        )
    dark = darkness >= np.quantile(darkness[round_ones], _DARKEST)
    return round(float(np.median(diameter[round_ones & dark])), 2)
