"""The woven tiles of the study "to Label or to Synthesize?", and how much each of them counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError, TrainingError
from histoloom.studies.label_or_synthesize_recipe import UNIFORM, LabelOrSynthesizeRecipe
from histoloom.studies.label_or_synthesize_tiles import StudyTiles
from histoloom.tiles.looks import Look
from histoloom.tiles.tile import Tile
from histoloom.training.critic_data import REAL, WOVEN
from histoloom.training.data import LabelledPicture, TrainingData, combined_training_data
from histoloom.training.woven_tiles import woven_tiles

if TYPE_CHECKING:
    from histoloom.generators.refiner import PictureRefiner
    from histoloom.importance.critic import Critic
    from histoloom.training.systems.segmenter_recipe import SegmenterRecipe

_HELD_OUT = 4
_GREY_SIDE = 256
_VALIDATED = 2
"""Woven tiles on which a training without real ones is validated, because each is validated on something."""


@dataclass(frozen=True, eq=False)
class WovenSet:
    """Tiles woven for one seed.

    Parameters
    ----------
    data
        With `TrainingData.woven` alone.
    lenders
        Real tiles, without labels.
    lender_of
        Which of them lent each woven tile its look.
    """

    data: TrainingData
    lenders: tuple[LabelledPicture, ...]
    lender_of: tuple[int, ...]

    @property
    def pictures(self) -> tuple[LabelledPicture, ...]:
        """The woven tiles."""
        return self.data.woven

    def some(self, count: int, *, with_nuclei: bool = False) -> WovenSet:
        """Return so many of the tiles, or of those with nuclei, evenly spread; all where there are not more."""
        chosen = [place for place, each in enumerate(self.pictures) if not with_nuclei or each.label_map.any()]
        steps = np.linspace(0, len(chosen) - 1, min(count, len(chosen))).round().astype(int)
        places = [chosen[step] for step in steps]
        data = replace(self.data, woven=tuple(self.pictures[place] for place in places))
        return replace(self, data=data, lender_of=tuple(self.lender_of[place] for place in places))

    def alone(self, weights: NDArray[np.float64] | None = None) -> TrainingData:
        """Return woven tiles to learn from, with weights, and nothing real."""
        weighted = self.pictures
        if weights is not None:
            weighted = tuple(replace(each, weight=float(one)) for each, one in zip(weighted, weights, strict=True))
        with_nuclei = [place for place, each in enumerate(self.pictures) if each.label_map.any()]
        if len(with_nuclei) <= _VALIDATED:
            raise TrainingError("Too few woven tiles have nuclei, so there is nothing to learn; weave more.")
        held = set(with_nuclei[:_VALIDATED])
        return replace(
            self.data,
            validation=tuple(self.pictures[place] for place in sorted(held)),
            woven=tuple(each for place, each in enumerate(weighted) if place not in held),
            split={**self.data.split, "validated on": "woven tiles"},
        )

    def beside(self, real: TrainingData) -> TrainingData:
        """Return real tiles with labels, and all woven ones."""
        return combined_training_data([real, self.data])

    def for_critic(self, held_out_share: float) -> TrainingData:
        """Return real and woven tiles for a critic; of the lenders, a share and what they lent to is held out."""
        every = max(round(1 / held_out_share), 2)
        used = sorted(set(self.lender_of))
        held = set(used[::every])
        said = [
            replace(_said(each, WOVEN), lender=self.lenders[place])
            for each, place in zip(self.pictures, self.lender_of, strict=True)
        ]
        training, validation = (
            [each for each, place in zip(said, self.lender_of, strict=True) if (place in held) is wanted]
            for wanted in (False, True)
        )
        real, real_held = (
            [_said(each, REAL) for place, each in enumerate(self.lenders) if (place in held) is wanted]
            for wanted in (False, True)
        )
        if not real or not training:
            raise TrainingError("A critic needs at least two real tiles that lend their looks; give more.")
        count = max(len(real_held), len(validation))
        in_turn = tuple(part[place % len(part)] for place in range(count) for part in (real_held, validation))
        return TrainingData(
            tuple(real), in_turn, ("real", "woven"), self.data.pixel_size, self.data.sources,
            {"by": "look", "held out": len(held)}, tuple(training),
        )  # fmt: skip

    def for_refiner(self, *, with_reference: bool) -> TrainingData:
        """Return real tiles for a refiner, one of four of them held out; without reference, all references are grey."""
        used = sorted(set(self.lender_of))
        held = set(used[::_HELD_OUT])
        shown = [each if with_reference else replace(each, lender=_grey()) for each in self.lenders]
        return TrainingData(
            tuple(shown[place] for place in used if place not in held),
            tuple(shown[place] for place in used if place in held),
            self.data.classes, self.data.pixel_size, self.data.sources, {"by": "look", "held out": len(held)},
        )  # fmt: skip

    def refined(self, refiner: PictureRefiner, *, with_reference: bool) -> WovenSet:
        """Return the same tiles refined, each beside the tile whose look it has."""
        pictures = tuple(
            replace(
                each, image=refiner.refine(each.image, self.data.pixel_size, self._reference(place, with_reference))
            )
            for each, place in zip(self.pictures, self.lender_of, strict=True)
        )
        return replace(self, data=replace(self.data, woven=pictures))

    def _reference(self, place: int, with_reference: bool) -> NDArray[np.uint8]:
        return self.lenders[place].image if with_reference else _grey().image

    def coverage(self) -> NDArray[np.float64]:
        """Return the share of each woven tile that is nuclei, ``float64 (N,)``."""
        return np.array([(each.label_map > 0).mean() for each in self.pictures], np.float64)

    def weights(
        self, critic: Critic, bounds: tuple[float, float], *, with_reference: bool = True
    ) -> NDArray[np.float64]:
        """Return the importance weight of each woven tile, judged beside the tile whose look it has."""
        values = [
            critic.judge(each.image, self.data.pixel_size, reference=self._reference(place, with_reference)).weight(
                bounds
            )
            for each, place in zip(self.pictures, self.lender_of, strict=True)
        ]
        return np.array(values, np.float64)


def woven_set(
    recipe: LabelOrSynthesizeRecipe,
    tiles: StudyTiles,
    seed: int,
    folder: Path,
    should_stop: Callable[[], bool] | None = None,
) -> WovenSet:
    """Return the tiles of one seed, woven into a folder unless they are there already.

    Raises
    ------
    HistoloomError
        As `woven_tiles`.
    """
    unlabelled = tiles.unlabelled()
    order = cast("SegmenterRecipe", recipe.segmenter_cell(recipe.architectures[0], UNIFORM, seed).recipe)
    data = woven_tiles(order, unlabelled, folder, generator=recipe.generator, should_stop=should_stop)
    places = {}
    for place, each in enumerate(unlabelled.training):
        try:
            places[Look.from_tile(Tile.from_array(each.image, tiles.pixel_size)).sha256] = place
        except LookError:
            continue
    lender_of = []
    for name in data.split["woven"]:
        record = next(iter(folder.rglob(f"{name}.json")))
        lender_of.append(places[json.loads(record.read_text(encoding="utf-8"))["look_sha256"]])
    return WovenSet(data, unlabelled.training, tuple(lender_of))


def _grey() -> LabelledPicture:
    """Return a reference that tells nothing."""
    grey = np.full((_GREY_SIDE, _GREY_SIDE, 3), 128, np.uint8)
    return LabelledPicture(grey, np.zeros(grey.shape[:2], np.int32), np.zeros(1, np.uint8))


def _said(picture: LabelledPicture, what: int) -> LabelledPicture:
    return LabelledPicture(
        picture.image, np.full(picture.image.shape[:2], what, np.int32), np.zeros(what + 1, np.uint8)
    )
