"""How long structure takes on 1000² and one core: each edge detector and threshold, and each encoding.

Run it alone: ``python benchmarks/structure.py [--json]``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable

# The goals are for one core, so no library may start threads.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import cv2  # noqa: E402 - after the threads are set
import numpy as np  # noqa: E402

from histoloom.conditions import (  # noqa: E402
    ENCODINGS,
    EdgeRecipe,
    StructureMapRecipe,
    detect_edges,
    structure_map,
)
from histoloom.layouts import RandomLayoutRecipe, random_layout  # noqa: E402
from histoloom.tiles.samples import embedded_sample  # noqa: E402

SIDE = 1000
GOAL_MS = 60.0
PIXEL_SIZE = 0.25
DETECTORS = ("canny", "roberts", "prewitt", "sobel", "log", "zero_crossing")
METHODS = ("otsu", "fixed", "local")


def milliseconds(action: Callable[[], object], repeats: int = 7) -> float:
    """Return the best time of some repeats: what the work takes when nothing disturbs it."""
    action()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return 1000.0 * best


def measured() -> tuple[dict[str, float], dict[str, float]]:
    """Return the time of each method, the worse of its kinds of thresholds, and of each encoding."""
    cv2.setNumThreads(1)
    sample = embedded_sample().read()
    picture = np.ascontiguousarray(np.tile(sample, (3, 3, 1))[:SIDE, :SIDE])
    methods = {}
    for name in DETECTORS:
        recipes = [EdgeRecipe(detector=name, channel="haematoxylin", automatic=each) for each in (False, True)]
        methods[name] = max(
            milliseconds(lambda recipe=recipe: detect_edges(picture, recipe, PIXEL_SIZE)) for recipe in recipes
        )
    for name in METHODS:
        recipe = StructureMapRecipe(method=name, channel="haematoxylin")
        methods[name] = milliseconds(lambda recipe=recipe: structure_map(picture, recipe, PIXEL_SIZE))
    layout = random_layout(RandomLayoutRecipe(height=SIDE, width=SIDE, pixel_size=PIXEL_SIZE, count=500), 1)
    encodings = {
        name: milliseconds(lambda kind=kind: kind().encode(layout, None, picture), 3)
        for name, kind in ENCODINGS.items()
    }
    return methods, encodings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    as_json = parser.parse_args().json
    methods, encodings = measured()
    if as_json:
        print(
            json.dumps(
                {
                    "structure_1000_ms": {name: round(took, 1) for name, took in methods.items()},
                    "structure_1000_worst_ms": round(max(methods.values()), 1),
                    "encode_1000_ms": {name: round(took, 1) for name, took in encodings.items()},
                }
            )
        )
        return
    print(f"{'1000² on one core':<36}{'ms':>8}  goal")
    for name, took in methods.items():
        print(f"{name:<36}{took:>8.1f}  < {GOAL_MS:.0f}{'' if took <= GOAL_MS else '  MISSED'}")
    for name, took in encodings.items():
        print(f"{'encode ' + name + ', 500 nuclei':<36}{took:>8.1f}")


if __name__ == "__main__":
    main()
