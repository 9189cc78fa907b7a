"""Live weaving through the real viewer: from the end of a brush stroke to new pixels in the layer.

``viewer_blocked_max_ms`` is the longest single call from Qt or napari into histoloom on the GUI thread, and nothing
else: what napari does by itself, such as drawing, is left out. ``event_loop_gap_max_ms`` is the longest time in which
the event loop answered nothing while strokes were painted, whoever was the cause. Without a GPU nearly all of that is
napari drawing the canvas in software, so it has no goal here.

Run it with a display, or without one where xvfb-run is installed. ``--json`` prints one object; ``--soak 600`` paints
for ten minutes instead, prints how memory grew after the first third, and exits with 1 if that is above the goals.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

SIDE = 1024
STROKES = 24
STROKE_PIXELS = 96
ROUND = 4
LEAST_READINGS = 9
GOALS = {
    "stroke_to_pixels_median_ms": 80.0,
    "stroke_to_pixels_p95_ms": 150.0,
    "viewer_blocked_max_ms": 16.0,
    "viewer_growth_mb": 16.0,
    "weaver_growth_mb": 16.0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--soak", type=float, default=0.0, help="paint for so many seconds and watch memory")
    options = parser.parse_args()
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        program = shutil.which("xvfb-run")
        if program is None:
            sys.exit("There is no display; install xvfb (on Debian or Ubuntu: 'apt install xvfb').")
        command = [program, "-a", "-s", "-screen 0 1400x900x24", sys.executable, *sys.argv]
        sys.exit(subprocess.run(command, check=False).returncode)

    stage = Stage()
    try:
        result = stage.soak(options.soak) if options.soak else stage.measure()
    finally:
        stage.close()
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            goal = f"goal {GOALS[name]:g}" if name in GOALS else ""
            print(f"{name:32} {value:10.1f}  {goal}")
    missed = [name for name in ("viewer_growth_mb", "weaver_growth_mb") if result.get(name, 0.0) > GOALS[name]]
    if missed:
        sys.exit(f"Memory grew by more than the goal: {', '.join(missed)}.")


class Stage:
    """A viewer with live weaving on a 1024 x 1024 canvas, and a mouse."""

    def __init__(self) -> None:
        import napari
        from qtpy.QtWidgets import QApplication, QMainWindow, QOpenGLWidget

        from histoloom.gui.canvas import canvas_of
        from histoloom.gui.layout_dock import LayoutDock
        from histoloom.gui.tools import Tool
        from histoloom.gui.weave_dock import WeaveDock
        from histoloom.layouts.random_layout import random_layout
        from histoloom.layouts.random_recipe import RandomLayoutRecipe

        self.viewer = napari.Viewer()
        self.canvas = canvas_of(self.viewer)
        recipe = RandomLayoutRecipe(height=SIDE, width=SIDE, pixel_size=0.25)
        self.canvas.open_layout(random_layout(recipe, seed=1))
        self.layout_dock = LayoutDock(napari_viewer=self.viewer)
        self.dock = WeaveDock(napari_viewer=self.viewer)
        for widget, name in ((self.layout_dock, "Layout"), (self.dock, "Weave")):
            self.viewer.window.add_dock_widget(widget, name=name, tabify=True)
        self.weaving = self.dock.weaving
        self.written_at = 0.0
        self.weaving.woven.connect(self.on_woven)
        self.dock.looks.choose_sample()
        self.dock.live.setChecked(True)
        self.wait(lambda: self.weaving.look is not None and self.weaving.is_settled)
        self.canvas.tool = Tool.BRUSH
        self.viewer.reset_view()
        self.application = QApplication
        main = next(each for each in QApplication.topLevelWidgets() if isinstance(each, QMainWindow))
        self.native = next(iter(main.findChildren(QOpenGLWidget)))
        self.pause(1.0)
        self.random = np.random.default_rng(0)

    def close(self) -> None:
        self.dock.close_weaving()
        self.viewer.close()

    def on_woven(self, _window: Any, _seconds: float) -> None:
        self.written_at = time.perf_counter()

    def measure(self) -> dict[str, float]:
        for _ in range(3):
            self.stroke()
        with Gaps() as gaps:
            seconds = [self.stroke() for _ in range(STROKES)]
        watch = Watch()
        sys.setprofile(watch)
        try:
            for _ in range(STROKES // 3):
                self.stroke()
        finally:
            sys.setprofile(None)
        return {
            "stroke_to_pixels_median_ms": float(np.median(seconds)) * 1000,
            "stroke_to_pixels_p95_ms": float(np.percentile(seconds, 95)) * 1000,
            "viewer_blocked_max_ms": watch.longest * 1000,
            "viewer_blocked_p95_ms": float(np.percentile(watch.durations, 95)) * 1000,
            "event_loop_gap_max_ms": max(gaps.lengths) * 1000,
            "event_loop_gap_p95_ms": float(np.percentile(gaps.lengths, 95)) * 1000,
            "nuclei": len(self.canvas.layout.nuclei),
        }

    def soak(self, seconds: float) -> dict[str, float]:
        """Paint and undo for a while; memory is read after a warm-up and at the end."""
        import psutil

        viewer, weaver = psutil.Process(), psutil.Process(self.weaving.client.pid)
        start = time.monotonic()
        readings = []
        while time.monotonic() - start < seconds or len(readings) < LEAST_READINGS:
            for _ in range(ROUND):
                self.stroke(settle=False)
            for _ in range(ROUND):
                self.canvas.undo()
            self.pause(0.1)
            readings.append((time.monotonic() - start, viewer.memory_info().rss, weaver.memory_info().rss))
        table = np.array(readings)
        settled = table[table[:, 0] >= table[-1, 0] / 3]
        minutes = float(settled[-1, 0] - settled[0, 0]) / 60
        # A line through all readings: single ones jump by some MB when Python or the driver gives memory back.
        viewer_slope, weaver_slope = (
            float(np.polyfit(settled[:, 0] / 60, settled[:, column] / 2**20, 1)[0]) for column in (1, 2)
        )
        return {
            "strokes": float(ROUND * len(readings)),
            "viewer_mb": float(table[-1, 1]) / 2**20,
            "weaver_mb": float(table[-1, 2]) / 2**20,
            "viewer_growth_mb": viewer_slope * minutes,
            "weaver_growth_mb": weaver_slope * minutes,
            "viewer_growth_mb_per_minute": viewer_slope,
            "weaver_growth_mb_per_minute": weaver_slope,
        }

    def stroke(self, settle: bool = True) -> float:
        """Paint one stroke with the mouse; returns seconds from its end until its tissue is in the layer."""
        from qtpy.QtCore import QEvent, Qt

        start = self.random.uniform(0.15, 0.75, 2) * SIDE
        angle = self.random.uniform(0, 2 * np.pi)
        steps = [start + t * STROKE_PIXELS * np.array([np.sin(angle), np.cos(angle)]) for t in np.linspace(0, 1, 10)]
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        self.mouse(QEvent.Type.MouseMove, steps[0], none, none)
        self.mouse(QEvent.Type.MouseButtonPress, steps[0], left, left)
        for position in steps[1:]:
            self.pause(0.016)
            self.mouse(QEvent.Type.MouseMove, position, none, left)
        begun = time.perf_counter()
        self.mouse(QEvent.Type.MouseButtonRelease, steps[-1], left, none)
        if settle:
            self.wait(lambda: self.weaving.is_settled)
            self.pause(0.15)
        return self.written_at - begun

    def mouse(self, kind: Any, data_position: Any, button: Any, buttons: Any) -> None:
        """Send a mouse event at a place of the canvas, in layout pixels."""
        from qtpy.QtCore import QPointF, Qt
        from qtpy.QtGui import QMouseEvent

        from histoloom.gui.comparison import camera_of

        camera = camera_of(self.viewer)
        world = np.asarray(data_position) * self.canvas.layout.pixel_size
        offset = (world - np.asarray(camera.center)[-2:]) * camera.zoom
        place = QPointF(self.native.width() / 2 + offset[1], self.native.height() / 2 + offset[0])
        event = QMouseEvent(
            kind,
            place,
            QPointF(self.native.mapToGlobal(place.toPoint())),
            button,
            buttons,
            Qt.KeyboardModifier.NoModifier,
        )
        self.application.sendEvent(self.native, event)

    def wait(self, done: Callable[[], bool], patience: float = 60.0) -> None:
        from qtpy.QtWidgets import QApplication

        end = time.perf_counter() + patience
        while not done():
            QApplication.processEvents()
            time.sleep(0.0005)
            if time.perf_counter() > end:
                sys.exit("The woven pixels did not come within a minute.")

    def pause(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        self.wait(lambda: time.perf_counter() >= end)


class Gaps:
    """How long the event loop goes without answering a timer of one millisecond."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.lengths: list[float] = []
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._on_tick)
        self._last = 0.0

    def __enter__(self) -> Gaps:
        self._last = time.perf_counter()
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.stop()

    def _on_tick(self) -> None:
        now = time.perf_counter()
        self.lengths.append(now - self._last)
        self._last = now


class Watch:
    """How long the GUI thread spends in each call from Qt or napari into histoloom; a profiler, so an upper bound."""

    def __init__(self) -> None:
        import histoloom

        self._package = str(Path(histoloom.__file__).parent)
        self._active: FrameType | None = None
        self._begun = 0.0
        self.durations: list[float] = []

    @property
    def longest(self) -> float:
        return max(self.durations, default=0.0)

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if self._active is None:
            if event == "call" and frame.f_code.co_filename.startswith(self._package):
                self._active, self._begun = frame, time.perf_counter()
        elif event == "return" and frame is self._active:
            self.durations.append(time.perf_counter() - self._begun)
            self._active = None


if __name__ == "__main__":
    main()
