"""``histoloom study``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from histoloom.cli.interrupts import interrupts
from histoloom.cli.recipe_options import recipe_from_options, recipe_options
from histoloom.studies.canny_label_recipe import PRESETS as CANNY_LABEL_PRESETS
from histoloom.studies.canny_label_recipe import CannyLabelStudyRecipe
from histoloom.studies.label_or_synthesize_recipe import PRESETS as LABEL_OR_SYNTHESIZE_PRESETS
from histoloom.studies.label_or_synthesize_recipe import LabelOrSynthesizeRecipe
from histoloom.studies.mode_seeking_recipe import PRESETS, ModeSeekingStudyRecipe

if TYPE_CHECKING:
    from histoloom.studies.grid import Cell
    from histoloom.training.events import OnEvent

    _Options = Mapping[str, Any] | None
    _CannyLabelOptions = Mapping[str, Any] | None
    _LabelOrSynthesizeOptions = Mapping[str, Any] | None
else:
    _Options = recipe_options({"Recipe": ModeSeekingStudyRecipe})
    _CannyLabelOptions = recipe_options({"Recipe": CannyLabelStudyRecipe})
    _LabelOrSynthesizeOptions = recipe_options({"Recipe": LabelOrSynthesizeRecipe})


def mode_seeking(
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
    """Train mode-seeking pix2pix and its paper's ablations, and measure them on held-out real tiles.

    The folder gets a run for each cell of the grid, results.json, results.md, values.csv, figure.png and
    figure-woven.png. Ctrl+C stops after a checkpoint; the same line goes on, and does not repeat what is finished.

    Parameters
    ----------
    data
        Folder of tiles and their labels, in any format that is recognized.
    output
        The study's folder; a new one, or that of the study to go on with.
    preset
        'small' is narrow, at 128 pixels, for a CPU; 'paper' has the paper's width and 256 pixels.
    only
        An arm ('full', 'no-structure-map', 'no-mode-seeking', 'conditional-discriminator') or one cell, such as
        'full-seed-0'; may be given several times.
    recipe
        JSON file with fields of the recipe; options say more than it.
    tile_pixel_size
        µm per pixel of the tiles (default: what their files say, else 0.25).
    licence
        Licence of the tiles, which bundles carry.
    fields
        The recipe's fields.
    """
    settings = recipe_from_options(ModeSeekingStudyRecipe, fields, file=recipe, preset=PRESETS[preset])
    # Late, because importing torch takes seconds and a mistake in the line should not wait for it.
    from histoloom.studies.mode_seeking import run_mode_seeking_study
    from histoloom.studies.mode_seeking_report import markdown_report

    with told_on_screen() as (tell, should_stop):
        results = run_mode_seeking_study(
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


def canny_label(
    *,
    data: Annotated[list[Path], Parameter(negative="")],
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    preset: Literal["small", "paper"] = "small",
    only: list[str] | None = None,
    recipe: Path | None = None,
    tile_pixel_size: float | None = None,
    licence: Annotated[list[str] | None, Parameter(negative="")] = None,
    fields: _CannyLabelOptions = None,
) -> int:
    """Train segmenters on real blocks, with replica and with shape woven ones, and score them on held-out real tiles.

    The folder gets a run for each cell of the grid, results.json, results.md, values.csv, figures and report.html.
    Ctrl+C stops after a checkpoint; the same line goes on, and does not repeat what is finished.

    Parameters
    ----------
    data
        Folder of tiles and their labels, in any format that is recognized; may be given several times, each a data
        set of its own.
    output
        The study's folder; a new one, or that of the study to go on with.
    preset
        'small' trains two narrow segmenters on few small tiles, for a CPU; 'paper' all five at the paper's sizes.
    only
        An arm, such as 'generator' or 'unet-replica', or one cell, such as 'unet-replica-seed-0'; may be given several
        times.
    recipe
        JSON file with fields of the recipe; options say more than it.
    tile_pixel_size
        µm per pixel of the tiles (default: what their files say, else 0.25).
    licence
        Licence of each data set, in the same order, which bundles carry.
    fields
        The recipe's fields.
    """
    settings = recipe_from_options(CannyLabelStudyRecipe, fields, file=recipe, preset=CANNY_LABEL_PRESETS[preset])
    from histoloom.studies.canny_label import run_canny_label_study
    from histoloom.studies.canny_label_tables import markdown_report

    with told_on_screen() as (tell, should_stop):
        results = run_canny_label_study(
            settings,
            data,
            output,
            only=only or (),
            tile_pixel_size=tile_pixel_size,
            licences=licence or (),
            on_cell=tell,
            should_stop=should_stop,
        )
    sys.stdout.write(markdown_report(results))
    return 0


def label_or_synthesize(
    *,
    data: Annotated[list[Path], Parameter(negative="")],
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    preset: Literal["small", "paper"] = "small",
    only: list[str] | None = None,
    recipe: Path | None = None,
    organ: Annotated[list[str] | None, Parameter(negative="")] = None,
    tile_pixel_size: float | None = None,
    licence: Annotated[list[str] | None, Parameter(negative="")] = None,
    fields: _LabelOrSynthesizeOptions = None,
) -> int:
    """Train segmenters on real labels and, universally, on woven tiles without any, and score them on real tiles.

    The folder gets a run for each cell of the grid, the woven tiles, results.json, results.md, values.csv,
    differences.svg, and in figures/ those whose cells are finished. Ctrl+C stops after a checkpoint; the same line goes
    on, and does not repeat what is finished.

    Parameters
    ----------
    data
        Folder of tiles and their labels, in any format that is recognized; may be given several times. Labels are for
        the supervised arms and for scoring; universal ones never read them.
    output
        The study's folder; a new one, or that of the study to go on with.
    preset
        'small' trains one narrow segmenter on few woven tiles, for a CPU; 'paper' both of the paper's at its sizes.
    only
        An arm, such as 'hover-unet-uniform', or one cell, such as 'hover-unet-uniform-seed-0'; may be given several
        times.
    recipe
        JSON file with fields of the recipe; options say more than it.
    organ
        What tissue each folder is of, in the same order, where its table does not tell (default: the folder's name).
    tile_pixel_size
        µm per pixel of the tiles (default: what their files say, else 0.25).
    licence
        Licence of each data set, in the same order, which bundles carry.
    fields
        The recipe's fields.
    """
    settings = recipe_from_options(
        LabelOrSynthesizeRecipe, fields, file=recipe, preset=LABEL_OR_SYNTHESIZE_PRESETS[preset]
    )
    from histoloom.studies.label_or_synthesize import run_label_or_synthesize_study
    from histoloom.studies.label_or_synthesize_report import markdown_report

    with told_on_screen() as (tell, should_stop):
        results = run_label_or_synthesize_study(
            settings,
            data,
            output,
            only=only or (),
            organs=organ or (),
            tile_pixel_size=tile_pixel_size,
            licences=licence or (),
            on_cell=tell,
            should_stop=should_stop,
        )
    sys.stdout.write(markdown_report(results))
    return 0


@contextmanager
def told_on_screen() -> Iterator[tuple[Callable[[Cell, int, int], OnEvent], Callable[[], bool]]]:
    """Yield whom a study tells of its cells, and whom it asks whether to stop."""
    from histoloom.cli.training import TrainingReport

    with interrupts() as interrupted, TrainingReport(Console(stderr=True)) as report:

        def tell(cell: Cell, index: int, count: int) -> OnEvent:
            report.say(f"{cell.name} ({index + 1} of {count})")
            return report.on_event

        yield tell, interrupted.is_set
