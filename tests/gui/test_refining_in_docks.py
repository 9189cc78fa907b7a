"""What refining does, seen and checked in the Weave dock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from PIL import Image
from pytestqt.qtbot import QtBot

from dark_segmenter import dark_segmenter
from histoloom.errors import WriteError
from histoloom.evaluation.refinement import difference_picture
from histoloom.gui import refinement_panel
from histoloom.gui.canvas import Canvas
from histoloom.gui.canvas_layers import REFINING, SKETCH, TILE, WOVEN
from histoloom.gui.export import contents_of, export_canvas
from histoloom.gui.refinement_view import Shown
from histoloom.gui.training_data import image_layers
from histoloom.gui.weave_dock import WeaveDock
from histoloom.gui.writers import write_woven
from histoloom.layouts import LayoutEdit, Nucleus, Outline
from histoloom.models import inspect_bundle
from histoloom.tiles.samples import embedded_sample
from histoloom.tiles.tile import Tile
from small_bundles import small_refiner

PATIENCE_MS = 240_000


@pytest.fixture
def dock(
    viewer: ViewerModel, canvas: Canvas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> Iterator[WeaveDock]:
    """The dock with a refiner and a real look chosen, and live."""
    monkeypatch.setenv("HISTOLOOM_MODELS", str(tmp_path))
    small_refiner(tmp_path / "refined.safetensors", pixel_size=0.5)
    dock = WeaveDock(viewer)
    qtbot.addWidget(dock)
    assert dock.refinement.isHidden(), "the texture weaver refines nothing"
    dock.looks.choose_sample()
    dock.generator.choose("refined")
    qtbot.waitUntil(lambda: dock.weaving.generator == "refined", timeout=PATIENCE_MS)
    dock.live.setChecked(True)
    settle(dock, qtbot)
    yield dock
    dock.close_weaving()


def settle(dock: WeaveDock, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: dock.weaving.look is not None and dock.weaving.is_settled, timeout=PATIENCE_MS)


def choose(dock: WeaveDock, shown: Shown) -> None:
    chooser = dock.refinement.shown
    index = chooser.findData(shown)
    chooser.setCurrentIndex(index)
    chooser.activated.emit(index)


def draw_another(canvas: Canvas) -> None:
    nucleus = Nucleus.create(9, Outline.ellipse((75.0, 85.0), (8.0, 8.0)))
    canvas.apply(LayoutEdit.of("draw", canvas.layout, {9: nucleus}))


def test_before_after_and_difference_lie_over_the_tissue_follow_the_brush_and_end_with_layer_or_generator(
    dock: WeaveDock, viewer: ViewerModel, canvas: Canvas, tmp_path: Path, qtbot: QtBot
) -> None:
    assert not dock.refinement.isHidden()
    sketch = canvas.layers.sketch(canvas.layout)
    sketch.add_polygons(np.array([[10.0, 10.0], [20.0, 10.0], [20.0, 20.0]]))
    labels, active = canvas.layout_layer().data.copy(), viewer.layers.selection.active
    refined = canvas.layers.find(WOVEN).data.copy()
    choose(dock, Shown.FIRST)
    layer = canvas.layers.find(REFINING)
    first = layer.data.copy()
    assert layer.name == "First picture (before refining)"
    assert np.abs(first.astype(int) - refined).mean() > 2
    assert viewer.layers.index(layer) == viewer.layers.index(canvas.layers.find(WOVEN)) + 1
    choose(dock, Shown.DIFFERENCE)
    assert canvas.layers.find(REFINING) is layer
    assert layer.name == "Difference by refining (× 4)"
    np.testing.assert_array_equal(layer.data, difference_picture(first, refined))
    np.testing.assert_array_equal(canvas.layout_layer().data, labels)
    assert (len(canvas.layers.find(SKETCH).data), viewer.layers.selection.active) == (1, active)

    draw_another(canvas)
    settle(dock, qtbot)
    again = canvas.layers.find(WOVEN).data
    assert not np.array_equal(again, refined)
    now = dock.refinement.view.pictures()
    np.testing.assert_array_equal(now.after, again)
    np.testing.assert_array_equal(layer.data, difference_picture(now.before, now.after))
    assert layer not in image_layers(viewer.layers)

    paths = export_canvas(contents_of(canvas), tmp_path / "out", "mine")
    with Image.open(paths["image"]) as written:
        assert np.abs(np.asarray(written).astype(int) - again).max() <= 2, "the refined tissue, and no difference"
    with pytest.raises(WriteError, match="save the Woven layer"):
        write_woven(str(tmp_path / "view.png"), layer.data, {"name": layer.name, "metadata": layer.metadata})
    choose(dock, Shown.REFINED)
    assert canvas.layers.find(REFINING) is None

    dock.live.setChecked(False)
    dock.refinement.view.forget()
    choose(dock, Shown.FIRST)
    qtbot.waitUntil(lambda: dock.refinement.view.is_whole, timeout=PATIENCE_MS)
    settle(dock, qtbot)
    np.testing.assert_array_equal(canvas.layers.find(REFINING).data, dock.refinement.view.pictures().before)

    dock.live.setChecked(True)
    height, width = canvas.layout.shape
    canvas.set_tile(Tile.from_array(embedded_sample().read()[:height, :width].copy(), 0.5), "colon")
    settle(dock, qtbot)
    choose(dock, Shown.DIFFERENCE)
    layer = canvas.layers.find(REFINING)
    dock.flicker.click()
    assert not layer.visible
    assert canvas.layers.find(TILE).visible
    dock.flicker.click()
    dock.opacity.setValue(30)
    assert (layer.visible, layer.opacity) == (True, pytest.approx(0.3))
    viewer.layers.remove(layer)
    assert dock.refinement.shown.currentData() is Shown.REFINED
    choose(dock, Shown.FIRST)
    dock.generator.choose("texture")
    assert dock.refinement.isHidden()
    assert canvas.layers.find(REFINING) is None
    settle(dock, qtbot)
    assert dock.refinement.view.pictures() is None


def test_labels_are_checked_before_and_after_in_another_process(
    dock: WeaveDock, canvas: Canvas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    segmenter = dark_segmenter(tmp_path / "dark.safetensors")
    monkeypatch.setattr(refinement_panel, "known_segmenters", lambda: [(segmenter, inspect_bundle(segmenter))])
    panel = dock.refinement
    panel.check.click()
    assert panel.check.text() == "Stop the check"
    qtbot.waitUntil(lambda: not panel.is_busy, timeout=PATIENCE_MS)
    assert "Dice of found nuclei" in panel.words.text()
    assert panel.words.text().startswith("Refining ")
    draw_another(canvas)
    qtbot.waitUntil(lambda: panel.words.text().startswith("Before the latest change: "), timeout=PATIENCE_MS)
    panel.check.click()
    panel.check.click()
    assert (panel.is_busy, panel.words.text()) == (False, "The check of labels was stopped.")
    canvas.change("delete", dict.fromkeys(canvas.layout.nuclei))
    settle(dock, qtbot)
    panel.check.click()
    qtbot.waitUntil(lambda: not panel.is_busy, timeout=PATIENCE_MS)
    assert "no nuclei whose labels could have moved" in panel.words.text()
