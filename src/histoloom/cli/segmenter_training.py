"""``histoloom train segmenter``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from histoloom.cli.recipe_options import recipe_from_options, recipe_options
from histoloom.cli.training import resumed_from, tell_estimate, train_by
from histoloom.errors import RunError
from histoloom.jobs.training_order import TrainingOrder, read_order
from histoloom.runs import RECIPE, START, WOVEN, check_free
from histoloom.training.systems.presets import preset_values
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe

if TYPE_CHECKING:
    from histoloom.training.data import TrainingData

    _Options = Mapping[str, Any] | None
else:
    _Options = recipe_options({"Recipe": SegmenterRecipe})

_SYSTEM = "segmenter"
_ENOUGH_TO_TIME = 2


def segmenter(
    *,
    data: Annotated[list[Path] | None, Parameter(negative="")] = None,
    woven: Annotated[list[Path] | None, Parameter(negative="")] = None,
    corrected: Annotated[list[Path] | None, Parameter(negative="")] = None,
    unlabelled: Annotated[list[Path] | None, Parameter(negative="")] = None,
    begin_from: Path | None = None,
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
    """Train a segmenter on folders of tiles with labels, real and woven; the same recipe gives the same run.

    The run folder gets recipe.json, events.jsonl, previews, checkpoints, and at the end bundle.safetensors. Ctrl+C
    stops it after a checkpoint; the same line with --resume goes on.

    Parameters
    ----------
    data
        Folder of real tiles and their labels, in any format that is recognized; again for each further folder. With
        --resume, the run knows them.
    woven
        Folder of woven tiles and their labels, as 'histoloom weave' leaves it; again for each further folder. They are
        trained on and not validated on. A weights.csv in it says how much each counts.
    corrected
        Folder of tiles whose labels somebody has corrected, beside '--data'; again for each further folder. Where they
        are tiles of '--data', by their pixels, the corrected labels count; new ones are trained on and not validated
        on.
    unlabelled
        Folder of real tiles that lend their looks to the tiles that '--weave' asks for; again for each further folder.
        Labels that it may hold are not read. Without '--data', and with layouts that are drawn, the segmenter learns
        from no human label at all.
    begin_from
        A segmenter's bundle to begin with in place of new weights, such as the latest in 'bundles' of another run; it
        must be trained by the same architecture, width and classes.
    output
        The run folder; a new one, or with --resume that of the run.
    preset
        Start from ready-made values: 'fast look' (minutes on a laptop), 'paper' (the defaults) or 'gpu'.
    recipe
        JSON file with fields of the recipe, such as another run's recipe.json; options say more than it.
    generator
        What weaves the tiles that '--weave' asks for: 'loom', 'texture', the name of another bundle, or a bundle's file
        (default: loom).
    estimate
        Only tell about how much time and memory it would take, as one JSON object; nothing is trained or written.
    resume
        Go on with the run from its latest checkpoint, by its own recipe.
    tile_pixel_size
        µm per pixel of the tiles (default: what their files say, else 0.25).
    licence
        Licence of the tiles, which bundles carry; once for each folder of real tiles, in the same order, then for each
        of woven ones (default: 'unknown'; of woven tiles those of what their generator was trained on), and then for
        each of unlabelled ones.
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
        settings = recipe_from_options(SegmenterRecipe, fields, file=output / RECIPE)
        order = _resumed(settings, output, data, woven, tile_pixel_size, licence, generator, corrected, unlabelled)
    else:
        start = None if preset is None else preset_values(_SYSTEM, preset)
        settings = recipe_from_options(SegmenterRecipe, fields, file=recipe, preset=start)
        if not data and not woven and not settings.weave:
            raise RunError(
                "Training needs tiles with labels; name their folder with '--data', or woven ones with '--woven' or "
                "'--weave'."
            )
        order = TrainingOrder(
            _SYSTEM, settings, tuple(data or ()), tile_pixel_size, tuple(licence or ()), tuple(woven or ()),
            generator or "", tuple(corrected or ()), begin_from, tuple(unlabelled or ()),
        )  # fmt: skip
    if estimate:
        return _estimate(order, settings)
    if output is None:
        raise RunError("Training needs a run folder; name one with '--output'.")
    if checkpoint is None:
        # Before tiles are woven into it.
        check_free(output)
    return train_by(order, output, checkpoint, devices, nodes, _reader(order, settings, output / START / WOVEN))


def _resumed(
    settings: SegmenterRecipe,
    run: Path,
    data: Sequence[Path] | None,
    woven: Sequence[Path] | None,
    tile_pixel_size: float | None,
    licences: Sequence[str] | None,
    generator: str | None,
    corrected: Sequence[Path] | None,
    unlabelled: Sequence[Path] | None,
) -> TrainingOrder:
    if data:
        return TrainingOrder(
            _SYSTEM, settings, tuple(data), tile_pixel_size, tuple(licences or ()), tuple(woven or ()), generator or "",
            tuple(corrected or ()), None, tuple(unlabelled or ()),
        )  # fmt: skip
    kept = read_order(run)
    return replace(
        kept,
        recipe=settings,
        tile_pixel_size=kept.tile_pixel_size if tile_pixel_size is None else tile_pixel_size,
        licences=tuple(licences or kept.licences),
        woven=tuple(woven or kept.woven),
        generator=generator or kept.generator,
        corrected=tuple(corrected or kept.corrected),
        unlabelled=tuple(unlabelled or kept.unlabelled),
    )


def _estimate(order: TrainingOrder, settings: SegmenterRecipe) -> int:
    # Woven tiles are prepared as real ones are, so a few of them tell as much as all.
    short: dict[str, Any] = {"weave": min(settings.weave, _ENOUGH_TO_TIME)}
    if settings.layouts in ("polygons", "mixed"):
        # Of two with polygons as of sparse tissue, neither may have a nucleus.
        short["layouts"] = "random"
    few = SegmenterRecipe(**settings.as_json() | short)
    return tell_estimate(order, _reader(order, few, None)(lambda _: None, lambda: False))


def _reader(
    order: TrainingOrder, settings: SegmenterRecipe, weave_into: Path | None
) -> Callable[[Callable[[str], None], Callable[[], bool]], TrainingData]:
    def read(say: Callable[[str], None], should_stop: Callable[[], bool]) -> TrainingData:
        # Late, because importing what weaves and trains takes seconds.
        from histoloom.training.segmenter_data import read_segmenter_data

        def on_woven(done: int, count: int) -> None:
            if done == count or done * 4 // count > (done - 1) * 4 // count:
                say(f"{done} of {count} tiles woven")

        return read_segmenter_data(
            order.data,
            order.woven,
            settings,
            tile_pixel_size=order.tile_pixel_size,
            licences=order.licences,
            corrected=order.corrected,
            unlabelled=order.unlabelled,
            generator=order.generator,
            weave_into=weave_into,
            on_woven=on_woven,
            should_stop=should_stop,
        )

    return read
