"""The weave process lives as long as its dock, in a real window."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QWidget

from histoloom.gui.canvas import Canvas, canvas_of
from histoloom.gui.live import live_weaving_of
from histoloom.gui.weave_dock import WeaveDock
from histoloom.gui.when_destroyed import when_destroyed
from histoloom.layouts import Layout

PATIENCE_MS = 30_000


def opened(make_napari_viewer: Callable[..., Any], qtbot: QtBot) -> tuple[Any, Any, WeaveDock, psutil.Process]:
    """Open a window with a Weave dock that is busy with a large weave."""
    viewer = make_napari_viewer(show=True)
    canvas_of(viewer).open_layout(Layout.empty((1500, 1500)))
    dock, widget = viewer.window.add_plugin_dock_widget("histoloom", "Weave")
    widget.seed.setValue(5)
    widget.live.setChecked(True)
    qtbot.waitUntil(lambda: widget.weaving.client.pid is not None, timeout=PATIENCE_MS)
    return viewer, dock, widget, psutil.Process(widget.weaving.client.pid)


def test_closing_the_dock_ends_weaving_and_a_new_one_starts_afresh(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot
) -> None:
    viewer, dock, widget, process = opened(make_napari_viewer, qtbot)
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not process.is_running(), timeout=PATIENCE_MS)
    _, again = viewer.window.add_plugin_dock_widget("histoloom", "Weave")
    assert again is not widget
    assert again.weaving is live_weaving_of(canvas_of(viewer))
    assert (again.seed.value(), again.live.isChecked()) == (again.weaving.seed, again.weaving.is_live) == (0, False)
    again.live.setChecked(True)
    qtbot.waitUntil(lambda: again.weaving.look is not None and again.weaving.is_settled, timeout=PATIENCE_MS)


def test_closing_the_viewer_in_mid_weave_ends_the_process(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot, capfd: pytest.CaptureFixture[str]
) -> None:
    viewer, _, _, process = opened(make_napari_viewer, qtbot)
    viewer.close()
    qtbot.waitUntil(lambda: not process.is_running(), timeout=PATIENCE_MS)
    qtbot.wait(200)
    assert "Traceback" not in capfd.readouterr().err


def test_floating_the_dock_keeps_weaving(make_napari_viewer: Callable[..., Any], qtbot: QtBot) -> None:
    _, dock, widget, process = opened(make_napari_viewer, qtbot)
    dock.setFloating(True)
    qtbot.wait(100)
    dock.setFloating(False)
    qtbot.waitUntil(lambda: widget.weaving.look is not None and widget.weaving.is_settled, timeout=PATIENCE_MS)
    assert process.is_running()
    assert widget.weaving.client.pid == process.pid


def test_a_dock_that_is_destroyed_after_its_weaving_ends_in_silence(
    viewer: ViewerModel, canvas: Canvas, qtbot: QtBot
) -> None:
    dock = WeaveDock(viewer)  # type: ignore[arg-type]
    weaving, gone = dock.weaving, []
    when_destroyed(dock, lambda: gone.append("dock"))
    for each in (weaving, dock):
        each.deleteLater()
    # An exception in what Qt calls fails the test.
    qtbot.waitUntil(lambda: bool(gone))
    again = live_weaving_of(canvas)
    assert again is not weaving
    again.close()


def test_what_is_to_be_done_when_a_widget_is_destroyed_outlives_those_who_asked_for_it(qtbot: QtBot) -> None:
    parent, done = QWidget(), []

    def ask() -> None:
        said: dict[str, Any] = {"word": "done"}
        said["call"] = lambda: done.append(said["word"])
        when_destroyed(QWidget(parent), said["call"])

    ask()
    gc.collect()
    parent.deleteLater()
    qtbot.waitUntil(lambda: done == ["done"])
