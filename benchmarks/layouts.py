"""How long layouts take: random generation at equal density, rasterization, tracing, files.

Run it alone on one core: ``python benchmarks/layouts.py [--json]``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# The goals are for one core, so no library may start threads.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

from histoloom.layouts import (  # noqa: E402 - after the threads are set
    HouPolygonsRecipe,
    Layout,
    RandomLayoutRecipe,
    hou_polygons,
    load_layout,
    random_layout,
    save_layout,
)
from histoloom.layouts.tracing import trace_label_map  # noqa: E402

Row = tuple[str, float, str, str]


def seconds(action: Callable[[], object], repeats: int) -> float:
    """Return the best time of some repeats: what the work takes when nothing disturbs it."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return best


def measured() -> tuple[list[Row], dict[str, float]]:
    random_layout(RandomLayoutRecipe(height=256, width=256), 0)
    small = RandomLayoutRecipe(height=2048, width=2048, count=2000)
    large = RandomLayoutRecipe(height=10240, width=10240, count=50_000)
    small_s = seconds(lambda: random_layout(small, 1), 5)
    kept: list[Layout] = []
    large_s = seconds(lambda: kept.append(random_layout(large, 1)), 1)
    crowd = kept[0]
    few = random_layout(small, 1)
    placed = f"{few.provenance['placed']:,} and {crowd.provenance['placed']:,} placed"
    growth = (large_s / 50_000) / (small_s / 2000)

    tile = random_layout(RandomLayoutRecipe(height=1000, width=1000, count=850, min_spacing=0.1), 1)
    label_map = tile.rasterize()
    trace_s = seconds(lambda: trace_label_map(label_map), 5)
    table_s = seconds(lambda: Layout.from_label_map(label_map), 5)
    hou_s = seconds(lambda: hou_polygons(HouPolygonsRecipe(density_level=3, empty_fraction=0.0), 1), 5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layout.tif"
        save_s = seconds(lambda: save_layout(few, path), 3)
        load_s = seconds(lambda: load_layout(path), 3)

    rows = [
        ("2,000 random nuclei on 2048²", small_s, "< 0.5 s", placed),
        ("50,000 random nuclei on 10240²", large_s, "< 6 s", f"{growth:.2f} times the time per nucleus"),
        ("rasterize 2,000 on 2048²", seconds(lambda: few.rasterize(), 3), "", "the whole canvas"),
        ("rasterize 50,000 on 10240²", seconds(lambda: crowd.rasterize(), 1), "", "the whole canvas"),
        ("Hou's polygons, dense, 400²", hou_s, "", ""),
        (f"trace {len(tile.nuclei)} nuclei on 1000²", trace_s, "", "label map to rings"),
        (f"table of {len(tile.nuclei)} nuclei", table_s, "", "label map to layout"),
        ("save 2,000 as TIFF and sidecar", save_s, "", ""),
        ("load 2,000 from TIFF and sidecar", load_s, "", ""),
    ]
    return rows, {"polygons_2000_s": round(small_s, 4), "polygons_50000_s": round(large_s, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    as_json = parser.parse_args().json
    rows, summary = measured()
    if as_json:
        print(json.dumps(summary))
        return
    print(f"{'what':<36}{'seconds':>10}  {'goal':<9} remarks")
    for what, took, goal, remark in rows:
        print(f"{what:<36}{took:>10.3f}  {goal:<9} {remark}")


if __name__ == "__main__":
    main()
