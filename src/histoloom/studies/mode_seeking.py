"""The study of mode-seeking-pix2pix (Allender et al. 2020, section 4.2): what each of its parts is good for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from histoloom.runs import Run
from histoloom.studies.grid import Cell, OnCell, chosen_cells, finished_run, in_turn, train_cell
from histoloom.studies.held_out import HeldOutCrop, held_out_crops
from histoloom.studies.mode_seeking_measures import Measures, measure_cell, measure_real
from histoloom.studies.mode_seeking_recipe import GROWING, ModeSeekingStudyRecipe
from histoloom.studies.mode_seeking_report import StudyResults, write_report
from histoloom.studies.study_folder import begin_study
from histoloom.studies.study_tiles import read_study_tiles
from histoloom.studies.trained_generator import TrainedGenerator
from histoloom.training.data import TrainingData
from histoloom.writing import write_json

MEASURES, RUNS = "measures.json", "runs"
_NAME = "mode-seeking"


def run_mode_seeking_study(
    recipe: ModeSeekingStudyRecipe,
    data: str | Path,
    folder: str | Path,
    *,
    only: Sequence[str] = (),
    tile_pixel_size: float | None = None,
    licence: str = "unknown",
    on_cell: OnCell | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> StudyResults:
    """Train full system and ablations, measure them on held-out real tiles, and write what came out.

    The tiles are split once, by patient where patients are known, so that all cells are trained on the same tiles and
    measured on the same others. A study that was killed goes on where it was: finished cells are neither trained nor
    measured again. After every cell the report in the folder is that of all cells which are finished.

    Parameters
    ----------
    recipe
        What is trained and measured.
    data
        Folder of tiles with labels; see `histoloom.layouts.tile_folders.open_tile_folder`.
    folder
        Of the study: a new or empty one, or that of the study to go on with.
    only
        Names of arms or cells; nothing for all.
    tile_pixel_size, licence
        As for `histoloom.training.data.read_training_data`.
    on_cell
        Told of each cell as its turn comes.
    should_stop
        Asked after each training step.

    Returns
    -------
    StudyResults
        Of all cells that are finished, also of those that were not named.

    Raises
    ------
    RunError
        If the folder holds another study, one of other settings or tiles, or something else.
    RecipeError
        If there is no arm or cell of a name, or the study is of a later version with other settings.
    Stopped
        If someone asked to stop.
    TrainingError, WriteError
        As `histoloom.training.engine.train`.
    """
    cells = chosen_cells(recipe.cells(), only)
    tiles = read_study_tiles(data, recipe, tile_pixel_size=tile_pixel_size, licence=licence)
    study = _Study(recipe, tiles, Path(folder))
    study.begin()
    for cell, on_event in in_turn(cells, on_cell, should_stop):
        run = train_cell(cell, tiles, study.runs, on_event=on_event, should_stop=should_stop)
        if study.measured(cell) is None:
            study.measure(cell, run)
            study.report()
    return study.report()


@dataclass(frozen=True, eq=False)
class _Study:
    recipe: ModeSeekingStudyRecipe
    tiles: TrainingData
    folder: Path

    @property
    def runs(self) -> Path:
        return self.folder / RUNS

    @cached_property
    def crops(self) -> list[HeldOutCrop]:
        return held_out_crops(self.tiles, self.recipe.crop_size, self.recipe.crops_per_tile)

    @cached_property
    def real(self) -> Measures:
        return measure_real(self.crops)

    def begin(self) -> None:
        """Say in the folder which study it holds, or check that it holds this one."""
        data = [each.model_dump(mode="json") for each in self.tiles.sources]
        begin_study(self.folder, _NAME, self.recipe, data, growing=GROWING, split=dict(self.tiles.split))

    def measured(self, cell: Cell) -> Measures | None:
        """Return the measures of a finished cell, or None."""
        run = finished_run(cell, self.runs)
        path = self.runs / cell.name / MEASURES
        if run is None or not path.is_file():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            values = {}
        return Measures.from_json(values)

    def measure(self, cell: Cell, run: Run) -> None:
        """Measure a finished cell, and keep what was measured in its run folder."""
        trained = TrainedGenerator(cell.recipe, self.tiles, run)
        measures = measure_cell(trained, self.crops, structures=self.recipe.structures, noises=self.recipe.noises)
        write_json(run.folder / MEASURES, measures.as_json())

    def report(self) -> StudyResults:
        """Write the report of all finished cells of the grid."""
        crops = self.crops
        finished = {cell: each for cell in self.recipe.cells() if (each := self.measured(cell)) is not None}
        trained = {
            cell: TrainedGenerator(cell.recipe, self.tiles, Run.open(self.runs / cell.name))
            for cell in finished
            if cell.seed == 0
        }
        results = StudyResults(
            self.recipe,
            {cell: (Run.open(self.runs / cell.name), measures) for cell, measures in finished.items()},
            self.real,
            [self.tiles.split["validation"][tile] for tile in sorted({crop.tile for crop in crops})],
        )
        write_report(results, self.folder, crops, trained)
        return results
