"""What somebody asked to be trained, kept in the run's folder so that it can be resumed and repeated."""

from __future__ import annotations

import datetime
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from histoloom.errors import RecipeError, RunError, WriteError
from histoloom.runs import LOCK, PAUSE, RECIPE, START, STOP, Run
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.registry import SYSTEMS, recipe_type, trains_segmenter
from histoloom.writing import write_json

ORDER = "order.json"

Trained = Literal["generator", "segmenter", "critic", "classifier"]
"""What a run trains."""


@dataclass(frozen=True)
class TrainingOrder:
    """A training as the command line is told of it.

    Parameters
    ----------
    system
        Name of the system.
    recipe
        Its recipe.
    data
        Folders of tiles with labels; at least one, but for segmenters that learn from woven tiles alone.
    tile_pixel_size
        µm per pixel of the tiles, or None for what their files say.
    licences
        Licence of each folder's tiles, which bundles carry, those of ``data`` first; none where they are not known.
    woven
        Folders of woven tiles, for segmenters with labels, and for critics.
    generator
        What weaves the tiles that a segmenter's or a critic's recipe asks for; empty for the default.
    corrected
        Folders of tiles that people have corrected, for segmenters.
    begin_from
        A segmenter's bundle with whose weights training begins, or None for new weights.
    unlabelled
        Folders of real tiles that lend woven ones their looks and whose labels are not read, for segmenters.
    """

    system: str
    recipe: TrainingRecipe
    data: tuple[Path, ...]
    tile_pixel_size: float | None = None
    licences: tuple[str, ...] = ()
    woven: tuple[Path, ...] = ()
    generator: str = ""
    corrected: tuple[Path, ...] = ()
    begin_from: Path | None = None
    unlabelled: tuple[Path, ...] = ()

    def write(self, folder: Path) -> None:
        """Keep the order in a run's folder, whose recipe is written by the training itself.

        Raises
        ------
        RunError
            If there is a run in it.
        WriteError
            If it cannot be written to.
        """
        if (folder / RECIPE).is_file():
            raise RunError(f"'{folder.name}' holds a run already; resume it, or choose another folder.")
        write_json(folder / START / RECIPE, self.recipe.as_json())
        self.remember(folder)

    def remember(self, folder: Path) -> None:
        """Keep system and data in a run's folder, for whoever resumes it; raises `WriteError`.

        They are kept apart from the run's environment, because a path says more of a machine than a run should tell.
        """
        values = {
            "system": self.system,
            "data": [_kept_path(each, folder) for each in self.data],
            "tile_pixel_size": self.tile_pixel_size,
            "licences": list(self.licences),
            "woven": [_kept_path(each, folder) for each in self.woven],
            "generator": self.generator,
            "corrected": [_kept_path(each, folder) for each in self.corrected],
            "begin_from": None if self.begin_from is None else _kept_path(self.begin_from, folder),
            "unlabelled": [_kept_path(each, folder) for each in self.unlabelled],
        }
        write_json(folder / START / ORDER, values)

    def arguments(self, folder: Path, *, resume: bool = False) -> list[str]:
        """Return the words after ``histoloom`` that train it in a folder."""
        words = ["train", self.system, *self.data_arguments(), "--output", str(folder)]
        if resume:
            return [*words, "--resume"]
        if self.begin_from is not None:
            words += ["--begin-from", str(self.begin_from)]
        return [*words, "--recipe", str(folder / START / RECIPE)]

    def data_arguments(self) -> list[str]:
        """Return the options that name the tiles."""
        words = [word for each in self.data for word in ("--data", str(each))]
        words += [word for each in self.woven for word in ("--woven", str(each))]
        words += [word for each in self.corrected for word in ("--corrected", str(each))]
        words += [word for each in self.unlabelled for word in ("--unlabelled", str(each))]
        words += [word for each in self.licences for word in ("--licence", each)]
        if self.generator:
            words += ["--generator", self.generator]
        if self.tile_pixel_size is not None:
            words += ["--tile-pixel-size", repr(self.tile_pixel_size)]
        return words


def read_order(folder: Path) -> TrainingOrder:
    """Return the order of a run.

    Raises
    ------
    RunError
        If the run does not know its data, or its order is damaged.
    RecipeError
        If this version knows no such system or recipe.
    """
    values = _values_of(folder)
    if values is None:
        raise RunError(
            f"The run '{folder.name}' does not know where its tiles are; resume it with the command line that "
            "began it, '--data' and '--resume'."
        )
    system = str(values["system"])
    path = folder / RECIPE if (folder / RECIPE).is_file() else folder / START / RECIPE
    size = values.get("tile_pixel_size")
    return TrainingOrder(
        system,
        recipe_type(system).from_file(path),
        tuple(folder / each for each in values["data"]),
        float(size) if size is not None else None,
        tuple(values["licences"]),
        tuple(folder / each for each in values["woven"]),
        str(values.get("generator") or ""),
        tuple(folder / each for each in values["corrected"]),
        folder / values["begin_from"] if values.get("begin_from") else None,
        tuple(folder / each for each in values["unlabelled"]),
    )


def system_of(folder: Path) -> str | None:
    """Return the name of the system that a run trains, or None where nothing tells."""
    values = _values_of(folder)
    if values is not None:
        return str(values["system"])
    if not (folder / RECIPE).is_file():
        return None
    names = set(Run(folder).recipe)
    # A run's recipe holds every field that its system had at the time, and no two systems have the same ones.
    holding = {each: fields for each in SYSTEMS if names <= (fields := set(recipe_type(each).model_fields))}
    return min(holding, key=lambda each: len(holding[each]), default=None)


def systems_that_train(trained: Trained) -> tuple[str, ...]:
    """Return the names of the systems that train generators, segmenters, critics, or classifiers."""
    return tuple(each for each in SYSTEMS if _trained_by(each) == trained)


def reads_labels(system: str) -> bool:
    """Return whether a system learns from labels of real tiles; one that does not takes tiles without any."""
    return system not in _WITHOUT_LABELS


_WITHOUT_LABELS = frozenset({"refiner", "critic"})


def what_is_trained(folder: Path) -> Trained | None:
    """Return what a run trains, or None where nothing tells."""
    try:
        system = system_of(folder)
        return None if system is None else _trained_by(system)
    except (RunError, RecipeError):
        return None


def _trained_by(system: str) -> Trained:
    if system == "critic":
        return "critic"
    if system == "lymphocytes":
        return "classifier"
    return "segmenter" if trains_segmenter(system) else "generator"


def _values_of(folder: Path) -> dict[str, Any] | None:
    values: Any
    try:
        values = json.loads((folder / START / ORDER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        values = None
    # Orders of one folder were once written without a list.
    if isinstance(values, dict) and isinstance(values.get("data"), str):
        values |= {"data": [values["data"]], "licences": [str(values.get("licence", "unknown"))]}
    if isinstance(values, dict):
        values = {"woven": [], "corrected": [], "unlabelled": []} | values
    if not isinstance(values, dict) or not _is_whole(values):
        raise RunError(f"'{ORDER}' of the run '{folder.name}' is damaged; begin a new run.")
    return values


def _is_whole(values: dict[str, Any]) -> bool:
    if "system" not in values:
        return False
    lists = (values.get("data"), values.get("licences"), values["woven"], values["corrected"], values["unlabelled"])
    return all(isinstance(each, list) and all(isinstance(word, str) for word in each) for each in lists)


def _kept_path(data: Path, folder: Path) -> str:
    """Return where tiles are; relative where they lie in the run, so that it may be moved."""
    data, folder = data.resolve(), folder.resolve()
    return data.relative_to(folder).as_posix() if data.is_relative_to(folder) else str(data)


def make_ready(folder: Path) -> None:
    """Check that a run can begin in a folder, and clear what an earlier attempt left that never began.

    Raises
    ------
    RunError
        If there is a run in it, or something else.
    WriteError
        If it cannot be looked into or cleared.
    """
    if (folder / RECIPE).is_file():
        raise RunError(f"'{folder.name}' holds a run already; resume it, or choose another folder.")
    try:
        names = sorted(each.name for each in folder.iterdir()) if folder.exists() else []
        taken = [each for each in names if each not in {LOCK, START, STOP, PAUSE}]
        if taken:
            raise RunError(
                f"The folder '{folder.name}' is not empty (it holds '{taken[0]}'); choose a new one for the run."
            )
        for name in (STOP, PAUSE):
            (folder / name).unlink(missing_ok=True)
        if START in names:
            shutil.rmtree(folder / START)
    except OSError as error:
        raise WriteError(f"The run folder '{folder}' cannot be used ({error.strerror}); choose another.") from error


def fresh_run_folder(system: str, day: datetime.date, base: Path | None = None) -> Path:
    """Return a folder that is not there yet for a run of a system, named by the day."""
    base = Path.home() / "histoloom-runs" if base is None else base
    name = f"{system}-{day.isoformat()}"
    number = 1
    path = base / name
    while path.exists():
        number += 1
        path = base / f"{name}-{number}"
    return path
