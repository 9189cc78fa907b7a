"""What opening a 20,000 x 20,000 slide costs: memory added to an idle viewer, and the share of the file that is read.

Generates a JPEG pyramid (BigTIFF, a few distinct tiles of real tissue over and over), opens it as a person does
(`viewer.open(path, plugin="histoloom")`, with the three docks open), shows it as overview and zoomed in once, and
deletes it. Without a display it runs itself again under xvfb.

The memory is that of the viewer's process. `memory_added_mb` is over an idle viewer without anything of histoloom;
`memory_docks_mb` is the part of it that the docks take before the slide is opened. `fraction_read` counts every byte
that the process reads from any file once the plugin is loaded. `level_overview` and `level_zoomed` are the pyramid
levels that the viewer really showed.

    python benchmarks/open_slide.py [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

SIDE = 20_000
TILE = 256
LEVELS = 5
RESOLUTION = (1e4 / 0.25, 1e4 / 0.25)  # pixels per centimetre at 0.25 µm
GOALS = {"memory_added_mb": 300.0, "fraction_read": 0.05}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object and no table")
    parser.add_argument("--measure", choices=["memory", "reading"], help=argparse.SUPPRESS)
    parser.add_argument("--slide", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.slide)))
        return
    run_under_a_display()
    with tempfile.TemporaryDirectory() as folder:
        slide = Path(folder) / "slide.tif"
        started = time.perf_counter()
        write_pyramid(slide)
        generated = time.perf_counter() - started
        # Two viewers: reading is counted after everything is imported, memory before.
        reading = in_a_process("reading", slide)
        memory = in_a_process("memory", slide)
        size = slide.stat().st_size
    result = {
        "memory_added_mb": round(memory["added_mb"], 1),
        "memory_docks_mb": round(memory["docks_mb"], 1),
        "fraction_read": round(reading["bytes_read"] / size, 5),
        "fraction_read_overview": round(reading["bytes_read_overview"] / size, 5),
        "level_overview": reading["level_overview"],
        "level_zoomed": reading["level_zoomed"],
        "open_ms": round(reading["open_ms"], 1),
        "file_mb": round(size / 1e6, 1),
        "generated_s": round(generated, 1),
    }
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{'figure':24} {'measured':>12} {'goal':>12}")
    for name, value in result.items():
        goal = f"<= {GOALS[name]:g}" if name in GOALS else ""
        print(f"{name:24} {value:>12} {goal:>12}")


def run_under_a_display() -> None:
    """Go on if there is a display; otherwise run this script under a virtual one, or say what is missing."""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    if shutil.which("xvfb-run") is None:
        sys.exit("There is no display to show a viewer on; install xvfb, or run this on a desktop.")
    command = ["xvfb-run", "-a", "-s", "-screen 0 1400x900x24", sys.executable, *sys.argv]
    sys.exit(subprocess.run(command, check=False).returncode)


def in_a_process(what: str, slide: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", what, "--slide", str(slide)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(output.splitlines()[-1]))


def write_pyramid(path: Path) -> None:
    """Write a JPEG pyramid of `SIDE` x `SIDE` from encoded tiles, so that nothing is encoded twice."""
    import imagecodecs
    import tifffile

    from histoloom.tiles.samples import embedded_sample

    tissue = embedded_sample().read()
    corners = [(y, x) for y in range(0, 257, 64) for x in range(0, 257, 64)]
    encoded = [
        imagecodecs.jpeg_encode(tissue[y : y + TILE, x : x + TILE], level=80, colorspace="rgb", outcolorspace="rgb")
        for y, x in corners
    ]
    options = {"tile": (TILE, TILE), "compression": "jpeg", "photometric": "rgb", "dtype": "uint8"}

    def tiles_of(side: int) -> Iterator[bytes]:
        return islice(cycle(encoded), (-(-side // TILE)) ** 2)

    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for level in range(LEVELS):
            side = SIDE >> level
            kind = {"subifds": LEVELS - 1} if level == 0 else {"subfiletype": 1}
            writer.write(
                tiles_of(side),
                shape=(side, side, 3),
                resolution=RESOLUTION,
                resolutionunit="CENTIMETER",
                **options,
                **kind,
            )


def measure(what: str, slide: Path) -> dict[str, float]:
    """Show the slide in a new viewer and measure one thing; runs in a process of its own."""
    import napari

    viewer = napari.Viewer()
    if what == "reading":
        open_docks(viewer)
        import_everything(viewer)
    settle()
    return measure_memory(viewer, slide) if what == "memory" else measure_reading(viewer, slide)


def measure_memory(viewer: Any, slide: Path) -> dict[str, float]:
    import psutil

    process = psutil.Process()
    before = process.memory_info().rss
    open_docks(viewer)
    most = with_docks = settle()
    for step in (show, zoom_in):
        step(viewer, slide)
        most = max(most, settle())
    return {"added_mb": (most - before) / 1e6, "docks_mb": (with_docks - before) / 1e6}


def measure_reading(viewer: Any, slide: Path) -> dict[str, float]:
    start = bytes_read()
    started = time.perf_counter()
    show(viewer, slide)
    opened = time.perf_counter() - started
    settle()
    overview, level_overview = bytes_read() - start, viewer.layers[slide.stem].data_level
    zoom_in(viewer, slide)
    settle()
    return {
        "open_ms": opened * 1e3,
        "bytes_read_overview": overview,
        "bytes_read": bytes_read() - start,
        "level_overview": level_overview,
        "level_zoomed": viewer.layers[slide.stem].data_level,
    }


def show(viewer: Any, slide: Path) -> None:
    viewer.open(str(slide), plugin="histoloom")
    viewer.reset_view()


def open_docks(viewer: Any) -> None:
    from histoloom.gui.menus import open_docks as open_all

    open_all(viewer)


def zoom_in(viewer: Any, slide: Path) -> None:
    """Look at the middle at full resolution: one pixel of the slide for each of the screen."""
    size = viewer.layers[slide.stem].scale[0]
    viewer.camera.center = (SIDE / 2 * size, SIDE / 2 * size)
    viewer.camera.zoom = 1.0 / size


def settle(seconds: float = 1.5) -> int:
    """Let the viewer draw, and return the most memory seen meanwhile, in bytes."""
    import psutil
    from qtpy.QtWidgets import QApplication

    process, most = psutil.Process(), 0
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        QApplication.processEvents()
        most = max(most, process.memory_info().rss)
        time.sleep(0.01)
    return most


def import_everything(viewer: Any) -> None:
    """Open a small tiled TIFF in the same way, so that no imports are counted as reading."""
    import numpy as np
    import tifffile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.tif"
        tifffile.imwrite(
            path,
            np.zeros((4096, 4096, 3), np.uint8),
            tile=(256, 256),
            compression="jpeg",
            photometric="rgb",
            resolution=RESOLUTION,
            resolutionunit="CENTIMETER",
        )
        (layer,) = viewer.open(str(path), plugin="histoloom")
        settle()
        tile = layer.metadata["histoloom_tile"]
        viewer.layers.remove(layer)
        tile.close()


def bytes_read() -> int:
    """Return the bytes that this process has read from any file, caches of the system included."""
    import psutil

    counters = psutil.Process().io_counters()
    return int(getattr(counters, "read_chars", counters.read_bytes))


if __name__ == "__main__":
    main()
