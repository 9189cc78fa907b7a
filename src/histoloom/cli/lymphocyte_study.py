"""``histoloom study lymphocytes``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from histoloom.cli.recipe_options import recipe_from_options, recipe_options
from histoloom.cli.studies import told_on_screen
from histoloom.studies.lymphocytes_recipe import PRESETS, LymphocyteStudyRecipe

if TYPE_CHECKING:
    _Options = Mapping[str, Any] | None
else:
    _Options = recipe_options({"Recipe": LymphocyteStudyRecipe})


def lymphocytes(
    *,
    data: Path,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    preset: Literal["small", "paper"] = "small",
    only: list[str] | None = None,
    recipe: Path | None = None,
    tile_pixel_size: float | None = None,
    licence: str = "unknown",
    fields: _Options = None,
) -> int:
    """Train lymphocyte classifiers on labels and, universally, on woven tiles without any, and measure their AUROC.

    The folder gets a run for each cell of the grid, the woven tiles, results.json, results.md, values.csv and
    differences.svg. Ctrl+C stops after a checkpoint; the same line goes on, and does not repeat what is finished.

    Parameters
    ----------
    data
        Folder of tiles whose labels tell classes of nuclei, such as CoNSeP. Labels are for the supervised arms and for
        scoring; universal ones never read them.
    output
        The study's folder; a new one, or that of the study to go on with.
    preset
        'small' trains a narrow network on few woven tiles, for a CPU; 'paper' has the network's own width.
    only
        An arm ('universal', 'universal-measured', 'supervised', 'universal-and-real') or one cell, such as
        'universal-seed-0'; may be given several times.
    recipe
        JSON file with fields of the recipe; options say more than it.
    tile_pixel_size
        µm per pixel of the tiles (default: what their files say, else 0.25).
    licence
        Licence of the tiles, which bundles carry.
    fields
        The recipe's fields.
    """
    settings = recipe_from_options(LymphocyteStudyRecipe, fields, file=recipe, preset=dict(PRESETS[preset]))
    # Late, because importing torch takes seconds and a mistake in the line should not wait for it.
    from histoloom.studies.lymphocytes import run_lymphocyte_study
    from histoloom.studies.lymphocytes_report import markdown_report

    with told_on_screen() as (tell, should_stop):
        results = run_lymphocyte_study(
            settings,
            data,
            output,
            only=only or (),
            tile_pixel_size=tile_pixel_size,
            licence=licence,
            on_cell=tell,
            should_stop=should_stop,
        )
    sys.stdout.write(markdown_report(results))
    return 0
