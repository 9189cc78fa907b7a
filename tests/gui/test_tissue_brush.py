"""The tissue brush and the tissue panel: what lies between the nuclei, painted and made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from canvas_mouse import Mouse, assert_shows_the_truth
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtWidgets import QApplication

from histoloom.gui.autosave import Autosave
from histoloom.gui.autosave_file import read_autosave
from histoloom.gui.canvas import Canvas
from histoloom.gui.canvas_layers import TISSUE
from histoloom.gui.layout_dock import LayoutDock
from histoloom.gui.random_panel import RandomPanel
from histoloom.gui.tissue_panel import TissuePanel
from histoloom.gui.tools import Tool
from histoloom.layouts import Layout, LayoutEdit, TissueMap
from histoloom.tiles.stains import combine_stains
from histoloom.tiles.tile import Tile
from histoloom.tiles.tissue import ANY, BLANK, BLOOD, CELLULAR, FIBROUS, TISSUES
from histoloom.window import Window

ACROSS = ((50.0, 20.0), (50.0, 60.0), (50.0, 100.0))


@pytest.fixture
def painting(canvas: Canvas) -> Canvas:
    canvas.tissue.diameter = 8.0
    canvas.tissue.choose(BLANK)
    return canvas


@pytest.fixture
def panel(qtbot, canvas: Canvas) -> TissuePanel:
    panel = TissuePanel(canvas)
    qtbot.addWidget(panel)
    return panel


def shown(canvas: Canvas) -> np.ndarray:
    return np.asarray(canvas.layers.find(TISSUE).data)


def assert_in_step(canvas: Canvas) -> None:
    tissue = canvas.layout.tissue_map
    np.testing.assert_array_equal(shown(canvas), 0 if tissue is None else tissue.values)


def test_the_layer_is_made_for_the_tool_and_hidden_without_it(canvas: Canvas) -> None:
    assert canvas.layers.find(TISSUE) is None
    canvas.tool = Tool.TISSUE
    layer = canvas.layers.find(TISSUE)
    assert layer.visible
    assert canvas.viewer.layers.selection.active is layer
    assert canvas.viewer.layers.index(layer) < canvas.viewer.layers.index(canvas.layout_layer())
    canvas.tool = Tool.BRUSH
    assert not layer.visible
    canvas.tool = Tool.TISSUE
    assert canvas.layers.find(TISSUE) is layer
    assert layer.visible
    assert canvas.layout.tissue_map is None, "looking changes nothing"


def test_cells_of_the_layer_lie_on_the_pixels_that_they_speak_of(canvas: Canvas) -> None:
    canvas.open_layout(canvas.layout.with_tissue(Window(16, 24, 17, 25), BLOOD))
    canvas.tool = Tool.TISSUE
    layer = canvas.layers.find(TISSUE)
    row, column = np.argwhere(shown(canvas) == BLOOD)[0]
    low, high = (layer.data_to_world((row + each, column + each)) for each in (-0.5, 0.5))
    pixel_size = canvas.layout.pixel_size
    np.testing.assert_allclose(np.array([low, high]) / pixel_size + 0.5, [[16, 24], [24, 32]])


def test_a_stroke_is_one_step_of_the_history_and_undo_takes_it_back(
    painting: Canvas, mouse: Mouse, qapp: QApplication
) -> None:
    mouse.drag(*ACROSS)
    qapp.processEvents()
    assert painting.history.undoable == ("Paint tissue",)
    assert (painting.layout.tissue_pixels(Window(48, 24, 56, 96)) == BLANK).all()
    assert painting.layout.tissue_pixels(Window(0, 0, 30, 120)).max() == ANY
    assert_in_step(painting)
    painting.tissue.choose(BLOOD)
    mouse.click((90.0, 10.0))
    qapp.processEvents()
    assert painting.layout.tissue_pixels(Window(90, 10, 91, 11))[0, 0] == BLOOD
    layer = painting.layers.find(TISSUE)
    layer.keymap[coerce_keybinding("Control-Z")](layer)
    assert painting.layout.tissue_map.shares()["blood"] == 0.0
    assert_in_step(painting)
    painting.undo()
    assert painting.layout.tissue_map is None
    assert_in_step(painting)
    painting.redo()
    painting.redo()
    assert painting.layout.tissue_map.shares()["blood"] > 0.0
    assert_in_step(painting)
    assert_shows_the_truth(painting)


def test_a_stroke_is_heard_while_it_is_made_and_the_parts_cover_the_whole(
    painting: Canvas, mouse: Mouse, qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("histoloom.gui.tissue_brush.PREVIEW_SECONDS", 0.0)
    painting.open_layout(painting.layout.with_tissue(Window(0, 0, 100, 120), FIBROUS))
    heard: list[tuple[LayoutEdit, bool]] = []
    painting.layout_edited.connect(lambda edit, final: heard.append((edit, final)))
    before = painting.layout
    mouse.drag(*((50.0, float(x)) for x in range(20, 101, 4)))
    qapp.processEvents()
    assert len(heard) > 5
    assert [final for _, final in heard] == [False] * (len(heard) - 1) + [True]
    replayed = before
    for edit, _ in heard:
        replayed = edit.applied_to(replayed)
    assert replayed.equals(painting.layout)
    assert max(edit.tissue.window.shape[1] for edit, _ in heard if edit.tissue) < 60
    assert painting.history.undoable == ("Paint tissue",)
    painting.undo()
    assert painting.layout.equals(before)


def test_any_takes_paint_away_and_painting_the_same_again_is_no_edit(
    painting: Canvas, mouse: Mouse, qapp: QApplication
) -> None:
    mouse.drag(*ACROSS)
    qapp.processEvents()
    mouse.drag(*ACROSS)
    qapp.processEvents()
    assert painting.history.undoable == ("Paint tissue",)
    painting.tissue.choose(ANY)
    painting.tissue.diameter = 16.0
    mouse.drag(*ACROSS)
    qapp.processEvents()
    assert painting.layout.tissue_pixels().max() == ANY
    assert len(painting.history.undoable) == 2


def test_napari_s_own_fill_and_labels_that_no_tissue_has_are_taken_as_the_chosen_tissue(
    painting: Canvas, mouse: Mouse, qapp: QApplication
) -> None:
    layer = painting.layers.find(TISSUE)
    layer.mode = "fill"
    mouse.click((50.0, 50.0))
    qapp.processEvents()
    assert painting.layout.tissue_map.shares()["blank"] == 1.0
    layer.mode = "paint"
    layer.selected_label = CELLULAR
    assert painting.tissue.tissue == CELLULAR
    layer.selected_label = 9
    mouse.click((50.0, 50.0))
    qapp.processEvents()
    assert painting.layout.tissue_pixels(Window(50, 50, 51, 51))[0, 0] == CELLULAR
    assert_in_step(painting)


def test_another_canvas_another_cell_size_and_a_map_that_ends_early_are_followed(painting: Canvas) -> None:
    for layout in (
        Layout.empty((64, 300), 0.25).with_tissue(Window(0, 0, 10, 10), BLOOD),
        Layout.empty((40, 40), 2.0),
        Layout({}, (64, 64), 0.5, tissue_map=TissueMap(np.full((2, 9), FIBROUS, np.uint8), 16)),
    ):
        painting.open_layout(layout)
        data, layer = shown(painting), painting.layers.find(TISSUE)
        cell = round(float(layer.scale[0]) / layout.pixel_size)
        assert data.shape[0] >= -(-layout.shape[0] // cell)
        assert data.shape[1] >= -(-layout.shape[1] // cell)
        wide = np.repeat(np.repeat(data, cell, axis=0), cell, axis=1)[: layout.shape[0], : layout.shape[1]]
        np.testing.assert_array_equal(wide, layout.tissue_pixels())


def test_a_layer_that_somebody_deleted_or_gave_other_data_loses_nothing(painting: Canvas, mouse: Mouse) -> None:
    mouse.drag(*ACROSS)
    painting.tissue.flush()
    before = painting.layout
    layer = painting.layers.find(TISSUE)
    layer.data = np.zeros((3, 3), np.uint8)
    painting.tissue.flush()
    assert_in_step(painting)
    painting.viewer.layers.remove(layer)
    painting.undo()
    painting.redo()
    assert painting.layout.equals(before)
    painting.tool = Tool.TISSUE
    assert_in_step(painting)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.tuples(*[st.floats(1, 99)] * 4)) | st.sampled_from(["undo", "redo"]), max_size=8
    )
)
def test_whatever_is_painted_undone_and_redone_layer_and_layout_stay_in_step(painting: Canvas, mouse, steps) -> None:
    painting.open_layout(painting.layout.with_tissue_map(None))
    painting.tool = Tool.TISSUE
    for step in steps:
        if step == "undo":
            painting.undo()
        elif step == "redo":
            painting.redo()
        else:
            tissue, (y0, x0, y1, x1) = step
            painting.tissue.choose(tissue)
            mouse.drag((y0, x0), (y1, x1))
            painting.tissue.flush()
        assert_in_step(painting)
    while painting.history.undoable:
        painting.undo()
        assert_in_step(painting)
    assert painting.layout.tissue_map is None


def test_keys_choose_the_tissue(painting: Canvas) -> None:
    layer = painting.layers.find(TISSUE)
    for index in range(len(TISSUES)):
        layer.keymap[coerce_keybinding(str(index))](layer)
        assert painting.tissue.tissue == layer.selected_label == index


def test_painted_tissue_is_autosaved_even_without_nuclei(qtbot, painting: Canvas, mouse: Mouse, tmp_path: Path) -> None:
    painting.open_layout(Layout.empty((100, 120), 0.5))
    autosave = Autosave(painting, tmp_path, delay_ms=1)
    try:
        mouse.drag(*ACROSS)
        painting.tissue.flush()
        qtbot.waitUntil(autosave.path.exists)
        autosave.wait()
        assert read_autosave(autosave.path).equals(painting.layout)
    finally:
        autosave.close()


def test_the_buttons_are_the_legend_and_choose_the_tool(panel: TissuePanel, canvas: Canvas) -> None:
    assert {button.text() for button in panel.tissues} == set(TISSUES)
    fibrous = next(button for button in panel.tissues if button.text() == "fibrous")
    fibrous.click()
    assert (canvas.tool, canvas.tissue.tissue) == (Tool.TISSUE, FIBROUS)
    assert fibrous.isChecked()
    canvas.tool = Tool.SELECT
    assert not fibrous.isChecked()
    fibrous.click()
    fibrous.click()
    assert canvas.tool is Tool.PAN
    panel.diameter.setValue(40)
    assert canvas.tissue.diameter == 40.0
    canvas.tool = Tool.TISSUE
    assert canvas.layers.find(TISSUE).brush_size == 10


def test_random_maps_suit_the_nuclei_and_differ_and_clear_takes_them_away(
    qtbot, panel: TissuePanel, canvas: Canvas
) -> None:
    maps = []
    for _ in range(2):
        with qtbot.waitSignal(panel.finished):
            panel.random.click()
        maps.append(canvas.layout.tissue_map)
    assert not maps[0].equals(maps[1])
    assert "fibrous" in panel.shares.text()
    panel.clear.click()
    assert canvas.layout.tissue_map is None
    assert "No tissue map" in panel.shares.text()
    assert len(canvas.history.undoable) == 3
    canvas.undo()
    assert canvas.layout.tissue_map is maps[1]
    assert "fibrous" in panel.shares.text()


def test_the_map_of_the_tile_in_the_viewer_is_taken(qtbot, panel: TissuePanel, canvas: Canvas) -> None:
    assert not panel.from_tile.isEnabled()
    picture = np.full((100, 80, 3), 244, np.uint8)
    picture[48:] = combine_stains(np.broadcast_to(np.array([0.05, 0.3], np.float32), (52, 80, 2)))
    canvas.set_tile(Tile.from_array(picture, 0.5), "half glass")
    assert panel.from_tile.isEnabled()
    assert "real tile" in panel.shares.text()
    with qtbot.waitSignal(panel.finished):
        panel.from_tile.click()
    tissue = canvas.layout.tissue_pixels()
    assert (tissue[:48, :80] == BLANK).mean() > 0.8
    assert (tissue[56:, :80] == FIBROUS).mean() > 0.8
    assert (tissue[:, 80:] == ANY).all()
    canvas.undo()
    assert canvas.layout.tissue_map is None


def test_the_dock_offers_the_map_of_a_tile_that_is_opened_with_its_nuclei(
    qtbot, canvas: Canvas, tmp_path: Path
) -> None:
    dock = LayoutDock(canvas.viewer, tmp_path)
    qtbot.addWidget(dock)
    canvas.set_tile(Tile.from_array(np.full((100, 120, 3), 244, np.uint8), 0.5), "glass")
    assert "no tissue map" in dock.status.text
    with qtbot.waitSignal(dock.tissue.finished):
        dock.status.click()
    assert canvas.layout.tissue_map.shares()["blank"] > 0.8
    assert dock.status.text.startswith("Tissue: blank")
    canvas.set_tile(Tile.from_array(np.full((100, 120, 3), 240, np.uint8), 0.5), "more glass")
    assert "no tissue map" not in dock.status.text


def test_a_tile_of_another_pixel_size_is_refused_with_a_sentence(qtbot, panel: TissuePanel, canvas: Canvas) -> None:
    canvas.set_tile(Tile.from_array(np.zeros((50, 50, 3), np.uint8), 0.25), "other")
    with qtbot.waitSignal(panel.failed) as said:
        panel.from_tile.click()
    assert "0.25 µm per pixel" in said.args[0]
    assert canvas.layout.tissue_map is None


@pytest.mark.parametrize("kind", [0, 1])
def test_generated_canvases_carry_a_map_and_added_nuclei_keep_the_painted_one(qtbot, canvas: Canvas, kind: int) -> None:
    panel = RandomPanel(canvas)
    qtbot.addWidget(panel)
    panel._kind.setCurrentIndex(kind)
    with qtbot.waitSignal(panel.finished, timeout=20_000):
        panel.generate()
    qtbot.waitUntil(lambda: not panel.is_running)
    made = canvas.layout.tissue_map
    assert ANY not in made.values
    canvas.tissue.give("Paint", made.painted(Window(0, 0, 50, 50), BLOOD))
    painted = canvas.layout.tissue_map
    panel._replace.setChecked(False)
    with qtbot.waitSignal(panel.finished, timeout=20_000):
        panel.generate()
    qtbot.waitUntil(lambda: not panel.is_running)
    assert canvas.layout.tissue_map is painted
