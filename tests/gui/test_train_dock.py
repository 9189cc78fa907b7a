"""The Train generator dock with a real, tiny training in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMainWindow

from histoloom.gui import closing_question, train_dock
from histoloom.gui.canvas import Canvas
from histoloom.gui.canvas_layers import PREVIEW
from histoloom.gui.closing_question import Closing
from histoloom.gui.status_card import Level
from histoloom.gui.train_dock import TrainDock
from histoloom.gui.training_session import training_session_of
from histoloom.jobs.processor import background_threads
from histoloom.jobs.training_estimate import EstimatedTraining
from histoloom.jobs.training_order import TrainingOrder
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.models import inspect_bundle
from histoloom.runs import Run
from histoloom.tiles.samples import embedded_sample
from histoloom.tiles.tile import Tile
from histoloom.training.systems.pix2pix_recipe import Pix2PixRecipe
from tile_folders import write_tiles

pytestmark = pytest.mark.usefixtures("own_runs")

PATIENCE_MS = 240_000
SMALL = {
    "steps": 1_000_000,
    "width": 4,
    "discriminator_width": 4,
    "depth": 4,
    "crop_size": 32,
    "pixel_size": 0.5,
    "log_every": 1,
    "validate_every": 4,
    "preview_every": 4,
    "checkpoint_every": 4,
    "validation_crops": 2,
    "previews": 2,
    "device": "cpu",
    "precision": "32-true",
}


@pytest.fixture
def dock(viewer: ViewerModel, canvas: Canvas, qtbot: QtBot) -> Iterator[TrainDock]:
    dock = TrainDock(viewer)
    qtbot.addWidget(dock)
    dock.recipe.show_recipe("pix2pix", Pix2PixRecipe(**SMALL))
    yield dock
    dock.close()
    training_session_of(canvas).close()


@pytest.fixture
def tile(canvas: Canvas) -> Tile:
    """A real picture of the canvas's size, on the canvas."""
    height, width = canvas.layout.shape
    tile = Tile.from_array(embedded_sample().read()[:height, :width].copy(), canvas.layout.pixel_size)
    canvas.set_tile(tile, "colon")
    return tile


def state(dock: TrainDock) -> str:
    return dock.session.status.state if dock.session.status is not None else "none"


def wait_for(dock: TrainDock, qtbot: QtBot, *states: str) -> None:
    try:
        qtbot.waitUntil(lambda: state(dock) in states, timeout=PATIENCE_MS)
    except Exception as error:
        raise AssertionError(f"{state(dock)}: {dock.card.text}") from error


def steps_listed(dock: TrainDock) -> list[int]:
    return [dock.previews.steps.item(row).data(Qt.ItemDataRole.UserRole) for row in range(dock.previews.steps.count())]


def test_a_training_is_started_paused_stopped_found_again_resumed_and_exported(
    dock: TrainDock, viewer: ViewerModel, canvas: Canvas, tile: Tile, qtbot: QtBot, tmp_path: Path
) -> None:
    dock.data.source.setCurrentIndex(1)
    dock.start.click()
    wait_for(dock, qtbot, "starting", "training")
    run = dock.session.run
    process = psutil.Process(run._process.pid)
    assert process.nice() == min(psutil.Process().nice() + 1, 19)
    qtbot.waitUntil(lambda: bool(process.environ()), timeout=PATIENCE_MS)  # it may be just about to become Python
    assert process.environ()["OMP_NUM_THREADS"] == str(background_threads())

    frozen = open_tile_folder(run.folder / "start" / "canvas")
    layouts = [frozen.open(each)[1] for each in frozen.ids]
    assert {nucleus.class_name for each in layouts for nucleus in each.nuclei.values()} == {
        "epithelial",
        "inflammatory",
        "spindle",
    }

    qtbot.waitUntil(lambda: len(steps_listed(dock)) >= 2 and not dock.previews.is_busy, timeout=PATIENCE_MS)
    layer = canvas.layers.find(PREVIEW)
    assert layer.data.shape == (2 * 32 + 4, 4 * 32 + 3 * 4, 3)
    assert layer.extent.world[0][1] >= canvas.layout.shape[1] * canvas.layout.pixel_size
    assert "l1" in dock.curves.losses.text
    assert "(held out)" in dock.curves.losses.text
    assert "CPU" in dock.timing.text()

    dock.pause.click()
    assert (state(dock), dock.pause.text()) == ("paused", "Continue")
    qtbot.waitUntil(lambda: '"TrainingPaused"' in (run.folder / "events.jsonl").read_text(), timeout=PATIENCE_MS)
    dock.session.look()
    reached = dock.session.status.step
    qtbot.wait(300)
    assert dock.session.status.step == reached
    dock.pause.click()
    qtbot.waitUntil(lambda: dock.session.status.step > reached, timeout=PATIENCE_MS)

    dock.close()
    training_session_of(canvas).close()
    again = TrainDock(viewer)
    qtbot.addWidget(again)
    assert again.session.run.folder == run.folder
    assert state(again) == "training"
    assert again.recipe.recipe == Pix2PixRecipe(**SMALL)
    again.start_training()
    assert "is being trained; wait for its end, or stop it first" in again.card.text

    again.stop.click()
    assert (state(again), again.stop.text()) == ("stopping", "Force")
    assert "Stopping" in again.card.text
    wait_for(again, qtbot, "stopped")
    stopped_at = max(run.run.checkpoints())
    assert f"resume it from step {stopped_at:,}" in again.card.text
    assert not process.is_running()
    assert (again.start.isEnabled(), again.resume.isEnabled(), again.pause.isEnabled()) == (True, True, False)

    again.resume.click()
    qtbot.waitUntil(lambda: state(again) == "training", timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: again.session.status.step > stopped_at, timeout=PATIENCE_MS)
    again.stop_training()
    again.stop_training()
    wait_for(again, qtbot, "stopped")
    assert max(run.run.checkpoints()) >= stopped_at

    qtbot.waitUntil(lambda: not again.previews.is_busy, timeout=PATIENCE_MS)
    for row in range(3):
        again.previews.steps.item(row).setCheckState(Qt.CheckState.Checked)
    again.previews.compare.click()
    qtbot.waitUntil(lambda: not again.previews.is_busy, timeout=PATIENCE_MS)
    assert canvas.layers.find(PREVIEW) is layer
    assert layer.data.shape[1] == 5 * 32 + 4 * 4
    assert sum("preview" in each.name for each in viewer.layers) == 1
    assert "steps" in again.previews.shown.text()

    again.previews.export_bundle(tmp_path / "mine.safetensors")
    qtbot.waitUntil(lambda: not again.previews.is_busy, timeout=PATIENCE_MS)
    assert again.card.level is Level.OK
    header = inspect_bundle(tmp_path / "mine.safetensors")
    assert header.step == again.previews.selected
    assert header.training_data[0].name == "canvas"
    again.close()


def test_a_folder_that_cannot_be_trained_on_is_said_in_the_card(dock: TrainDock, qtbot: QtBot, tmp_path: Path) -> None:
    dock.data.choose_folder(write_tiles(tmp_path / "one", tiles=1))
    qtbot.waitUntil(lambda: "1 tile" in dock.data.found.text(), timeout=PATIENCE_MS)
    dock.start.click()
    wait_for(dock, qtbot, "failed")
    assert dock.card.level is Level.ERROR
    assert "needs at least two" in dock.card.text
    assert not dock.resume.isEnabled()


def test_wrong_choices_start_nothing_and_are_said(
    dock: TrainDock, canvas: Canvas, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(sentence: str) -> None:
        dock.start.click()
        qtbot.waitUntil(lambda: not dock.is_busy, timeout=PATIENCE_MS)
        assert dock.card.level is Level.ERROR
        assert sentence in dock.card.text
        assert dock.session.run is None
        assert dock.start.isEnabled()

    says("choose a folder of tiles with labels")
    dock.data.choose_folder(tmp_path / "nowhere")
    qtbot.waitUntil(lambda: "does not exist" in dock.card.text, timeout=PATIENCE_MS)
    dock.data.source.setCurrentIndex(1)
    says("no real tile on the canvas")
    canvas.set_tile(Tile.from_array(np.zeros((50, 60, 3), np.uint8)), "small")
    says("has 50 x 60 pixels and its nuclei lie on 100 x 120")
    canvas.set_tile(Tile.from_array(np.zeros((100, 120, 3), np.uint8), 0.5), "right")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tifffile.imwrite", full)
        says("No space left on device")
    dock.folder.setText(str(tmp_path / "taken"))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").touch()
    says("is not empty (it holds 'thesis.txt')")
    Run.create(tmp_path / "other", {}, {})
    dock.folder.setText(str(tmp_path / "other"))
    says("holds a run already")
    assert not (tmp_path / "taken" / "start").exists()


def test_recipes_of_other_systems_and_with_unusable_values_change_nothing(dock: TrainDock, tmp_path: Path) -> None:
    before = dock.recipe.recipe
    path = tmp_path / "recipe.json"
    for values, sentence in (
        ({"mode_seeking": "none"}, "'mode_seeking' is not usable"),
        ({"learning_rate": -1}, "'learning_rate' is not usable"),
        ({"dreams": 3}, "'dreams' is not usable"),
    ):
        path.write_text(json.dumps(values))
        dock.recipe.take_file(path)
        assert sentence in dock.card.text
        assert dock.card.level is Level.ERROR
    assert dock.recipe.recipe == before
    path.write_text(json.dumps({"steps": 7, "learning_rate": 1.25e-5}))
    dock.recipe.take_file(path)
    assert dock.recipe.recipe == Pix2PixRecipe(steps=7, learning_rate=1.25e-5)


def test_presets_fill_the_form_and_are_recognized(dock: TrainDock) -> None:
    dock.recipe.take_preset("paper")
    assert dock.recipe.recipe == Pix2PixRecipe()
    assert dock.recipe.preset.currentText() == "paper"
    dock.recipe.take_preset("fast look")
    assert dock.recipe.recipe.steps < Pix2PixRecipe().steps
    dock.recipe.form.fields["steps"].value = 17
    assert dock.recipe.preset.currentText() == "own settings"
    dock.recipe.form.reset()
    assert dock.recipe.preset.currentText() == "paper"
    dock.recipe.system.setCurrentText("mode-seeking-pix2pix")
    assert "mode_seeking" in dock.recipe.form.fields


def test_an_estimate_is_asked_of_another_process(
    dock: TrainDock, tile: Tile, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[TrainingOrder] = []

    def estimate(order: TrainingOrder, should_stop: object) -> EstimatedTraining:
        assert len(open_tile_folder(order.data[0]).pairs) >= 2
        asked.append(order)
        return EstimatedTraining(3 * 2**30, 0.12, 12_000.0)

    monkeypatch.setattr(train_dock, "ask_for_estimate", estimate)
    dock.data.source.setCurrentIndex(1)
    dock.estimate.click()
    assert dock.estimate.text() == "Cancel the estimate"
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=PATIENCE_MS)
    assert dock.estimated.text() == "About 3 h 20 min (0.12 s a step) and 3.0 GB of memory."
    assert asked[0].recipe == dock.recipe.recipe
    assert not asked[0].data[0].exists()
    dock.recipe.form.fields["steps"].value = 3
    assert dock.estimated.text() == ""


def test_layers_of_the_viewer_are_paired_and_frozen_as_they_are(
    dock: TrainDock, viewer: ViewerModel, canvas: Canvas, tile: Tile, tmp_path: Path
) -> None:
    dock.data.source.setCurrentIndex(2)
    pixels = np.random.default_rng(0).integers(0, 255, (64, 80, 3), np.uint8)
    labels = np.zeros((64, 80), np.int32)
    labels[10:20, 10:20] = 5
    image = viewer.add_image(pixels, rgb=True, name="liver")
    viewer.add_labels(labels, name="liver nuclei")
    viewer.add_image(pixels[..., 0], name="grey")
    dock.data.list_layers()

    chosen = {each.name: combo.currentData() for each, combo in dock.data.pairs}
    assert {name: getattr(each, "name", None) for name, each in chosen.items()} == {
        "colon": "Layout",
        "liver": "liver nuclei",
    }
    choice = dock.data.choice()
    expected = pixels.copy()
    image.data[:] = 0
    folder = open_tile_folder(*choice.written(tmp_path, crop=16.0))
    opened = [folder.open(each) for each in folder.ids]
    assert sorted(each.shape for each, _ in opened) == [(64, 80), (100, 120)]
    read, layout = next(each for each in opened if each[0].shape == (64, 80))
    np.testing.assert_array_equal(read.read(), expected)
    np.testing.assert_array_equal(layout.rasterize() > 0, labels > 0)
    viewer.layers.remove(image)
    assert len(dock.data.pairs) == 1


def test_closing_the_window_asks_while_a_training_is_under_way(
    dock: TrainDock, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    class UnderWay:
        folder = Path("liver-run")
        asked_to_stop = False

        def stop(self) -> None:
            self.asked_to_stop = True

    run, answers, under_way = UnderWay(), [Closing.CANCEL, Closing.KEEP, Closing.STOP], []
    monkeypatch.setattr(closing_question, "runs_under_way", lambda: under_way)
    monkeypatch.setattr(closing_question, "ask", lambda *_: answers.pop(0))
    window = QMainWindow()
    qtbot.addWidget(window)
    dock.session.guard(window)
    dock.session.guard(window)

    window.show()
    assert window.close()
    under_way.append(run)
    window.show()
    assert not window.close()
    assert window.isVisible()
    assert window.close()
    assert not run.asked_to_stop
    window.show()
    assert window.close()
    assert run.asked_to_stop
    assert not answers


def test_folders_without_a_run_are_not_opened(dock: TrainDock, tmp_path: Path) -> None:
    dock.open_folder(tmp_path)
    assert "holds no run" in dock.card.text
    Run.create(tmp_path / "shell", Pix2PixRecipe().as_json(), {})
    dock.open_folder(tmp_path / "shell")
    assert "has not been trained yet" in dock.card.text
    assert dock.runs.currentText() == "shell"
    assert dock.recipe.recipe == Pix2PixRecipe()
    dock.open_folder(None)
    assert dock.session.run is None
    assert dock.runs.currentText() == "New run"
