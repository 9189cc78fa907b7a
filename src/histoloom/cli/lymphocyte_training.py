"""``histoloom train lymphocytes``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from histoloom.cli.recipe_options import recipe_from_options, recipe_options
from histoloom.cli.training import resumed_from, tell_estimate, train_by
from histoloom.errors import RunError
from histoloom.jobs.training_order import TrainingOrder, read_order
from histoloom.runs import RECIPE, START, WOVEN, check_free
from histoloom.training.systems.lymphocytes_recipe import LymphocyteRecipe
from histoloom.training.systems.presets import preset_values

if TYPE_CHECKING:
    from histoloom.training.data import TrainingData

    _Options = Mapping[str, Any] | None
else:
    _Options = recipe_options({"Recipe": LymphocyteRecipe})

_SYSTEM = "lymphocytes"
_ENOUGH_TO_TIME = 8


def lymphocytes(
    *,
    data: Annotated[list[Path] | None, Parameter(negative="")] = None,
    woven: Annotated[list[Path] | None, Parameter(negative="")] = None,
    unlabelled: Annotated[list[Path] | None, Parameter(negative="")] = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    preset: str | None = None,
    recipe: Path | None = None,
    generator: str | None = None,
    estimate: Annotated[bool, Parameter(negative="")] = False,
    resume: Annotated[bool, Parameter(negative="")] = False,
    tile_pixel_size: float | None = None,
    licence: Annotated[list[str] | None, Parameter(negative="")] = None,
    devices: int = 1,
    nodes: int = 1,
    fields: _Options = None,
) -> int:
    """Train the 11-layer CNN of Hou et al., which says of a patch whether a lymphocyte is at its centre.

    Without '--data' it learns from no human label: '--unlabelled' tiles lend their looks to tiles that are woven with
    round, dark nuclei of about 7 µm among others ('--weave'). The run folder gets recipe.json, events.jsonl, previews,
    checkpoints, and at the end bundle.safetensors, with which 'histoloom lymphocytes' looks at pictures. Ctrl+C stops
    it after a checkpoint; the same line with --resume goes on.

    Parameters
    ----------
    data
        Folder of real tiles whose labels tell classes of nuclei; again for each further folder. With --resume, the run
        knows them.
    woven
        Folder of woven tiles and their labels; again for each further folder. A weights.csv in it says how much each
        counts.
    unlabelled
        Folder of real tiles that lend their looks to the tiles that '--weave' asks for; again for each further folder.
        Labels that it may hold are not read.
    output
        The run folder; a new one, or with --resume that of the run.
    preset
        Start from ready-made values: 'fast look' (minutes on a laptop), 'paper' (the defaults) or 'gpu'.
    recipe
        JSON file with fields of the recipe, such as another run's recipe.json; options say more than it.
    generator
        What weaves the tiles that '--weave' asks for (default: texture, which has learnt from no labels and paints
        lymphocytes dark).
    estimate
        Only tell about how much time and memory it would take, as one JSON object; nothing is trained or written.
    resume
        Go on with the run from its latest checkpoint, by its own recipe.
    tile_pixel_size
        µm per pixel of the tiles (default: what their files say, else 0.25).
    licence
        Licence of the tiles, which bundles carry; once for each folder of real tiles, in the same order, then for each
        of woven and of unlabelled ones (default: 'unknown').
    devices
        How many devices train together on each machine.
    nodes
        How many machines train together; start the same line on each, as torchrun or SLURM does.
    fields
        The recipe's fields.
    """
    checkpoint = None
    if resume:
        output, checkpoint = resumed_from(_SYSTEM, output, recipe, preset)
        settings = recipe_from_options(LymphocyteRecipe, fields, file=output / RECIPE)
        kept = read_order(output)
        order = replace(
            kept,
            recipe=settings,
            data=tuple(data or kept.data),
            woven=tuple(woven or kept.woven),
            unlabelled=tuple(unlabelled or kept.unlabelled),
            tile_pixel_size=kept.tile_pixel_size if tile_pixel_size is None else tile_pixel_size,
            licences=tuple(licence or kept.licences),
            generator=generator or kept.generator,
        )
    else:
        start = None if preset is None else preset_values(_SYSTEM, preset)
        settings = recipe_from_options(LymphocyteRecipe, fields, file=recipe, preset=start)
        if not data and not woven and not settings.weave:
            raise RunError(
                "Training needs tiles whose labels tell lymphocytes; name their folder with '--data', or woven ones "
                "with '--woven' or '--weave'."
            )
        if settings.weave and not data and not unlabelled:
            raise RunError("Woven tiles need looks of real ones; name their folder with '--unlabelled' or '--data'.")
        order = TrainingOrder(
            _SYSTEM, settings, tuple(data or ()), tile_pixel_size, tuple(licence or ()), tuple(woven or ()),
            generator or "", unlabelled=tuple(unlabelled or ()),
        )  # fmt: skip
    if estimate:
        few = settings.model_copy(update={"weave": min(settings.weave, _ENOUGH_TO_TIME)})
        return tell_estimate(order, _reader(order, few, None)(lambda _: None, lambda: False))
    if output is None:
        raise RunError("Training needs a run folder; name one with '--output'.")
    if checkpoint is None:
        # Before tiles are woven into it.
        check_free(output)
    return train_by(order, output, checkpoint, devices, nodes, _reader(order, settings, output / START / WOVEN))


def _reader(
    order: TrainingOrder, settings: LymphocyteRecipe, weave_into: Path | None
) -> Callable[[Callable[[str], None], Callable[[], bool]], TrainingData]:
    def read(say: Callable[[str], None], should_stop: Callable[[], bool]) -> TrainingData:
        # Late, because importing what weaves and trains takes seconds.
        from histoloom.training.lymphocyte_data import read_lymphocyte_data

        def on_woven(done: int, count: int) -> None:
            if done == count:
                say(f"{done} tiles woven")

        return read_lymphocyte_data(
            order.data,
            order.woven,
            settings,
            tile_pixel_size=order.tile_pixel_size,
            licences=order.licences,
            unlabelled=order.unlabelled,
            generator=order.generator,
            weave_into=weave_into,
            on_woven=on_woven,
            should_stop=should_stop,
        )

    return read
