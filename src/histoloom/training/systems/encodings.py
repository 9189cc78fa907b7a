"""From a crop to a condition, by one of the named encodings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions import Encoding
from histoloom.models import ConditionFacts
from histoloom.training.data import LabelledPicture, TrainingData


def encoded(encoding: Encoding, crop: LabelledPicture, data: TrainingData) -> NDArray[np.float32]:
    """Return the condition ``float32 (C, H, W)`` of a crop, which is a canvas of its own."""
    layout = crop.layout(data.classes, data.pixel_size)
    return encoding.encode(layout, picture=crop.image if encoding.needs_picture else None)


def condition_facts(encoding: Encoding) -> ConditionFacts:
    """Return what a bundle keeps of an encoding; `histoloom.conditions.encoding_from_json` reads its settings."""
    settings = encoding.as_json()
    return ConditionFacts(encoding=settings["name"], channels=len(encoding.channels), settings=settings)
