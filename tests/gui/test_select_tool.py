"""Selecting, moving and changing whole nuclei."""

from __future__ import annotations

import math

import pytest
from canvas_mouse import Mouse, assert_shows_the_truth

from histoloom.gui.canvas import Canvas
from histoloom.gui.tools import Tool
from histoloom.layouts import Layout


@pytest.fixture(autouse=True)
def select(canvas: Canvas) -> None:
    canvas.tool = Tool.SELECT


def test_a_click_selects_shift_adds_and_the_ground_clears(canvas: Canvas, mouse: Mouse) -> None:
    mouse.click((25.0, 25.0))
    assert canvas.selection == {1}
    mouse.click((60.0, 40.0), ("Shift",))
    assert canvas.selection == {1, 2}
    mouse.click((60.0, 40.0), ("Shift",))
    assert canvas.selection == {1}
    mouse.click((30.0, 90.0))
    assert canvas.selection == {3}
    mouse.click((90.0, 10.0))
    assert canvas.selection == frozenset()


def test_a_drag_moves_the_selection_by_whole_pixels_as_one_step(
    canvas: Canvas, mouse: Mouse, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("histoloom.gui.edit_session.PREVIEW_SECONDS", 0.0)
    canvas.select({1, 2})
    heard = []
    canvas.layout_edited.connect(lambda edit, final: heard.append(final))
    mouse.drag((25.0, 25.0), (28.3, 26.0), (31.4, 35.6), (35.2, 37.9))
    assert heard == [False, False, False, True]
    assert canvas.layout.nuclei[1] == layout.nuclei[1].moved(10, 13)
    assert canvas.layout.nuclei[2] == layout.nuclei[2].moved(10, 13)
    assert canvas.history.undoable == ("Move 2 nuclei",)
    assert_shows_the_truth(canvas)
    canvas.undo()
    assert canvas.layout.equals(layout)
    assert_shows_the_truth(canvas)


def test_moving_a_nucleus_over_another_and_away_loses_neither(canvas: Canvas, mouse: Mouse, layout: Layout) -> None:
    mouse.drag((60.0, 40.0), (25.0, 25.0))
    assert canvas.label_at((25.0, 25.0)) == 2
    mouse.drag((25.0, 25.0), (60.0, 40.0))
    assert canvas.layout.equals(layout)
    assert_shows_the_truth(canvas)


def test_escape_takes_a_drag_back(canvas: Canvas, mouse: Mouse, layout: Layout) -> None:
    mouse.press((25.0, 25.0))
    mouse.move((40.0, 40.0))
    canvas.select_tool.cancel()
    mouse.move((50.0, 50.0))
    mouse.release((50.0, 50.0))
    assert canvas.layout.equals(layout)
    assert not canvas.history.undoable
    assert_shows_the_truth(canvas)


def test_undo_in_mid_drag_takes_the_drag_back(canvas: Canvas, mouse: Mouse, layout: Layout) -> None:
    mouse.press((25.0, 25.0))
    mouse.move((40.0, 40.0))
    canvas.undo()
    mouse.release((50.0, 50.0))
    assert canvas.layout.equals(layout)


def test_the_view_stays_while_a_nucleus_is_dragged_and_moves_on_the_ground(canvas: Canvas, mouse: Mouse) -> None:
    layer = canvas.layout_layer()
    mouse.press((25.0, 25.0))
    assert not layer.mouse_pan
    mouse.release((25.0, 25.0))
    assert layer.mouse_pan
    mouse.press((90.0, 10.0))
    assert layer.mouse_pan
    mouse.release((90.0, 10.0))


def test_shift_and_a_box_on_the_ground_select_what_lies_inside(canvas: Canvas, mouse: Mouse) -> None:
    mouse.drag((5.0, 5.0), (50.0, 50.0), (75.0, 60.0), modifiers=("Shift",))
    assert canvas.selection == {1, 2}


def test_keys_turn_scale_copy_reclass_and_delete(canvas: Canvas, layout: Layout) -> None:
    tool = canvas.select_tool
    canvas.select({3})
    tool.rotate(90.0)
    height, width = canvas.layout.nuclei[3].outline.window.shape
    assert height > 1.5 * width
    tool.scale(2.0)
    assert canvas.layout.nuclei[3].outline.area == pytest.approx(4 * layout.nuclei[3].outline.area)
    tool.reclass_number(1)
    assert canvas.layout.nuclei[3].class_name == "nucleus"
    tool.duplicate()
    assert canvas.selection == {4}
    assert canvas.layout.nuclei[4].texture_seed != canvas.layout.nuclei[3].texture_seed
    tool.delete()
    assert 4 not in canvas.layout.nuclei
    assert canvas.selection == frozenset()
    assert_shows_the_truth(canvas)
    for _ in range(5):
        canvas.undo()
    assert canvas.layout.equals(layout)
    assert_shows_the_truth(canvas)


def test_positive_degrees_turn_clockwise_on_the_screen(canvas: Canvas) -> None:
    canvas.select({3})
    canvas.select_tool.rotate(15.0)
    ring = canvas.layout.nuclei[3].outline.rings[0] - canvas.layout.nuclei[3].outline.centroid
    tip = ring[(ring**2).sum(axis=1).argmax()]
    slope = math.degrees(math.atan2(tip[0], tip[1])) % 180
    assert slope == pytest.approx(15.0, abs=1.0)  # rows run downwards, so down to the right


def test_front_and_back_restack(canvas: Canvas, mouse: Mouse) -> None:
    mouse.drag((60.0, 40.0), (25.0, 25.0))
    canvas.select_tool.send_to_back()
    assert canvas.label_at((25.0, 25.0)) == 1
    canvas.select_tool.bring_to_front()
    assert canvas.label_at((25.0, 25.0)) == 2
    assert_shows_the_truth(canvas)


def test_without_a_selection_keys_say_what_to_do(canvas: Canvas) -> None:
    said = []
    canvas.message.connect(said.append)
    canvas.select_tool.rotate(15.0)
    assert said == ["No nucleus is selected; click one first."]
    canvas.select({1})
    canvas.select_tool.reclass_number(9)
    assert said[-1] == "There is no class 9; this layout has 6."
