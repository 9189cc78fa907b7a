"""From a crop to a condition, by one of the named encodings."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions import Encoding
from histoloom.models import ConditionFacts
from histoloom.training.data import LabelledPicture, TrainingData

_resolved: WeakKeyDictionary[LabelledPicture, dict[tuple[Encoding, float], Encoding]] = WeakKeyDictionary()


def encoded(encoding: Encoding, crop: LabelledPicture, data: TrainingData) -> NDArray[np.float32]:
    """Return the condition ``float32 (C, H, W)`` of a crop, which is a canvas of its own.

    Structure is found in the crop as its tile was stained, with the automatic thresholds of the whole tile: those of a
    few hundred pixels would depend on the crop, and layouts are woven with those of whole tiles, too.
    """
    layout = crop.layout(data.classes, data.pixel_size)
    if not encoding.needs_picture:
        return encoding.encode(layout)
    picture = crop.image if crop.as_stained is None else crop.as_stained
    return _for_tile(encoding, crop.tile or crop, data.pixel_size).encode(layout, picture=picture)


def _for_tile(encoding: Encoding, tile: LabelledPicture, pixel_size: float) -> Encoding:
    """Return the encoding with a tile's thresholds, which are found once as long as the tile is held."""
    known = _resolved.setdefault(tile, {})
    key = (encoding, pixel_size)
    if key not in known:
        known[key] = encoding.resolved(tile.image, pixel_size)
    return known[key]


def condition_facts(encoding: Encoding) -> ConditionFacts:
    """Return what a bundle keeps of an encoding; `histoloom.conditions.encoding_from_json` reads its settings."""
    settings = encoding.as_json()
    return ConditionFacts(encoding=settings["name"], channels=len(encoding.channels), settings=settings)
