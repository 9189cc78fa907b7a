"""How fast the house generator weaves: under the brush, whole canvases, large ones in tiles, and beside a training.

Live latency is measured through the real viewer as in ``live.py``, once alone and once while ``histoloom train`` runs
at low priority. Memory is what weaving 2048 x 2048 pixels in tiles adds to a process that has imported PyTorch.

    python benchmarks/loom.py [--json] [--bundle FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

GOALS = {
    "stroke_to_pixels_median_ms": 100.0,
    "weave_512_ms": 150.0,
    "weave_2048_s": 3.0,
    "memory_added_mb": 1024.0,
    "region_difference_max": 2.0,
    "live_while_training_ratio": 2.0,
}
STROKES = 12
REPETITIONS = 5
PIXEL_SIZE = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and no table")
    parser.add_argument("--bundle", default="loom", help="a trained bundle (default: the one that ships)")
    parser.add_argument("--part", choices=["weaving", "live"], help="measure one part only, in this process")
    arguments = parser.parse_args()
    from histoloom.errors import HistoloomError
    from histoloom.generators import generator_named

    try:
        generator_named(arguments.bundle)
    except HistoloomError as error:
        sentence = str(error)
        print(json.dumps({"skipped": sentence}) if arguments.json else f"Nothing was measured. {sentence}")
        return
    if arguments.part:
        print(json.dumps(weaving(arguments.bundle) if arguments.part == "weaving" else live(arguments.bundle)))
        return
    # Each part has a process of its own: the viewer never imports PyTorch, and memory is counted from the start.
    result = {**of_part("live", arguments.bundle), **of_part("weaving", arguments.bundle)}
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{'figure':34} {'value':>10} {'goal':>10}")
    for name, value in result.items():
        print(f"{name:34} {value:>10} {f'<= {GOALS[name]:g}' if name in GOALS else '':>10}")


def of_part(part: str, bundle: str) -> dict[str, Any]:
    """Return what a process of its own measures."""
    command = [sys.executable, __file__, "--part", part, "--bundle", bundle]
    if (
        part == "live"
        and sys.platform == "linux"
        and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    ):
        program = shutil.which("xvfb-run")
        if program is None:
            sys.exit("There is no display; install xvfb (on Debian or Ubuntu: 'apt install xvfb').")
        command = [program, "-a", "-s", "-screen 0 1400x900x24", *command]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def weaving(bundle: str) -> dict[str, Any]:
    """Measure weaving without a viewer."""
    import psutil
    import torch

    from histoloom.generators import generator_named, weave
    from histoloom.layouts.random_layout import random_layout
    from histoloom.layouts.random_recipe import RandomLayoutRecipe
    from histoloom.tiles import Look
    from histoloom.tiles.samples import embedded_sample
    from histoloom.window import Window

    layouts = {
        side: random_layout(RandomLayoutRecipe(height=side, width=side, pixel_size=PIXEL_SIZE), seed=1)
        for side in (512, 2048)
    }
    look = Look.from_tile(embedded_sample())
    before = psutil.Process().memory_info().rss
    with highest_memory() as highest:
        generator = generator_named(bundle)
        prepared = generator.prepare(look, generator.recipe_type(), PIXEL_SIZE)
        begun = time.perf_counter()
        weave(layouts[2048], look, generator=bundle, prepared=prepared)
        seconds_2048 = time.perf_counter() - begun
    seconds = []
    for seed in range(REPETITIONS):
        begun = time.perf_counter()
        exported = prepared.weave(layouts[512], seed)
        seconds.append(time.perf_counter() - begun)
    shown = prepared.preview if hasattr(prepared, "preview") else prepared.weave
    differences = []
    for window in (Window(0, 0, 512, 512), Window(37, 90, 300, 222), Window(200, 256, 328, 384)):
        region = shown(layouts[512], REPETITIONS - 1, window)
        differences.append(int(np.abs(region.astype(int) - exported[window.slices]).max()))
    return {
        "weave_512_ms": round(statistics.median(seconds) * 1e3, 1),
        "weave_2048_s": round(seconds_2048, 2),
        "memory_added_mb": round((max(highest) - before) / 2**20, 1),
        "region_difference_max": max(differences),
        "threads": torch.get_num_threads(),
    }


@contextmanager
def highest_memory() -> Iterator[list[int]]:
    """Read this process's memory a hundred times a second while a block runs."""
    import psutil

    process, ended = psutil.Process(), threading.Event()
    readings = [process.memory_info().rss]

    def watch() -> None:
        while not ended.wait(0.01):
            readings.append(process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield readings
    finally:
        ended.set()
        thread.join()


def live(bundle: str) -> dict[str, Any]:
    """Measure strokes in the viewer, alone and beside a training."""
    import live as live_benchmark

    stage = live_benchmark.Stage()
    try:
        stage.dock.generator.choose(bundle) if not bundle.endswith(".safetensors") else use_file(stage, bundle)
        stage.pause(0.5)
        stage.wait(lambda: stage.weaving.is_settled, 120.0)
        for _ in range(2):
            stage.stroke()
        alone = [stage.stroke() for _ in range(STROKES)]
        with tempfile.TemporaryDirectory() as folder, training(Path(folder), stage):
            beside = [stage.stroke() for _ in range(STROKES)]
    finally:
        stage.close()
    median = float(np.median(alone)) * 1e3
    while_training = float(np.median(beside)) * 1e3
    return {
        "stroke_to_pixels_median_ms": round(median, 1),
        "live_while_training_ratio": round(while_training / median, 2),
        "stroke_to_pixels_p95_ms": round(float(np.percentile(alone, 95)) * 1e3, 1),
        "stroke_while_training_median_ms": round(while_training, 1),
    }


def use_file(stage: Any, bundle: str) -> None:
    """Weave with a file that is not among the dock's bundles."""
    from histoloom.generators import generator_named

    generator = generator_named(bundle)
    stage.weaving.set_look(stage.weaving.look, bundle, generator.recipe_type())


@contextmanager
def training(folder: Path, stage: Any) -> Iterator[None]:
    """Let a small training run at low priority, as the dock starts it, from its first step on."""
    write_tiles(folder / "tiles")
    run = folder / "run"
    line = ["train", "loom", "--data", str(folder / "tiles"), "-o", str(run), "--steps", "100000", "--width", "8"]
    line += ["--validation-crops", "1", "--previews", "1", "--log-every", "1", "--device", "cpu"]
    quieter: dict[str, Any] = {"preexec_fn": lambda: os.nice(10)} if hasattr(os, "nice") else {}
    # One core is left to the viewer, as where a dock starts the training.
    threads = str(max((os.cpu_count() or 2) - 1, 1))
    process = subprocess.Popen(
        [sys.executable, "-m", "histoloom", *line],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
        **quieter,
    )
    try:
        events = run / "events.jsonl"

        def has_begun() -> bool:
            return events.is_file() and events.read_text("utf-8").count("\n") > 2

        stage.wait(lambda: process.poll() is not None or has_begun(), 180.0)
        if process.poll() is not None:
            sys.exit("The training ended before its first step; run 'histoloom train loom' by itself to see why.")
        yield
    finally:
        process.kill()
        process.wait()


def write_tiles(folder: Path) -> None:
    """Write tiles of drawn discs and their labels, which cost what real ones do."""
    import tifffile
    from PIL import Image

    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    y, x = np.mgrid[:512, :512]
    for index in range(3):
        random = np.random.default_rng(index)
        labels = np.zeros((512, 512), np.uint16)
        for label in range(1, 90):
            row, column = random.integers(12, 500, 2)
            labels[np.hypot(y - row, x - column) < 11] = label
        picture = np.where(labels[..., None] > 0, [90, 60, 140], [230, 180, 210]) + random.normal(0, 8, (512, 512, 3))
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"t{index}.png")
        tifffile.imwrite(folder / "labels" / f"t{index}.tif", labels)


if __name__ == "__main__":
    main()
