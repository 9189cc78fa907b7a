"""What somebody asked to be trained, kept in the run's folder so that it can be resumed and repeated."""

from __future__ import annotations

import datetime
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histoloom.errors import RunError, WriteError
from histoloom.runs import LOCK, PAUSE, RECIPE, START, STOP, Run
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.registry import SYSTEMS, recipe_type
from histoloom.writing import write_json

ORDER = "order.json"


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
        Folder of tiles with labels.
    tile_pixel_size
        µm per pixel of the tiles, or None for what their files say.
    licence
        Licence of the tiles, which bundles carry.
    """

    system: str
    recipe: TrainingRecipe
    data: Path
    tile_pixel_size: float | None = None
    licence: str = "unknown"

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
        data = self.data.resolve()
        inside = data.is_relative_to(folder.resolve())
        values = {
            "system": self.system,
            # Relative where the tiles lie in the run, so that it may be moved.
            "data": data.relative_to(folder.resolve()).as_posix() if inside else str(data),
            "tile_pixel_size": self.tile_pixel_size,
            "licence": self.licence,
        }
        write_json(folder / START / ORDER, values)

    def arguments(self, folder: Path, *, resume: bool = False) -> list[str]:
        """Return the words after ``histoloom`` that train it in a folder."""
        words = ["train", self.system, "--data", str(self.data), "--output", str(folder), "--licence", self.licence]
        if self.tile_pixel_size is not None:
            words += ["--tile-pixel-size", repr(self.tile_pixel_size)]
        return [*words, "--resume"] if resume else [*words, "--recipe", str(folder / START / RECIPE)]


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
        folder / str(values["data"]),
        float(size) if size is not None else None,
        str(values.get("licence", "unknown")),
    )


def system_of(folder: Path) -> str | None:
    """Return the name of the system that a run trains, or None where nothing tells."""
    values = _values_of(folder)
    if values is not None:
        return str(values["system"])
    if not (folder / RECIPE).is_file():
        return None
    names = set(Run(folder).recipe)
    # A run's recipe holds every field of its system's, and no two systems have the same ones.
    return next((each for each in SYSTEMS if set(recipe_type(each).model_fields) == names), None)


def _values_of(folder: Path) -> dict[str, Any] | None:
    try:
        values = json.loads((folder / START / ORDER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict) or not {"system", "data"} <= values.keys():
        raise RunError(f"'{ORDER}' of the run '{folder.name}' is damaged; begin a new run.")
    return values


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
