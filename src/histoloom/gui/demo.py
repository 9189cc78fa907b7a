"""The demo: a real tile, a random layout, and live weaving; by hand, or by itself where there is no display."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from histoloom.errors import HistoloomError
from histoloom.generators.registry import default_generator, generator_named
from histoloom.gui.opening import has_display, open_viewer
from histoloom.gui.preferences import in_palette, preferences
from histoloom.gui.scale_bar import show_scale_bar
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE
from histoloom.tiles.tile import Tile
from histoloom.window import Window

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas
    from histoloom.gui.live import LiveWeaving

_LARGEST = 1024
_CANVAS = (768, 768)
_PATIENCE_S = 120.0
_SCREEN = "-screen 0 1400x900x24"


def run_demo(tile: Path | None = None, folder: Path = Path("demo"), scripted: bool = False) -> None:
    """Show live weaving on a tile.

    With a display, napari opens and stays open. Without one, or if asked to, the same happens under a virtual display
    and a scripted sketch adds, moves and deletes nuclei; ``window.png``, ``woven.png`` and ``layout.tif`` are left in
    the folder and a line of timings is printed.

    Parameters
    ----------
    tile
        A picture of real tissue whose look is taken (default: one that the generator knows by name, or the sample).
    folder
        Where the scripted demo leaves its results.
    scripted
        Whether to run by itself also where there is a display.

    Raises
    ------
    HistoloomError
        If the tile cannot be used, or there is neither a display nor a virtual one.
    """
    if not has_display():
        _run_under_virtual_display(tile, folder)
        return
    opened = _opened(tile)
    import napari

    viewer, docks = open_viewer()
    canvas, weaving = _prepare(viewer, docks, opened)
    if not scripted:
        napari.run()
        return
    try:
        print(_scripted_sketch(viewer, canvas, weaving, folder))  # noqa: T201 - the demo's one line of result
    finally:
        docks["Weave"].close_weaving()
        viewer.close()


def _run_under_virtual_display(tile: Path | None, folder: Path) -> None:
    program = shutil.which("xvfb-run")
    if program is None:
        raise HistoloomError(
            "There is no display and no virtual one; install xvfb (on Debian or Ubuntu: 'apt install xvfb') "
            "or run the demo on a desktop."
        )
    command = [program, "-a", "-s", _SCREEN, sys.executable, "-m", "histoloom", "demo", "--scripted"]
    command += ["--folder", str(folder)] + ([str(tile)] if tile is not None else [])
    result = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    if result.returncode:
        lines = [line for line in result.stderr.strip().splitlines() if line.strip()]
        raise HistoloomError(lines[-1] if lines else "The demo ended early; run it again with a display to see why.")


def _opened(path: Path | None) -> tuple[Tile, str] | None:
    """Return the demo's tile, at most 1024² of it, and its name; None where the generator needs none."""
    if path is None:
        if generator_named(preferences().generator or default_generator()).named_looks:
            return None
        from histoloom.tiles.samples import EMBEDDED_SAMPLE_TITLE, embedded_sample

        return embedded_sample(), EMBEDDED_SAMPLE_TITLE
    from histoloom.tiles.reading import open_tile

    tile = open_tile(path)
    height, width = tile.shape
    if max(height, width) <= _LARGEST:
        return tile, path.stem
    y, x = max(height - _LARGEST, 0) // 2, max(width - _LARGEST, 0) // 2
    middle = tile.read(Window(y, x, y + _LARGEST, x + _LARGEST))
    return Tile.from_array(middle, tile.pixel_size, **tile.provenance), f"{path.stem} (middle)"


def _prepare(viewer: Any, docks: dict[str, Any], opened: tuple[Tile, str] | None) -> tuple[Canvas, LiveWeaving]:
    from histoloom.gui.canvas import canvas_of
    from histoloom.gui.live import live_weaving_of
    from histoloom.layouts.random_layout import random_layout
    from histoloom.layouts.random_recipe import RandomLayoutRecipe

    canvas = canvas_of(viewer)
    height, width = _CANVAS
    pixel_size = DEFAULT_PIXEL_SIZE
    if opened is not None:
        canvas.set_tile(*opened)
        height, width = opened[0].shape
        pixel_size = canvas.layout.pixel_size
    show_scale_bar(viewer)
    layout = random_layout(RandomLayoutRecipe(height=height, width=width, pixel_size=pixel_size), seed=1)
    canvas.open_layout(replace(layout, classes=in_palette(layout.classes, preferences().palette)))
    docks["Weave"].live.setChecked(True)
    viewer.reset_view()
    return canvas, live_weaving_of(canvas)


def _scripted_sketch(viewer: Any, canvas: Canvas, weaving: LiveWeaving, folder: Path) -> str:
    """Add, move and delete nuclei as a person would, and return a line of timings."""
    from PIL import Image

    from histoloom.generators.woven_files import synthetic_facts, write_synthetic_picture
    from histoloom.layouts import LayoutEdit
    from histoloom.layouts.files import save_layout
    from histoloom.layouts.stamps import STAMPS, stamp_nucleus
    from histoloom.writing import written_whole

    started = time.perf_counter()
    _wait(lambda: weaving.look is not None and weaving.is_settled, "the first weave")
    first = time.perf_counter() - started
    timings: list[float] = []

    def edit(title: str, changes: dict[int, Any]) -> None:
        begun = time.perf_counter()
        canvas.apply(LayoutEdit.of(title, canvas.layout, changes))
        _wait(lambda: weaving.is_settled, title.lower())
        timings.append(time.perf_counter() - begun)

    height, width = canvas.layout.shape
    stamp = next(iter(STAMPS.values()))
    added: list[int] = []
    for step in range(8):
        center = (height * (0.25 + 0.06 * step), width * (0.3 + 0.04 * step))
        nucleus = stamp_nucleus(stamp, center, canvas.layout, seed=step)
        edit("Add a nucleus", {nucleus.id: nucleus})
        added.append(nucleus.id)
    for each in added[:4]:
        edit("Move a nucleus", {each: canvas.layout.nuclei[each].moved(25, 40)})
    for each in added[4:6]:
        edit("Delete a nucleus", {each: None})
    canvas.undo()
    canvas.redo()
    _wait(lambda: weaving.is_settled, "undo and redo")

    window = viewer.screenshot(canvas_only=False, flash=False)
    with written_whole(folder / "window.png") as beside:
        Image.fromarray(np.ascontiguousarray(window[..., :3])).save(beside)
    woven = np.ascontiguousarray(canvas.woven_layer().data)
    facts = synthetic_facts(weaving.generator, weaving.seed)
    write_synthetic_picture(folder / "woven.png", woven, canvas.layout.pixel_size, facts)
    save_layout(canvas.layout, folder / "layout.tif")
    milliseconds = np.array(timings) * 1000
    return (
        f"{len(canvas.layout.nuclei)} nuclei on {height} x {width}: first weave {first:.1f} s; "
        f"{len(timings)} edits to new pixels, median {np.median(milliseconds):.0f} ms, "
        f"slowest {milliseconds.max():.0f} ms. See {folder / 'window.png'}."
    )


def _wait(done: Callable[[], bool], what: str) -> None:
    """Let the viewer work until something is done."""
    from qtpy.QtCore import QEventLoop
    from qtpy.QtWidgets import QApplication

    end = time.perf_counter() + _PATIENCE_S
    while not done():
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.001)
        if time.perf_counter() > end:
            raise HistoloomError(f"Waiting for {what} took over {_PATIENCE_S:.0f} s; try again on a quieter machine.")
