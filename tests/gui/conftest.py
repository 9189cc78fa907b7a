"""Viewers, canvases and a mouse for the tests of the viewer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from canvas_mouse import Mouse
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from histoloom.gui import train_dock
from histoloom.gui.canvas import Canvas, canvas_of
from histoloom.jobs import recent_runs, training_process
from histoloom.layouts import Layout, Nucleus, Outline

PIXEL_SIZE = 0.5


@pytest.fixture(autouse=True)
def no_leaked_widgets(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[None]:
    """Fail a test that leaves a visible or parentless widget of ours behind."""
    before = {id(each) for each in qapp.topLevelWidgets()}
    yield
    qapp.processEvents()
    left = [
        each
        for each in qapp.topLevelWidgets()
        if id(each) not in before and type(each).__module__.startswith("histoloom") and each.isVisible()
    ]
    assert not left, f"{left} stay open; give them to qtbot.addWidget, or close them with their owner"


@pytest.fixture
def layout() -> Layout:
    """Three nuclei apart from each other on 100 x 120 pixels."""
    nuclei = [
        Nucleus.create(1, Outline.ellipse((25.0, 25.0), (8.0, 6.0)), "epithelial"),
        Nucleus.create(2, Outline.ellipse((60.0, 40.0), (7.0, 7.0)), "inflammatory", 1),
        Nucleus.create(3, Outline.ellipse((30.0, 90.0), (5.0, 10.0)), "spindle", 2),
    ]
    return Layout.from_nuclei(nuclei, (100, 120), PIXEL_SIZE)


@pytest.fixture
def viewer(qapp: QApplication) -> ViewerModel:
    """A viewer without a window."""
    return ViewerModel()


@pytest.fixture
def canvas(viewer: ViewerModel, layout: Layout) -> Canvas:
    """The viewer's canvas, with the layout on it."""
    canvas = canvas_of(viewer)
    canvas.open_layout(layout)
    canvas.layout_layer().brush_size = 5
    return canvas


@pytest.fixture
def mouse(viewer: ViewerModel) -> Mouse:
    return Mouse(viewer, PIXEL_SIZE)


@pytest.fixture
def own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep runs apart from those of other tests, and end the processes that a failed test leaves."""
    monkeypatch.setattr(recent_runs, "recent_runs_file", lambda: tmp_path / "state" / "runs.json")
    # Tests wait for these processes, also on machines that are busy with others.
    monkeypatch.setattr(training_process, "_NICER_BY", 1)
    monkeypatch.setattr(train_dock, "fresh_run_folder", lambda system, _day: tmp_path / f"{system}-run")
    yield tmp_path
    for each in list(training_process._started.values()):
        each.kill()
        each.wait()
