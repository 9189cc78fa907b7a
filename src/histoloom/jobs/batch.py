"""Weaving many layouts with many seeds into a folder; what was stopped goes on where it was."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from histoloom import __version__
from histoloom.conditions import AcceptedStructure
from histoloom.errors import HistoloomError, LayoutError, RecipeError, Stopped, WriteError
from histoloom.generators.contract import Generator, PreparedGenerator, SeesStructure
from histoloom.generators.registry import generator_named
from histoloom.generators.weaving import usable_recipe, weave
from histoloom.generators.woven_files import ImageFormat, check_stem, file_sha256, save_woven, woven_name
from histoloom.layouts import Layout
from histoloom.layouts.columns import layout_fingerprint
from histoloom.recipes import Recipe, usable_seed
from histoloom.tiles.looks import AnyLook

LayoutSource = Layout | Callable[[], Layout]
"""A layout, or a function that reads it when its turn comes, so that a batch holds one layout in memory at a time."""


@dataclass(frozen=True)
class BatchStarted:
    """The batch begins; ``total`` pictures are to be woven or skipped."""

    total: int


@dataclass(frozen=True)
class PictureWoven:
    """A picture was woven and written to ``path`` in ``seconds``; ``done`` of all are dealt with."""

    path: Path
    seconds: float
    done: int


@dataclass(frozen=True)
class PictureSkipped:
    """The picture at ``path`` is whole and the same as would be woven; ``done`` of all are dealt with."""

    path: Path
    done: int


@dataclass(frozen=True)
class PictureFailed:
    """A picture came to nothing; ``sentence`` says why. ``done`` of all are dealt with."""

    stem: str
    seed: int
    sentence: str
    done: int


@dataclass(frozen=True)
class BatchFinished:
    """The end of the batch, with how many pictures went which way."""

    woven: int
    skipped: int
    failed: int
    was_stopped: bool


BatchEvent = BatchStarted | PictureWoven | PictureSkipped | PictureFailed | BatchFinished


def weave_batch(
    layouts: Sequence[tuple[str, LayoutSource]],
    look: AnyLook,
    generator: str,
    recipe: Recipe | None,
    seeds: Iterable[int],
    folder: str | Path,
    image_format: ImageFormat = "png",
    *,
    coco: bool = False,
    structure: AcceptedStructure | None = None,
    on_event: Callable[[BatchEvent], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> BatchFinished:
    """Weave every layout with every seed; `save_woven` names the files.

    A picture that is there already, whole and from the same layout, look, recipe, generator, seed and version, is
    skipped. A layout that cannot be read or woven is reported and the batch goes on; where nothing can be written any
    more, it ends.

    Parameters
    ----------
    layouts
        Names and layouts; the names become parts of file names.
    look, generator, recipe
        As for `histoloom.generators.weaving.weave`.
    seeds
        One picture of each layout for each.
    folder
        Created where it does not exist.
    image_format
        ``"png"`` or ``"tif"``.
    coco
        Whether to write COCO JSON, too.
    structure
        Accepted structure, for generators that see any.
    on_event
        Told what happens, as it happens.
    should_stop
        Asked before each picture and within large ones.

    Returns
    -------
    BatchFinished
        The last event.

    Raises
    ------
    WriteError
        If the folder cannot be written to, or a name cannot be part of a file name.
    LayoutError
        If two layouts have the same name, or there is none.
    RecipeError
        If generator, recipe or seeds are not usable.
    """
    chosen = generator_named(generator)
    settings = usable_recipe(chosen, recipe)
    numbers = list(dict.fromkeys(usable_seed(seed) for seed in seeds))
    _check_names([stem for stem, _ in layouts])
    if not numbers:
        raise RecipeError("There is no seed to weave with; give at least one.")
    target = Path(folder)
    _check_folder(target)
    work = _Batch(
        look,
        generator,
        chosen,
        settings,
        target,
        image_format,
        coco,
        structure,
        on_event or (lambda _: None),
        should_stop or (lambda: False),
    )
    work.on_event(BatchStarted(len(layouts) * len(numbers)))
    was_stopped = False
    try:
        for stem, source in layouts:
            work.weave_layout(stem, source, numbers)
    except (Stopped, _NoRoom):
        was_stopped = True
    finished = BatchFinished(work.woven, work.skipped, work.failed, was_stopped)
    work.on_event(finished)
    return finished


class _NoRoom(Exception):
    """Nothing more can be written."""


@dataclass
class _Batch:
    look: AnyLook
    reference: str
    generator: Generator
    recipe: Recipe
    folder: Path
    image_format: ImageFormat
    coco: bool
    structure: AcceptedStructure | None
    on_event: Callable[[BatchEvent], None]
    should_stop: Callable[[], bool]
    woven: int = 0
    skipped: int = 0
    failed: int = 0
    prepared: dict[float, PreparedGenerator] = field(default_factory=dict)

    @property
    def done(self) -> int:
        return self.woven + self.skipped + self.failed

    def weave_layout(self, stem: str, source: LayoutSource, seeds: list[int]) -> None:
        self._stop_if_asked()
        try:
            layout = source if isinstance(source, Layout) else source()
            fingerprint = layout_fingerprint(layout)
        except HistoloomError as error:
            self._report_unread(stem, seeds, str(error))
            return
        except Exception as error:
            logging.getLogger(__name__).exception("while reading the layout '%s'", stem)
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self._report_unread(
                stem,
                seeds,
                f"The layout '{stem}' could not be read ({reason}); export it again, and report this as a defect.",
            )
            return
        for seed in seeds:
            self._stop_if_asked()
            record = self.folder / f"{woven_name(stem, seed)}.json"
            if self._is_there(record, fingerprint, seed, layout.pixel_size):
                self.skipped += 1
                self.on_event(PictureSkipped(record.with_suffix(f".{self.image_format}"), self.done))
            else:
                self._weave_picture(stem, layout, seed)

    def _weave_picture(self, stem: str, layout: Layout, seed: int) -> None:
        started = time.perf_counter()
        try:
            woven = weave(
                layout,
                self.look,
                generator=self.reference,
                recipe=self.recipe,
                seed=seed,
                structure=self.structure,
                prepared=self._prepared_for(layout.pixel_size),
                should_stop=self.should_stop,
            )
            paths = save_woven(woven, self.folder, stem, self.image_format, self.coco)
        except Stopped:
            raise
        except WriteError as error:
            self._report_failure(stem, seed, str(error))
            raise _NoRoom from error
        except HistoloomError as error:
            self._report_failure(stem, seed, str(error))
            return
        except Exception as error:
            # A defect that one layout brings to light must not cost a night's batch.
            logging.getLogger(__name__).exception("while weaving '%s'", stem)
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self._report_failure(
                stem, seed, f"The generator failed ({reason}); try another look or recipe, and report this as a defect."
            )
            return
        self.woven += 1
        self.on_event(PictureWoven(paths["image"], time.perf_counter() - started, self.done))

    def _prepared_for(self, pixel_size: float) -> PreparedGenerator:
        if pixel_size not in self.prepared:
            # Layouts of one batch nearly always share a pixel size; only the latest preparation is kept.
            self.prepared = {pixel_size: self.generator.prepare(self.look, self.recipe, pixel_size)}
        return self.prepared[pixel_size]

    def _is_there(self, record: Path, fingerprint: str, seed: int, pixel_size: float) -> bool:
        try:
            found = json.loads(record.read_text(encoding="utf-8"))
            names = dict(found["files"])
            is_whole = all(file_sha256(record.parent / name) == digest for name, digest in names.items())
        except (OSError, ValueError, KeyError, TypeError):
            return False
        wanted = {
            "generator": self.generator.name,
            "seed": seed,
            "recipe": self.recipe.as_json(),
            "look_sha256": self.look.sha256,
            "weights_sha256": self.generator.weights_sha256,
            "structure_sha256": self._structure_seen(pixel_size),
            "layout_sha256": fingerprint,
            "histoloom_version": __version__,
        }
        has_formats = f"{record.stem}.{self.image_format}" in names and (
            not self.coco or f"{record.stem}.coco.json" in names
        )
        return is_whole and has_formats and all(found.get(key) == value for key, value in wanted.items())

    def _structure_seen(self, pixel_size: float) -> str:
        """Return the hash of the structure that pictures are woven with; nothing where the generator sees none."""
        if self.structure is None:
            return ""
        try:
            sees = isinstance(self._prepared_for(pixel_size), SeesStructure)
        except HistoloomError:
            # Weaving will fail for this reason, and say so.
            return ""
        return self.structure.sha256 if sees else ""

    def _stop_if_asked(self) -> None:
        if self.should_stop():
            raise Stopped("The batch was stopped; start it again to go on.")

    def _report_unread(self, stem: str, seeds: list[int], sentence: str) -> None:
        for seed in seeds:
            self._report_failure(stem, seed, sentence)

    def _report_failure(self, stem: str, seed: int, sentence: str) -> None:
        self.failed += 1
        self.on_event(PictureFailed(stem, seed, sentence, self.done))


def _check_names(stems: list[str]) -> None:
    if not stems:
        raise LayoutError("There is no layout to weave; give at least one.")
    seen: set[str] = set()
    for stem in stems:
        check_stem(stem)
        if stem.casefold() in seen:
            raise LayoutError(f"Two layouts are called '{stem}'; rename one, or weave them into folders of their own.")
        seen.add(stem.casefold())


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WriteError(
            f"'{folder}' cannot be written to ({error.strerror or error}); choose a folder that you may write to."
        ) from error
