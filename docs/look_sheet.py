"""A sheet to judge the texture weaver by: real tiles beside what is woven from their own and from random layouts.

Each row shows one look: the real tile, the same layout woven, and a random layout woven. The captions say how far the
median haematoxylin and eosin and the mean optical density have drifted from the real tile, and how much fine structure
there is in three bands relative to it (1 is as much). Real tiles may not be redistributed with histoloom, so the sheet
is for looking at and stays out of the repository.

    python docs/look_sheet.py [OUT.png] [--data ../shared/data] [--side 512] [--zoom 1] [--seed 1] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from histoloom.generators.texture import TextureRecipe, TextureWeaver
from histoloom.layouts import Layout
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import RandomLayoutRecipe
from histoloom.tiles.looks import Look
from histoloom.tiles.stain_summary import StainSummary, color_drift
from histoloom.tiles.stains import optical_density
from histoloom.tiles.tile import Tile

TNBC, CONSEP, MONUSEG = "tnbc_p01-08", "consep_train", "research_only/monuseg_train"
CHOSEN = (
    (TNBC, "01_4"),
    (TNBC, "04_2"),
    (TNBC, "07_1"),
    (CONSEP, "train_3"),
    (CONSEP, "train_11"),
    (MONUSEG, "TCGA-A7-A13E-01Z-00-DX1"),
    (MONUSEG, "TCGA-HE-7129-01Z-00-DX1"),
    (MONUSEG, "TCGA-G9-6356-01Z-00-DX1"),
)
GAP, CAPTION = 12, 40
BANDS = ((0.5, 1.0), (1.0, 2.0), (2.0, 4.0))


class Row(NamedTuple):
    """One look with its three pictures and their captions."""

    pictures: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
    captions: tuple[str, str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, default=Path(tempfile.gettempdir()) / "histoloom-looks.png")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=beside, help="folder of the real tiles")
    parser.add_argument("--side", type=int, default=512, help="side of each picture in pixels")
    parser.add_argument("--zoom", type=int, default=1, help="enlarge each pixel this many times")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="names of tiles, to look at a few")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"the real tiles are not in '{arguments.data}'; give their folder with --data")
    chosen = [each for each in CHOSEN if not arguments.only or each[1] in arguments.only]
    rows = [row_of(arguments.data / folder, name, arguments.side, arguments.seed) for folder, name in chosen]
    sheet(rows, arguments.zoom).save(arguments.out)
    print(arguments.out)


def row_of(folder: Path, name: str, side: int, seed: int) -> Row:
    pixels = np.asarray(Image.open(folder / "images" / f"{name}.png").convert("RGB"))
    label_map = np.asarray(Image.open(folder / "labels" / f"{name}.tif")).astype(np.int32)
    pixels, label_map = pixels[:side, :side], label_map[:side, :side]
    look = Look.from_tile(Tile.from_array(pixels, 0.25))
    own = Layout.from_label_map(label_map, 0.25)
    area = own.shape[0] * own.shape[1] * (own.pixel_size / 1000.0) ** 2
    random = random_layout(
        RandomLayoutRecipe(height=own.shape[0], width=own.shape[1], density=min(len(own.nuclei) / area, 12_000.0)), seed
    )
    prepared = TextureWeaver().prepare(look, TextureRecipe(), own.pixel_size)
    woven, drawn = prepared.weave(own, seed), prepared.weave(random, seed + 1)
    captions = (
        f"{folder.name} {name}: real",
        f"own layout, {against(pixels, woven)}",
        f"random layout, {against(pixels, drawn)}",
    )
    return Row((pixels, woven, drawn), captions)


def against(real: NDArray[np.uint8], woven: NDArray[np.uint8]) -> str:
    """Say how a woven picture's colour and grain compare with the real one's."""
    drift = color_drift(StainSummary.of(real), StainSummary.of(woven))
    ratios = grain(woven) / grain(real)
    return (
        f"median H {drift.hematoxylin_shift:+.2f} E {drift.eosin_shift:+.2f} sd, "
        f"OD {drift.optical_density_shift:.3f}, "
        f"grain {' '.join(f'{ratio:.2f}' for ratio in ratios)}"
    )


def grain(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the contrast of optical density in bands of `BANDS` pixels: 1 against the real one is the same texture."""
    import cv2

    gray = optical_density(pixels).mean(axis=2)
    levels = {scale: cv2.GaussianBlur(gray, (0, 0), scale) for band in BANDS for scale in band}
    return np.array([(levels[fine] - levels[coarse]).std() for fine, coarse in BANDS], np.float64)


def sheet(rows: list[Row], zoom: int) -> Image.Image:
    heights = [row.pictures[0].shape[0] * zoom + CAPTION for row in rows]
    width = 3 * (rows[0].pictures[0].shape[1] * zoom + GAP) + GAP
    canvas = Image.new("RGB", (width, sum(heights) + GAP), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(15)
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        left = GAP
        for picture, caption in zip(row.pictures, row.captions, strict=True):
            shown = Image.fromarray(picture)
            canvas.paste(shown.resize((shown.width * zoom, shown.height * zoom), Image.Resampling.BICUBIC), (left, top))
            draw.text((left, top + height - CAPTION + 4), caption, "black", font)
            left += shown.width * zoom + GAP
        top += height
    return canvas


if __name__ == "__main__":
    main()
