"""Sheets of pictures with headings, as figures of reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.writing import written_whole

_GAP = 4


def save_picture_sheet(
    headings: Sequence[str],
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    path: Path,
    description: str,
    caption: str = "",
) -> None:
    """Write pictures in rows beneath headings as PNG, whole or not at all.

    Parameters
    ----------
    headings
        Of the columns.
    rows
        Pictures RGB ``uint8 (H, W, 3)``, all of one size, as many in each row as headings.
    path
        The file.
    description
        Text for the PNG's metadata.
    caption
        A line beneath the pictures, or nothing.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    from PIL import Image, ImageDraw, ImageFont
    from PIL.PngImagePlugin import PngInfo

    height, width = rows[0][0].shape[:2]
    letters = max(width // 12, 4)
    font = ImageFont.load_default(letters)
    heading = 2 * letters
    below = heading + len(rows) * (height + _GAP) - _GAP
    size = len(headings) * (width + _GAP) - _GAP, below + (2 * letters if caption else 0)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for x, words in enumerate(headings):
        draw.text((x * (width + _GAP) + width // 2, heading // 2), words, "black", font, anchor="mm")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (x * (width + _GAP), heading + y * (height + _GAP)))
    if caption:
        draw.text((letters // 2, below + letters), caption, "black", font, anchor="lm")
    facts = PngInfo()
    facts.add_text("Description", description)
    with written_whole(path) as beside:
        sheet.save(beside, pnginfo=facts)
