"""``histoloom weave``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from histoloom.cli.interrupts import interrupts
from histoloom.cli.recipe_options import recipe_from_options, recipe_options
from histoloom.errors import LookError, RecipeError, Stopped
from histoloom.generators.bundles import BundleRecipe
from histoloom.generators.loom import LoomWeaveRecipe
from histoloom.generators.refiner.recipe import RefinerWeaveRecipe
from histoloom.generators.registry import GENERATORS, default_generator, generator_named
from histoloom.jobs.batch import BatchEvent, BatchFinished, BatchStarted, PictureFailed, weave_batch
from histoloom.layouts import Layout
from histoloom.tiles.looks import AnyLook, Look, NamedLook
from histoloom.window import Window

_MOST_PICTURES = 1_000_000
if TYPE_CHECKING:
    _Options = Mapping[str, Any] | None
else:
    _Options = recipe_options(
        {f"Recipe of '--generator {each}'": generator_named(each).recipe_type for each in GENERATORS}
        | {
            "Recipe of loom": LoomWeaveRecipe,
            "Recipe of refiners": RefinerWeaveRecipe,
            "Recipe of trained pix2pix generators": BundleRecipe,
        }
    )


def weave(
    layouts: list[Path],
    /,
    *,
    look: str,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    generator: str | None = None,
    seed: int = 0,
    count: int = 1,
    image_format: Annotated[Literal["png", "tif"], Parameter(name="--format")] = "png",
    coco: Annotated[bool, Parameter(negative="")] = False,
    pixel_size: float | None = None,
    repair: Annotated[bool, Parameter(negative="")] = False,
    look_pixel_size: float | None = None,
    look_window: Annotated[tuple[int, int, int, int] | None, Parameter(negative="")] = None,
    recipe: Path | None = None,
    fields: _Options = None,
) -> int:
    """Weave tissue from layouts with the look of a tile.

    Each layout and seed gives STEM_seedS.png (or .tif), STEM_seedS_labels.tif, STEM_seedS.geojson and STEM_seedS.json,
    with recipe and seed. The same line again goes on where it stopped, and weaves nothing twice. Woven tissue is for
    research, not for diagnosis.

    Parameters
    ----------
    layouts
        Layouts: .geojson, .layout.json, or label maps (.tif, .png, .npy), which are checked and mended.
    look
        A real tile or slide, whose look the tissue shall have, or the name of a look that the generator knows.
    output
        Folder for the pictures; made if it is not there.
    generator
        What weaves: 'loom', 'texture', the name of another bundle ('histoloom bundles list'), or a bundle's file
        (default: loom).
    seed
        The first seed.
    count
        How many seeds: S, S+1, ...
    image_format
        Format of the pictures.
    coco
        Write STEM_seedS.coco.json, too.
    pixel_size
        µm per pixel of label maps and GeoJSON without a .layout.json beside them (default: what they say, else 0.25).
    repair
        Mend label maps without a .layout.json: drop specks, and make labels in several pieces several nuclei.
    look_pixel_size
        µm per pixel of the look (default: what its file says, else 0.25).
    look_window
        Which part of the look to use, in pixels of its full size: top, left, height, width (default: all of it).
    recipe
        JSON file with fields of the recipe; options say more than it.
    fields
        The recipe's fields.
    """
    from histoloom.layouts.opening import layout_stem

    if not 1 <= count <= _MOST_PICTURES:
        raise RecipeError(f"A count of {count} is not usable; give a whole number from 1 to {_MOST_PICTURES:,}.")
    generator = generator or default_generator()
    chosen = generator_named(generator)
    settings = recipe_from_options(chosen.recipe_type, fields, file=recipe)
    prepared_look = _look(look, chosen.named_looks, look_pixel_size, look_window)
    console = Console(stderr=True)
    with interrupts() as interrupted, _Report(console) as report:
        if prepared_look.stains.color_warning:
            report.say(prepared_look.stains.color_warning)
        finished = weave_batch(
            [(layout_stem(path), _reader(path, pixel_size, repair, report.say)) for path in layouts],
            prepared_look,
            generator,
            settings,
            range(seed, seed + count),
            output,
            image_format,
            coco=coco,
            on_event=report.on_event,
            should_stop=interrupted.is_set,
        )
    if interrupted.is_set():
        done = finished.woven + finished.skipped
        raise Stopped(f"Stopped after {done} of {len(layouts) * count} pictures; run the same line again to go on.")
    sys.stdout.write(f"{_summary(finished)}: {output}\n")
    return 1 if finished.failed else 0


def _reader(path: Path, pixel_size: float | None, repair: bool, say: Callable[[str], None]) -> Callable[[], Layout]:
    def read() -> Layout:
        from histoloom.layouts.opening import open_layout

        layout, notes = open_layout(path, pixel_size, repair=repair)
        for note in notes:
            say(note)
        return layout

    return read


def _look(
    look: str, named: Sequence[NamedLook], pixel_size: float | None, window: tuple[int, int, int, int] | None
) -> AnyLook:
    """Return the look of a file, or, where there is no such file, the one that the generator knows by that name."""
    path = Path(look)
    known = {each.name.casefold(): each for each in named}
    if not path.exists() and look.casefold() in known:
        if pixel_size is not None or window is not None:
            raise LookError(
                f"The look '{look}' is one that the generator knows and has no pixels; leave out --look-window and "
                "--look-pixel-size, or give a picture."
            )
        return known[look.casefold()]
    if known and not path.exists() and not path.suffix:
        names = ", ".join(sorted(each.name for each in named))
        raise LookError(f"The generator knows no look called '{look}'; give a picture, or one of: {names}.")
    return _read_look(path, pixel_size, window)


def _read_look(path: Path, pixel_size: float | None, window: tuple[int, int, int, int] | None) -> Look:
    from histoloom.tiles.reading import open_tile

    part = None
    if window is not None:
        top, left, height, width = window
        part = Window(top, left, top + height, left + width)
    with open_tile(path) as tile:
        return Look.from_tile(tile, part, pixel_size)


def _summary(finished: BatchFinished) -> str:
    words = [f"{finished.woven} woven"]
    if finished.skipped:
        words.append(f"{finished.skipped} there already")
    if finished.failed:
        words.append(f"{finished.failed} failed")
    return ", ".join(words)


class _Report:
    """Shows a batch's progress, and each sentence about it once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[str] = set()
        self._progress = Progress(
            TextColumn("Weaving"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> _Report:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, sentence: str) -> None:
        """Say something beside the progress bar."""
        if sentence not in self._said:
            self._said.add(sentence)
            self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def on_event(self, event: BatchEvent) -> None:
        """Take in what the batch tells."""
        if isinstance(event, BatchStarted):
            self._progress.update(self._task, total=event.total)
        elif not isinstance(event, BatchFinished):
            self._progress.update(self._task, completed=event.done)
            if isinstance(event, PictureFailed):
                self.say(event.sentence)
