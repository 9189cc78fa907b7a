"""Measure what a refiner does to first pictures of held-out tiles, as the model card reports it.

    python tools/measure_refiner.py REFINER CRITIC SEGMENTER OUT TILE_FOLDER [TILE ...] [-- TILE_FOLDER [TILE ...]]

A folder without names stands for all of its tiles. With the textures of each tile, three random layouts of 80 µm are
woven by the texture weaver and refined beside the tile. CRITIC, which has not been trained with the refiner, weighs
both beside the tile; SEGMENTER, which was trained on real tiles of other patients, says whether nuclei are found as
well as before, and its features how far both are from the tile's own patches (kernel distance). OUT gets
``figures.json`` and ``table.md``, with intervals of 95 % over tiles, and ``sheet.png``: first picture, refined
picture, four times their difference about grey, and the tile.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError
from histoloom.evaluation.feature_extractors import SegmenterFeatures
from histoloom.evaluation.kernel_distance import kernel_distance
from histoloom.evaluation.refinement import check_refinement, difference_picture
from histoloom.generators.refiner import PictureRefiner
from histoloom.generators.texture import TextureRecipe, TextureWeaver
from histoloom.importance.critic import Critic
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import PRESETS, preset_recipe
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.segmenters.segmenter import Segmenter
from histoloom.tiles.looks import Look
from histoloom.tiles.reading import open_tile
from histoloom.tiles.tile import Tile

PIXEL_SIZE = 0.25
TILE_SIDE, LAYOUT_SIDE, PATCH = 512, 320, 128
LAYOUTS = 3
RESAMPLINGS = 1000

Picture = NDArray[np.uint8]


def main(refiner: str, critic: str, segmenter: str, out: Path, chosen: list[tuple[Path, list[str]]]) -> None:
    """Weave, refine, measure, and write the results."""
    import cv2

    network, judge, finder = PictureRefiner(refiner), Critic.load(critic), Segmenter.load(segmenter)
    features = SegmenterFeatures(finder)
    rows: dict[str, list[float]] = {}
    sheet = []
    for number, (name, tile) in enumerate(each for path, names in chosen for each in _tiles(path, names)):
        try:
            prepared = TextureWeaver().prepare(Look.from_tile(Tile.from_array(tile, PIXEL_SIZE)), TextureRecipe(), 0.25)
        except LookError as error:
            sys.stdout.write(f"{name}: {error}\n")
            continue
        found: dict[str, list[float]] = {}
        pictures: list[tuple[Picture, Picture]] = []
        for index in range(LAYOUTS):
            turn = LAYOUTS * number + index
            preset = list(PRESETS)[turn % len(PRESETS)]
            layout = random_layout(
                preset_recipe(preset, height=LAYOUT_SIDE, width=LAYOUT_SIDE, pixel_size=PIXEL_SIZE), turn
            )
            before = prepared.weave(layout, turn)
            after = network.refine(before, PIXEL_SIZE, tile)
            pictures.append((before, after))
            check = check_refinement(before, after, layout, finder)
            weights = [judge.judge(each, PIXEL_SIZE, reference=tile).weight() for each in (before, after)]
            for key, value in {
                "weight before": weights[0], "weight after": weights[1], "change of 255": check.change,
                "Dice before": check.before["dice"], "Dice after": check.after["dice"],
            }.items():  # fmt: skip
                found.setdefault(key, []).append(value)
        real = features.features(_patches([tile]))
        for which, side in enumerate(("before", "after")):
            made = features.features(_patches([each[which] for each in pictures]))
            found[f"kernel distance {side}"] = [kernel_distance(made, real)]
        for key, values in found.items():
            rows.setdefault(key, []).append(float(np.mean(values)))
        sys.stdout.write(f"{name}: {', '.join(f'{key} {values[-1]:.3g}' for key, values in rows.items())}\n")
        sys.stdout.flush()
        side = slice(0, 256)
        before, after = (each[side, side] for each in pictures[0])
        sheet.append(np.concatenate([before, after, difference_picture(before, after), tile[side, side]], axis=1))
    out.mkdir(parents=True, exist_ok=True)
    (out / "figures.json").write_text(json.dumps(rows, indent=1) + "\n")
    (out / "table.md").write_text(_table(rows))
    cv2.imwrite(str(out / "sheet.png"), cv2.cvtColor(np.concatenate(sheet), cv2.COLOR_RGB2BGR))
    sys.stdout.write(_table(rows))


def _tiles(path: Path, names: list[str]) -> Iterator[tuple[str, Picture]]:
    for pair in open_tile_folder(path, PIXEL_SIZE, labels_required=False).pairs:
        if names and pair.id not in names:
            continue
        with open_tile(pair.image_path) as tile:
            pixels = tile.read()
        top, left = (max(length - TILE_SIDE, 0) // 2 for length in pixels.shape[:2])
        yield f"{path.name}/{pair.id}", np.ascontiguousarray(pixels[top : top + TILE_SIDE, left : left + TILE_SIDE])


def _patches(pictures: list[Picture]) -> Picture:
    return np.stack(
        [
            each[y : y + PATCH, x : x + PATCH]
            for each in pictures
            for y in range(0, each.shape[0] - PATCH + 1, PATCH // 2)
            for x in range(0, each.shape[1] - PATCH + 1, PATCH // 2)
        ]
    )


def _table(rows: dict[str, list[float]]) -> str:
    lines = ["| | before | after | after larger in |", "|---|---|---|---|"]
    for name in ("weight", "Dice", "kernel distance"):
        before, after = (np.array(rows[f"{name} {side}"]) for side in ("before", "after"))
        words = [_with_interval(each, np.median if name == "weight" else np.mean) for each in (before, after)]
        lines.append(f"| {name} | {words[0]} | {words[1]} | {(after > before).sum()} of {len(after)} |")
    return "\n".join([*lines, "", f"Change: {np.mean(rows['change of 255']):.2f} of 255 on average."]) + "\n"


def _with_interval(values: NDArray[np.float64], middle) -> str:  # noqa: ANN001 - one of NumPy's means
    random = np.random.default_rng(0)
    drawn = [middle(values[random.integers(len(values), size=len(values))]) for _ in range(RESAMPLINGS)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{middle(values):.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    folders: list[tuple[Path, list[str]]] = []
    begin = True
    for word in sys.argv[5:]:
        if word == "--":
            begin = True
        elif begin:
            folders.append((Path(word), []))
            begin = False
        else:
            folders[-1][1].append(word)
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]), folders)
