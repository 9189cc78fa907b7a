"""Critics and refiners trained from the viewer, on tiles whose labels nobody reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QDockWidget

from histoloom.gui.canvas import Canvas, canvas_of
from histoloom.gui.canvas_layers import PREVIEW
from histoloom.gui.live import live_weaving_of
from histoloom.gui.status_card import Level
from histoloom.gui.train_critic_dock import TrainCriticDock
from histoloom.gui.train_dock import TrainDock
from histoloom.gui.training_data_panel import CANVAS, FOLDER, LAYERS
from histoloom.gui.training_session import training_session_of
from histoloom.gui.weights_dock import WeightsDock
from histoloom.jobs.training_order import reads_labels, systems_that_train
from histoloom.layouts import Layout
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.tiles.samples import embedded_sample
from histoloom.tiles.tile import Tile
from histoloom.training.refiner_data import read_refiner_data
from histoloom.training.systems.critic_recipe import CriticRecipe
from tile_folders import write_tiles

pytestmark = pytest.mark.usefixtures("own_runs")

PATIENCE_MS = 240_000
SMALL = CriticRecipe(
    steps=2, batch_size=2, crop_size=99, reference_size=99, width=4, pixel_size=0.5, checkpoint_every=1, log_every=1,
    validate_every=1, preview_every=2, validation_crops=2, previews=1, device="cpu", precision="32-true",
)  # fmt: skip


@pytest.fixture
def tile(viewer: ViewerModel) -> Tile:
    """A real picture on a canvas without any nucleus."""
    tile = Tile.from_array(embedded_sample().read()[:260, :300].copy(), 0.5)
    canvas = canvas_of(viewer)
    canvas.open_layout(Layout.empty((260, 300), 0.5))
    canvas.set_tile(tile, "colon")
    return tile


@pytest.fixture
def window(
    viewer: ViewerModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> Iterator[SimpleNamespace]:
    """A window that opens the dock that trains critics, and keeps it."""
    monkeypatch.setenv("HISTOLOOM_MODELS", str(tmp_path / "models"))
    window = SimpleNamespace(opened=[])

    def add(_plugin: str, name: str, tabify: bool) -> tuple[QDockWidget, Any]:
        if not window.opened:
            window.opened += [QDockWidget(name), TrainCriticDock(viewer)]
            for each in window.opened:
                qtbot.addWidget(each)
        return window.opened[0], window.opened[1]

    window.add_plugin_dock_widget = add
    monkeypatch.setattr(ViewerModel, "window", window, raising=False)
    yield window
    for each in window.opened[1:]:
        each.close()
    training_session_of(canvas_of(viewer), "critic").close()


def test_a_critic_is_trained_on_demand_and_can_be_chosen_where_weights_are_shown(
    viewer: ViewerModel, tile: Tile, window: SimpleNamespace, tmp_path: Path, qtbot: QtBot
) -> None:
    weights = WeightsDock(viewer)  # type: ignore[arg-type]
    qtbot.addWidget(weights)
    weights.parts.train.click()
    dock = window.opened[1]
    assert (dock.data.source.currentIndex(), dock.recipe.recipe.pixel_size) == (CANVAS, 0.5)
    assert (dock.woven.recipe.layouts, dock.woven.generator.reference) == ("mixed", "texture")
    assert dock.woven.recipe.weave > 0
    assert dock.recipe.preset.count() > 3
    assert "nuclei" not in dock.data.canvas_words.text()

    dock.recipe.form.recipe = SMALL
    dock.woven.form.fields["weave"].value = 2
    dock.woven.form.fields["layout_side"].value = 128
    sentences: list[str] = []
    dock.session.changed.connect(lambda _: sentences.append(dock.card.text))
    dock.start.click()
    qtbot.waitUntil(lambda: dock.session.status is not None and not dock.session.status.is_active, timeout=PATIENCE_MS)
    assert dock.session.status.state == "finished", dock.card.text
    assert any("'critic-run' is starting: 0 of 2 tiles are woven." in each for each in sentences), sentences
    run = dock.session.run
    assert run.run.recipe["weave"] == 2
    assert "loss" in dock.curves.losses.text
    qtbot.waitUntil(lambda: not dock.previews.is_busy, timeout=PATIENCE_MS)
    assert canvas_of(viewer).layers.find(PREVIEW).data.shape == (99, 3 * 99 + 2 * 4, 3)
    assert "taken for real" in dock.previews.shown.text()

    assert weights.parts.card.text.startswith("'critic-run' is trained")
    before = weights.parts.critic.critic
    listed = [weights.parts.critic.itemText(each) for each in range(weights.parts.critic.count())]
    assert "critic-run (0.5 µm)" in listed
    weights.parts.card.click()
    path, header = weights.parts.critic.critic
    assert before is None or path != before[0]
    assert (path, header.kind, header.step) == (run.run.bundle, "discriminator", 2)
    assert header.judges is not None
    weights.close()
    live_weaving_of(canvas_of(viewer)).close()


def test_a_critic_without_woven_tiles_and_a_viewer_without_a_window_are_told_of(
    viewer: ViewerModel, canvas: Canvas, tmp_path: Path, qtbot: QtBot
) -> None:
    weights = WeightsDock(viewer)  # type: ignore[arg-type]
    qtbot.addWidget(weights)
    weights.train_critic()
    assert "no window to open the dock in" in weights.parts.card.text
    weights.close()
    dock = TrainCriticDock(viewer)  # type: ignore[arg-type]
    qtbot.addWidget(dock)
    dock.start.click()
    assert "choose a folder of them, or have some woven" in dock.card.text
    woven = write_tiles(tmp_path / "woven", tiles=3)
    for each in (woven / "labels").iterdir():
        each.unlink()
    dock.woven.folders.show_folders(woven)
    qtbot.waitUntil(lambda: dock.woven.found.text() == "woven: 3 woven tiles.", timeout=PATIENCE_MS)
    dock.start.click()
    assert "choose a folder of real tiles" in dock.card.text
    dock.data.choose_folder(write_tiles(tmp_path / "real", tiles=2))
    order = dock.chosen_order()(tmp_path / "start")
    assert (order.woven, order.generator, order.data) == ((woven,), "", (tmp_path / "real",))
    assert order.recipe.woven_share == CriticRecipe().woven_share
    dock.close()
    live_weaving_of(canvas).close()


def test_a_refiner_is_offered_tiles_without_labels(
    viewer: ViewerModel, tile: Tile, tmp_path: Path, qtbot: QtBot
) -> None:
    assert [each for each in systems_that_train("generator") if not reads_labels(each)] == ["refiner"]
    dock = TrainDock(viewer)  # type: ignore[arg-type]
    qtbot.addWidget(dock)
    dock.data.source.setCurrentIndex(CANVAS)
    dock.start.click()
    qtbot.waitUntil(lambda: dock.card.level is Level.ERROR, timeout=PATIENCE_MS)
    assert "There are no nuclei" in dock.card.text
    dock.recipe.system.setCurrentText("refiner")
    assert dock.data.source.itemText(FOLDER) == "Folders of tiles"
    assert {"small", "code"} < {dock.recipe.preset.itemText(each) for each in range(dock.recipe.preset.count())}
    dock.recipe.take_preset("small")
    order = dock.chosen_order()(tmp_path / "canvas")
    frozen = open_tile_folder(order.data[0], labels_required=False)
    assert len(frozen.pairs) >= 2
    assert min(min(frozen.open(each)[0].shape) for each in frozen.ids) >= (64 + 64) * 0.25 / 0.5
    read = read_refiner_data(order.data, order.recipe)
    assert (len(read.training) >= 1, len(read.validation) >= 1) == (True, True)

    dock.data.source.setCurrentIndex(LAYERS)
    pixels = np.random.default_rng(0).integers(0, 255, (64, 80, 3), np.uint8)
    viewer.add_image(pixels, rgb=True, name="liver")
    canvas_of(viewer).woven_layer()
    taken = {image.name: combo.currentText() for image, combo in dock.data.pairs}
    assert taken == {"colon": "(trained on)", "liver": "(trained on)", "Woven": "(left out)"}
    combo = next(combo for image, combo in dock.data.pairs if image.name == "colon")
    combo.setCurrentIndex(0)
    combo.activated.emit(0)
    liver = next(each for image, each in dock.data.pairs if image.name == "liver")
    for index, says in ((0, "No picture is trained on yet"), (1, "")):
        liver.setCurrentIndex(index)
        liver.activated.emit(index)
        if says:
            dock.start.click()
            assert says in dock.card.text
    (folder,) = dock.chosen_order()(tmp_path / "layers").data
    cut = open_tile_folder(folder, labels_required=False)
    whole = np.concatenate([cut.open(each)[0].read() for each in cut.ids], axis=1)
    np.testing.assert_array_equal(whole, pixels)
    dock.recipe.system.setCurrentText("loom")
    assert dock.data.source.itemText(FOLDER) == "Folders of tiles with labels"
    dock.close()
