"""The Train segmenter dock with real, tiny trainings in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from histoloom.gui.canvas import Canvas
from histoloom.gui.canvas_layers import IGNORE, PREDICTION, TILE
from histoloom.gui.ignored_regions import ignored_regions_of
from histoloom.gui.status_card import Level
from histoloom.gui.train_dock import TrainDock
from histoloom.gui.train_segmenter_dock import TrainSegmenterDock
from histoloom.gui.training_data_panel import CANVAS, LAYERS
from histoloom.gui.training_session import training_session_of
from histoloom.jobs.nuclei_search import FoundNuclei
from histoloom.layouts import Layout
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.tiles.samples import embedded_sample
from histoloom.tiles.tile import Tile
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe
from histoloom.window import Window
from tile_folders import write_tiles

pytestmark = pytest.mark.usefixtures("own_runs")

PATIENCE_MS = 240_000
SMALL = SegmenterRecipe(
    architecture="unet", width=2, steps=1_000_000, batch_size=2, crop_size=32, pixel_size=0.25, log_every=10,
    validate_every=20, preview_every=40, checkpoint_every=20, checkpoints_kept=1, validation_crops=2, previews=2,
    device="cpu", precision="32-true",
)  # fmt: skip


@pytest.fixture
def dock(viewer: ViewerModel, canvas: Canvas, qtbot: QtBot) -> Iterator[TrainSegmenterDock]:
    dock = TrainSegmenterDock(viewer)  # type: ignore[arg-type]
    qtbot.addWidget(dock)
    dock.recipe.show_recipe("segmenter", SMALL)
    yield dock
    dock.close()
    training_session_of(canvas, "segmenter").close()


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


def wait_for_prediction(dock: TrainSegmenterDock, qtbot: QtBot, words: str) -> None:
    qtbot.waitUntil(lambda: words in dock.prediction.words.text(), timeout=PATIENCE_MS)


def test_a_segmenter_is_trained_on_folders_and_what_it_finds_is_seen_on_the_canvas(
    dock: TrainSegmenterDock, viewer: ViewerModel, canvas: Canvas, tile: Tile, qtbot: QtBot, tmp_path: Path
) -> None:
    dock.data.choose_folder(write_tiles(tmp_path / "one", tiles=3), write_tiles(tmp_path / "two", tiles=3))
    qtbot.waitUntil(lambda: "two: 3 tiles" in dock.data.found.text(), timeout=PATIENCE_MS)
    dock.data.licence.setText("CC0; CC BY 4.0")
    dock.start.click()
    wait_for(dock, qtbot, "training")
    other = TrainDock(viewer)
    qtbot.addWidget(other)
    assert other.session.run is None
    assert other.runs.count() == 1
    other.open_folder(dock.session.run.folder)
    assert "trains a segmenter; open it in the dock that trains such" in other.card.text
    other.close()

    qtbot.waitUntil(lambda: len(dock.session.run.run.bundles()) > 0, timeout=PATIENCE_MS)
    dock.pause.click()
    wait_for_prediction(dock, qtbot, "in green")
    layer = canvas.layers.find(PREDICTION)
    assert layer.data.shape == tile.shape
    assert tuple(layer.scale) == (0.5, 0.5)
    assert layer.contour == 2
    assert layer not in [combo.itemData(index) for _, combo in dock.data.pairs for index in range(combo.count())]
    assert "dice loss (held out)" in dock.curves.losses.text
    dock.stop.click()
    wait_for(dock, qtbot, "stopped")
    best = dock.session.run.series.curves("score")["dice"].best
    assert f"best {best[1]:.4g} at step {best[0]:,}" in dock.curves.scores.text
    assert [each["licence"] for each in dock.session.run.run.environment["data"]] == ["CC0", "CC BY 4.0"]

    stopped_at = max(dock.session.run.run.bundles())
    wait_for_prediction(dock, qtbot, f"Step {stopped_at:,}: ")
    dock.resume.click()
    qtbot.waitUntil(lambda: max(dock.session.run.run.bundles()) > stopped_at, timeout=PATIENCE_MS)
    viewer.layers.remove(layer)
    assert "The Prediction layer was deleted; tick" in dock.card.text
    assert not dock.prediction.show_it.isChecked()
    dock.stop_training()
    dock.stop_training()
    wait_for(dock, qtbot, "stopped")
    assert canvas.layers.find(PREDICTION) is None
    dock.prediction.show_it.click()
    wait_for_prediction(dock, qtbot, f"Step {max(dock.session.run.run.bundles()):,}: ")
    assert canvas.layers.find(PREDICTION) is not None
    canvas.set_tile(Tile.from_array(tile.read(), 0.5), "the same again")
    assert canvas.layers.find(PREDICTION) is None
    viewer.layers.remove(canvas.layers.find("tile"))
    qtbot.waitUntil(lambda: not dock.prediction.is_busy, timeout=PATIENCE_MS)
    assert canvas.layers.find(PREDICTION) is None
    assert "The tile was taken away meanwhile" in dock.prediction.words.text()


def test_training_ends_by_itself_where_the_score_gets_no_better(
    dock: TrainSegmenterDock, qtbot: QtBot, tmp_path: Path
) -> None:
    dock.data.choose_folder(write_tiles(tmp_path / "one", tiles=3))
    dock.recipe.form.fields["patience"].value = 1
    dock.recipe.form.fields["learning_rate"].value = 1e-4
    dock.start.click()
    wait_for(dock, qtbot, "finished")
    assert "of 1,000,000, after which its score was no longer getting better" in dock.card.text
    assert dock.session.run.run.bundle is not None
    assert not dock.resume.isEnabled()


def test_what_is_painted_over_is_frozen_as_ignored_and_can_be_taken_back(
    dock: TrainSegmenterDock, canvas: Canvas, viewer: ViewerModel, qtbot: QtBot, tmp_path: Path
) -> None:
    dock.ignore.mark.click()
    assert "no real tile on the canvas; open one to mark regions" in dock.card.text
    tile = Tile.from_array(embedded_sample().read()[:100, :120].copy(), 0.5, file_sha256="colon")
    canvas.set_tile(tile, "colon")
    dock.ignore.mark.click()
    layer = canvas.layers.find(IGNORE)
    assert (viewer.layers.selection.active, str(layer.mode), layer.selected_label) == (layer, "paint", 1)
    layer.paint((20, 30), 1)
    qtbot.waitUntil(lambda: "of the tile on the canvas is marked" in dock.ignore.words.text(), timeout=PATIENCE_MS)
    marked = np.array(layer.data)
    canvas.undo()
    assert not layer.data.any()
    assert dock.ignore.words.text() == ""
    canvas.redo()
    np.testing.assert_array_equal(layer.data, marked)

    dock.data.source.setCurrentIndex(CANVAS)
    of_canvas = dock.data.choice()
    dock.data.source.setCurrentIndex(LAYERS)
    folders = [open_tile_folder(*each.written(tmp_path / each.name, 200.0)) for each in (of_canvas, dock.data.choice())]
    for folder in folders:
        parts = [folder.ignored(each, folder.open(each)[0].shape) for each in folder.ids]
        assert sum(0 if each is None else int(each.sum()) for each in parts) == int((marked > 0).sum())

    canvas.set_tile(Tile.from_array(tile.read() // 2, 0.5, file_sha256="other"), "other")
    assert canvas.layers.find(IGNORE) is None
    canvas.set_tile(tile, "colon")
    np.testing.assert_array_equal(canvas.layers.find(IGNORE).data, marked)


def test_woven_tiles_are_counted_with_their_weights_and_go_into_the_order(
    dock: TrainSegmenterDock, qtbot: QtBot, tmp_path: Path
) -> None:
    real, woven = write_tiles(tmp_path / "real", tiles=3), write_tiles(tmp_path / "woven", tiles=3)
    dock.woven.folders.show_folders(woven)
    qtbot.waitUntil(lambda: dock.woven.found.text() == "woven: 3 labelled tiles, all of equal weight.")
    (woven / "weights.csv").write_text("file,weight\nt0.png,0\nt1.png,0.5\nt2.png,2\n")
    dock.woven.folders.show_folders(woven)
    expected = "woven: 3 labelled tiles, 3 importance weights from 0.5 to 2, 1 rejected."
    qtbot.waitUntil(lambda: dock.woven.found.text() == expected)
    assert not dock.woven.generator.isEnabled()
    dock.woven.form.fields["weave"].value = 5
    dock.woven.form.fields["woven_share"].value = 0.25
    assert dock.woven.generator.isEnabled()
    alone = dock.chosen_order()(tmp_path)
    assert (alone.data, alone.woven, alone.generator) == ((), (woven,), "texture")
    dock.data.choose_folder(real)
    order = dock.chosen_order()(tmp_path)
    assert (order.data, order.woven, order.recipe.weave, order.recipe.woven_share) == ((real,), (woven,), 5, 0.25)

    (woven / "weights.csv").write_text("file,weight\nt0.png,much\n")
    dock.woven.folders.show_folders(woven)
    qtbot.waitUntil(lambda: "is no number from 0" in dock.card.text)
    dock.recipe.show_recipe("segmenter", SMALL)
    assert dock.woven.recipe.weave == 0


def test_tiles_that_cannot_be_learnt_from_are_said_in_the_card(
    dock: TrainSegmenterDock, viewer: ViewerModel, canvas: Canvas, tile: Tile, qtbot: QtBot, tmp_path: Path
) -> None:
    def says(sentence: str) -> None:
        dock.start.click()
        qtbot.waitUntil(lambda: sentence in dock.card.text, timeout=PATIENCE_MS)
        assert dock.card.level is Level.ERROR
        assert dock.start.isEnabled()

    dock.data.source.setCurrentIndex(CANVAS)
    canvas.change("Erase all", dict.fromkeys(canvas.layout.nuclei))
    says("There are no nuclei on what should be trained on; draw some")
    canvas.undo()
    dock.data.licence.setText("CC0; CC BY 4.0")
    says("There are 2 licences for 1 folder of tiles")
    dock.data.licence.setText("CC0")

    dock.data.source.setCurrentIndex(LAYERS)
    labels = viewer.add_labels(canvas.layout.rasterize(), name="masks")
    image, combo = dock.data.pairs[0]
    combo.setCurrentIndex(combo.findData(labels))
    combo.activated.emit(combo.currentIndex())
    viewer.layers.remove(labels)
    assert "'masks', the labels of 'colon', was deleted; choose others, or 'colon' is left out" in dock.card.text
    assert image.name == "colon"
    says("No picture has labels yet")

    label_map = canvas.layout.rasterize()
    labels = viewer.add_labels([label_map, label_map[::2, ::2]], name="pyramid", multiscale=True)
    combo = dock.data.pairs[0][1]
    combo.setCurrentIndex(combo.findData(labels))
    combo.activated.emit(combo.currentIndex())
    (frozen,) = dock.data.choice().tiles()
    np.testing.assert_array_equal(frozen.layout.rasterize() > 0, label_map > 0)

    semantic = viewer.add_labels((label_map > 0).astype(np.uint8), name="all in one")
    combo = dock.data.pairs[0][1]
    combo.setCurrentIndex(combo.findData(semantic))
    says("'all in one' look like a semantic mask")
    (split,) = dock.data.choice(split_masks=True).tiles()
    assert len(split.layout.nuclei) > 1

    dock.data.source.setCurrentIndex(CANVAS)
    viewer.layers.remove(canvas.layers.find(TILE))
    says("There is no real tile on the canvas")
    dock.ignore.mark.click()
    assert "no real tile on the canvas" in dock.card.text

    masks = write_tiles(tmp_path / "masks", tiles=2)
    for each in (masks / "labels").iterdir():
        import tifffile

        tifffile.imwrite(each, (tifffile.imread(each) > 0).astype(np.uint8))
    dock.data.choose_folder(masks)
    dock.recipe.form.fields["architecture"].value = "hou-unet"
    says("give labels of single nuclei, or train an architecture that needs none, such as 'unet'")


def test_what_is_found_is_corrected_added_and_trained_on(
    dock: TrainSegmenterDock, canvas: Canvas, tile: Tile, qtbot: QtBot
) -> None:
    dock.prediction.show_it.setChecked(False)
    dock.data.source.setCurrentIndex(CANVAS)
    dock.start.click()
    wait_for(dock, qtbot, "training")
    first = dock.session.run
    assert not dock.correction.go_on.isEnabled()
    qtbot.waitUntil(lambda: len(first.run.bundles()) > 0 and dock.correction.add.isEnabled(), timeout=PATIENCE_MS)
    dock.pause.click()
    assert [dock.correction.nuclei.segmenters.itemText(row) for row in range(2)][1] == "best"
    dock.correction.nuclei.find.click()
    qtbot.waitUntil(lambda: not dock.correction.is_busy, timeout=PATIENCE_MS)
    if dock.correction.nuclei.question.text:
        dock.correction.nuclei.question.yes.click()
    ignored_regions_of(canvas).begin()
    canvas.layers.find(IGNORE).data[:10, :20] = 1
    dock.correction.add.click()
    qtbot.waitUntil(lambda: dock.correction.go_on.isEnabled(), timeout=PATIENCE_MS)
    beside = first.folder.with_name(f"{first.folder.name}-corrected")
    assert beside.name in dock.correction.words.text()
    (name,) = open_tile_folder(beside).ids
    written, layout = open_tile_folder(beside).open(name)
    np.testing.assert_array_equal(written.read(), tile.read())
    np.testing.assert_array_equal(layout.rasterize() > 0, canvas.layout.rasterize() > 0)
    assert open_tile_folder(beside).ignored(name, tile.shape).sum() == 200
    assert {each.class_name for each in layout.nuclei.values()} <= {"epithelial", "inflammatory", "spindle", "nucleus"}

    dock.recipe.form.fields["steps"].value = 3
    dock.recipe.form.fields["seed"].value = 77
    dock.correction.go_on.click()
    qtbot.waitUntil(lambda: dock.session.run.folder != first.folder, timeout=PATIENCE_MS)
    wait_for(dock, qtbot, "finished")
    second = dock.session.run.run
    assert second.folder.name == f"{first.folder.name}-continued-1"
    assert second.recipe["steps"] == 3
    assert second.recipe["seed"] == first.run.recipe["seed"]
    assert second.environment["begun_with"]["step"] == max(first.run.bundles())
    assert second.environment["split"] == first.run.environment["split"]
    assert second.environment["data"] != first.run.environment["data"]
    assert open_tile_folder(second.folder / "start" / "corrected").ids == (name,)
    assert "corrected" not in dock.correction.words.text()


def test_that_a_tile_was_rescaled_is_said_of_previews_and_of_nuclei_to_correct(
    dock: TrainSegmenterDock, canvas: Canvas, layout: Layout, tile: Tile
) -> None:
    found = FoundNuclei(layout, layout.rasterize(), "step_3", ("It was enlarged 2 times.",))
    dock.prediction._asked, dock.prediction._window = (Path("step_3.safetensors"), tile), Window.of_shape(tile.shape)
    dock.prediction._on_found((3, found))
    assert dock.prediction.words.text() == "Step 3: 3 nuclei, in green. It was enlarged 2 times."
    dock.correction.nuclei._offer(found)
    dock.correction.nuclei.question.yes.click()
    assert dock.card.text.endswith("add them to the training set. It was enlarged 2 times.")
