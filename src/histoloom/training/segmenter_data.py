"""All that a segmenter is trained on: real tiles, folders of woven ones, and tiles woven for it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from histoloom.errors import TrainingError
from histoloom.keyed_random import keyed_generator
from histoloom.training.data import TrainingData, combined_training_data, read_training_folders
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe
from histoloom.training.unlabelled_tiles import read_unlabelled_tiles
from histoloom.training.woven_folders import read_woven_folder
from histoloom.training.woven_tiles import DrawnLayouts, OnWoven, woven_tiles

_HELD_OUT = 211


def read_segmenter_data(
    folders: Sequence[str | Path],
    woven: Sequence[str | Path],
    recipe: SegmenterRecipe,
    *,
    tile_pixel_size: float | None = None,
    licences: Sequence[str] = (),
    corrected: Sequence[str | Path] = (),
    unlabelled: Sequence[str | Path] = (),
    generator: str = "",
    drawn: DrawnLayouts | None = None,
    options: Mapping[str, Any] | None = None,
    weave_into: Path | None = None,
    on_woven: OnWoven | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainingData:
    """Read real and woven tiles, and weave those that the recipe asks for.

    Real tiles alone are validated on, where there are any; else a share of the woven ones is, which are then not
    trained on.

    Parameters
    ----------
    folders
        Of real tiles; see `read_training_folders`.
    woven
        Folders of woven tiles; see `read_woven_folder`.
    recipe
        How all are read, and which tiles are woven; see `WovenTilesRecipe`.
    tile_pixel_size
        µm per pixel of the tiles of all folders (default: what each file says, else 0.25).
    licences
        Of each folder of real tiles, in order; or of these, then of each woven one, then of each unlabelled one; none
        for what is known.
    corrected
        Folders of corrected tiles; see `read_training_folders`.
    unlabelled
        Folders of real tiles that lend woven ones their looks; see `read_unlabelled_tiles`. Nothing else is learnt from
        them.
    generator, drawn, options, on_woven, should_stop
        As of `woven_tiles`.
    weave_into
        Folder for tiles that are woven now, and found there again; None to keep none.

    Raises
    ------
    TrainingError
        If there are no tiles at all, a folder is given as real and as woven, or as the functions named above.
    HistoloomError
        As these.
    """
    if not folders and not woven and not recipe.weave:
        raise TrainingError("Training needs tiles with labels; give at least one folder of them, or have some woven.")
    both = {Path(each).resolve() for each in folders} & {Path(each).resolve() for each in woven}
    if both:
        raise TrainingError(
            f"The folder '{both.pop().name}' is given as real tiles and as woven ones; give it once, as what it is."
        )
    if unlabelled and not recipe.weave:
        raise TrainingError(
            "Tiles without labels only lend woven ones their looks, and none are woven; say how many ('--weave')."
        )
    of_real, of_woven, of_unlabelled = _licences(licences, len(folders), len(woven), len(unlabelled))
    parts = []
    if corrected and not folders:
        raise TrainingError(
            "Corrected tiles need folders of real tiles beside them, some of which are held out; give at least one."
        )
    if folders:
        parts.append(
            read_training_folders(
                folders, recipe, tile_pixel_size=tile_pixel_size, licences=of_real, corrected=corrected
            )
        )
    looks = [
        read_unlabelled_tiles(each, recipe, tile_pixel_size=tile_pixel_size, licence=licence)
        for each, licence in zip(unlabelled, of_unlabelled, strict=True)
    ]
    lent = TrainingData((), (), (), recipe.pixel_size, (), {})
    if parts or looks:
        lent = (parts + looks)[0] if len(parts + looks) == 1 else combined_training_data(parts + looks)
    for each, licence in zip(woven, of_woven, strict=True):
        parts.append(
            read_woven_folder(each, pixel_size=recipe.pixel_size, tile_pixel_size=tile_pixel_size, licence=licence)
        )
    if recipe.weave:
        with tempfile.TemporaryDirectory() as temporary:
            into = weave_into or Path(temporary) / "woven"
            made = woven_tiles(
                recipe, lent, into, generator=generator, drawn=drawn, options=options, on_woven=on_woven,
                should_stop=should_stop,
            )  # fmt: skip
        parts.append(made)
    data = parts[0] if len(parts) == 1 else combined_training_data(parts)
    return data if folders else _with_held_out(data, recipe)


def _licences(
    given: Sequence[str], real: int, woven: int, unlabelled: int
) -> tuple[Sequence[str], Sequence[str | None], Sequence[str]]:
    if len(given) == real + woven + unlabelled:
        return given[:real], list(given[real : real + woven]), given[real + woven :]
    # Fewer are of the real tiles; whether their number is right is known to whoever reads those.
    if given and (not real or len(given) > real):
        raise TrainingError(
            f"The number of licences ({len(given)}) is not that of the folders ({real + woven + unlabelled}); give "
            "one for each folder in the same order, those of woven and of unlabelled tiles last, or none."
        )
    return given, [None] * woven, ["unknown"] * unlabelled


def _with_held_out(data: TrainingData, recipe: SegmenterRecipe) -> TrainingData:
    """Return woven tiles alone with a share of them to validate on."""
    kept = [each for each in data.woven if each.weight > 0]
    if data.woven and not kept:
        raise TrainingError(
            "All woven tiles are rejected (their weights are 0), so nothing is left to learn from; keep some of them."
        )
    if len(kept) < 2:
        raise TrainingError(
            "Without real tiles, at least two woven ones are needed, one of them to validate on; give more."
        )
    order = keyed_generator(recipe.seed, _HELD_OUT).permutation(len(kept)).tolist()
    count = min(max(round(recipe.validation_share * len(kept)), 1), len(kept) - 1)
    return replace(
        data,
        validation=tuple(replace(kept[place], weight=1.0) for place in sorted(order[:count])),
        woven=tuple(kept[place] for place in sorted(order[count:])),
        split={**data.split, "validated on": "woven tiles"},
    )
