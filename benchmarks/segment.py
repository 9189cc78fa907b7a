"""How long a segmenter takes for 1000² with 850 nuclei on two cores, from pixels to nuclei.

Run it alone: ``python benchmarks/segment.py [--segmenter NAME_OR_FILE] [--json]``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

CORES = 2
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, str(CORES))

import cv2  # noqa: E402 - after the threads are set
import numpy as np  # noqa: E402
import torch  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from histoloom.layouts import RandomLayoutRecipe, random_layout  # noqa: E402
from histoloom.models import bundle_path  # noqa: E402
from histoloom.segmenters.segmenter import HOUSE_SEGMENTER, Segmenter  # noqa: E402

SIDE, NUCLEI = 1000, 850
GOAL_S, GOAL_MB = 2.0, 8.0


def picture() -> NDArray[np.uint8]:
    """Return nuclei of a random layout, drawn in the colours of tissue, soft and grainy."""
    recipe = RandomLayoutRecipe(height=SIDE, width=SIDE, count=NUCLEI, min_spacing=0.1)
    nuclei = random_layout(recipe, 1).rasterize() > 0
    drawn = np.where(nuclei[..., None], [112, 78, 150], [222, 176, 204]).astype(np.float32)
    drawn = cv2.GaussianBlur(drawn, (0, 0), 1.2)
    drawn += np.random.default_rng(0).normal(0, 7, drawn.shape)
    return drawn.clip(0, 255).astype(np.uint8)


def measured(reference: str, repeats: int = 3) -> tuple[dict[str, float], str]:
    """Return the best time of some repeats, the size on disk, and what was found."""
    torch.set_num_threads(CORES)
    cv2.setNumThreads(CORES)
    path = bundle_path(reference) or Path(reference)
    segmenter = Segmenter.load(reference)
    pixels = picture()
    found = segmenter.segment(pixels, segmenter.pixel_size)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        segmenter.segment(pixels, segmenter.pixel_size)
        best = min(best, time.perf_counter() - start)
    return {"segment_1000_s": best, "bundle_mb": path.stat().st_size / 1e6}, f"{found.count} nuclei"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segmenter", default=HOUSE_SEGMENTER, help="name or file of a bundle")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    arguments = parser.parse_args()
    if bundle_path(arguments.segmenter) is None and not Path(arguments.segmenter).is_file():
        skipped = f"there is no segmenter called '{arguments.segmenter}'; name one with '--segmenter'"
        print(json.dumps({"skipped": skipped}) if arguments.json else skipped)
        return
    figures, what = measured(arguments.segmenter)
    if arguments.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
        return
    print(f"'{arguments.segmenter}' on {CORES} cores: {what}")
    for name, goal, unit in (("segment_1000_s", GOAL_S, "s"), ("bundle_mb", GOAL_MB, "MB")):
        missed = "" if figures[name] <= goal else "  MISSED"
        print(f"{name:<16}{figures[name]:>8.2f} {unit}  < {goal:g}{missed}")


if __name__ == "__main__":
    main()
