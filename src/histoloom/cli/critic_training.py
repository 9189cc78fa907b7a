"""``histoloom train critic``."""

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
from histoloom.training.systems.critic_recipe import CriticRecipe
from histoloom.training.systems.presets import preset_values

if TYPE_CHECKING:
    from histoloom.training.data import TrainingData

    _Options = Mapping[str, Any] | None
else:
    _Options = recipe_options({"Recipe": CriticRecipe})

_SYSTEM = "critic"
_ENOUGH_TO_TIME = 2


def critic(
    *,
    data: Annotated[list[Path] | None, Parameter(negative="")] = None,
    woven: Annotated[list[Path] | None, Parameter(negative="")] = None,
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
    """Train a critic: a discriminator that tells real tiles from woven ones, for generators that come without one.

    The run folder gets recipe.json, events.jsonl, previews, checkpoints, and at the end bundle.safetensors, with which
    'histoloom weigh' weighs woven tiles. Its probabilities are calibrated on held-out tiles. Ctrl+C stops it after a
    checkpoint; the same line with --resume goes on.

    Parameters
    ----------
    data
        Folder of real tiles, with or without labels; again for each further folder. With --resume, the run knows them.
    woven
        Folder of woven tiles, as 'histoloom weave' leaves it; again for each further folder. Tiles with the look of a
        held-out real tile are held out too.
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
        Licence of the real tiles, which bundles carry; once for each folder, in the same order (default: 'unknown').
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
        order = _resumed(recipe_from_options(CriticRecipe, fields, file=output / RECIPE), output, data, woven)
        size = order.tile_pixel_size if tile_pixel_size is None else tile_pixel_size
        order = replace(
            order, tile_pixel_size=size, licences=tuple(licence or order.licences),
            generator=generator or order.generator,
        )  # fmt: skip
    else:
        start = None if preset is None else preset_values(_SYSTEM, preset)
        settings = recipe_from_options(CriticRecipe, fields, file=recipe, preset=start)
        if not data or not (woven or settings.weave):
            raise RunError(
                "A critic needs real tiles and woven ones; name folders with '--data' and '--woven', or have tiles "
                "woven with '--weave'."
            )
        order = TrainingOrder(
            _SYSTEM, settings, tuple(data), tile_pixel_size, tuple(licence or ()), tuple(woven or ()), generator or ""
        )
    if estimate:
        few = {"weave": min(_recipe_of(order).weave, _ENOUGH_TO_TIME)}
        short = replace(order, recipe=CriticRecipe(**order.recipe.as_json() | few))
        return tell_estimate(order, _reader(short, None)(lambda _: None, lambda: False))
    if output is None:
        raise RunError("Training needs a run folder; name one with '--output'.")
    if checkpoint is None:
        # Before tiles are woven into it.
        check_free(output)
    return train_by(order, output, checkpoint, devices, nodes, _reader(order, output / START / WOVEN))


def _resumed(
    settings: CriticRecipe, run: Path, data: Sequence[Path] | None, woven: Sequence[Path] | None
) -> TrainingOrder:
    if data and woven:
        return TrainingOrder(_SYSTEM, settings, tuple(data), woven=tuple(woven))
    kept = read_order(run)
    if data:
        # Other tiles than before, of which only this line knows the licences.
        kept = replace(kept, data=tuple(data), licences=())
    return replace(kept, recipe=settings, woven=tuple(woven or kept.woven))


def _recipe_of(order: TrainingOrder) -> CriticRecipe:
    if not isinstance(order.recipe, CriticRecipe):
        raise RunError("This run trains no critic; resume it with the command that began it.")
    return order.recipe


def _reader(
    order: TrainingOrder, weave_into: Path | None
) -> Callable[[Callable[[str], None], Callable[[], bool]], TrainingData]:
    recipe = _recipe_of(order)

    def read(say: Callable[[str], None], should_stop: Callable[[], bool]) -> TrainingData:
        # Late, because importing what weaves and trains takes seconds.
        from histoloom.training.critic_data import read_critic_data

        def on_woven(done: int, count: int) -> None:
            if done == count:
                say(f"{done} tiles woven")

        return read_critic_data(
            order.data,
            order.woven,
            recipe,
            tile_pixel_size=order.tile_pixel_size,
            licences=order.licences,
            generator=order.generator,
            weave_into=weave_into,
            on_woven=on_woven,
            should_stop=should_stop,
        )

    return read
