"""What systems share whose generator is a U-Net that sees a condition and no look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions import Encoding
from histoloom.models import ConditionFacts
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.nuclei_to_learn import check_training_nuclei
from histoloom.training.previews import condition_picture
from histoloom.training.systems.contract import NetworkFacts
from histoloom.training.systems.encodings import condition_facts, encoded


class ConditionalGenerator:
    """The part of a system between tiles and networks.

    Parameters
    ----------
    encoding
        How tiles become conditions.
    data
        Tiles to train on.
    depth
        How often the U-Net halves what it sees.

    Raises
    ------
    TrainingError
        If no tile has nuclei.
    """

    saved: ClassVar[str] = "generator"
    facts = NetworkFacts("generator", "batch statistics", halo=None, tile_invariant=False)
    margin = reference_size = 0
    relative_rates: ClassVar[Mapping[str, float]] = {}

    def __init__(self, encoding: Encoding, data: TrainingData, depth: int) -> None:
        check_training_nuclei(data.training)
        self.encoding = encoding
        self._data, self._depth = data, depth

    @property
    def condition(self) -> ConditionFacts:
        """What the generator sees."""
        return condition_facts(self.encoding)

    @property
    def planes(self) -> int:
        """Those of the condition."""
        return self.condition.channels

    @property
    def crop_multiple(self) -> int:
        """What the U-Net can halve."""
        return int(2**self._depth)

    def encode(self, crop: LabelledPicture) -> NDArray[np.float32]:
        """Return the condition ``float32 (C, H, W)`` of a crop."""
        return encoded(self.encoding, crop, self._data)

    def picture_of(self, condition: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return how previews show a condition: RGB ``uint8 (H, W, 3)``."""
        return condition_picture(condition)
