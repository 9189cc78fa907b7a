"""``histoloom train SYSTEM``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from histoloom.cli.interrupts import interrupts
from histoloom.cli.recipe_options import recipe_from_options, recipe_options
from histoloom.errors import RunError, Stopped
from histoloom.jobs.training_order import TrainingOrder, read_order, reads_labels, system_of
from histoloom.runs import RECIPE, Run
from histoloom.training.events import (
    CheckpointSaved,
    FiguresMeasured,
    StepsDone,
    TrainingContinued,
    TrainingEvent,
    TrainingPaused,
    TrainingStarted,
    Validated,
)
from histoloom.training.systems.presets import preset_values
from histoloom.training.systems.refiner_recipe import RefinerRecipe
from histoloom.training.systems.registry import recipe_type

if TYPE_CHECKING:
    from histoloom.training.data import TrainingData


ReadTiles = Callable[[Callable[[str], None], Callable[[], bool]], "TrainingData"]
"""Reads the tiles to train on, given what says a sentence and what tells whether to stop."""


def _command(name: str) -> Callable[..., int]:
    """Return the command of one system, with every field of its recipe as an option."""

    def train(
        *,
        data: Annotated[list[Path] | None, Parameter(negative="")] = None,
        output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
        preset: str | None = None,
        recipe: Path | None = None,
        estimate: Annotated[bool, Parameter(negative="")] = False,
        resume: Annotated[bool, Parameter(negative="")] = False,
        tile_pixel_size: float | None = None,
        licence: Annotated[list[str] | None, Parameter(negative="")] = None,
        devices: int = 1,
        nodes: int = 1,
        fields: Any = None,
    ) -> int:
        """Train on folders of tiles, with labels where the system needs them; the same recipe gives the same run.

        The run folder gets recipe.json, events.jsonl, previews, checkpoints, and at the end bundle.safetensors. Ctrl+C
        stops it after a checkpoint; the same line with --resume goes on.

        Parameters
        ----------
        data
            Folder of tiles and their labels, in any format that is recognized; again for each further folder. A refiner
            reads no labels. With --resume, the run knows them.
        output
            The run folder; a new one, or with --resume that of the run.
        preset
            Start from ready-made values: 'fast look' (minutes on a laptop), 'paper' (the defaults) or 'gpu'; a refiner
            also has 'small' (hours on a laptop) and 'code' (the authors' numbers).
        recipe
            JSON file with fields of the recipe, such as another run's recipe.json; options say more than it.
        estimate
            Only tell about how much time and memory it would take, as one JSON object; nothing is trained or written.
        resume
            Go on with the run from its latest checkpoint, by its own recipe.
        tile_pixel_size
            µm per pixel of the tiles (default: what their files say, else 0.25).
        licence
            Licence of the tiles, which bundles carry; once for each folder, in the same order (default: 'unknown').
        devices
            How many devices train together on each machine.
        nodes
            How many machines train together; start the same line on each, as torchrun or SLURM does.
        fields
            The recipe's fields.
        """
        checkpoint = None
        if resume:
            output, checkpoint = resumed_from(name, output, recipe, preset)
            order = _resumed(name, data, output, tile_pixel_size, licence, fields)
        else:
            if not data:
                raise RunError("Training needs tiles with labels; name their folder with '--data'.")
            start = None if preset is None else preset_values(name, preset)
            settings = recipe_from_options(recipe_type(name), fields, file=recipe, preset=start)
            order = TrainingOrder(name, settings, tuple(data), tile_pixel_size, tuple(licence or ()))
        if estimate:
            return tell_estimate(order, _read(order))
        if output is None:
            raise RunError("Training needs a run folder; name one with '--output'.")
        return train_by(order, output, checkpoint, devices, nodes, lambda *_: _read(order))

    options = recipe_options({"Recipe": recipe_type(name)})
    train.__annotations__["fields"] = options
    return train


def _resumed(
    name: str,
    data: Sequence[Path] | None,
    run: Path,
    tile_pixel_size: float | None,
    licences: Sequence[str] | None,
    fields: Mapping[str, Any] | None,
) -> TrainingOrder:
    settings = recipe_from_options(recipe_type(name), fields, file=run / RECIPE)
    if data:
        return TrainingOrder(name, settings, tuple(data), tile_pixel_size, tuple(licences or ()))
    kept = read_order(run)
    size = kept.tile_pixel_size if tile_pixel_size is None else tile_pixel_size
    return TrainingOrder(name, settings, kept.data, size, tuple(licences or kept.licences))


def resumed_from(system: str, output: Path | None, recipe: Path | None, preset: str | None) -> tuple[Path, Path]:
    """Return the folder of the run that a line with '--resume' names, and its latest checkpoint.

    Raises
    ------
    RunError
        If the line names no run, a recipe besides, a run of another system, or one without a checkpoint.
    """
    if output is None or recipe is not None or preset is not None:
        raise RunError("A run is resumed from its folder, '--output', by its own recipe; give no other.")
    checkpoint = Run.open(output).latest_checkpoint()
    trained = system_of(output)
    if trained is not None and trained != system:
        raise RunError(f"The run '{output.name}' trains '{trained}'; resume it with 'histoloom train {trained}'.")
    return output, checkpoint


def train_by(
    order: TrainingOrder, output: Path, checkpoint: Path | None, devices: int, nodes: int, read: ReadTiles
) -> int:
    """Train in a run folder, or go on from a checkpoint, and say how it goes; return the command's status."""
    # Late, because importing torch takes seconds and a mistake in the line should not wait for it.
    from histoloom.training.data import classes_without_a_name
    from histoloom.training.engine import train

    settings = order.recipe
    console = Console(stderr=True)
    with interrupts() as interrupted, TrainingReport(console) as report:
        tiles = read(report.say, interrupted.is_set)

        def on_event(event: TrainingEvent) -> None:
            if isinstance(event, TrainingStarted):
                order.remember(output)
            report.on_event(event)
            has_classes = isinstance(event, TrainingStarted) and reads_labels(order.system)
            unknown = classes_without_a_name(tiles) if has_classes else ()
            if unknown:
                report.say(
                    f"The labels have classes that are not known by name ({', '.join(unknown)}); they are trained as "
                    "they are called, so give them names in 'types' if others shall weave them."
                )

        run = train(
            settings,
            tiles,
            output,
            on_event=on_event,
            should_stop=interrupted.is_set,
            resume_from=checkpoint,
            begin_from=order.begin_from,
            devices=devices,
            nodes=nodes,
        )
    if run.bundle is None:
        reached = max(run.checkpoints(), default=0)
        raise Stopped(f"Stopped after step {reached} of {settings.steps}; add --resume to the same line to go on.")
    if report.was_told:
        sys.stdout.write(f"Trained for {settings.steps} steps: {run.bundle}\n")
    return 0


def tell_estimate(order: TrainingOrder, tiles: TrainingData) -> int:
    """Write what a training would take as JSON; return the command's status."""
    # As late as for training.
    from histoloom.training.estimate import estimate_training

    estimate = estimate_training(order.recipe, tiles)
    sys.stdout.write(json.dumps(asdict(estimate)) + "\n")
    return 0


def _read(order: TrainingOrder) -> TrainingData:
    from histoloom.training.data import read_training_folders
    from histoloom.training.refiner_data import read_refiner_data

    if isinstance(order.recipe, RefinerRecipe):
        return read_refiner_data(
            order.data, order.recipe, tile_pixel_size=order.tile_pixel_size, licences=order.licences
        )
    return read_training_folders(
        order.data, order.recipe, tile_pixel_size=order.tile_pixel_size, licences=order.licences
    )


class TrainingReport:
    """Shows progress with the latest losses; without a terminal, a line for each report."""

    def __init__(self, console: Console) -> None:
        self.was_told = False
        self._console = console
        self._progress = Progress(
            TextColumn("Training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None, losses="")

    def __enter__(self) -> TrainingReport:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_event(self, event: TrainingEvent) -> None:
        """Take in what the training tells; of several processes, only one is told anything."""
        self.was_told = True
        if isinstance(event, TrainingStarted):
            self._progress.update(self._task, total=event.steps, completed=event.step)
            self.say(
                f"{event.parameters / 1e6:.1f} M weights on {event.device} ({event.precision}), "
                f"{event.training_tiles} tiles to train and {event.validation_tiles} to validate on, "
                f"{_woven_words(event.woven_tiles)}"
                f"about {event.memory_estimate / 2**30:.1f} GB of memory"
            )
        elif isinstance(event, StepsDone):
            losses = _words(event.losses)
            self._progress.update(self._task, completed=event.step, losses=losses)
            if not self._console.is_terminal:
                self.say(f"step {event.step}: {losses}, {event.seconds_per_step:.3g} s a step")
        elif isinstance(event, Validated):
            self.say(f"step {event.step}, held-out tiles: {_words(event.losses)}")
        elif isinstance(event, FiguresMeasured):
            self._say_figures(event)
        elif isinstance(event, TrainingPaused):
            self.say(f"step {event.step}: paused, until the file 'pause' in the run folder is removed")
        elif isinstance(event, TrainingContinued):
            self.say(f"step {event.step}: goes on")
        elif isinstance(event, CheckpointSaved):
            self.say(f"step {event.step}: {event.path}")

    def _say_figures(self, event: FiguresMeasured) -> None:
        figures = {
            "similarity": event.similarity,
            "difference": event.l1_distance,
            "hematoxylin shift": event.hematoxylin_shift,
            "eosin shift": event.eosin_shift,
            "colour shift": event.optical_density_shift,
        }
        known = {name: value for name, value in figures.items() if value is not None}
        if known:
            self.say(f"step {event.step}, weaves: {_words(known)}")
        if event.warning:
            self.say(event.warning)

    def say(self, sentence: str) -> None:
        """Print a line above the bar."""
        self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _woven_words(tiles: int) -> str:
    return f"{tiles} woven ones, " if tiles else ""


def _words(losses: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in losses.items())


loom = _command("loom")
pix2pix = _command("pix2pix")
mode_seeking_pix2pix = _command("mode-seeking-pix2pix")
refiner = _command("refiner")
