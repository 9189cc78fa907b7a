"""The study of canny-label-pix2pix (Yasuno 2020, section 3): whether woven tiles make segmenters better."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histoloom.errors import TrainingError
from histoloom.studies.canny_label_fold import Fold, read_fold, with_augmented_set
from histoloom.studies.canny_label_recipe import ARMS, GROWING, INITIAL, CannyLabelStudyRecipe
from histoloom.studies.canny_label_report import write_numbers, write_report
from histoloom.studies.canny_label_results import CellResult, DataSetResults, StudyResults
from histoloom.studies.canny_label_scores import TileScores, score_tiles
from histoloom.studies.grid import Cell, OnCell, chosen_cells, finished_run, in_turn, train_cell
from histoloom.studies.study_folder import begin_study
from histoloom.training.data import check_licences
from histoloom.training.events import OnEvent
from histoloom.writing import write_json, written_whole

SCORES, FOUND, RUNS, WOVEN = "scores.json", "found.npz", "runs", "woven"
_NAME = "canny-label"


def run_canny_label_study(
    recipe: CannyLabelStudyRecipe,
    data: Sequence[str | Path],
    folder: str | Path,
    *,
    only: Sequence[str] = (),
    tile_pixel_size: float | None = None,
    licences: Sequence[str] = (),
    on_cell: OnCell | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> StudyResults:
    """Train segmenters with and without woven tiles, score them on held-out real tiles, and write what came out.

    Each data set is split once, by patient where patients are known. The generator is trained on the
    training tiles only, and weaves the replica and the shape set; then each segmenter is trained on real blocks alone
    and with either set, for equal steps. A study that was killed goes on where it was: finished cells are neither
    trained nor scored again. After every cell the numbers in the folder are those of all cells which are finished;
    figures and the page come at the end.

    Parameters
    ----------
    recipe
        What is trained and scored.
    data
        Folders of tiles with labels, one for each data set; see `histoloom.layouts.tile_folders.open_tile_folder`.
    folder
        Of the study: a new or empty one, or that of the study to go on with.
    only
        Names of arms, such as ``"unet-replica"``, or of cells; nothing for all.
    tile_pixel_size
        µm per pixel of all tiles (default: what each file says, else 0.25).
    licences
        Of each data set, in order; none for "unknown".
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
    TrainingError, TileError, LayoutError, WriteError
        As `histoloom.training.data.read_training_data` and `histoloom.training.engine.train`.
    """
    paths = _checked_folders(data, licences)
    named = set(chosen_cells(_cells(recipe), only))
    folds = {
        path.name: read_fold(path, recipe, tile_pixel_size=tile_pixel_size, licence=licence)
        for path, licence in zip(paths, licences or ["unknown"] * len(paths), strict=True)
    }
    study = _Study(recipe, folds, Path(folder))
    study.begin()
    plan = [(name, cell) for name, cell in study.plan() if cell in named]
    turns = in_turn([cell for _, cell in plan], on_cell, should_stop)
    for (name, _), (cell, on_event) in zip(plan, turns, strict=True):
        study.finish(name, cell, on_event, should_stop)
    return study.report()


def _cells(recipe: CannyLabelStudyRecipe) -> list[Cell]:
    seeds = range(recipe.seeds)
    return [
        *(recipe.generator_cell(seed) for seed in recipe.generator_seeds()),
        *(cell for seed in seeds for _, _, cell in recipe.segmenter_cells(seed)),
    ]


def _checked_folders(data: Sequence[str | Path], licences: Sequence[str]) -> list[Path]:
    paths = [Path(each).resolve() for each in data]
    if not paths:
        raise TrainingError("The study needs tiles with labels; give at least one folder of them.")
    if len({path.name for path in paths}) != len(paths):
        raise TrainingError("Two folders of tiles have the same name, which tells results apart; rename one of them.")
    check_licences(licences, len(paths))
    return paths


@dataclass(frozen=True, eq=False)
class _Study:
    recipe: CannyLabelStudyRecipe
    folds: Mapping[str, Fold]
    folder: Path

    def begin(self) -> None:
        """Say in the folder which study it holds, or check that it holds this one."""
        data = {
            name: [each.model_dump(mode="json") for each in fold.tiles.sources] for name, fold in self.folds.items()
        }
        split = {name: dict(fold.tiles.split) for name, fold in self.folds.items()}
        begin_study(self.folder, _NAME, self.recipe, data, growing=GROWING, split=split)

    def plan(self) -> Iterator[tuple[str, Cell]]:
        """Yield data set and cell: one seed of every data set, then the next; optional arms after all others."""
        seeds = range(self.recipe.seeds)
        of_paper = {seed: [cell for _, arm, cell in self.recipe.segmenter_cells(seed) if arm in ARMS] for seed in seeds}
        for seed in seeds:
            for name in self.folds:
                if seed in self.recipe.generator_seeds():
                    yield name, self.recipe.generator_cell(seed)
                yield from ((name, cell) for cell in of_paper[seed])
        for seed in seeds:
            for name in self.folds:
                optional = [cell for _, arm, cell in self.recipe.segmenter_cells(seed) if arm not in ARMS]
                yield from ((name, cell) for cell in optional)

    def finish(self, name: str, cell: Cell, on_event: OnEvent | None, should_stop: Callable[[], bool] | None) -> None:
        """Train a cell to its end, and score it if it is one of a segmenter."""
        fold, runs = self.folds[name], self._runs(name)
        arm = next((arm for _, arm, each in self.recipe.segmenter_cells(cell.seed) if each == cell), None)
        if arm is not None and self._scored(name, cell) is not None:
            return
        generator = None
        if arm != INITIAL:
            weaving = self.recipe.generator_cell(self.recipe.generator_of(cell.seed))
            generator = train_cell(weaving, fold.tiles, runs, on_event=on_event, should_stop=should_stop)
        if arm is None:
            return
        data = fold.initial
        if generator is not None:
            data = with_augmented_set(fold, self.recipe, arm, cell.seed, generator, self.folder / name / WOVEN)
        run = train_cell(cell, data, runs, on_event=on_event, should_stop=should_stop)
        scores, found = score_tiles(run, fold.tiles.validation, fold.tiles.pixel_size)
        with written_whole(run.folder / FOUND) as beside:
            np.savez_compressed(beside, allow_pickle=False, **{str(index): each for index, each in enumerate(found)})
        # Last, because it says that the cell is done.
        write_json(run.folder / SCORES, scores.as_json())
        write_numbers(self.results(), self.folder)

    def results(self) -> StudyResults:
        """Return what all finished cells of the grid gave."""
        return StudyResults(self.recipe, {name: self._results(name) for name in self.folds})

    def report(self) -> StudyResults:
        """Write the report of all finished cells of the grid."""
        results = self.results()
        write_report(results, self.folder)
        return results

    def _runs(self, name: str) -> Path:
        return self.folder / name / RUNS

    def _scored(self, name: str, cell: Cell) -> CellResult | None:
        """Return a segmenter's cell that is finished and scored, or None."""
        run = finished_run(cell, self._runs(name))
        if run is None or not (run.folder / SCORES).is_file():
            return None
        try:
            values = json.loads((run.folder / SCORES).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            values = None
        scores = TileScores.from_json(values, len(self.folds[name].tiles.validation))
        return CellResult(run, scores, run.folder / FOUND)

    def _results(self, name: str) -> DataSetResults:
        seeds = range(self.recipe.seeds)
        cells = {
            (architecture, arm, seed): scored
            for seed in seeds
            for architecture, arm, cell in self.recipe.segmenter_cells(seed)
            if (scored := self._scored(name, cell)) is not None
        }
        generators = {
            seed: run
            for seed in self.recipe.generator_seeds()
            if (run := finished_run(self.recipe.generator_cell(seed), self._runs(name))) is not None
        }
        return DataSetResults(name, self.folds[name], cells, generators, self.folder / name / WOVEN)
