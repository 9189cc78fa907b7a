"""Where a segmenter fails, as in figure 9 of Hou et al. (2019): the worst held-out tiles, with facts and no guesses."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError
from histoloom.evaluation import LegendEntry, agree_by_object, agree_by_pixel, draw_agreement, save_agreement_figure
from histoloom.evaluation.agreement import PixelAgreement
from histoloom.evaluation.agreement_palettes import AGREEMENT_PALETTES, DEFAULT_PALETTE, PIXEL_TITLES
from histoloom.segmenters.segmenter import Segmenter
from histoloom.studies.outlined_pictures import OUTLINE, outlined
from histoloom.studies.picture_measures import PictureMeasures
from histoloom.tiles.normalization import ColorStatistics
from histoloom.training.data import LabelledPicture

_SHOWN, _SIDE, _SCALE, _GAP = 4, 256, 2, 8
_OPACITY = 0.5
_PAPER = 255
_LETTERS = 106
"""As many fit into a line of a caption that is as wide as the longer side."""


@dataclass(frozen=True, eq=False)
class ScoredTile:
    """A held-out tile and how well it was segmented.

    Parameters
    ----------
    title
        What it is called, with its type of tissue.
    picture
        Its picture and true nuclei.
    score
        The higher the better; NaN where it has none.
    """

    title: str
    picture: LabelledPicture
    score: float


@dataclass(frozen=True, eq=False)
class Failure:
    """The worst crop of a tile.

    Parameters
    ----------
    title
        Of the tile.
    image
        RGB ``uint8 (H, W, 3)`` of the crop.
    truth, found
        Label maps ``(H, W)`` of it.
    facts
        What is known of the tile, in words.
    """

    title: str
    image: NDArray[np.uint8]
    truth: NDArray[np.int32]
    found: NDArray[np.int32]
    facts: str


def find_failures(
    segmenter: Segmenter,
    tiles: Sequence[ScoredTile],
    pixel_size: float,
    score_title: str,
    *,
    colors: ColorStatistics | None = None,
    count: int = _SHOWN,
    side: int = _SIDE,
) -> list[Failure]:
    """Return the worst crops of the tiles with the lowest scores, the worst first.

    Parameters
    ----------
    segmenter
        Any that the scores are of.
    tiles
        Held-out tiles; how sharp and dark a tile is, is told against the median of them all.
    pixel_size
        µm per pixel of the tiles.
    score_title
        What the score is called.
    colors
        Which colours the tiles were given before, if they were.
    count
        How many tiles.
    side
        Height and width of crops in pixels: of each tile the one with the most wrong pixels.

    Raises
    ------
    EvaluationError
        If no tile has a score.
    """
    scored = sorted((each for each in tiles if np.isfinite(each.score)), key=lambda each: each.score)
    if not scored:
        raise EvaluationError("No tile has a score, so that none is the worst; score tiles with nuclei.")
    usual = PictureMeasures.median_of([PictureMeasures.of(each.picture, pixel_size) for each in tiles])
    failures = []
    for each in scored[:count]:
        found = segmenter.segment(each.picture.image, pixel_size, colors=colors).label_map
        truth = each.picture.label_map
        if each.picture.ignored is not None:
            counted = ~each.picture.ignored.astype(bool)
            truth, found = truth * counted, found * counted
        rows, columns = _worst_window(truth, found, side)
        crop = each.picture.image[rows, columns], truth[rows, columns], found[rows, columns]
        measures = PictureMeasures.of(each.picture, pixel_size)
        facts = f"{score_title} {each.score:.3f}; {measures.in_words(usual)}; in the crop {_counts(*crop[1:])}"
        failures.append(Failure(each.title, *crop, facts))
    return failures


def draw_failures(failures: Sequence[Failure], palette: str = DEFAULT_PALETTE) -> NDArray[np.uint8]:
    """Draw crops with true outlines, each beside what was found, over a legend and the facts.

    Parameters
    ----------
    failures
        At least one.
    palette
        Name of one in `AGREEMENT_PALETTES`.

    Returns
    -------
    NDArray[np.uint8]
        RGB ``(H, W, 3)``.
    """
    # Crops of tiles that are smaller than the others lie at the top left of their place.
    tall, wide = (_SCALE * max(each.truth.shape[axis] for each in failures) for axis in (0, 1))
    across = min(2, len(failures))
    down = -(-len(failures) // across)
    shape = (down * (tall + _GAP) - _GAP, across * (2 * wide + 3 * _GAP) - 2 * _GAP)
    picture, values = np.full((*shape, 3), _PAPER, np.uint8), np.zeros(shape, np.uint8)
    for place, each in enumerate(failures):
        height, width = (_SCALE * side for side in each.truth.shape)
        top, left = (place // across) * (tall + _GAP), (place % across) * (2 * wide + 3 * _GAP)
        agreement = agree_by_pixel(each.truth, each.found)
        picture[top : top + height, left : left + width] = _lettered(
            outlined(each.image, each.truth, scale=_SCALE), chr(ord("a") + place)
        )
        left += wide + _GAP
        picture[top : top + height, left : left + width] = _enlarged(each.image)
        values[top : top + height, left : left + width] = _enlarged(agreement)
    legend = [
        LegendEntry(int(value), PIXEL_TITLES[value], color)
        for value, color in AGREEMENT_PALETTES[palette].pixel_colors().items()
    ]
    legend.append(LegendEntry(len(PixelAgreement), "Outlines of the truth", OUTLINE))
    letters = max(int(_LETTERS * shape[1] / max(shape)), 20)
    caption = [
        line
        for place, each in enumerate(failures)
        for line in textwrap.wrap(f"({chr(ord('a') + place)}) {each.title}: {each.facts}.", letters)
    ]
    return draw_agreement(values, legend, picture, _OPACITY, caption)


def save_failures(failures: Sequence[Failure], path: Path) -> None:
    """Write the figure as PNG, whole or not at all; raises `WriteError` if it cannot be written."""
    facts = {"Description": "real tiles: " + "; ".join(f"{each.title}: {each.facts}" for each in failures)}
    save_agreement_figure(draw_failures(failures), path, facts)


def _worst_window(truth: NDArray[np.int32], found: NDArray[np.int32], side: int) -> tuple[slice, slice]:
    """Return the square of a tile with the most pixels that only one of them has."""
    wrong = (truth > 0) ^ (found > 0)
    height, width = (min(side, each) for each in wrong.shape)
    sums = np.pad(wrong.astype(np.int64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


def _counts(truth: NDArray[np.int32], found: NDArray[np.int32]) -> str:
    counts = agree_by_object(truth, found).counts
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "no nuclei"


def _enlarged(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return values.repeat(_SCALE, axis=0).repeat(_SCALE, axis=1)


def _lettered(picture: NDArray[np.uint8], letter: str) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw, ImageFont

    size = max(picture.shape[0] // 12, 14)
    sheet = Image.fromarray(picture)
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((0, 0, 1.4 * size, 1.4 * size), "white")
    draw.text((0.7 * size, 0.7 * size), letter, "black", ImageFont.load_default(size), anchor="mm")
    return np.asarray(sheet)
