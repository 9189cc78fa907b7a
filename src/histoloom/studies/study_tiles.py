"""The tiles of a study: split once, the same for all of its cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from histoloom.recipes import Recipe, recipe_field
from histoloom.training.recipe import Precision

if TYPE_CHECKING:
    from histoloom.training.data import TrainingData


class StudyRecipe(Recipe):
    """What the recipes of all studies have: how tiles are split, and where networks are trained."""

    pixel_size: float = recipe_field(
        0.25, "Pixel size", "Tiles are rescaled to this before training.", unit="µm", gt=0.0, le=10.0
    )
    split_by: Literal["auto", "patient", "tile"] = recipe_field(
        "auto", "Split by", "Hold out whole patients or tiles; 'auto' takes patients where all are known."
    )
    split_seed: int = recipe_field(
        0, "Split seed", "Draws which tiles are held out, the same for all cells.", ge=0, le=2**53
    )
    held_out_share: float = recipe_field(
        0.25, "Held-out share", "Share of the tiles that are measured on and never trained on.", gt=0.0, lt=1.0
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = recipe_field("auto", "Device", "Where to train.")
    precision: Precision = recipe_field(
        "auto", "Precision", "'auto' takes bf16 where the hardware multiplies it fast, and float32 elsewhere."
    )


def read_study_tiles(
    folder: str | Path, recipe: StudyRecipe, *, tile_pixel_size: float | None = None, licence: str = "unknown"
) -> TrainingData:
    """Read and split a study's tiles; the validation part is what is held out.

    Parameters
    ----------
    folder
        See `histoloom.layouts.tile_folders.open_tile_folder`.
    recipe
        How they are split.
    tile_pixel_size, licence
        As for `histoloom.training.data.read_training_data`.

    Raises
    ------
    TrainingError, TileError, LayoutError
        As `histoloom.training.data.read_training_data`.
    """
    # Late, because it imports what a command's help should not wait for.
    from histoloom.training.data import read_training_data

    return read_training_data(
        folder,
        pixel_size=recipe.pixel_size,
        split_by=recipe.split_by,
        validation_share=recipe.held_out_share,
        seed=recipe.split_seed,
        tile_pixel_size=tile_pixel_size,
        licence=licence,
    )
