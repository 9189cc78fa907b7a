"""The canvas: the layout is the truth, layers only show it."""

from __future__ import annotations

import gc
import weakref

import numpy as np
from canvas_mouse import assert_shows_the_truth, shown
from napari.components import ViewerModel

from histoloom.gui.canvas import Canvas, canvas_of
from histoloom.gui.canvas_layers import ROLE_KEY
from histoloom.gui.tools import Tool
from histoloom.layouts import Layout, LayoutEdit
from histoloom.tiles.tile import Tile


def test_a_viewer_has_one_canvas_and_another_viewer_another(viewer: ViewerModel) -> None:
    assert canvas_of(viewer) is canvas_of(viewer)
    assert canvas_of(ViewerModel()) is not canvas_of(viewer)


def test_the_canvas_goes_with_its_viewer(qapp) -> None:
    viewer = ViewerModel()
    canvas = canvas_of(viewer)
    canvas.open_layout(Layout.empty((32, 32)))
    canvas.tool = Tool.CENTROIDS
    canvas.tool = Tool.SKETCH
    dead_viewer, dead_canvas = weakref.ref(viewer), weakref.ref(canvas)
    viewer.layers.clear()
    del viewer, canvas
    qapp.processEvents()
    gc.collect()
    assert dead_viewer() is None
    assert dead_canvas() is None


def test_the_layers_say_what_they_are_and_are_placed_in_micrometres(canvas: Canvas) -> None:
    canvas.tool = Tool.SKETCH
    canvas.tool = Tool.CENTROIDS
    canvas.woven_layer()
    layers = list(canvas.viewer.layers)
    assert [each.metadata[ROLE_KEY] for each in layers] == ["woven", "layout", "sketch", "centroids"]
    for layer in layers:
        assert tuple(layer.scale) == (0.5, 0.5)
        assert layer.axis_labels == ("y", "x")
        assert {str(unit) for unit in layer.units} == {"micrometer"}


def test_layers_are_reused_and_never_piled_up(canvas: Canvas, layout: Layout) -> None:
    for _ in range(3):
        canvas.open_layout(layout)
        canvas.tool = Tool.SKETCH
        canvas.tool = Tool.BRUSH
        canvas.woven_layer()
    assert len(canvas.viewer.layers) == 3


def test_an_edit_changes_the_picture_and_undo_takes_it_back(canvas: Canvas, layout: Layout) -> None:
    edit = LayoutEdit.of("Move", layout, {1: layout.nuclei[1].moved(10, 12), 2: None})
    canvas.apply(edit)
    assert 2 not in canvas.layout.nuclei
    assert_shows_the_truth(canvas)
    canvas.undo()
    assert canvas.layout.equals(layout)
    assert_shows_the_truth(canvas)
    canvas.redo()
    assert 2 not in canvas.layout.nuclei
    assert_shows_the_truth(canvas)


def test_listeners_hear_each_edit_once_and_final(canvas: Canvas, layout: Layout) -> None:
    heard = []
    canvas.layout_edited.connect(lambda edit, final: heard.append((edit.title, final)))
    canvas.apply(LayoutEdit.of("Delete", layout, {1: None}))
    canvas.undo()
    assert heard == [("Delete", True), ("Delete", True)]


def test_undo_beyond_the_beginning_says_so(canvas: Canvas) -> None:
    said = []
    canvas.message.connect(said.append)
    canvas.undo()
    assert said == ["There is nothing to undo."]


def test_a_deleted_layer_comes_back_with_all_that_was_on_it(canvas: Canvas) -> None:
    canvas.viewer.layers.remove(canvas.layout_layer())
    canvas.apply(LayoutEdit.of("Delete", canvas.layout, {1: None}))
    assert_shows_the_truth(canvas)
    canvas.viewer.layers.clear()
    canvas.undo()
    assert set(np.unique(shown(canvas))) == {0, 1, 2, 3}
    assert_shows_the_truth(canvas)


def test_edits_of_a_hidden_layer_are_there_when_it_is_shown(canvas: Canvas, layout: Layout) -> None:
    layer = canvas.layout_layer()
    layer.visible = False
    canvas.apply(LayoutEdit.of("Move", layout, {1: layout.nuclei[1].moved(30, 30)}))
    layer.visible = True
    assert_shows_the_truth(canvas)


def test_replacing_the_layout_is_one_step_that_undo_takes_back(canvas: Canvas, layout: Layout) -> None:
    canvas.replace_layout("Generate", Layout.empty((50, 60), 0.25))
    assert shown(canvas).shape == (50, 60)
    canvas.undo()
    assert canvas.layout.equals(layout)
    assert_shows_the_truth(canvas)


def test_nuclei_have_the_colours_of_their_classes(canvas: Canvas) -> None:
    layer = canvas.layout_layer()

    def hue(label: int) -> np.ndarray:
        color = np.asarray(layer.get_color(label))[:3]
        return color / color.max()

    green = np.array([0, 158, 115]) / 158
    np.testing.assert_allclose(hue(1), green, atol=0.02)
    canvas.class_name = "epithelial"
    np.testing.assert_allclose(hue(canvas.layout.next_id()), green, atol=0.02)
    canvas.select({1})
    np.testing.assert_allclose(hue(1), [0, 1, 1], atol=0.02)
    canvas.select(())
    np.testing.assert_allclose(hue(1), green, atol=0.02)


def test_ids_beyond_the_colour_table_are_still_shown(canvas: Canvas, layout: Layout) -> None:
    from dataclasses import replace

    far = replace(layout.nuclei[1], id=70_000)
    canvas.open_layout(layout.with_nuclei({70_000: far, 1: None}))
    canvas.select({70_000})
    canvas.apply(LayoutEdit.of("Move", canvas.layout, {70_000: far.moved(3, 3)}))
    assert_shows_the_truth(canvas)


def test_an_untouched_canvas_takes_the_size_of_a_tile(viewer: ViewerModel) -> None:
    canvas = canvas_of(viewer)
    canvas.set_tile(Tile.from_array(np.full((40, 70, 3), 200, np.uint8), 0.25), "a tile")
    assert canvas.layout.shape == (40, 70)
    canvas.set_tile(Tile.from_array(np.full((50, 60, 3), 200, np.uint8), 0.5), "another")
    assert [layer.name for layer in canvas.viewer.layers] == ["another", "Layout"]
    assert canvas.layout.pixel_size == 0.5
    canvas.set_tile(Tile.from_array(np.full((50, 60, 3), 200, np.uint8), 1.0), "of the same size")
    assert canvas.layout.pixel_size == 1.0
    assert tuple(canvas.layout_layer().scale) == (1.0, 1.0)


def test_the_selection_forgets_nuclei_that_are_gone(canvas: Canvas) -> None:
    canvas.select({1, 2})
    canvas.apply(LayoutEdit.of("Delete", canvas.layout, {1: None}))
    assert canvas.selection == {2}
