"""The figures of the study "to Label or to Synthesize?": of those cells that exist, in its folder.

They show the tiles themselves, so that they may be passed on as far as the tiles may.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histoloom.errors import HistoloomError, Stopped
from histoloom.generators.refiner import PictureRefiner
from histoloom.importance.critic import Critic
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import preset_recipe
from histoloom.models import load_bundle
from histoloom.segmenters.segmenter import Segmenter
from histoloom.studies.failures_figure import ScoredTile, find_failures, save_failures
from histoloom.studies.grid import check_stop
from histoloom.studies.label_or_synthesize_recipe import ARMS, CRITIC, REFINED, REFINER, UNIFORM, WEIGHTED
from histoloom.studies.label_or_synthesize_results import DISCRIMINATOR, StudyResults
from histoloom.studies.label_or_synthesize_weaving import WovenSet
from histoloom.studies.texture_reference_grid import (
    NamedPicture,
    save_texture_reference_grid,
    texture_reference_grid,
)
from histoloom.studies.weights_of_looks import save_weighted_examples, save_weights_chart, weigh_looks
from histoloom.studies.woven_examples_sheet import save_woven_examples
from histoloom.writing import write_json, write_text

FIGURES, PAGE, RECORDS = "figures", "figures.md", "figures.json"

_MEAN = "mean_dice_micc17"
_LAYOUT = "mixed"
_MOST_TYPES, _MOST_WEIGHED, _EXAMPLES = 4, 200, 6
_UNIVERSAL = (REFINED, WEIGHTED, UNIFORM)


def write_figures(
    results: StudyResults,
    folder: Path,
    woven_of: Callable[[int], WovenSet],
    should_stop: Callable[[], bool] | None = None,
) -> None:
    """Write the figures whose cells are finished, and a page that says what each shows or why it is missing.

    What was made of the same bundle before is not made again.

    Parameters
    ----------
    results
        Of the study.
    folder
        Of the study; figures lie in its folder ``figures``.
    woven_of
        Returns the woven tiles of a seed.
    should_stop
        Asked before each figure.

    Raises
    ------
    Stopped
        If someone asked to stop.
    WriteError
        If the folder cannot be written to.
    """
    place = folder / FIGURES
    before, records = _records(place / RECORDS), {}
    for figure in _StudyFigures(results, place, woven_of).all():
        check_stop(should_stop)
        records[figure.name] = figure.record(before.get(figure.name), place)
        write_json(place / RECORDS, before | records)
    write_text(place / PAGE, _page(records))


@dataclass(frozen=True)
class _Figure:
    """A figure: what it is made of, where a cell that has it is finished, and how."""

    name: str
    title: str
    endings: tuple[str, ...]
    bundle: Path | None
    needs: str
    make: Callable[[Path], str]

    def record(self, before: Any, folder: Path) -> dict[str, Any]:
        """Return what the page says of it, after making it unless it is there."""
        if self.bundle is None:
            return {"title": self.title, "missing": self.needs}
        made_of = hashlib.sha256(self.bundle.read_bytes()).hexdigest()
        files = [self.name + ending for ending in self.endings]
        kept = isinstance(before, dict) and before.get("made_of") == made_of and "caption" in before
        if kept and all((folder / each).is_file() for each in files):
            return {**before, "title": self.title, "files": files}
        try:
            caption = self.make(self.bundle)
        except Stopped:
            raise
        except HistoloomError as error:
            return {"title": self.title, "missing": str(error)}
        return {"title": self.title, "files": files, "made_of": made_of, "caption": caption}


@dataclass(frozen=True)
class _Trained:
    """A cell that is finished, or nothing."""

    arm: str = ""
    architecture: str = ""
    seed: int = 0
    bundle: Path | None = None


class _StudyFigures:
    def __init__(self, results: StudyResults, folder: Path, woven_of: Callable[[int], WovenSet]) -> None:
        self._results, self._folder, self._woven_of = results, folder, woven_of
        self._pixel_size = results.tiles.pixel_size
        self._refiner, self._critic = self._helper(REFINER), self._helper(CRITIC)
        self._universal = self._found_universal()
        self._woven_sets: dict[int, WovenSet] = {}

    def all(self) -> list[_Figure]:
        """Return all figures, also those that cannot be made yet."""
        refiner, segmenter = self._refiner.bundle, self._universal.bundle
        judge = refiner.with_name(DISCRIMINATOR) if refiner is not None else None
        by, chart = "Weights of looks that match their reference and of looks that do not, by", (".svg", ".png")
        return [
            _Figure(
                "textures-and-references", "Source textures against references (figure 6)", (".png",),
                refiner, "It takes a refiner; train the arm 'refined'.", self._grid,
            ),
            _Figure(
                "weights-by-critic", f"{by} the critic (figure 7)", chart,
                self._critic.bundle, "It takes a critic; train the arm 'weighted'.", self._weights,
            ),
            _Figure(
                "weights-by-refiner", f"{by} the refiner's discriminator (figure 7)", chart,
                judge, "It takes a refiner; train the arm 'refined'.", self._weights_of_refined,
            ),
            _Figure(
                "woven-tiles", "Woven tiles with their nuclei (figure 8)", (".png",),
                segmenter, "It takes woven tiles; train a universal arm.", self._examples,
            ),
            _Figure(
                "failures", "Failures of the universal segmenter (figure 9)", (".png",),
                segmenter, "It takes a universal segmenter; train one.", self._failures,
            ),
        ]  # fmt: skip

    def _grid(self, bundle: Path) -> str:
        woven, side = self._woven(self._refiner.seed), self._results.recipe.layout_side
        settings = preset_recipe(_LAYOUT, height=side, width=side, pixel_size=self._pixel_size)
        of_type: dict[str, list[int]] = {}
        # Those that have lent a look are known to serve.
        for place in sorted(set(woven.lender_of)):
            of_type.setdefault(self._type(place), []).append(place)
        chosen = sorted(of_type, key=lambda name: (-len(of_type[name]), name))[:_MOST_TYPES]
        textures, references = (
            [NamedPicture(name, woven.lenders[of_type[name][which]].image) for name in chosen] for which in (0, -1)
        )
        layout = random_layout(settings, 0)
        grid = texture_reference_grid(PictureRefiner(bundle), textures, references, layout, self._pixel_size)
        save_texture_reference_grid(grid, self._folder / "textures-and-references.png")
        return grid.caption

    def _weights(self, bundle: Path) -> str:
        return self._weighed(self._woven(self._critic.seed).some(_MOST_WEIGHED), bundle, "weights-by-critic")

    def _weights_of_refined(self, bundle: Path) -> str:
        refined = self._refined(self._woven(self._refiner.seed).some(_MOST_WEIGHED))
        return self._weighed(refined, bundle, "weights-by-refiner")

    def _weighed(self, woven: WovenSet, bundle: Path, name: str) -> str:
        found = weigh_looks(
            Critic(load_bundle(bundle, kind="discriminator"), bundle.parent.name),
            [each.image for each in woven.pictures],
            [each.image for each in woven.lenders],
            [self._type(place) for place in range(len(woven.lenders))],
            woven.lender_of,
            self._pixel_size,
        )
        save_weights_chart(found, self._folder / f"{name}.svg")
        save_weighted_examples(found, self._folder / f"{name}.png")
        return found.caption

    def _examples(self, bundle: Path) -> str:
        del bundle  # What is shown is what it has learnt from.
        woven = self._woven(self._universal.seed)
        shown = woven.some(_EXAMPLES, with_nuclei=True)
        by_its_refiner = self._universal.arm == REFINED and self._refiner.seed == self._universal.seed
        refined = self._refined(shown).pictures if by_its_refiner else ()
        titles = [self._type(place) for place in shown.lender_of]
        caption = (
            f"{len(titles)} of {len(woven.pictures)} woven tiles, evenly spread over those with nuclei, with the "
            "layouts that they were woven from."
        )
        save_woven_examples(shown.pictures, titles, self._folder / "woven-tiles.png", caption, refined)
        return caption

    def _failures(self, bundle: Path) -> str:
        universal = self._universal
        scores = self._results.cells[universal.architecture, universal.arm, 0, universal.seed].scores.values[_MEAN]
        tiles = [
            ScoredTile(f"{each.type_name}, {each.id}", each.picture, float(score))
            for each, score in zip(self._results.tiles.test, scores, strict=True)
        ]
        segmenter = Segmenter.load(bundle)
        failures = find_failures(segmenter, tiles, self._pixel_size, "mean Dice")
        save_failures(failures, self._folder / "failures.png")
        title = f"{universal.architecture}: {ARMS[universal.arm]}, seed {universal.seed}"
        facts = "; ".join(f"{each.title}: {each.facts}" for each in failures)
        return f"The tiles, as they are, with the lowest mean Dice of '{title}'. {facts}."

    def _refined(self, woven: WovenSet) -> WovenSet:
        bundle = self._refiner.bundle
        return woven if bundle is None else woven.refined(PictureRefiner(bundle), with_reference=True)

    def _type(self, place: int) -> str:
        return self._results.tiles.training[place].type_name

    def _woven(self, seed: int) -> WovenSet:
        if seed not in self._woven_sets:
            self._woven_sets[seed] = self._woven_of(seed)
        return self._woven_sets[seed]

    def _helper(self, name: str) -> _Trained:
        """Return a critic or refiner of the first seed of which it is finished."""
        for seed in range(self._results.recipe.seeds):
            run = self._results.helpers.get((name, seed))
            if run is not None:
                return _Trained(name, "", seed, run.bundle)
        return _Trained()

    def _found_universal(self) -> _Trained:
        """Return a universal segmenter, trained in the way that the paper proposes or in one as near as there is."""
        results = self._results
        for arm in _UNIVERSAL:
            for architecture in results.recipe.architectures:
                for seed in results.seeds(architecture, arm):
                    return _Trained(arm, architecture, seed, results.cells[architecture, arm, 0, seed].run.bundle)
        return _Trained()


def _records(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _page(records: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["# Figures", "", "They show the tiles themselves: pass them on as far as the tiles' licences allow.", ""]
    for record in records.values():
        lines += [f"## {record['title']}", ""]
        lines += [f"![]({name})" for name in record.get("files", ())]
        lines += ["", record.get("caption") or f"Missing. {record['missing']}", ""]
    return "\n".join(lines)
