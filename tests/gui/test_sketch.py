"""Shapes drawn in the Sketch layer become nuclei; outlines put there can be edited."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from canvas_mouse import Mouse, assert_shows_the_truth
from qtpy.QtWidgets import QApplication

from histoloom.errors import LayoutError
from histoloom.gui.canvas import Canvas
from histoloom.gui.canvas_layers import SKETCH
from histoloom.gui.drawn_outline import editable_ring, filled_outline, outline_of_shape
from histoloom.gui.tools import Tool
from histoloom.layouts import Layout, Outline

SQUARE = np.array([[70.0, 70.0], [70.0, 90.0], [90.0, 90.0], [90.0, 70.0]])


@pytest.mark.parametrize(("shape_type", "area"), [("polygon", 400.0), ("rectangle", 400.0), ("ellipse", np.pi * 100.0)])
def test_a_drawn_shape_becomes_a_nucleus_and_disappears(
    canvas: Canvas, qapp: QApplication, shape_type: str, area: float
) -> None:
    canvas.class_name = "tumor"
    canvas.tool = Tool.SKETCH
    sketch = canvas.layers.find(SKETCH)
    sketch.add(SQUARE, shape_type=shape_type)
    qapp.processEvents()
    assert canvas.layout.nuclei[4].outline.area == pytest.approx(area, rel=0.01)
    assert canvas.layout.nuclei[4].class_name == "tumor"
    assert len(sketch.data) == 0
    assert_shows_the_truth(canvas)
    canvas.undo()
    assert 4 not in canvas.layout.nuclei


def test_open_paths_stay_as_guides(canvas: Canvas, qapp: QApplication) -> None:
    canvas.tool = Tool.SKETCH
    sketch = canvas.layers.find(SKETCH)
    sketch.add(SQUARE[:3], shape_type="path")
    sketch.add(SQUARE, shape_type="polygon")
    qapp.processEvents()
    assert len(canvas.layout.nuclei) == 4
    np.testing.assert_allclose(canvas.sketch.curves[0], SQUARE[:3])
    assert len(sketch.data) == 1


def test_curves_have_their_steps_in_the_one_history(canvas: Canvas, mouse: Mouse, qapp: QApplication) -> None:
    canvas.select({1})
    canvas.select_tool.delete()
    canvas.tool = Tool.CURVE
    mouse.drag((20.0, 20.0), (20.0, 40.0), (30.0, 60.0))
    qapp.processEvents()
    (curve,) = canvas.sketch.curves
    mouse.drag((80.0, 20.0), (80.0, 40.0), (90.0, 60.0))
    assert canvas.history.undoable == ("Delete a nucleus", "Draw a curve")
    canvas.undo()  # at once, before Qt has come round
    assert canvas.history.redoable == ("Draw a curve",)
    assert [each.tolist() for each in canvas.sketch.curves] == [curve.tolist()]
    canvas.undo()
    assert canvas.sketch.curves == []
    assert len(canvas.layers.find(SKETCH).data) == 0
    assert 1 not in canvas.layout.nuclei
    canvas.undo()
    assert 1 in canvas.layout.nuclei
    canvas.redo()
    canvas.redo()
    assert [each.tolist() for each in canvas.sketch.curves] == [curve.tolist()]
    layer = canvas.layers.find(SKETCH)
    layer.selected_data = {0}
    layer.remove_selected()
    qapp.processEvents()
    assert canvas.history.undoable[-1] == "Remove a curve"
    canvas.undo()
    assert [each.tolist() for each in canvas.sketch.curves] == [curve.tolist()]


def test_undo_takes_back_the_curve_that_is_being_drawn(canvas: Canvas, mouse: Mouse, qapp: QApplication) -> None:
    canvas.change("Delete a nucleus", {1: None})
    canvas.tool = Tool.CURVE
    mouse.press((20.0, 20.0))
    mouse.move((20.0, 40.0))
    mouse.move((30.0, 60.0))
    canvas.undo()
    qapp.processEvents()
    assert canvas.sketch.curves == []
    assert len(canvas.layers.find(SKETCH).data) == 0
    assert 1 not in canvas.layout.nuclei


def test_another_layout_keeps_the_curves_unless_they_may_go(canvas: Canvas, layout: Layout, qapp: QApplication) -> None:
    canvas.tool = Tool.CURVE
    sketch = canvas.layers.find(SKETCH)
    sketch.add(SQUARE[:3], shape_type="path")
    qapp.processEvents()
    canvas.replace_layout("Generate", layout.with_nuclei({1: None}))
    canvas.open_layout(layout)
    assert len(canvas.sketch.curves) == 1
    canvas.viewer.layers.remove(sketch)
    assert canvas.sketch.curves == []  # what is not seen does nothing
    canvas.tool = Tool.CURVE
    assert len(canvas.sketch.curves) == 1
    canvas.open_layout(layout, keeps_curves=False)
    assert canvas.sketch.curves == []
    assert len(canvas.layers.find(SKETCH).data) == 0


def test_another_layout_ends_the_editing_of_outlines(canvas: Canvas, layout: Layout, qapp: QApplication) -> None:
    canvas.select({1})
    canvas.sketch.edit_outlines()
    other = layout.with_nuclei({1: layout.nuclei[1].moved(40.0, 50.0)})
    canvas.replace_layout("Generate", other)
    sketch = canvas.layers.find(SKETCH)
    assert canvas.sketch.edited == frozenset()
    assert len(sketch.data) == 0
    assert canvas.tool is Tool.SELECT
    qapp.processEvents()
    assert canvas.layout.equals(other)
    assert_shows_the_truth(canvas)


def test_dragging_a_vertex_of_an_outline_reshapes_its_nucleus(
    canvas: Canvas, qapp: QApplication, layout: Layout
) -> None:
    canvas.select({1})
    canvas.sketch.edit_outlines()
    qapp.processEvents()
    sketch = canvas.layers.find(SKETCH)
    assert canvas.sketch.edited == {1}
    assert canvas.layout.equals(layout)  # showing an outline changes nothing
    moved = np.array(sketch.data[0])
    moved[0] += (12.0, 0.0)
    sketch.data = [moved]
    qapp.processEvents()
    assert canvas.layout.nuclei[1].outline != layout.nuclei[1].outline
    assert canvas.layout.nuclei[1].anchor == layout.nuclei[1].anchor
    assert canvas.history.undoable == ("Sketch a nucleus",)
    assert_shows_the_truth(canvas)
    canvas.undo()
    assert canvas.layout.equals(layout)
    canvas.sketch.finish_or_close()
    assert len(sketch.data) == 0
    assert canvas.tool is Tool.SELECT


def test_the_sketch_layer_may_be_deleted_while_outlines_are_edited(canvas: Canvas, qapp: QApplication) -> None:
    canvas.select({1})
    canvas.sketch.edit_outlines()
    canvas.viewer.layers.remove(canvas.layers.find(SKETCH))
    canvas.select_tool.rotate(15.0)
    qapp.processEvents()
    assert_shows_the_truth(canvas)


def test_too_many_outlines_are_refused_with_a_sentence(canvas: Canvas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("histoloom.gui.sketch.MOST_EDITED", 2)
    said = []
    canvas.message.connect(said.append)
    canvas.select({1, 2, 3})
    canvas.sketch.edit_outlines()
    assert said == ["At most 2 outlines can be edited at a time; select fewer nuclei."]


def test_a_line_encloses_nothing_and_is_refused() -> None:
    with pytest.raises(LayoutError, match="encloses no area; draw around"):
        outline_of_shape([[0, 0], [5, 5], [10, 10]], "polygon")


def test_a_line_that_crosses_itself_is_filled() -> None:
    turns = np.linspace(0, 4 * np.pi, 60, endpoint=False)
    spiral = np.stack([np.sin(turns), np.cos(turns)], axis=1) * np.linspace(10, 14, 60)[:, None]
    outline = filled_outline(spiral)
    assert outline.mask()[tuple(-np.array(outline.window[:2]))]  # the middle, which even-odd would leave out


def test_editable_outlines_have_few_vertices_and_stay_close() -> None:
    traced = Outline.from_mask(Outline.ellipse((30.0, 30.0), (14.0, 10.0)).mask())
    ring = editable_ring(traced)
    assert len(ring) < len(traced.rings[0]) / 2
    assert Outline([ring]).area == pytest.approx(traced.area, rel=0.05)


def test_deleting_the_layer_while_outlines_are_edited_deletes_no_nucleus(canvas: Canvas, qtbot: Any) -> None:
    before = dict(canvas.layout.nuclei)
    canvas.select({1, 2})
    canvas.sketch.edit_outlines()
    canvas.viewer.layers.remove(canvas.layers.find(SKETCH))
    canvas.tool = Tool.SKETCH
    canvas.layers.find(SKETCH).add([np.array([[70.0, 70.0], [70.0, 90.0], [90.0, 80.0]])], shape_type="polygon")
    qtbot.waitUntil(lambda: len(canvas.layout.nuclei) == len(before) + 1)
    assert {key: canvas.layout.nuclei[key] for key in before} == before


def test_a_shape_beside_the_canvas_makes_no_nucleus(canvas: Canvas, qtbot: Any) -> None:
    told: list[str] = []
    canvas.message.connect(told.append)
    canvas.tool = Tool.SKETCH
    canvas.layers.find(SKETCH).add([np.array([[-50.0, -50.0], [-50.0, -20.0], [-20.0, -30.0]])], shape_type="polygon")
    qtbot.waitUntil(lambda: any("beside the canvas" in each for each in told))
    assert sorted(canvas.layout.nuclei) == [1, 2, 3]
