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
    from histoloom.importance.critic import Critic
    from histoloom.training.systems.segmenter_recipe import SegmenterRecipe

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

    def weights(self, critic: Critic, bounds: tuple[float, float]) -> NDArray[np.float64]:
        """Return the importance weight of each woven tile, judged beside the tile whose look it has."""
        values = [
            critic.judge(each.image, self.data.pixel_size, reference=self.lenders[place].image).weight(bounds)
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


def _said(picture: LabelledPicture, what: int) -> LabelledPicture:
    return LabelledPicture(
        picture.image, np.full(picture.image.shape[:2], what, np.int32), np.zeros(what + 1, np.uint8)
    )
