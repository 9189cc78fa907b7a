"""The study of lymphocytes (Hou et al. 2019, section 5.4): whether a classifier needs anybody's labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import RunError, TrainingError
from histoloom.runs import Run
from histoloom.studies.grid import Cell, OnCell, chosen_cells, finished_run, in_turn, train_cell
from histoloom.studies.lymphocytes_points import FLOORS, TilePoints, points_of
from histoloom.studies.lymphocytes_recipe import BOTH, GROWING, MEASURED, SUPERVISED, LymphocyteStudyRecipe
from histoloom.studies.lymphocytes_report import write_report
from histoloom.studies.lymphocytes_results import LymphocyteResults
from histoloom.studies.study_folder import begin_study
from histoloom.studies.study_tiles import read_study_tiles
from histoloom.training.data import LabelledPicture, TrainingData, combined_training_data
from histoloom.training.lymphocyte_data import check_classes, lymphocyte_tiles
from histoloom.training.systems.lymphocytes_recipe import LymphocyteRecipe
from histoloom.writing import write_json

SCORES, FLOOR, RUNS, WOVEN = "scores.json", "floor.json", "runs", "woven"
_NAME = "lymphocytes"
_VALIDATED = 4
"""Woven tiles at most on which a training without real ones is validated, as each is validated on something."""


def run_lymphocyte_study(
    recipe: LymphocyteStudyRecipe,
    data: str | Path,
    folder: str | Path,
    *,
    only: Sequence[str] = (),
    tile_pixel_size: float | None = None,
    licence: str = "unknown",
    on_cell: OnCell | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> LymphocyteResults:
    """Train lymphocyte classifiers with labels and without any, and score them at points of held-out real tiles.

    A study that was killed goes on where it was. After every cell the report in the folder is that of all cells which
    are finished.

    Parameters
    ----------
    recipe
        What is trained and scored.
    data
        Folder of tiles whose labels tell classes of nuclei; see `histoloom.layouts.tile_folders.open_tile_folder`.
        Universal arms read none of them: tiles to learn from lend their looks.
    folder
        Of the study: a new or empty one, or that of the study to go on with.
    only
        Names of arms or of cells; nothing for all.
    tile_pixel_size, licence
        As for `histoloom.training.data.read_training_data`.
    on_cell
        Told of each cell as its turn comes.
    should_stop
        Asked after each training step and each woven tile.

    Returns
    -------
    LymphocyteResults
        Of all cells that are finished, also of those that were not named.

    Raises
    ------
    RunError
        If the folder holds another study, one of other settings or tiles, or something else.
    RecipeError
        If there is no arm or cell of a name, or the study is of a later version with other settings.
    TrainingError
        If labels tell no lymphocytes, or as `histoloom.training.engine.train`.
    Stopped
        If someone asked to stop.
    TileError, LayoutError, WriteError
        As `histoloom.training.data.read_training_data`.
    """
    tiles = read_study_tiles(data, recipe, tile_pixel_size=tile_pixel_size, licence=licence)
    check_classes(tiles, recipe.positive_class)
    points = points_of(tiles, tiles.split["validation"], recipe.positive_class, recipe.background)
    study = _Study(recipe, tiles, tuple(points), Path(folder))
    cells = chosen_cells(recipe.cells(), only)
    study.begin()
    for cell, on_event in in_turn(cells, on_cell, should_stop):
        if study.scored(cell) is not None:
            continue
        run = train_cell(
            cell, study.data(cell, should_stop), study.folder / RUNS, on_event=on_event, should_stop=should_stop
        )
        study.score(run)
        write_report(study.results(), study.folder)
    results = study.results()
    write_report(results, study.folder)
    return results


@dataclass(frozen=True, eq=False)
class _Study:
    recipe: LymphocyteStudyRecipe
    tiles: TrainingData
    points: tuple[TilePoints, ...]
    folder: Path

    def begin(self) -> None:
        """Say in the folder which study it holds, or check that it holds this one; and score what learns nothing."""
        data = [each.model_dump(mode="json") for each in self.tiles.sources]
        begin_study(self.folder, _NAME, self.recipe, data, growing=GROWING, split=dict(self.tiles.split))
        if not (self.folder / FLOOR).is_file():
            size = self.tiles.pixel_size
            scores = {
                name: [measure(each.picture.image, each.points, size).tolist() for each in self.points]
                for name, measure in FLOORS.items()
            }
            write_json(self.folder / FLOOR, scores)

    def data(self, cell: Cell, should_stop: Callable[[], bool] | None) -> TrainingData:
        """Return what a cell learns from."""
        recipe = cell.recipe
        if not isinstance(recipe, LymphocyteRecipe):
            raise TrainingError("This study trains lymphocyte classifiers alone.")
        if cell.arm == SUPERVISED:
            return self.tiles
        name = f"seed-{cell.seed}" + ("-measured" if cell.arm == MEASURED else "")
        woven = lymphocyte_tiles(
            recipe, self._looks(), self.folder / WOVEN / name, generator=self.recipe.generator, should_stop=should_stop
        )
        if cell.arm == BOTH:
            return combined_training_data([self.tiles, woven])
        kept = [
            place
            for place, each in enumerate(woven.woven)
            if any(woven.classes[of] == recipe.positive_class for of in each.class_of[1:])
        ]
        held = set(kept[: min(_VALIDATED, len(kept) // 2)])
        return replace(
            woven,
            validation=tuple(woven.woven[place] for place in sorted(held)),
            woven=tuple(each for place, each in enumerate(woven.woven) if place not in held),
            split={**woven.split, "validated on": "woven tiles"},
        )

    def score(self, run: Run) -> None:
        """Score a classifier that is trained, and keep what it says of each point."""
        if run.bundle is None:
            raise RunError(f"The run '{run.folder.name}' is not finished; train it to its end first.")
        # Late, because importing torch takes seconds.
        from histoloom.segmenters.lymphocytes import LymphocyteClassifier

        classifier, size = LymphocyteClassifier.load(run.bundle), self.tiles.pixel_size
        values = [classifier.at(each.picture.image, each.points, size) for each in self.points]
        # Last, because it says that the cell is done.
        write_json(run.folder / SCORES, [[round(float(one), 6) for one in each] for each in values])

    def scored(self, cell: Cell) -> tuple[Run, list[NDArray[np.float64]]] | None:
        """Return run and scores of a cell that is finished, or None."""
        run = finished_run(cell, self.folder / RUNS)
        if run is None or not (run.folder / SCORES).is_file():
            return None
        return run, self._checked(_read(run.folder / SCORES), f"scores of the run '{run.folder.name}'")

    def results(self) -> LymphocyteResults:
        """Return what is known by now."""
        cells = {
            (cell.arm, cell.seed): scored for cell in self.recipe.cells() if (scored := self.scored(cell)) is not None
        }
        floors = _read(self.folder / FLOOR)
        if not isinstance(floors, dict):
            raise RunError(f"'{FLOOR}' is damaged; remove it to score what learns nothing again.")
        return LymphocyteResults(
            self.recipe,
            self.tiles,
            self.points,
            {key: run for key, (run, _) in cells.items()},
            {key: scores for key, (_, scores) in cells.items()},
            {name: self._checked(each, f"scores in '{FLOOR}'") for name, each in floors.items() if name in FLOORS},
        )

    def _looks(self) -> TrainingData:
        """Return pictures of the tiles to learn from, without their labels."""
        side = self.recipe.look_side
        blank = []
        for each in self.tiles.training:
            image = each.image
            if side:
                top, left = (max(length - side, 0) // 2 for length in image.shape[:2])
                image = np.ascontiguousarray(image[top : top + side, left : left + side])
            blank.append(LabelledPicture(image, np.zeros(image.shape[:2], np.int32), np.zeros(1, np.uint8)))
        return TrainingData(
            tuple(blank), (), ("nucleus",), self.tiles.pixel_size, self.tiles.sources,
            {"by": "none", "looks": list(self.tiles.split["training"])},
        )  # fmt: skip

    def _checked(self, values: Any, what: str) -> list[NDArray[np.float64]]:
        try:
            arrays = [np.array(each, np.float64) for each in values]
        except (TypeError, ValueError):
            arrays = []
        if [each.shape for each in arrays] != [each.is_positive.shape for each in self.points]:
            raise RunError(f"The {what} are damaged or of other points; remove them to score again.")
        return arrays


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
