"""Finding the nuclei of a real tile in the Tiles dock, and what becomes of what lay on the canvas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from dark_segmenter import dark_segmenter
from histoloom.errors import SegmenterError
from histoloom.gui import nuclei_panel, pointer_rest
from histoloom.gui.canvas_layers import LAYOUT, TILE, WOVEN
from histoloom.gui.status_card import Level
from histoloom.gui.tiles_dock import TilesDock
from histoloom.gui.weave_dock import WeaveDock
from histoloom.jobs.nuclei_search import FoundNuclei
from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.models import shipped
from histoloom.tiles.samples import embedded_sample
from histoloom.tiles.tile import Tile
from histoloom.window import Window

PATIENCE_MS = 240_000
SHAPE, PIXEL_SIZE = (96, 112), 0.5


def nuclei(count: int, class_name: str = "cancer") -> Layout:
    made = [
        Nucleus.create(key, Outline.ellipse((30.0, 20.0 * key), (8.0, 6.0)), class_name) for key in range(1, count + 1)
    ]
    return Layout.from_nuclei(made, SHAPE, PIXEL_SIZE)


def pink(pixel_size: float | None = PIXEL_SIZE) -> Tile:
    return Tile.from_array(np.full((*SHAPE, 3), (235, 200, 220), np.uint8), pixel_size)


class DeferredSearch:
    """A search that a test ends when it likes."""

    latest: DeferredSearch

    def __init__(self, tile: Tile, segmenter: Path, pixel_size: float, on_progress: Any) -> None:
        self.tile, self.segmenter, self.on_progress = tile, segmenter, on_progress
        self.is_stopped = False
        DeferredSearch.latest = self

    def run(self) -> None:
        """Never asked: the call that would run it is deferred as well."""

    def stop(self) -> None:
        self.is_stopped = True


class DeferredCall:
    """Work beside the viewer that a test ends when it likes."""

    def __init__(self, _parent: object) -> None:
        self.answer = self.fail = lambda _answer: None

    def start(self, _function: Any, on_result: Any, on_error: Any) -> None:
        self.answer, self.fail = on_result, on_error

    def cancel(self) -> None:
        self.answer = self.fail = lambda _answer: None


@pytest.fixture
def own_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("HISTOLOOM_MODELS", str(folder))
    # Only what a test puts there is known.
    monkeypatch.setattr(shipped, "shipped_folder", lambda: tmp_path / "shipped")
    return folder


@pytest.fixture
def segmenter(own_bundles: Path) -> Path:
    return dark_segmenter(own_bundles / "dark.safetensors")


@pytest.fixture
def dock(viewer: ViewerModel, qtbot: QtBot) -> TilesDock:
    dock = TilesDock(viewer)  # type: ignore[arg-type]
    qtbot.addWidget(dock)
    dock.show()
    return dock


@pytest.fixture
def deferred(segmenter: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> TilesDock:
    """The dock with a tile on the canvas, and searches that end when the test likes."""
    monkeypatch.setattr(nuclei_panel, "NucleiSearch", DeferredSearch)
    monkeypatch.setattr(nuclei_panel, "LatestCall", DeferredCall)
    dock = request.getfixturevalue("dock")
    dock.canvas.set_tile(pink(), "pink")
    return dock


def answer(dock: TilesDock, layout: Layout, *notes: str) -> None:
    dock.nuclei._call.answer(FoundNuclei(layout, layout.rasterize(), "dark", notes))


@pytest.fixture
def weave_dock(viewer: ViewerModel, qtbot: QtBot) -> Iterator[WeaveDock]:
    dock = WeaveDock(viewer)
    qtbot.addWidget(dock)
    yield dock
    dock.close_weaving()


def test_a_real_tile_becomes_a_layout_that_is_edited_and_woven_with_its_own_look(
    segmenter: Path, dock: TilesDock, weave_dock: WeaveDock, qtbot: QtBot
) -> None:
    sample = embedded_sample()
    tile = Tile.from_array(sample.read(Window(0, 0, 192, 192)), 0.5)
    canvas = dock.canvas
    canvas.set_tile(tile, "colon")
    with qtbot.waitSignal(dock.nuclei.found, timeout=PATIENCE_MS):
        dock.nuclei.find.click()
        assert not dock.nuclei.find.isEnabled()
        assert dock.status.level is Level.WORKING
        assert dock.status.text == "Starting the segmenter 'dark'…"
    assert dock.status.level is Level.OK
    assert "was trained at 0.25" in dock.status.text
    layout = canvas.layout
    assert len(layout.nuclei) > 3
    assert {each.class_name for each in layout.nuclei.values()} <= {"epithelial", "inflammatory"}
    np.testing.assert_array_equal(canvas.layout_layer().data, layout.rasterize())
    key, nucleus = next(iter(layout.nuclei.items()))
    canvas.change("Move a nucleus", {key: nucleus.moved(6.0, 4.0)})
    weave_dock.looks.choose_canvas_tile()
    weave_dock.live.setChecked(True)
    qtbot.waitUntil(lambda: weave_dock.weaving.look is not None and weave_dock.weaving.is_settled, timeout=PATIENCE_MS)
    np.testing.assert_array_equal(weave_dock.weaving.look.pixels, tile.read())
    assert canvas.layers.find(WOVEN).data.shape == (192, 192, 3)
    assert canvas.layers.find(WOVEN).data.std() > 5
    assert [title.split()[0] for title in canvas.history.undoable] == ["Find", "Move"]
    canvas.undo()
    canvas.undo()
    assert not canvas.layout.nuclei


def test_without_a_segmenter_the_button_says_what_to_do_until_there_is_one(
    own_bundles: Path, dock: TilesDock, qtbot: QtBot
) -> None:
    dock.canvas.set_tile(pink(), "pink")
    assert not dock.nuclei.find.isEnabled()
    assert "add a bundle with 'histoloom bundles import FILE'" in dock.nuclei.reason.text()
    assert dock.nuclei.reason.isVisible()
    dark_segmenter(own_bundles / "dark.safetensors")
    dock.hide()
    dock.show()
    assert dock.nuclei.find.isEnabled()
    assert not dock.nuclei.reason.isVisible()


def test_without_a_tile_there_is_nothing_to_find(segmenter: Path, dock: TilesDock) -> None:
    assert not dock.nuclei.find.isEnabled()
    assert "no real tile on the canvas" in dock.nuclei.find.toolTip()
    dock.nuclei.start()
    assert "no real tile on the canvas" in dock.status.text


def test_nuclei_on_the_canvas_are_replaced_only_after_asking_and_by_one_step(deferred: TilesDock) -> None:
    canvas = deferred.canvas
    canvas.open_layout(nuclei(3))
    canvas.layers.sketch(canvas.layout).add([np.array([[5.0, 5.0], [5.0, 40.0]])], shape_type="path")
    for answers_yes in (False, True):
        deferred.nuclei.start()
        answer(deferred, nuclei(2, "epithelial"))
        assert deferred.nuclei.question.text == "The canvas holds 3 nuclei; replace them by the 2 nuclei found?"
        assert len(canvas.layout.nuclei) == 3
        question = deferred.nuclei.question
        (question.yes if answers_yes else question.no).click()
        assert len(canvas.layout.nuclei) == (2 if answers_yes else 3)
    assert len(canvas.sketch.curves) == 1
    assert canvas.history.undoable[-1] == "Find 2 nuclei"
    canvas.undo()
    assert {each.class_name for each in canvas.layout.nuclei.values()} == {"cancer"}
    canvas.redo()
    assert len(canvas.layout.nuclei) == 2


def test_nuclei_arrive_after_the_stroke_that_is_under_way(
    deferred: TilesDock, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    pressed = [Qt.MouseButton.LeftButton]
    monkeypatch.setattr(pointer_rest.QApplication, "mouseButtons", lambda: pressed[0])
    deferred.nuclei.start()
    answer(deferred, nuclei(2))
    assert not deferred.canvas.layout.nuclei
    pressed[0] = Qt.MouseButton.NoButton
    qtbot.waitUntil(lambda: len(deferred.canvas.layout.nuclei) == 2)


def test_a_painted_tissue_map_stays_beneath_the_nuclei_found(deferred: TilesDock) -> None:
    from histoloom.layouts import random_tissue_map

    canvas = deferred.canvas
    tissue_map = random_tissue_map(canvas.layout, None, 0)
    canvas.tissue.give("Draw a random tissue map", tissue_map)
    deferred.nuclei.start()
    answer(deferred, nuclei(2))
    assert canvas.layout.tissue_map is tissue_map


def test_progress_is_told_and_cancelling_changes_nothing(deferred: TilesDock) -> None:
    deferred.nuclei.start()
    search = DeferredSearch.latest
    search.on_progress(1, 4)
    assert deferred.status.text == "'dark' is looking for nuclei: 1 of 4 parts of the tile are done…"
    assert deferred.nuclei.cancel.isVisible()
    deferred.nuclei.cancel.click()
    assert search.is_stopped
    assert deferred.status.text == "The search for nuclei was stopped; nothing was changed."
    search.on_progress(2, 4)
    answer(deferred, nuclei(2))
    assert not deferred.canvas.layout.nuclei
    assert deferred.nuclei.find.isEnabled()
    assert deferred.status.level is Level.OK


def test_a_tile_that_is_replaced_meanwhile_ends_the_search(deferred: TilesDock, qtbot: QtBot) -> None:
    deferred.nuclei.start()
    deferred.canvas.set_tile(pink(), "another")
    assert DeferredSearch.latest.is_stopped
    qtbot.waitUntil(lambda: deferred.status.text.startswith("Another tile was opened"))
    answer(deferred, nuclei(2))
    assert not deferred.canvas.layout.nuclei
    deferred.canvas.open_layout(nuclei(3))
    deferred.nuclei.start()
    answer(deferred, nuclei(2))
    deferred.canvas.set_tile(pink(), "a third")
    assert not deferred.nuclei.question.text


def test_a_tile_that_is_deleted_or_hidden_is_not_searched_in_silence(deferred: TilesDock) -> None:
    canvas = deferred.canvas
    deferred.nuclei.start()
    canvas.viewer.layers.remove(canvas.layers.find(TILE))
    answer(deferred, nuclei(2))
    assert deferred.status.text.startswith("The tile was taken away meanwhile")
    assert not canvas.layout.nuclei
    deferred.nuclei.start()
    assert "no real tile on the canvas" in deferred.status.text
    canvas.set_tile(pink(), "pink").visible = False
    deferred.nuclei.start()
    assert "is hidden" in deferred.status.text
    assert not deferred.nuclei.is_busy


def test_nuclei_come_onto_a_canvas_whose_layout_layer_was_deleted_meanwhile(deferred: TilesDock) -> None:
    canvas = deferred.canvas
    canvas.open_layout(Layout.empty(SHAPE, PIXEL_SIZE))
    deferred.nuclei.start()
    canvas.viewer.layers.remove(canvas.layers.find(LAYOUT))
    answer(deferred, nuclei(2))
    np.testing.assert_array_equal(canvas.layout_layer().data, nuclei(2).rasterize())
    assert deferred.status.level is Level.OK


def test_a_segmenter_of_other_classes_adds_them_to_those_of_the_canvas(deferred: TilesDock) -> None:
    canvas = deferred.canvas
    canvas.open_layout(nuclei(3, "spindle"))
    deferred.nuclei.start()
    answer(deferred, nuclei(2, "mitosis"))
    deferred.nuclei.question.yes.click()
    assert {each.class_name for each in canvas.layout.nuclei.values()} == {"mitosis"}
    assert {"spindle", "mitosis"} <= {each.name for each in canvas.layout.classes}


def test_what_goes_wrong_and_what_was_not_found_is_said(deferred: TilesDock) -> None:
    deferred.nuclei.start()
    deferred.nuclei._call.fail(SegmenterError("The process that looks for nuclei died."))
    assert (deferred.status.level, deferred.status.text) == (Level.ERROR, "The process that looks for nuclei died.")
    assert deferred.nuclei.find.isEnabled()
    deferred.canvas.open_layout(nuclei(3))
    deferred.nuclei.start()
    answer(deferred, nuclei(0), "It was enlarged.")
    assert deferred.status.level is Level.ATTENTION
    assert deferred.status.text.startswith("'dark' found no nuclei; check the tile's pixel size")
    assert deferred.status.text.endswith("It was enlarged.")
    assert len(deferred.canvas.layout.nuclei) == 3


def test_a_closed_dock_ends_its_search(deferred: TilesDock, qtbot: QtBot) -> None:
    deferred.nuclei.start()
    deferred.nuclei.setParent(None)
    deferred.nuclei.deleteLater()
    qtbot.waitUntil(lambda: DeferredSearch.latest.is_stopped)
