"""Previews of a run as pictures: the latest, or those of several checkpoints beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import RunError

_GAP = 4
"""White pixels between the pictures of a preview, as `histoloom.training.previews` leaves them."""

_CAPTION = 18


def read_preview(path: Path) -> NDArray[np.uint8]:
    """Return a preview, RGB ``uint8 (H, W, 3)``.

    Raises
    ------
    RunError
        If the file has gone or is damaged.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"), np.uint8)
    except (OSError, SyntaxError):
        raise RunError(f"The preview '{path.name}' cannot be read; choose another step.") from None


def side_by_side(previews: Mapping[int, NDArray[np.uint8]], cell: int) -> NDArray[np.uint8]:
    """Return previews of several steps as one sheet: what is the same in all of them once, and then what was woven.

    Parameters
    ----------
    previews
        Sheets of one run by step, RGB ``uint8 (H, W, 3)`` of equal sizes: a row for each layout, whose columns hold
        condition, real tile and weaves.
    cell
        Side of the pictures in them.

    Returns
    -------
    NDArray[np.uint8]
        ``(18 + H, W', 3)``: a row of captions, then the columns that do not change with the steps, then for each
        step the first of the columns that do.

    Raises
    ------
    RunError
        If there are none, or their sizes differ.
    """
    sheets = list(previews.values())
    if not sheets or any(each.shape != sheets[0].shape for each in sheets):
        raise RunError("Previews of different layouts cannot be compared; choose steps of one run.")
    columns = [[sheet[:, left : left + cell] for left in _lefts(sheet, cell)] for sheet in sheets]
    changing = [
        index for index in range(len(columns[0])) if any((each[index] != columns[0][index]).any() for each in columns)
    ]
    woven = changing[0] if changing else len(columns[0]) - 1
    fixed = [each for index, each in enumerate(columns[0]) if index < woven]
    shown = [("", each) for each in fixed]
    shown += [(f"step {step:,}", each[woven]) for step, each in zip(previews, columns, strict=True)]
    return _joined(shown, cell)


def _lefts(sheet: NDArray[np.uint8], cell: int) -> range:
    return range(0, sheet.shape[1] - cell + 1, cell + _GAP)


def _joined(columns: Sequence[tuple[str, NDArray[np.uint8]]], cell: int) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw

    height = columns[0][1].shape[0]
    sheet = np.full((_CAPTION + height, len(columns) * (cell + _GAP) - _GAP, 3), 255, np.uint8)
    for index, (_, pixels) in enumerate(columns):
        left = index * (cell + _GAP)
        sheet[_CAPTION:, left : left + cell] = pixels
    picture = Image.fromarray(sheet)
    draw = ImageDraw.Draw(picture)
    for index, (caption, _) in enumerate(columns):
        draw.text((index * (cell + _GAP) + 2, 3), caption, fill=(0, 0, 0))
    return np.asarray(picture, np.uint8)
