"""The Structure dock: live preview, corrections in the one history, acceptance."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from canvas_mouse import Mouse, assert_shows_the_truth
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from histoloom.conditions import (
    EdgeRecipe,
    MaskAndStructureEncoding,
    StructureLabelsEncoding,
    detect_edges,
    encoding_from_json,
    structure_labels,
    structure_map,
)
from histoloom.gui.canvas import Canvas
from histoloom.gui.canvas_layers import LAYOUT, STRUCTURE, WOVEN
from histoloom.gui.status_card import Level
from histoloom.gui.structure_dock import StructureDock
from histoloom.gui.structure_finding import SHOWN_VALUES
from histoloom.layouts import Layout
from histoloom.tiles.samples import embedded_sample
from histoloom.tiles.tile import Tile

PATIENCE_MS = 20_000


@pytest.fixture
def pixels(layout: Layout) -> np.ndarray:
    """A real picture of the canvas's size."""
    return embedded_sample().read()[: layout.shape[0], : layout.shape[1]].copy()


@pytest.fixture
def dock(viewer: ViewerModel, canvas: Canvas, pixels: np.ndarray, qtbot: QtBot) -> Iterator[StructureDock]:
    canvas.set_tile(Tile.from_array(pixels, canvas.layout.pixel_size), "colon")
    dock = StructureDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    qtbot.waitUntil(lambda: dock.structure.latest is not None, timeout=PATIENCE_MS)
    settle(dock, qtbot)
    yield dock
    dock.close()


def settle(dock: StructureDock, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: dock.structure.is_settled, timeout=PATIENCE_MS)


def shown(canvas: Canvas) -> np.ndarray:
    return SHOWN_VALUES.take(canvas.layers.find(STRUCTURE).data)


def expected(canvas: Canvas, pixels: np.ndarray, recipe: EdgeRecipe) -> np.ndarray:
    edges = detect_edges(pixels, recipe, canvas.layout.pixel_size)
    return structure_labels(canvas.layout.rasterize(), edges)


def stroke(canvas: Canvas, mouse: Mouse, *positions: tuple[float, float]) -> None:
    layer = canvas.layers.find(STRUCTURE)
    layer.brush_size = 3
    mouse.drag(*positions)


def test_the_papers_labels_of_the_tile_are_shown_at_once(
    dock: StructureDock, canvas: Canvas, pixels: np.ndarray
) -> None:
    np.testing.assert_array_equal(shown(canvas), expected(canvas, pixels, EdgeRecipe()))
    fraction = (shown(canvas) == 255).mean()
    assert f"Edge pixels: {fraction:.1%}" in dock.numbers.text()
    assert dock.card.level is Level.OK
    order = list(canvas.viewer.layers)
    assert order.index(canvas.layers.find(STRUCTURE)) < order.index(canvas.layers.find(LAYOUT))


def test_parameters_are_followed_in_the_same_layer(
    dock: StructureDock, canvas: Canvas, pixels: np.ndarray, qtbot: QtBot
) -> None:
    layer = canvas.layers.find(STRUCTURE)
    dock.form.fields["detector"].value = "sobel"
    dock.form.fields["channel"].value = "haematoxylin"
    settle(dock, qtbot)
    recipe = EdgeRecipe(detector="sobel", channel="haematoxylin")
    np.testing.assert_array_equal(shown(canvas), expected(canvas, pixels, recipe))
    dock.kind.setCurrentIndex(1)
    settle(dock, qtbot)
    wanted = structure_map(pixels, dock.form.recipe, canvas.layout.pixel_size)
    np.testing.assert_array_equal(shown(canvas), np.where(wanted, 255, 0))
    assert "Structure pixels" in dock.numbers.text()
    assert canvas.layers.find(STRUCTURE) is layer
    assert sum("Structure" in each.name for each in canvas.viewer.layers) == 1


def test_only_fields_that_mean_something_can_be_changed(dock: StructureDock, qtbot: QtBot) -> None:
    fields = dock.form.fields
    assert not fields["low"].enabled
    assert fields["strong_fraction"].enabled
    fields["automatic"].value = False
    assert fields["low"].enabled
    fields["detector"].value = "zero_crossing"
    assert not fields["high"].enabled
    settle(dock, qtbot)


def test_thresholds_that_were_found_can_be_kept(dock: StructureDock, canvas: Canvas, qtbot: QtBot) -> None:
    before = shown(canvas)
    dock.fix.click()
    settle(dock, qtbot)
    assert dock.form.recipe.automatic is False
    assert dock.form.recipe.high == dock.structure.latest.encoding.recipe.high
    np.testing.assert_array_equal(shown(canvas), before)
    assert not dock.fix.isEnabled()


def test_nuclei_and_woven_tissue_are_followed(
    dock: StructureDock, canvas: Canvas, pixels: np.ndarray, qtbot: QtBot
) -> None:
    canvas.change("Delete", {1: None})
    settle(dock, qtbot)
    np.testing.assert_array_equal(shown(canvas), expected(canvas, pixels, EdgeRecipe()))
    dock.source.setCurrentIndex(1)
    qtbot.waitUntil(lambda: dock.card.level is Level.ATTENTION, timeout=PATIENCE_MS)
    assert "Nothing is woven yet" in dock.card.text
    layer = canvas.woven_layer()
    layer.data[:] = pixels[::-1]
    dock.structure.look_for("labels", EdgeRecipe(), "picture")
    settle(dock, qtbot)
    np.testing.assert_array_equal(shown(canvas), expected(canvas, pixels[::-1], EdgeRecipe()))
    layer.data[:] = pixels
    layer.refresh()
    settle(dock, qtbot)
    np.testing.assert_array_equal(shown(canvas), expected(canvas, pixels, EdgeRecipe()))
    assert canvas.layers.find(WOVEN) is layer


def test_contours_need_no_picture(dock: StructureDock, canvas: Canvas, qtbot: QtBot) -> None:
    dock.source.setCurrentIndex(2)
    settle(dock, qtbot)
    inside = canvas.layout.rasterize() > 0
    edges = shown(canvas) == 255
    assert edges.any()
    assert (shown(canvas)[inside & ~edges] == 128).all()
    assert "Contour pixels" in dock.numbers.text()
    assert not dock.fix.isEnabled()


def test_without_a_tile_the_dock_says_what_to_do(viewer: ViewerModel, canvas: Canvas, qtbot: QtBot) -> None:
    dock = StructureDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    qtbot.waitUntil(lambda: dock.card.level is Level.ATTENTION, timeout=PATIENCE_MS)
    assert "no real tile" in dock.card.text
    dock.accept.click()
    assert "no structure to accept" in dock.card.text
    assert canvas.accepted_structure is None
    dock.close()


def test_a_tile_of_another_pixel_size_is_refused(dock: StructureDock, canvas: Canvas, pixels, qtbot: QtBot) -> None:
    canvas.set_tile(Tile.from_array(pixels, 0.25), "finer")
    qtbot.waitUntil(lambda: dock.card.level is Level.ERROR, timeout=PATIENCE_MS)
    assert "0.25 µm per pixel and the canvas 0.5" in dock.card.text


def test_corrections_stay_when_parameters_change_and_are_undone_like_everything(
    dock: StructureDock, canvas: Canvas, mouse: Mouse, pixels: np.ndarray, layout: Layout, qtbot: QtBot
) -> None:
    dock.brushes[1].click()
    assert canvas.viewer.layers.selection.active is canvas.layers.find(STRUCTURE)
    stroke(canvas, mouse, (80.0, 60.0), (80.0, 75.0), (80.0, 90.0))
    settle(dock, qtbot)
    assert canvas.history.undoable == ("Correct the structure",)
    assert (shown(canvas)[80, 60:90] == 128).all()

    dock.form.fields["channel"].value = "red"
    settle(dock, qtbot)
    assert (shown(canvas)[80, 60:90] == 128).all()
    canvas.change("Delete", {2: None})
    settle(dock, qtbot)
    changed = shown(canvas) != expected(canvas, pixels, EdgeRecipe(channel="red"))
    assert changed.any()
    assert not changed[:75].any()

    canvas.undo()
    canvas.undo()
    settle(dock, qtbot)
    np.testing.assert_array_equal(shown(canvas), expected(canvas, pixels, EdgeRecipe(channel="red")))
    assert canvas.layout.equals(layout)
    canvas.redo()
    assert (shown(canvas)[80, 60:90] == 128).all()
    dock.drop.click()
    assert dock.structure.painted == 0
    canvas.undo()
    assert dock.structure.painted > 0
    assert_shows_the_truth(canvas)


def test_erasing_and_foreign_labels_are_corrections_too(
    dock: StructureDock, canvas: Canvas, mouse: Mouse, qtbot: QtBot
) -> None:
    dock.brushes[2].click()
    stroke(canvas, mouse, (50.0, 20.0), (50.0, 60.0))
    settle(dock, qtbot)
    assert not shown(canvas)[50, 20:60].any()
    layer = canvas.layers.find(STRUCTURE)
    layer.mode = "paint"
    layer.selected_label = 9
    stroke(canvas, mouse, (10.0, 60.0), (10.0, 80.0))
    settle(dock, qtbot)
    assert (shown(canvas)[10, 60:80] == 255).all()
    assert layer.data.max() == 2


def test_an_answer_does_not_wipe_a_stroke_that_is_under_way(
    dock: StructureDock, canvas: Canvas, mouse: Mouse, qtbot: QtBot
) -> None:
    dock.brushes[0].click()
    canvas.layers.find(STRUCTURE).brush_size = 3
    mouse.press((90.0, 20.0))
    mouse.move((90.0, 40.0))
    dock.form.fields["sigma"].value = 1.0
    qtbot.wait(400)
    assert (shown(canvas)[90, 20:40] == 255).all()
    mouse.release((90.0, 40.0))
    settle(dock, qtbot)
    assert (shown(canvas)[90, 20:40] == 255).all()
    assert canvas.history.undoable == ("Correct the structure",)
    canvas.undo()
    wanted = expected(canvas, canvas.tile.read(), EdgeRecipe(sigma=1.0))
    np.testing.assert_array_equal(shown(canvas), wanted)


def test_what_is_accepted_is_what_is_shown_with_its_parameters(
    dock: StructureDock, canvas: Canvas, mouse: Mouse, qtbot: QtBot
) -> None:
    heard = []
    canvas.structure_accepted.connect(heard.append)
    dock.brushes[0].click()
    stroke(canvas, mouse, (90.0, 20.0), (90.0, 40.0))
    settle(dock, qtbot)
    dock.accept.click()
    accepted = canvas.accepted_structure
    assert heard == [accepted]
    assert isinstance(accepted.encoding, StructureLabelsEncoding)
    assert accepted.encoding.recipe.automatic is False
    assert encoding_from_json(accepted.encoding.as_json()) == accepted.encoding
    np.testing.assert_array_equal(accepted.labels, shown(canvas))
    np.testing.assert_array_equal(accepted.encoding.decode(accepted.condition(canvas.layout)), shown(canvas))
    assert accepted.corrected[90, 30]
    assert "corrected by hand" in dock.card.text
    dock.kind.setCurrentIndex(1)
    settle(dock, qtbot)
    dock.accept.click()
    assert isinstance(canvas.accepted_structure.encoding, MaskAndStructureEncoding)


def test_another_tile_takes_corrections_away_and_undo_brings_them_back(
    dock: StructureDock, canvas: Canvas, mouse: Mouse, pixels: np.ndarray, qtbot: QtBot
) -> None:
    dock.brushes[0].click()
    stroke(canvas, mouse, (90.0, 20.0), (90.0, 40.0))
    settle(dock, qtbot)
    canvas.set_tile(Tile.from_array(pixels[:, ::-1].copy(), canvas.layout.pixel_size), "other")
    settle(dock, qtbot)
    np.testing.assert_array_equal(shown(canvas), expected(canvas, pixels[:, ::-1], EdgeRecipe()))
    canvas.undo()
    assert (shown(canvas)[90, 20:40] == 255).all()


def test_another_layout_starts_anew_in_the_same_layer(
    dock: StructureDock, canvas: Canvas, mouse: Mouse, pixels: np.ndarray, qtbot: QtBot
) -> None:
    layer = canvas.layers.find(STRUCTURE)
    dock.brushes[0].click()
    stroke(canvas, mouse, (90.0, 20.0), (90.0, 40.0))
    canvas.open_layout(Layout.empty((60, 140), canvas.layout.pixel_size))
    settle(dock, qtbot)
    assert canvas.layers.find(STRUCTURE) is layer
    assert layer.data.shape == (60, 140)
    assert dock.structure.painted == 0
    assert not shown(canvas)[:, 120:].any(), "beyond the tile there is no structure"
    np.testing.assert_array_equal(
        shown(canvas)[:, :120] == 255, detect_edges(pixels[:60], EdgeRecipe(), canvas.layout.pixel_size)
    )


def test_a_deleted_layer_comes_back(dock: StructureDock, canvas: Canvas, qtbot: QtBot) -> None:
    before = shown(canvas)
    canvas.viewer.layers.remove(canvas.layers.find(STRUCTURE))
    dock.structure.renew()
    settle(dock, qtbot)
    np.testing.assert_array_equal(shown(canvas), before)


def test_switched_off_it_follows_nothing(dock: StructureDock, canvas: Canvas, qtbot: QtBot) -> None:
    before = shown(canvas)
    dock.live.setChecked(False)
    canvas.change("Delete", {1: None})
    qtbot.wait(300)
    np.testing.assert_array_equal(shown(canvas), before)
    dock.live.setChecked(True)
    settle(dock, qtbot)
    assert not np.array_equal(shown(canvas), before)


def test_the_background_is_clear_or_black(dock: StructureDock, canvas: Canvas) -> None:
    layer = canvas.layers.find(STRUCTURE)
    assert layer.get_color(0) is None or layer.get_color(0)[3] == 0.0
    dock.see_through.setChecked(False)
    np.testing.assert_allclose(
        layer.colormap.map(np.array([0, 1, 2], np.uint8))[:, :3] * 255, [[v] * 3 for v in (0, 128, 255)], atol=1
    )


def test_closing_the_dock_stops_following(viewer: ViewerModel, dock: StructureDock, qtbot: QtBot) -> None:
    dock.close()
    assert dock.structure.is_settled
    event = SimpleNamespace()
    dock.structure._on_woven(event)
    assert dock.structure.is_settled
