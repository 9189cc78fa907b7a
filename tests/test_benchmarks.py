"""The benchmarks run, and print what they promise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"

PROMISED = {
    "layouts.py": {"polygons_2000_s", "polygons_50000_s"},
    "texture.py": {"prepare_look_512_ms", "weave_200_ms", "weave_512_ms"},
    "live.py": {
        "stroke_to_pixels_median_ms",
        "stroke_to_pixels_p95_ms",
        "viewer_blocked_max_ms",
        "event_loop_gap_max_ms",
    },
    "loom.py": {
        "stroke_to_pixels_median_ms",
        "weave_512_ms",
        "weave_2048_s",
        "memory_added_mb",
        "region_difference_max",
        "live_while_training_ratio",
    },
    "open_slide.py": {"memory_added_mb", "fraction_read"},
    "segment.py": {"segment_1000_s"},
    "scores.py": {"all_but_hausdorff_ms", "hausdorff_ms", "agreement_ms"},
    "structure.py": {"structure_1000_worst_ms"},
    "weights.py": {"weight_map_512_ms"},
    "training.py": {"step_ratio_equal_precision", "speedup_over_bare_float32", "data_wait_fraction"},
}


def printed(name: str, *words: str) -> dict[str, Any]:
    """The object that a benchmark prints."""
    finished = subprocess.run(
        [sys.executable, str(BENCHMARKS / name), "--json", *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    return json.loads(finished.stdout.splitlines()[-1])


def test_every_benchmark_is_checked():
    assert {each.name for each in BENCHMARKS.glob("*.py")} == set(PROMISED)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROMISED)
def test_a_benchmark_prints_the_figures_that_it_promises(name):
    figures = printed(name)

    if "skipped" in figures:
        pytest.skip(figures["skipped"])
    assert set(figures) >= PROMISED[name]
    assert all(figures[key] >= 0 for key in PROMISED[name])


@pytest.mark.slow
def test_memory_stays_flat_while_painting():
    figures = printed("live.py", "--soak", "30")

    assert figures["strokes"] >= 36
    assert figures["viewer_growth_mb"] < 16.0
    assert figures["weaver_growth_mb"] < 16.0
