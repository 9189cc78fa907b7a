"""The study of Hou et al. (2019, section 5): whether segmenters that learn without labels are good enough."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import RunError, TrainingError
from histoloom.importance import weights_among_alike
from histoloom.runs import Run
from histoloom.studies.grid import Cell, OnCell, chosen_cells, finished_run, in_turn, train_cell
from histoloom.studies.label_or_synthesize_recipe import (
    BLIND_REFINER,
    CRITIC,
    FROM_REAL,
    GROWING,
    REFINED_BY,
    REFINED_UNIFORM,
    UNIFORM,
    WEIGHTED,
    LabelOrSynthesizeRecipe,
)
from histoloom.studies.label_or_synthesize_report import write_report
from histoloom.studies.label_or_synthesize_results import DISCRIMINATOR, CellResult, StudyResults
from histoloom.studies.label_or_synthesize_scores import TileScores, score_floor, score_segmenter
from histoloom.studies.label_or_synthesize_tiles import StudyTiles, read_typed_tiles
from histoloom.studies.label_or_synthesize_weaving import WovenSet, woven_set
from histoloom.studies.study_folder import STUDY, begin_study
from histoloom.tiles.normalization import ColorStatistics
from histoloom.training.data import TrainingData
from histoloom.training.events import OnEvent
from histoloom.writing import write_json

SCORES, FLOOR, WEIGHTS, RUNS, WOVEN = "scores.json", "floor.json", "weights.json", "runs", "woven"
_NAME = "label-or-synthesize"


def run_label_or_synthesize_study(
    recipe: LabelOrSynthesizeRecipe,
    data: Sequence[str | Path],
    folder: str | Path,
    *,
    only: Sequence[str] = (),
    organs: Sequence[str] = (),
    tile_pixel_size: float | None = None,
    licences: Sequence[str] = (),
    on_cell: OnCell | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> StudyResults:
    """Train supervised and universal segmenters, score them on held-out real tiles, and write what came out.

    Types of tissue are organs, where folders tell them. *Supervised within types* learns from labelled tiles of all
    types; *across types* from those of all but the ones that it is scored on; *across data sets* from those of the
    other data sets, which takes two or more and is left out of a study of one; *universal* from woven tiles alone,
    whose looks real ones of all types and data sets lend without their labels. Across data sets, too, woven tiles have
    looks of the data set that is left out, never of its test tiles, as the paper's universal method sees unlabelled
    tissue of everything. A study that was killed goes on where it was. After every
    cell the report in the folder is that of all cells which are finished.

    Parameters
    ----------
    recipe
        What is trained and scored.
    data
        Folders of tiles with labels; see `histoloom.layouts.tile_folders.open_tile_folder`.
    folder
        Of the study: a new or empty one, or that of the study to go on with.
    only
        Names of arms, such as ``"hou-unet-uniform"``, or of cells; nothing for all.
    organs, licences
        Of each folder, in order; see `read_typed_tiles`.
    tile_pixel_size
        µm per pixel of all tiles (default: what each file says, else 0.25).
    on_cell
        Told of each cell as its turn comes.
    should_stop
        Asked after each training step and each woven tile.

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
        As `read_typed_tiles` and `histoloom.training.engine.train`.
    """
    paths = [Path(each).resolve() for each in data]
    if not paths:
        raise TrainingError("The study needs tiles with labels to score on; give at least one folder of them.")
    if len({path.name for path in paths}) != len(paths):
        raise TrainingError("Two folders of tiles have the same name, which tells results apart; rename one of them.")
    tiles = read_typed_tiles(paths, recipe, organs=organs, tile_pixel_size=tile_pixel_size, licences=licences)
    study = _Study(recipe, tiles, Path(folder))
    plan = list(study.plan())
    named = set(chosen_cells([cell for _, _, cell in plan], only))
    study.begin()
    plan = [each for each in plan if each[2] in named]
    turns = in_turn([cell for _, _, cell in plan], on_cell, should_stop)
    for (arm, part, _), (cell, on_event) in zip(plan, turns, strict=True):
        study.finish(arm, part, cell, on_event, should_stop)
    results = study.report()
    # Late, because they need networks and so PyTorch.
    from histoloom.studies.label_or_synthesize_figures import write_figures

    write_figures(results, study.folder, lambda seed: study.woven(seed, should_stop), should_stop)
    return results


@dataclass(frozen=True, eq=False)
class _Study:
    recipe: LabelOrSynthesizeRecipe
    tiles: StudyTiles
    folder: Path

    def begin(self) -> None:
        """Say in the folder which study it holds, or check that it holds this one; and score the floor."""
        data = {each.name: each.model_dump(mode="json") for each in self.tiles.sources}
        before = _read(self.folder / STUDY)
        self.tiles.check_order(before.get("split") if isinstance(before, dict) else None)
        begin_study(self.folder, _NAME, self.recipe, data, growing=GROWING, split=self.tiles.split)
        if self._floor() is None:
            write_json(self.folder / FLOOR, score_floor(self.tiles.test, self.tiles.pixel_size).as_json())

    def plan(self) -> Iterator[tuple[str, int, Cell]]:
        """Yield arm, part and cell of one seed after the other; a critic or refiner has no arm."""
        for seed in range(self.recipe.seeds):
            cells = self.recipe.segmenter_cells(seed, *self.tiles.part_counts)
            helped = (WEIGHTED, *REFINED_BY)
            yield from ((arm, part, cell) for _, arm, part, cell in cells if arm not in helped)
            for helper in self.recipe.helpers:
                yield "", 0, self.recipe.helper_cell(helper, seed)
                of_helper = [WEIGHTED] if helper == CRITIC else [arm for arm in REFINED_BY if REFINED_BY[arm] == helper]
                yield from ((arm, part, cell) for _, arm, part, cell in cells if arm in of_helper)

    def finish(
        self, arm: str, part: int, cell: Cell, on_event: OnEvent | None, should_stop: Callable[[], bool] | None
    ) -> None:
        """Train a cell to its end, and score it if it is one of a segmenter."""
        if not arm:
            self._helper(cell.arm, cell.seed, on_event, should_stop)
            return
        if self._scored(cell) is not None:
            return
        data = self._data(arm, part, cell, on_event, should_stop)
        run = train_cell(cell, data, self._runs, on_event=on_event, should_stop=should_stop)
        # Late, because importing torch takes seconds.
        from histoloom.segmenters.segmenter import Segmenter

        learnt = [*data.training, *data.woven]
        colors = ColorStatistics.mean_of([ColorStatistics.of(each.image) for each in _with_tissue(learnt)])
        scores = score_segmenter(Segmenter.load(_bundle_of(run)), self.tiles.test, self.tiles.pixel_size, colors)
        # Last, because it says that the cell is done.
        write_json(run.folder / SCORES, scores.as_json())
        self.report()

    def report(self) -> StudyResults:
        """Write the report of all finished cells of the grid."""
        results = self._results()
        write_report(results, self.folder)
        return results

    @property
    def _runs(self) -> Path:
        return self.folder / RUNS

    def _data(
        self, arm: str, part: int, cell: Cell, on_event: OnEvent | None, should_stop: Callable[[], bool] | None
    ) -> TrainingData:
        if arm in FROM_REAL:
            return self.tiles.labelled_for(arm, part)
        woven = self.woven(cell.seed, should_stop)
        if arm == WEIGHTED:
            critic = self._helper(CRITIC, cell.seed, on_event, should_stop)
            return woven.alone(self._weigh(CRITIC, cell.seed, woven, _bundle_of(critic)))
        if arm in REFINED_BY:
            return self._refined(arm, cell.seed, woven, on_event, should_stop)
        return woven.alone() if arm == UNIFORM else woven.beside(self.tiles.labelled_for(arm, part))

    def woven(self, seed: int, should_stop: Callable[[], bool] | None) -> WovenSet:
        """Return the woven tiles of one seed, woven unless they are there."""
        return woven_set(self.recipe, self.tiles, seed, self.folder / WOVEN / f"seed-{seed}", should_stop)

    def _refined(
        self,
        arm: str,
        seed: int,
        woven: WovenSet,
        on_event: OnEvent | None,
        should_stop: Callable[[], bool] | None,
    ) -> TrainingData:
        from histoloom.generators.refiner import PictureRefiner

        helper = REFINED_BY[arm]
        run = self._helper(helper, seed, on_event, should_stop)
        refiner, seen = PictureRefiner(_bundle_of(run)), helper != BLIND_REFINER
        refined = woven.refined(refiner, with_reference=seen)
        if arm == REFINED_UNIFORM:
            return refined.alone()
        return refined.alone(self._weigh(helper, seed, refined, run.folder / DISCRIMINATOR, with_reference=seen))

    def _helper(self, name: str, seed: int, on_event: OnEvent | None, should_stop: Callable[[], bool] | None) -> Run:
        """Return the run of a critic or refiner, which is trained unless it is already."""
        cell = self.recipe.helper_cell(name, seed)
        finished = finished_run(cell, self._runs)
        if finished is not None:
            return finished
        woven = self.woven(seed, should_stop)
        if name == CRITIC:
            data = woven.for_critic(self.recipe.held_out_share)
            return train_cell(cell, data, self._runs, on_event=on_event, should_stop=should_stop)
        data = woven.for_refiner(with_reference=name != BLIND_REFINER)
        return train_cell(
            cell, data, self._runs, on_event=on_event, should_stop=should_stop, before_clearing=_keep_discriminator
        )

    def _weigh(
        self, helper: str, seed: int, woven: WovenSet, bundle: Path, *, with_reference: bool = True
    ) -> NDArray[np.float64]:
        kept = self._weights(helper, seed)
        if kept is not None and len(kept) == len(woven.pictures):
            return kept
        from histoloom.importance.critic import Critic

        bounds = (self.recipe.least_weight, self.recipe.largest_weight)
        weights = woven.weights(Critic.load(bundle), bounds, with_reference=with_reference)
        groups = min(self.recipe.weight_groups, len(weights) // 2)
        if groups > 1:
            weights = weights_among_alike(weights, woven.coverage(), groups)
        write_json(self._runs / self.recipe.helper_cell(helper, seed).name / WEIGHTS, weights.tolist())
        return weights

    def _weights(self, helper: str, seed: int) -> NDArray[np.float64] | None:
        values = _read(self._runs / self.recipe.helper_cell(helper, seed).name / WEIGHTS)
        return np.array(values, np.float64) if isinstance(values, list) else None

    def _scored(self, cell: Cell) -> CellResult | None:
        """Return a segmenter's cell that is finished and scored, or None."""
        run = finished_run(cell, self._runs)
        if run is None or not (run.folder / SCORES).is_file():
            return None
        return CellResult(run, TileScores.from_json(_read(run.folder / SCORES), len(self.tiles.test)))

    def _floor(self) -> TileScores | None:
        path = self.folder / FLOOR
        return TileScores.from_json(_read(path), len(self.tiles.test)) if path.is_file() else None

    def _results(self) -> StudyResults:
        recipe, seeds = self.recipe, range(self.recipe.seeds)
        cells = {
            (architecture, arm, part, seed): scored
            for seed in seeds
            for architecture, arm, part, cell in recipe.segmenter_cells(seed, *self.tiles.part_counts)
            if (scored := self._scored(cell)) is not None
        }
        helpers = {
            (name, seed): run
            for seed in seeds
            for name in recipe.helpers
            if (run := finished_run(recipe.helper_cell(name, seed), self._runs)) is not None
        }
        weights = {key: each for key in helpers if (each := self._weights(*key)) is not None}
        return StudyResults(recipe, self.tiles, cells, helpers, self._floor(), weights)


def _bundle_of(run: Run) -> Path:
    if run.bundle is None:
        raise RunError(f"The run '{run.folder.name}' is not finished; train it to its end first.")
    return run.bundle


def _keep_discriminator(run: Run) -> None:
    """Keep what bundles of refiners leave out and checkpoints hold."""
    from histoloom.models import save_bundle
    from histoloom.training.discriminator_bundles import discriminator_bundle

    save_bundle(discriminator_bundle(run), run.folder / DISCRIMINATOR)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _with_tissue(pictures: Sequence[Any]) -> list[Any]:
    from histoloom.tiles.stains import tissue_mask

    return [each for each in pictures if tissue_mask(each.image).any()]
