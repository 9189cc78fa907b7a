"""Centroids that are grown and stamps that are clicked."""

from __future__ import annotations

import numpy as np
import pytest
from canvas_mouse import Mouse, assert_shows_the_truth

from histoloom.gui.canvas import Canvas
from histoloom.gui.canvas_layers import CENTROIDS
from histoloom.gui.tools import Tool
from histoloom.layouts import Layout


def test_points_have_their_steps_in_the_one_history(canvas: Canvas) -> None:
    canvas.tool = Tool.CENTROIDS
    points = canvas.layers.find(CENTROIDS)
    points.add([80.0, 20.0])
    canvas.select({1})
    canvas.select_tool.delete()
    points.add([80.0, 60.0])
    points.selected_data = {0}
    points.remove_selected()
    assert canvas.history.undoable == ("Place a centroid", "Delete a nucleus", "Place a centroid", "Remove centroids")
    canvas.undo()
    np.testing.assert_allclose(points.data, [[80, 20], [80, 60]])
    canvas.undo()
    canvas.undo()
    assert 1 in canvas.layout.nuclei
    np.testing.assert_allclose(points.data, [[80, 20]])
    canvas.redo()
    canvas.redo()
    np.testing.assert_allclose(points.data, [[80, 20], [80, 60]])


def test_points_grow_into_nuclei_in_one_step(canvas: Canvas) -> None:
    canvas.stamp_tool.name = "lymphocyte"
    canvas.tool = Tool.CENTROIDS
    canvas.layers.find(CENTROIDS).add([[80.0, 20.0], [80.0, 60.0]])
    canvas.centroids.grow()
    assert sorted(canvas.layout.nuclei) == [1, 2, 3, 4, 5]
    assert canvas.layout.nuclei[4].class_name == "inflammatory"
    assert len(canvas.centroids.points) == 0
    assert_shows_the_truth(canvas)
    canvas.undo()
    assert sorted(canvas.layout.nuclei) == [1, 2, 3]
    assert len(canvas.layers.find(CENTROIDS).data) == 2
    canvas.redo()
    assert len(canvas.layout.nuclei) == 5
    assert len(canvas.layers.find(CENTROIDS).data) == 0


def test_the_layout_gives_its_centroids(canvas: Canvas, layout: Layout) -> None:
    canvas.centroids.fill_from_layout()
    np.testing.assert_allclose(canvas.layers.find(CENTROIDS).data, layout.centroids())
    canvas.undo()
    assert len(canvas.layers.find(CENTROIDS).data) == 0


def test_a_deleted_centroids_layer_comes_back_with_its_points(canvas: Canvas) -> None:
    canvas.tool = Tool.CENTROIDS
    canvas.layers.find(CENTROIDS).add([80.0, 20.0])
    canvas.viewer.layers.remove(canvas.layers.find(CENTROIDS))
    canvas.tool = Tool.CENTROIDS
    np.testing.assert_allclose(canvas.layers.find(CENTROIDS).data, [[80, 20]])


def test_growing_nothing_says_what_to_do(canvas: Canvas) -> None:
    said = []
    canvas.message.connect(said.append)
    canvas.centroids.grow()
    assert said == ["There are no centroids to grow; place some with the Centroids tool first."]


def test_a_click_stamps_a_nucleus_of_the_stamp_size_and_class(canvas: Canvas, mouse: Mouse) -> None:
    canvas.stamp_tool.name = "lymphocyte"
    canvas.tool = Tool.STAMP
    mouse.click((75.0, 80.0))
    nucleus = canvas.layout.nuclei[4]
    assert nucleus.class_name == "inflammatory"
    diameter = 2 * np.sqrt(nucleus.outline.area / np.pi) * canvas.layout.pixel_size
    assert diameter == pytest.approx(7.0, rel=0.2)
    assert nucleus.outline.centroid == pytest.approx((75.0, 80.0), abs=2.0)
    assert canvas.history.undoable == ("Stamp a nucleus",)
    assert_shows_the_truth(canvas)


def test_no_two_stamps_look_cloned_and_redo_gives_the_same(canvas: Canvas) -> None:
    canvas.stamp_tool.place((75.0, 30.0))
    canvas.stamp_tool.place((75.0, 80.0))
    first, second = canvas.layout.nuclei[4], canvas.layout.nuclei[5]
    assert first.outline.translated(0.0, 50.0) != second.outline
    canvas.undo()
    canvas.redo()
    assert canvas.layout.nuclei[5] == second


def test_a_drag_strews_stamps_that_keep_apart(canvas: Canvas, mouse: Mouse) -> None:
    canvas.tool = Tool.STAMP
    mouse.drag(*[(85.0, float(x)) for x in range(10, 110, 4)])
    new = [each for key, each in canvas.layout.nuclei.items() if key > 3]
    assert 3 <= len(new) <= 8
    centers = np.array([each.outline.centroid for each in new])
    assert np.diff(centers[:, 1]).min() > 12
    assert len(canvas.history.undoable) == 1


def test_keys_turn_and_size_the_stamp(canvas: Canvas) -> None:
    canvas.stamp_tool.name = "epithelial, tall"
    canvas.stamp_tool.place((60.0, 90.0))
    canvas.stamp_tool.turn(90.0)
    canvas.stamp_tool.grow(1.5)
    canvas.stamp_tool.place((60.0, 90.0))
    upright, lying = (canvas.layout.nuclei[key].outline for key in (4, 5))
    assert upright.window.shape[0] > upright.window.shape[1]
    assert lying.window.shape[1] > lying.window.shape[0]
    assert lying.area > 1.8 * upright.area


def test_points_of_a_deleted_layer_are_shown_before_they_grow(canvas: Canvas) -> None:
    canvas.centroids.show(np.array([[80.0, 20.0]]))
    canvas.viewer.layers.remove(canvas.layers.find(CENTROIDS))
    before = dict(canvas.layout.nuclei)
    canvas.centroids.grow()
    assert dict(canvas.layout.nuclei) == before
    assert canvas.layers.find(CENTROIDS) is not None
    canvas.centroids.grow()
    assert len(canvas.layout.nuclei) == len(before) + 1


def test_a_stamp_beside_the_canvas_places_nothing_and_says_so(canvas: Canvas, mouse: Mouse) -> None:
    told: list[str] = []
    canvas.message.connect(told.append)
    canvas.tool = Tool.STAMP
    mouse.drag((-60.0, -60.0), (-60.0, -60.0))
    canvas.stamp_tool.place((500.0, 500.0))
    assert sorted(canvas.layout.nuclei) == [1, 2, 3]
    assert canvas.history.undoable == ()
    assert sum("beside the canvas" in each for each in told) == 2
