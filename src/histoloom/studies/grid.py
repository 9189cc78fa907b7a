"""Grids of trainings that can be killed: each cell is a run folder, and what is finished is not done again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from histoloom.errors import RecipeError, RunError, Stopped
from histoloom.runs import LOCK, RECIPE, Run, run_locked
from histoloom.training.recipe import TrainingRecipe

if TYPE_CHECKING:
    from histoloom.training.data import TrainingData
    from histoloom.training.events import OnEvent

_STOPPED = "Stopped; the same line goes on from there."


@dataclass(frozen=True)
class Cell:
    """One training of a grid.

    Parameters
    ----------
    arm
        What it is compared by, such as the name of an ablation.
    seed
        Which of the repetitions.
    recipe
        What is trained.
    """

    arm: str
    seed: int
    recipe: TrainingRecipe

    @property
    def name(self) -> str:
        """Name of its run folder."""
        return f"{self.arm}-seed-{self.seed}"


OnCell = Callable[[Cell, int, int], "OnEvent | None"]
"""Told each cell before it is worked on, its place and how many there are; may return who is told of its training."""


def chosen_cells(cells: Iterable[Cell], only: Iterable[str]) -> list[Cell]:
    """Return the cells that are named, or whose arm is; all where nothing is named.

    Raises
    ------
    RecipeError
        If a name is of no cell and no arm.
    """
    all_cells, names = list(cells), list(only)
    known = {name for cell in all_cells for name in (cell.arm, cell.name)}
    for name in names:
        if name not in known:
            arms = ", ".join(dict.fromkeys(cell.arm for cell in all_cells))
            raise RecipeError(
                f"The study has no cell '{name}'; name one of {arms}, or a cell, such as '{all_cells[0].name}'."
            )
    return [cell for cell in all_cells if not names or cell.arm in names or cell.name in names]


def check_stop(should_stop: Callable[[], bool] | None) -> None:
    """Raise `histoloom.errors.Stopped` if someone asked to stop."""
    if should_stop is not None and should_stop():
        raise Stopped(_STOPPED)


def in_turn(
    cells: Sequence[Cell], on_cell: OnCell | None, should_stop: Callable[[], bool] | None
) -> Iterator[tuple[Cell, OnEvent | None]]:
    """Yield each cell as its turn comes, and who is told of its training.

    Raises
    ------
    Stopped
        If someone asked to stop, between two of them.
    """
    for index, cell in enumerate(cells):
        check_stop(should_stop)
        yield cell, on_cell(cell, index, len(cells)) if on_cell is not None else None


def finished_run(cell: Cell, folder: Path) -> Run | None:
    """Return the run of a cell if it has been trained to its end.

    Raises
    ------
    RunError
        If its folder holds a run by another recipe.
    RecipeError
        If the run's recipe is of a later version.
    """
    path = folder / cell.name
    if not (path / RECIPE).is_file():
        return None
    run = Run.open(path)
    # Checked, so that fields which a later version has added hold their defaults.
    kept = type(cell.recipe).checked(**run.recipe)
    for name, value in cell.recipe:
        if getattr(kept, name) != value:
            raise RunError(
                f"The run '{cell.name}' has {getattr(kept, name)!r} for '{name}' and not {value!r}; "
                "go on with the study by its own settings, or choose another folder."
            )
    return run if run.bundle is not None else None


def train_cell(
    cell: Cell,
    data: TrainingData,
    folder: Path,
    *,
    on_event: OnEvent | None = None,
    should_stop: Callable[[], bool] | None = None,
    before_clearing: Callable[[Run], None] | None = None,
) -> Run:
    """Train a cell to its end, from where it was; a finished one is returned as it is.

    A finished cell keeps its recipe, events, previews and final bundle. Its checkpoints, some gigabytes at a paper's
    width, are removed: there is nothing to resume.

    Parameters
    ----------
    cell, data
        What is trained, and on what.
    folder
        Where the run folders of the grid are.
    on_event, should_stop
        As for `histoloom.training.engine.train`.
    before_clearing
        Given the run when it is finished and has its last checkpoint still.

    Raises
    ------
    Stopped
        If someone asked to stop.
    TrainingError, RunError, WriteError
        As `histoloom.training.engine.train`.
    """
    finished = finished_run(cell, folder)
    if finished is not None:
        _remove_checkpoints(finished)
        return finished
    from histoloom.training.engine import train

    path = folder / cell.name
    checkpoints = Run(path).checkpoints() if (path / RECIPE).is_file() else {}
    if not checkpoints and path.is_dir():
        _clear(path)
    run = train(
        cell.recipe,
        data,
        path,
        on_event=on_event,
        should_stop=should_stop,
        resume_from=checkpoints[max(checkpoints)] if checkpoints else None,
    )
    if run.bundle is None:
        raise Stopped(_STOPPED)
    if before_clearing is not None:
        before_clearing(run)
    _remove_checkpoints(run)
    return run


def _clear(path: Path) -> None:
    """Empty the folder of a cell that was killed before its first checkpoint, unless somebody trains in it."""
    with run_locked(path):
        for each in path.iterdir():
            if each.is_dir():
                shutil.rmtree(each)
            elif each.name != LOCK:
                each.unlink()


def _remove_checkpoints(run: Run) -> None:
    for name in ("checkpoints", "bundles"):
        shutil.rmtree(run.folder / name, ignore_errors=True)
