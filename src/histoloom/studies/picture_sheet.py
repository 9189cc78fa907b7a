"""Sheets of pictures with headings, as figures of reports."""

from __future__ import annotations

import textwrap
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
    row_titles: Sequence[str] = (),
) -> None:
    """Write pictures in rows beneath headings as PNG, whole or not at all.

    Parameters
    ----------
    headings
        Of the columns; may have several lines.
    rows
        Pictures RGB ``uint8 (H, W, 3)``, all of one size, as many in each row as headings.
    path
        The file.
    description
        Text for the PNG's metadata.
    caption
        Lines beneath the pictures, broken where they are too long, or nothing.
    row_titles
        At the left of each row, which may have several lines; none for no space there.

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
    heading = round((0.7 + 1.3 * max(len(each.splitlines()) for each in headings)) * letters)
    words = [font.getlength(line) for title in row_titles for line in title.splitlines()]
    left = round(max(words, default=-letters)) + letters
    below = heading + len(rows) * (height + _GAP) - _GAP
    across = left + len(headings) * (width + _GAP) - _GAP
    # About half as wide as high, as most letters are.
    lines = [
        part for line in caption.splitlines() for part in textwrap.wrap(line, max(int(across / letters * 1.9), 20))
    ]
    sheet = Image.new("RGB", (across, below + round((0.7 + 1.3 * len(lines)) * letters) * bool(lines)), "white")
    draw = ImageDraw.Draw(sheet)

    def write(x: float, y: float, text: str, anchor: str) -> None:
        draw.multiline_text((x, y), text, "black", font, anchor=anchor, align="center", spacing=0.3 * letters)

    for x, title in enumerate(headings):
        write(left + x * (width + _GAP) + width // 2, heading // 2, title, "mm")
    for y, title in enumerate(row_titles):
        write((left - letters / 2) / 2, heading + y * (height + _GAP) + height // 2, title, "mm")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (left + x * (width + _GAP), heading + y * (height + _GAP)))
    for y, line in enumerate(lines):
        draw.text((letters // 2, below + (1 + 1.3 * y) * letters), line, "black", font, anchor="lm")
    facts = PngInfo()
    facts.add_itxt("Description", description)
    with written_whole(path) as beside:
        sheet.save(beside, pnginfo=facts)


def fitted(picture: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the middle of a picture, on white where it is smaller than a height and width."""
    fitted = np.full((*shape, 3), 255, np.uint8)
    slices = []
    for side, wanted in zip(picture.shape[:2], shape, strict=True):
        common = min(side, wanted)
        slices.append(((wanted - common) // 2, (side - common) // 2, common))
    (row, top, height), (column, left, width) = slices
    fitted[row : row + height, column : column + width] = picture[top : top + height, left : left + width]
    return fitted
