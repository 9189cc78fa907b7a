"""How long the texture weaver takes on one core: preparing a look, and weaving a canvas that was never seen before.

Every repetition of weaving has a seed of its own, so that nothing comes from a cache: background and nuclei are both
made anew. Other work on the machine only ever adds time, so the least time is shown beside the median.

    python benchmarks/texture.py [--json] [--data ../shared/data]
"""

# ruff: noqa: E402 - libraries read how many threads to use when they are imported
from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from histoloom.generators.texture import TextureRecipe, TextureWeaver
from histoloom.layouts import Layout
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import RandomLayoutRecipe
from histoloom.tiles.looks import Look
from histoloom.tiles.samples import embedded_sample
from histoloom.tiles.tile import Tile

GOALS = {"prepare_look_512_ms": 1000.0, "weave_200_ms": 25.0, "weave_512_ms": 150.0}
PIXEL_SIZE = 0.25
DENSITY = 5000.0
"""Nuclei in each square millimetre: the mean of the TNBC tiles, and the default of random layouts."""

REAL_TILES = ("tnbc_p01-08/images/07_1.png", "consep_train/images/train_3.png")
PREPARATIONS, REPETITIONS = 7, 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and no table")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=beside, help="folder of real tiles for further rows")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)

    # The sample's 512 x 512 pixels are taken for 0.25 µm ones: it is the work for so many pixels that is measured.
    measured = {"": measure(embedded_sample().read())}
    for name in REAL_TILES:
        path = arguments.data / name
        if path.is_file():
            measured[path.stem] = measure(cv2.imread(str(path))[:512, :512, ::-1])
    result: dict[str, float | int] = {}
    for name, times in measured.items():
        for figure, seconds in times.items():
            key = f"{figure}_{name}" if name else figure
            result[key] = round(statistics.median(seconds) * 1e3, 1)
            result[f"{key}_min"] = round(min(seconds) * 1e3, 1)
    result |= {f"nuclei_{side}": len(layout_of(side, 0).nuclei) for side in (200, 512)}
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{'figure':32} {'median':>9} {'least':>9} {'goal':>9}")
    for key, value in result.items():
        if f"{key}_min" in result:
            goal = next((f"<= {goal:g}" for figure, goal in GOALS.items() if key.startswith(figure)), "")
            print(f"{key:32} {value:>9} {result[f'{key}_min']:>9} {goal:>9}")
    print(f"nuclei woven: {result['nuclei_200']} on 200², {result['nuclei_512']} on 512²")


def measure(pixels: np.ndarray) -> dict[str, list[float]]:
    look = Look.from_tile(Tile.from_array(np.ascontiguousarray(pixels), PIXEL_SIZE))
    weaver, recipe = TextureWeaver(), TextureRecipe()
    weaver.prepare(look, recipe, PIXEL_SIZE)
    times = {"prepare_look_512_ms": timed(lambda _: weaver.prepare(look, recipe, PIXEL_SIZE), range(PREPARATIONS))}
    prepared = weaver.prepare(look, recipe, PIXEL_SIZE)
    prepared.weave(layout_of(200, 0), 0)
    for side in (200, 512):
        layouts = [layout_of(side, seed) for seed in range(5)]

        def weave(seed: int, layouts: list[Layout] = layouts) -> object:
            return prepared.weave(layouts[seed % len(layouts)], seed)

        times[f"weave_{side}_ms"] = timed(weave, range(side, side + REPETITIONS))
    return times


def layout_of(side: int, seed: int) -> Layout:
    return random_layout(RandomLayoutRecipe(height=side, width=side, pixel_size=PIXEL_SIZE, density=DENSITY), seed)


def timed(work: Callable[[int], object], seeds: range) -> list[float]:
    seconds = []
    for seed in seeds:
        started = time.perf_counter()
        work(seed)
        seconds.append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
