"""Previews: the same held-out layouts, woven as training goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.writing import written_whole

_GAP = 4


def condition_picture(condition: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a condition ``float32 (C, H, W)`` as RGB ``uint8 (H, W, 3)``: channels by colour, the later above."""
    low, high = float(condition.min()), float(condition.max())
    values = (condition - low) / (high - low) if high > low else np.zeros_like(condition)
    if len(values) == 1:
        return np.repeat((values[0, ..., None] * 255).round().astype(np.uint8), 3, axis=2)
    picture = np.zeros((*condition.shape[1:], 3), np.float32)
    for index, channel in enumerate(values):
        hue = 2 * np.pi * (index / len(values) + np.arange(3) / 3)
        color = (0.55 + 0.45 * np.cos(hue)).astype(np.float32)
        picture = picture * (1 - channel[..., None]) + color * channel[..., None]
    return np.asarray((picture * 255).round(), np.uint8)


def save_preview(rows: Sequence[Sequence[NDArray[np.uint8]]], path: str | Path, description: str) -> None:
    """Write rows of pictures of one size, RGB ``uint8 (H, W, 3)``, as one PNG that says what it shows, or nothing."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    height, width = rows[0][0].shape[:2]
    sheet = np.full((len(rows) * (height + _GAP) - _GAP, len(rows[0]) * (width + _GAP) - _GAP, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            top, left = y * (height + _GAP), x * (width + _GAP)
            sheet[top : top + height, left : left + width] = picture
    facts = PngInfo()
    facts.add_text("Description", description)
    with written_whole(path) as beside:
        Image.fromarray(sheet).save(beside, pnginfo=facts)
