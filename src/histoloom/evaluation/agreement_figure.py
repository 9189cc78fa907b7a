"""A figure of where truth and prediction agree: the map over its picture, with a legend beneath."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.evaluation.agreement_palettes import Color
from histoloom.writing import written_whole

_SMALLEST_SIDE = 900
_PAPER = (240, 240, 240)


@dataclass(frozen=True)
class LegendEntry:
    """One line of a legend.

    Parameters
    ----------
    value
        Of the map, above 0.
    title
        What it means.
    color
        RGB in 0..255.
    count
        How many pixels or objects there are of it, in words; empty where nobody counts.
    """

    value: int
    title: str
    color: Color
    count: str = ""

    @property
    def words(self) -> str:
        """Title and count."""
        return f"{self.title}: {self.count}" if self.count else self.title


def draw_agreement(
    values: NDArray[np.uint8],
    legend: Sequence[LegendEntry],
    picture: NDArray[np.uint8] | None = None,
    opacity: float = 0.6,
    caption: Sequence[str] = (),
) -> NDArray[np.uint8]:
    """Draw a map of agreement over its picture.

    Parameters
    ----------
    values
        ``uint8 (H, W)``: what `agree_by_pixel` returns, or the map of `agree_by_object`.
    legend
        Colours and titles of the values; those without an entry are transparent.
    picture
        RGB ``uint8 (H, W, 3)``; without one the background is light grey.
    opacity
        Of the colours over the picture, 0..1.
    caption
        Lines beneath the legend; what does not fit into one is left out.

    Returns
    -------
    NDArray[np.uint8]
        RGB ``(H', W', 3)``: pixels of small maps are drawn as squares, so that the longer side has 900 pixels or more.
    """
    from PIL import Image, ImageDraw, ImageFont

    overlay = _over(values, legend, picture, opacity)
    scale = max(-(-_SMALLEST_SIDE // max(values.shape)), 1)
    overlay = overlay.repeat(scale, axis=0).repeat(scale, axis=1)
    height, width = overlay.shape[:2]
    size = max(max(width, height) // 50, 12)
    font = ImageFont.load_default(size)
    places, used, row = [], size, 0
    for entry in legend:
        room = round(font.getlength(entry.words)) + 3 * size
        if used > size and used + room > width:
            used, row = size, row + 1
        places.append((used, row))
        used += room
    lines = row + 1 + len(caption)
    sheet = Image.new("RGB", (width, height + round((1.7 * lines + 0.7) * size)), "white")
    sheet.paste(Image.fromarray(overlay), (0, 0))
    draw = ImageDraw.Draw(sheet)
    for entry, (x, line) in zip(legend, places, strict=True):
        y = height + round((1.7 * line + 0.7) * size)
        draw.rectangle((x, y, x + size, y + size), entry.color, "black")
        draw.text((x + 1.5 * size, y + size / 2), entry.words, "black", font, anchor="lm")
    for line, words in enumerate(caption, row + 1):
        draw.text((size, height + (1.7 * line + 1.2) * size), words, "black", font, anchor="lm")
    return np.asarray(sheet)


def save_agreement_figure(figure: NDArray[np.uint8], path: str | Path, facts: Mapping[str, Any]) -> Path:
    """Write a figure as PNG, whole or not at all.

    Parameters
    ----------
    figure
        What `draw_agreement` returns.
    path
        The file; ``.png`` is added if it has another ending.
    facts
        Text for the PNG's metadata.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    target = Path(path)
    target = target if target.suffix.lower() == ".png" else target.with_name(f"{target.name}.png")
    text = PngInfo()
    for key, value in facts.items():
        text.add_itxt(key, str(value))
    with written_whole(target) as beside:
        Image.fromarray(figure).save(beside, format="PNG", pnginfo=text)
    return target


def _over(
    values: NDArray[np.uint8], legend: Sequence[LegendEntry], picture: NDArray[np.uint8] | None, opacity: float
) -> NDArray[np.uint8]:
    colors, alphas = np.zeros((256, 3), np.float32), np.zeros(256, np.float32)
    for entry in legend:
        colors[entry.value], alphas[entry.value] = entry.color, opacity
    if picture is None:
        picture = np.full((*values.shape, 3), _PAPER, np.uint8)
    alpha = alphas[values][..., None]
    return np.asarray(np.rint((1.0 - alpha) * picture + alpha * colors[values]), np.uint8)
