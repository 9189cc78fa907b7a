"""All that a lymphocyte classifier is trained on: tiles with labels of classes, woven ones, and tiles woven for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from histoloom.errors import TrainingError
from histoloom.training.data import TrainingData
from histoloom.training.lymphocyte_layouts import LymphocyteLayouts
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.segmenter_data import read_segmenter_data
from histoloom.training.systems.lymphocytes_recipe import LymphocyteRecipe
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe
from histoloom.training.woven_tiles import OnWoven, woven_tiles

TEXTURE = "texture"
"""What weaves where nothing else is said: it has learnt nothing from anybody's labels."""


def read_lymphocyte_data(
    folders: Sequence[str | Path],
    woven: Sequence[str | Path],
    recipe: LymphocyteRecipe,
    *,
    tile_pixel_size: float | None = None,
    licences: Sequence[str] = (),
    unlabelled: Sequence[str | Path] = (),
    generator: str = "",
    weave_into: Path | None = None,
    on_woven: OnWoven | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainingData:
    """Read real tiles with classes and woven ones, and weave those that the recipe asks for.

    Parameters
    ----------
    folders
        Of real tiles whose labels tell lymphocytes from other nuclei; none, to learn from woven tiles alone.
    woven
        Folders of woven tiles; a ``weights.csv`` in one says how much each counts.
    recipe
        How all are read, and which tiles are woven.
    tile_pixel_size, licences, unlabelled, weave_into, on_woven, should_stop
        As of `histoloom.training.segmenter_data.read_segmenter_data`.
    generator
        What weaves (default: `TEXTURE`, which paints lymphocytes as dark as the recipe says).

    Raises
    ------
    TrainingError
        If labels of a folder tell no lymphocytes, or as the function named above.
    HistoloomError
        As that.
    """
    data = read_segmenter_data(
        folders,
        woven,
        weaving_order(recipe),
        tile_pixel_size=tile_pixel_size,
        licences=licences,
        unlabelled=unlabelled,
        generator=generator or TEXTURE,
        drawn=LymphocyteLayouts(recipe) if recipe.weave else None,
        options=weaver_options(recipe),
        weave_into=weave_into,
        on_woven=on_woven,
        should_stop=should_stop,
    )
    if folders:
        check_classes(data, recipe.positive_class)
    return data


def lymphocyte_tiles(
    recipe: LymphocyteRecipe,
    data: TrainingData,
    folder: Path,
    *,
    generator: str = "",
    on_woven: OnWoven | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainingData:
    """Return the tiles with lymphocytes that a recipe asks for; see `histoloom.training.woven_tiles.woven_tiles`.

    Parameters
    ----------
    recipe
        How many, how large, and what their lymphocytes are like.
    data
        Whose training tiles lend their looks; their labels are not read.
    folder, generator, on_woven, should_stop
        As of that function; the default generator is `TEXTURE`.
    """
    return woven_tiles(
        weaving_order(recipe), data, folder, generator=generator or TEXTURE, drawn=LymphocyteLayouts(recipe),
        options=weaver_options(recipe), on_woven=on_woven, should_stop=should_stop,
    )  # fmt: skip


def weaving_order(recipe: LymphocyteRecipe) -> SegmenterRecipe:
    """Return a recipe by which what segmenters are trained on is read, split and woven."""
    shared = {name: getattr(recipe, name) for name in TrainingRecipe.model_fields}
    of_woven = {name: getattr(recipe, name) for name in ("weave", "woven_share", "layout_preset")}
    return SegmenterRecipe.checked(
        **shared | {"crop_size": max(recipe.crop_size, 32)}, **of_woven, layouts="random",
        layout_side=recipe.layout_side,
    )  # fmt: skip


def weaver_options(recipe: LymphocyteRecipe) -> dict[str, float]:
    """Return what weavers shall do otherwise, where they can."""
    return {"lymphocyte_darkness": recipe.lymphocyte_darkness}


def check_classes(data: TrainingData, positive: str) -> None:
    """Raise `TrainingError` if no real tile that is trained on has a nucleus of a class."""
    if any(data.classes[place] == positive for each in data.training for place in each.class_of[1:]):
        return
    known = ", ".join(f"'{each}'" for each in data.classes) or "none"
    raise TrainingError(
        f"The labels do not tell which nuclei are lymphocytes: none is of the class '{positive}' (but {known}); give "
        "labels with classes, such as 'types' of CoNSeP, or name another 'Positive class' ('--positive-class')."
    )
