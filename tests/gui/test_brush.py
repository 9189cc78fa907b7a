"""Brush, eraser, fill and polygon: strokes become nuclei."""

from __future__ import annotations

import numpy as np
import pytest
from canvas_mouse import Mouse, assert_shows_the_truth

from histoloom.gui.canvas import Canvas
from histoloom.gui.tools import Tool
from histoloom.layouts import Layout

FREE = ((80.0, 80.0), (80.0, 84.0), (80.0, 90.0))


@pytest.fixture(autouse=True)
def brush(canvas: Canvas) -> None:
    canvas.tool = Tool.BRUSH


def test_each_stroke_is_a_new_nucleus_of_the_class_in_use(canvas: Canvas, mouse: Mouse) -> None:
    canvas.class_name = "tumor"
    mouse.drag(*FREE)
    mouse.drag((10.0, 60.0), (10.0, 65.0))
    assert sorted(canvas.layout.nuclei) == [1, 2, 3, 4, 5]
    assert canvas.layout.nuclei[4].class_name == "tumor"
    assert canvas.layout.nuclei[5].outline.area > 20
    assert_shows_the_truth(canvas)
    assert canvas.history.undoable == ("Draw a nucleus", "Draw a nucleus")


def test_existing_nuclei_are_protected(canvas: Canvas, mouse: Mouse) -> None:
    before = canvas.layout.nuclei[1]
    mouse.drag((25.0, 10.0), (25.0, 45.0))
    assert canvas.layout.nuclei[1] == before
    assert canvas.label_at((25.0, 25.0)) == 1
    assert_shows_the_truth(canvas)


def test_with_shift_the_new_nucleus_lies_over_the_others_which_keep_their_outlines(
    canvas: Canvas, mouse: Mouse
) -> None:
    before = canvas.layout.nuclei[1]
    mouse.drag((25.0, 10.0), (25.0, 45.0), modifiers=("Shift",))
    assert canvas.layout.nuclei[1] == before
    assert canvas.label_at((25.0, 25.0)) == 4
    assert_shows_the_truth(canvas)
    mouse.drag((25.0, 60.0), (25.0, 25.0))  # and without Shift the next stroke is protected again
    assert canvas.label_at((25.0, 25.0)) == 4


def test_with_ctrl_the_nucleus_under_the_cursor_grows(canvas: Canvas, mouse: Mouse) -> None:
    before = canvas.layout.nuclei[1]
    mouse.drag((25.0, 25.0), (25.0, 40.0), modifiers=("Control",))
    assert sorted(canvas.layout.nuclei) == [1, 2, 3]
    after = canvas.layout.nuclei[1]
    assert after.outline.area > before.outline.area + 20
    assert (after.anchor, after.texture_seed, after.class_name) == (
        before.anchor,
        before.texture_seed,
        before.class_name,
    )
    assert_shows_the_truth(canvas)


def test_the_eraser_takes_pixels_and_uncovers_what_lies_below(canvas: Canvas, mouse: Mouse) -> None:
    mouse.drag((25.0, 10.0), (25.0, 45.0), modifiers=("Shift",))
    canvas.tool = Tool.ERASER
    area = canvas.layout.nuclei[4].outline.area
    mouse.drag((25.0, 25.0), (25.0, 27.0))
    assert canvas.layout.nuclei[4].outline.area < area
    assert canvas.label_at((25.0, 25.0)) == 1
    assert len(canvas.layout.nuclei[4].outline.rings) == 2  # in two pieces, and still one nucleus
    assert_shows_the_truth(canvas)


def test_a_nucleus_erased_to_nothing_is_deleted(canvas: Canvas, mouse: Mouse) -> None:
    canvas.tool = Tool.ERASER
    canvas.layout_layer().brush_size = 40
    mouse.click((60.0, 40.0))
    assert 2 not in canvas.layout.nuclei
    canvas.undo()
    assert 2 in canvas.layout.nuclei
    assert_shows_the_truth(canvas)


def test_a_stroke_over_protected_ground_only_leaves_no_trace(canvas: Canvas, mouse: Mouse, qapp) -> None:
    heard = []
    canvas.layout_edited.connect(lambda *edit: heard.append(edit))
    mouse.click((25.0, 25.0))
    qapp.processEvents()
    assert not heard
    assert not canvas.history.undoable
    mouse.drag(*FREE)
    assert 4 in canvas.layout.nuclei


def test_previews_of_a_stroke_are_provisional_and_together_cover_it(
    canvas: Canvas, mouse: Mouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("histoloom.gui.edit_session.PREVIEW_SECONDS", 0.0)
    heard = []
    canvas.layout_edited.connect(lambda edit, final: heard.append((edit, final)))
    mouse.drag(*FREE, (85.0, 95.0))
    assert [final for _, final in heard] == [False] * (len(heard) - 1) + [True]
    assert len(heard) > 2
    window = heard[0][0].window
    for edit, _ in heard:
        window = window.union(edit.window)
    assert window.contains(canvas.layout.nuclei[4].outline.window)
    assert len({edit.after[4].anchor for edit, _ in heard if 4 in edit.after}) == 1  # the texture does not swim
    assert len(canvas.history.undoable) == 1
    canvas.undo()
    assert 4 not in canvas.layout.nuclei


def test_fill_closes_a_ring_into_a_nucleus(canvas: Canvas, mouse: Mouse, qapp) -> None:
    mouse.drag((70.0, 70.0), (70.0, 90.0), (90.0, 90.0), (90.0, 70.0), (70.0, 70.0))
    canvas.tool = Tool.FILL
    mouse.click((80.0, 80.0))
    qapp.processEvents()
    assert canvas.layout.nuclei[5].outline.area > 100
    assert_shows_the_truth(canvas)


def test_a_fill_that_runs_out_is_taken_back_with_a_sentence(canvas: Canvas, mouse: Mouse, qapp) -> None:
    said = []
    canvas.message.connect(said.append)
    canvas.tool = Tool.FILL
    mouse.click((80.0, 80.0))
    qapp.processEvents()
    assert "close the outline first" in said[-1]
    assert sorted(canvas.layout.nuclei) == [1, 2, 3]
    assert_shows_the_truth(canvas)


def test_napari_polygons_become_nuclei(canvas: Canvas, qapp) -> None:
    layer = canvas.layout_layer()
    canvas.tool = Tool.POLYGON
    layer.paint_polygon([(70, 70), (70, 90), (90, 90), (90, 70)], layer.selected_label)
    qapp.processEvents()
    assert canvas.layout.nuclei[4].outline.area == pytest.approx(441, abs=1)
    assert_shows_the_truth(canvas)


def test_undo_takes_painted_pixels_that_still_wait_into_account(canvas: Canvas) -> None:
    layer = canvas.layout_layer()
    layer.paint((80, 80), layer.selected_label)
    canvas.undo()
    assert sorted(canvas.layout.nuclei) == [1, 2, 3]
    assert_shows_the_truth(canvas)


def test_napari_own_modes_choose_the_tool(canvas: Canvas) -> None:
    canvas.layout_layer().mode = "erase"
    assert canvas.tool is Tool.ERASER
    canvas.layout_layer().mode = "pan_zoom"
    assert canvas.tool is Tool.PAN


def test_many_strokes_leave_napari_history_small(canvas: Canvas, mouse: Mouse) -> None:
    for step in range(130):
        mouse.click((70.0 + step % 25, 60.0 + step % 50))
        canvas.undo()
    layer = canvas.layout_layer()
    assert len(layer._undo_history) <= 100
    assert_shows_the_truth(canvas)
    assert np.array_equal(canvas.layout.rasterize(), layer.data)


def test_a_stroke_may_be_larger_than_any_fill(canvas: Canvas, mouse: Mouse) -> None:
    canvas.open_layout(Layout.empty((60, 60), canvas.layout.pixel_size))
    canvas.layout_layer().brush_size = 50
    canvas.tool = Tool.BRUSH
    mouse.drag((30.0, 30.0), (30.0, 34.0))
    assert canvas.layout.nuclei[1].outline.area > 0.4 * 60 * 60
    assert_shows_the_truth(canvas)


def test_a_layer_that_was_given_other_data_is_made_from_the_table_again(canvas: Canvas, mouse: Mouse) -> None:
    canvas.layout_layer().data = np.zeros((30, 30), np.int32)
    mouse.drag(*FREE)
    mouse.drag(*FREE)
    assert_shows_the_truth(canvas)
    assert len(canvas.layout.nuclei) >= 4
