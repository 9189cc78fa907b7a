"""The Weights dock: what is judged, shown, listed, decided, exported and refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from darkness_process import DarknessProcess, critic_of
from napari.components import ViewerModel
from PIL import Image
from pytestqt.qtbot import QtBot

from histoloom.gui.canvas import Canvas
from histoloom.gui.canvas_layers import JUDGED, TILE, WEIGHTS, WOVEN
from histoloom.gui.comparison import camera_of
from histoloom.gui.judged_pictures import CanvasPicture, LayerPicture
from histoloom.gui.live import live_weaving_of
from histoloom.gui.status_card import Level
from histoloom.gui.weights_dock import WeightsDock
from histoloom.gui.weights_dock_parts import CLIP_CHOICES
from histoloom.gui.weights_palette import LEAST, MOST, paper_colors, weight_colormap, weight_colors, weight_words
from histoloom.importance import ClipRange, Judgement, logit_weights, nucleus_weights, read_weights
from histoloom.models import BundleHeader
from histoloom.tiles.samples import embedded_sample
from histoloom.training.tile_weights import read_tile_weights
from histoloom.window import Window
from small_critic import small_critic

PATIENCE_MS = 60_000
MICROMETRES = ("micrometer", "micrometer")


@pytest.fixture
def woven(canvas: Canvas) -> np.ndarray:
    """Light tissue on the canvas, dark around nucleus 2."""
    layer = canvas.woven_layer()
    layer.data[...] = 160
    layer.data[45:75, 25:55] = 40
    layer.refresh()
    return layer.data


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTOLOOM_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("histoloom.gui.critic_chooser.known_bundles", lambda _kind: [])
    monkeypatch.setattr("histoloom.gui.live_weights.JudgeProcess", DarknessProcess)


@pytest.fixture
def dock(viewer: ViewerModel, canvas: Canvas, own_models: None, qtbot: QtBot) -> Iterator[WeightsDock]:
    dock = WeightsDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    qtbot.waitUntil(lambda: dock._has_been_seen, timeout=PATIENCE_MS)
    yield dock
    dock.close()
    live_weaving_of(canvas).close()


def choose(dock: WeightsDock, critic: tuple[Path, BundleHeader] | None) -> None:
    if critic is not None:
        dock.parts.critic._critics = [critic]
    dock.parts.critic.choose(critic)


def settle(dock: WeightsDock, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: dock.is_settled, timeout=PATIENCE_MS)


@pytest.fixture
def judged(dock: WeightsDock, woven: np.ndarray, qtbot: QtBot) -> WeightsDock:
    choose(dock, critic_of())
    settle(dock, qtbot)
    return dock


def refused(dock: WeightsDock, qtbot: QtBot, words: str, level: Level = Level.ERROR) -> None:
    card = dock.parts.card
    qtbot.waitUntil(lambda: card.level is level and words in card.text, timeout=PATIENCE_MS)
    assert card.text.endswith(".")


def shown(canvas: Canvas) -> np.ndarray:
    return np.asarray(canvas.layers.find(WEIGHTS).data)


def whole(dock: WeightsDock) -> Judgement:
    assert dock.weights.latest is not None
    return dock.weights.latest.judgement


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three labelled tiles, a dark, a middling and a light one, and one without labels."""
    path = tmp_path / "woven"
    path.mkdir()
    labels = np.zeros((64, 80), np.uint16)
    labels[20:30, 20:30] = 1
    for name, grey in (("dark", 60), ("middling", 118), ("light", 200), ("bare", 118)):
        Image.fromarray(np.full((64, 80, 3), grey, np.uint8)).save(path / f"{name}.png", dpi=(50800, 50800))
        if name != "bare":
            Image.fromarray(labels).save(path / f"{name}_labels.png")
    return path


@pytest.fixture
def listed(dock: WeightsDock, folder: Path, qtbot: QtBot) -> WeightsDock:
    choose(dock, critic_of())
    dock.parts.picture.choose(folder)
    qtbot.waitUntil(lambda: dock.folder.folder is not None, timeout=PATIENCE_MS)
    settle(dock, qtbot)
    return dock


def test_woven_tissue_is_judged_and_its_weights_lie_over_it(judged: WeightsDock, canvas: Canvas) -> None:
    assert shown(canvas).shape == canvas.layout.shape
    np.testing.assert_allclose(shown(canvas), whole(judged).weight_map((0.2, 2.0)), rtol=1e-5)
    assert shown(canvas)[60, 40] == pytest.approx(0.2)
    assert shown(canvas)[5, 100] == 2.0
    layer = canvas.layers.find(WEIGHTS)
    layers = list(canvas.viewer.layers)
    assert layers.index(canvas.layers.find(WOVEN)) < layers.index(layer)
    assert tuple(layer.scale) == (0.5, 0.5)
    assert tuple(layer.contrast_limits) == (LEAST, MOST)
    assert judged.parts.card.level is Level.OK


def test_the_weight_under_the_mouse_is_told(judged: WeightsDock, canvas: Canvas) -> None:
    canvas.viewer.cursor.position = (30.0, 20.0)
    for callback in canvas.viewer.mouse_move_callbacks:
        callback(canvas.viewer, None)
    assert "0.2" in judged.parts.here.text()
    assert "looks woven" in judged.parts.here.text()
    canvas.viewer.cursor.position = (500.0, 500.0)
    for callback in canvas.viewer.mouse_move_callbacks:
        callback(canvas.viewer, None)
    assert "–" in judged.parts.here.text()


def test_colours_are_clear_at_one_and_apart_on_both_sides() -> None:
    weights = np.array([0.0, 0.125, 0.5, 1.0, 2.0, 8.0, np.inf])
    colors = weight_colors(weights)
    assert colors[3, 3] == 0.0
    assert (np.diff(colors[:4, 3]) <= 0).all()
    assert (np.diff(colors[3:, 3]) >= 0).all()
    assert (colors[:3, 0] > colors[:3, 2]).all(), "orange below 1"
    assert (colors[4:, 2] > colors[4:, 0]).all(), "blue above"
    np.testing.assert_array_equal(paper_colors(weights)[0], paper_colors(weights)[1])
    places = (np.array([0.25, 1.0, 4.0]) - LEAST) / (MOST - LEAST)
    np.testing.assert_allclose(weight_colormap().map(places), weight_colors(np.array([0.25, 1.0, 4.0])), atol=0.02)
    assert [weight_words(each) for each in (0.0, 1e-9, 0.123, 1234.0, np.inf)] == ["0", "< 0.001", "0.12", "1,234", "∞"]


def test_a_stroke_is_judged_where_it_was_woven(
    judged: WeightsDock, canvas: Canvas, woven: np.ndarray, qtbot: QtBot
) -> None:
    layer, before = canvas.layers.find(WEIGHTS), shown(canvas).copy()
    orders = judged.weights.process.orders
    orders.clear()
    woven[80:96, 96:112] = 20
    live_weaving_of(canvas).woven.emit(Window(80, 96, 96, 112), 0.01)
    settle(judged, qtbot)
    assert len(orders) == 1
    assert canvas.layers.find(WEIGHTS) is layer
    assert shown(canvas)[88, 104] < 0.3 < before[88, 104]
    np.testing.assert_array_equal(shown(canvas)[:60, :80], before[:60, :80])
    np.testing.assert_allclose(shown(canvas), whole(judged).weight_map((0.2, 2.0)), rtol=1e-4)


def test_what_a_weave_dock_that_was_opened_again_weaves_is_followed(
    judged: WeightsDock, canvas: Canvas, woven: np.ndarray, qtbot: QtBot
) -> None:
    live_weaving_of(canvas).close()
    woven[...] = 20
    canvas.layers.find(WOVEN).refresh()
    live_weaving_of(canvas).woven.emit(canvas.layout.window, 0.01)
    qtbot.waitUntil(lambda: bool((shown(canvas) < 0.3).all()), timeout=PATIENCE_MS)


def test_without_live_strokes_wait_until_they_are_asked_for(
    judged: WeightsDock, canvas: Canvas, woven: np.ndarray, qtbot: QtBot
) -> None:
    judged.parts.live.setChecked(False)
    before = shown(canvas).copy()
    woven[...] = 20
    live_weaving_of(canvas).woven.emit(canvas.layout.window, 0.01)
    qtbot.wait(50)
    assert judged.is_settled
    np.testing.assert_array_equal(shown(canvas), before)
    judged.parts.again.click()
    qtbot.waitUntil(lambda: bool((shown(canvas) < 0.3).all()), timeout=PATIENCE_MS)


def test_the_histogram_says_what_it_shows_and_its_lines_cut(judged: WeightsDock, canvas: Canvas, qtbot: QtBot) -> None:
    weights = logit_weights(whole(judged).logits, 1.0)
    histogram = judged.parts.histogram
    assert sum(histogram.counts) == weights.size
    assert histogram.words.text().startswith(f"{weights.size:,} places: {(weights < 0.5).mean():.0%} count less")
    low, high = histogram.lines
    assert (2 ** low.value(), 2 ** high.value()) == pytest.approx((0.2, 2.0))
    low.setValue(-1.0)
    high.setValue(0.5)
    high.sigPositionChangeFinished.emit(high)
    settle(judged, qtbot)
    assert judged.clip == ClipRange.between(0.5, 2**0.5)
    assert judged.parts.clip.currentText() == CLIP_CHOICES[-1][0]
    assert shown(canvas).min() == pytest.approx(0.5)
    judged.parts.clip.activated.emit(0)
    settle(judged, qtbot)
    np.testing.assert_allclose(shown(canvas), whole(judged).weight_map(), rtol=1e-5)
    judged.parts.clip.activated.emit(2)
    settle(judged, qtbot)
    assert shown(canvas).max() <= np.quantile(weights, 0.95, method="nearest") * 1.001


def test_the_nucleus_that_looks_most_woven_comes_first_and_is_gone_to(
    judged: WeightsDock, canvas: Canvas, qtbot: QtBot
) -> None:
    expected = nucleus_weights(canvas.layout, whole(judged))
    assert judged.parts.nuclei.listed[0].id == 2
    assert {each.id: each.weight for each in judged.parts.nuclei.listed} == pytest.approx(expected)
    judged.parts.nuclei.choose(0)
    assert canvas.selection == {2}
    np.testing.assert_allclose(camera_of(canvas.viewer).center[-2:], (30.0, 20.0), atol=0.6)


def test_a_folder_is_ranked_and_its_tiles_are_shown_beside_the_canvas(
    listed: WeightsDock, canvas: Canvas, qtbot: QtBot
) -> None:
    ranking = listed.parts.ranking
    assert ranking.listed[0].file == "dark.png"
    assert ranking.listed[-1].file == "light.png"
    assert "worth" in listed.parts.histogram.words.text()
    ranking.choose("dark.png")
    settle(listed, qtbot)
    layer = canvas.layers.find(JUDGED)
    assert layer.name == "dark.png"
    assert layer.translate[1] > canvas.layout.shape[1] * 0.5, "over the canvas, nuclei would be believed to be its own"
    np.testing.assert_array_equal(shown(canvas).shape, (64, 80))
    np.testing.assert_array_equal(canvas.layers.find(WEIGHTS).translate, layer.translate)
    ranking.choose("light.png")
    settle(listed, qtbot)
    assert canvas.layers.find(JUDGED) is layer


def test_what_is_decided_by_hand_overrules_and_is_recorded_where_training_reads_it(
    listed: WeightsDock, folder: Path, qtbot: QtBot
) -> None:
    ranking = listed.parts.ranking
    for file, decision in (("dark.png", "keep"), ("middling.png", "down-weight"), ("light.png", "reject")):
        ranking.choose(file)
        ranking.buttons[decision].click()
    assert {each.file: each.weight for each in ranking.listed if each.decision} == {
        "dark.png": 1.0,
        "middling.png": 0.2,
        "light.png": 0.0,
    }
    assert ranking.selected == ("light.png",), "the list may be sorted anew, but what was selected stays so"
    listed.parts.into_folder.click()
    settle(listed, qtbot)
    assert "weights.csv" in listed.parts.card.text
    pictures = {name: folder / f"{name}.png" for name in ("dark", "middling", "light")}
    assert read_tile_weights(folder / "weights.csv", pictures) == {"dark": 1.0, "middling": 0.2, "light": 0.0}
    rows = {each.file: each for each in read_weights(folder / "weights.csv")}
    assert rows["light.png"].decision == "reject"
    assert rows["light.png"].raw_weight > 2.0
    ranking.buttons[""].click()
    assert next(each for each in ranking.listed if each.file == "light.png").weight == 2.0
    listed.judge_again()
    qtbot.waitUntil(lambda: listed.folder.folder is not None and listed.is_settled, timeout=PATIENCE_MS)
    assert listed.weighed.decisions == {"dark.png": "keep", "middling.png": "down-weight", "light.png": "reject"}


def test_weights_and_nuclei_are_exported_as_tables(
    judged: WeightsDock, canvas: Canvas, tmp_path: Path, qtbot: QtBot
) -> None:
    judged.export(tmp_path / "weights.csv")
    settle(judged, qtbot)
    (row,) = read_weights(tmp_path / "weights.csv")
    assert row.file == "canvas"
    assert row.raw_weight == pytest.approx(whole(judged).weight(), rel=1e-4)
    judged.export_nuclei(tmp_path / "nuclei.csv")
    settle(judged, qtbot)
    lines = (tmp_path / "nuclei.csv").read_text().splitlines()
    assert lines[0] == "id,class,weight,y,x"
    assert len(lines) == 4
    judged.export_into_folder()
    refused(judged, qtbot, "There is no folder of judged tiles", Level.ATTENTION)


def test_rejecting_all_tiles_is_told_and_not_written(listed: WeightsDock, folder: Path, qtbot: QtBot) -> None:
    listed.decide(tuple(each.file for each in listed.parts.ranking.listed), "reject")
    assert "All tiles are rejected" in listed.parts.verdict.text()
    listed.export_into_folder()
    refused(listed, qtbot, "are rejected")
    assert not (folder / "weights.csv").exists()


def test_a_blind_critic_is_told_of(dock: WeightsDock, woven: np.ndarray, canvas: Canvas, qtbot: QtBot) -> None:
    woven[...] = 120
    choose(dock, critic_of())
    settle(dock, qtbot)
    assert "cannot tell woven tiles from real ones" in dock.parts.verdict.text()


def test_without_a_critic_nothing_is_judged(dock: WeightsDock, woven: np.ndarray, canvas: Canvas, qtbot: QtBot) -> None:
    refused(dock, qtbot, "There is no critic yet; choose one", Level.ATTENTION)
    assert canvas.layers.find(WEIGHTS) is None


def test_without_woven_tissue_nothing_is_judged(dock: WeightsDock, canvas: Canvas, qtbot: QtBot) -> None:
    choose(dock, critic_of())
    refused(dock, qtbot, "There is no woven tissue on the canvas yet", Level.ATTENTION)
    canvas.woven_layer()
    live_weaving_of(canvas).woven.emit(canvas.layout.window, 0.01)
    qtbot.waitUntil(lambda: canvas.layers.find(WEIGHTS) is not None, timeout=PATIENCE_MS)


def test_a_critic_for_another_pixel_size_is_refused(
    judged: WeightsDock, viewer: ViewerModel, canvas: Canvas, qtbot: QtBot
) -> None:
    other = viewer.add_image(np.full((40, 40, 3), 90, np.uint8), name="fine", scale=(0.25, 0.25), units=MICROMETRES)
    judged.parts.picture.choose(LayerPicture(other))
    refused(judged, qtbot, "another pixel size")
    assert canvas.layers.find(WEIGHTS) is None, "weights of something else would be believed"
    assert not judged.parts.ranking.listed


def test_a_layer_is_judged_and_its_deletion_is_told(
    judged: WeightsDock, viewer: ViewerModel, canvas: Canvas, qtbot: QtBot
) -> None:
    layer = viewer.add_image(np.full((40, 56, 3), 90, np.uint8), name="mine", scale=(0.5, 0.5), units=MICROMETRES)
    judged.parts.picture.choose(LayerPicture(layer))
    settle(judged, qtbot)
    assert shown(canvas).shape == (40, 56)
    assert "not known" in judged.parts.nuclei.words.text()
    judged.weights.renew()
    viewer.layers.remove(layer)
    refused(judged, qtbot, "The layer 'mine', which was judged, has been deleted; choose other tissue.")
    settle(judged, qtbot)
    assert judged.parts.picture.choice is None
    assert canvas.layers.find(WEIGHTS) is None


def test_a_deleted_woven_layer_is_told_of(judged: WeightsDock, canvas: Canvas, qtbot: QtBot) -> None:
    canvas.viewer.layers.remove(canvas.layers.find(WOVEN))
    refused(judged, qtbot, "The Woven layer, which was judged, has been deleted")
    assert judged.parts.picture.choice == CanvasPicture(), "the next stroke brings it back"


def test_a_deleted_weights_layer_comes_back_whole(
    judged: WeightsDock, canvas: Canvas, woven: np.ndarray, qtbot: QtBot
) -> None:
    before = shown(canvas).copy()
    canvas.viewer.layers.remove(canvas.layers.find(WEIGHTS))
    live_weaving_of(canvas).woven.emit(Window(80, 96, 96, 112), 0.01)
    settle(judged, qtbot)
    np.testing.assert_allclose(shown(canvas), before, rtol=1e-4)


def test_a_critic_that_compares_takes_the_look_of_the_canvas_or_a_file(
    dock: WeightsDock, canvas: Canvas, woven: np.ndarray, tmp_path: Path, qtbot: QtBot
) -> None:
    assert not dock.parts.reference.isVisible()
    choose(dock, critic_of("comparing", reference_size=32))
    refused(dock, qtbot, "got no reference")
    assert dock.parts.reference.isVisible()
    canvas.set_tile(embedded_sample(), "colon")
    dock.parts.again.click()
    qtbot.waitUntil(lambda: dock.weights.latest is not None, timeout=PATIENCE_MS)
    np.testing.assert_array_equal(dock.weights.process.orders[-1].reference, canvas.layers.find(TILE).data)
    Image.fromarray(np.full((50, 60, 3), 99, np.uint8)).save(tmp_path / "real.png")
    dock.choose_reference(tmp_path / "real.png")
    qtbot.waitUntil(lambda: dock.weights.process.orders[-1].reference.shape == (50, 60, 3), timeout=PATIENCE_MS)
    settle(dock, qtbot)
    dock.choose_reference(tmp_path / "none.png")
    refused(dock, qtbot, "none.png")


def test_a_critic_that_sees_nuclei_gets_those_of_the_canvas_and_all_of_the_picture(
    dock: WeightsDock, canvas: Canvas, woven: np.ndarray, qtbot: QtBot
) -> None:
    choose(dock, critic_of(sees="condition and picture"))
    settle(dock, qtbot)
    assert "sees where nuclei are" in dock.parts.about.text()
    orders = dock.weights.process.orders
    live_weaving_of(canvas).woven.emit(Window(80, 96, 96, 112), 0.01)
    qtbot.waitUntil(lambda: len(orders) == 2, timeout=PATIENCE_MS)
    assert all(each.layout is canvas.layout and each.image.shape == woven.shape for each in orders)


def test_a_folder_that_holds_no_tiles_is_told_of(dock: WeightsDock, tmp_path: Path, qtbot: QtBot) -> None:
    choose(dock, critic_of())
    (tmp_path / "empty").mkdir()
    dock.parts.picture.choose(tmp_path / "empty")
    refused(dock, qtbot, "empty")


def test_only_discriminators_that_say_how_they_judge_are_critics(
    dock: WeightsDock, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    dock.parts.critic.choose_file(tmp_path / "broken.safetensors")
    refused(dock, qtbot, "broken.safetensors", Level.ATTENTION)
    dock.parts.critic.choose_file(small_critic(tmp_path / "small.safetensors"))
    assert dock.parts.critic.critic is not None
    assert "not calibrated" not in dock.parts.about.text()
    assert dock.parts.critic.currentText().startswith("small")


def test_a_closed_dock_judges_nothing(
    judged: WeightsDock, canvas: Canvas, woven: np.ndarray, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shown(canvas).copy()
    judged.close()
    woven[...] = 20
    live_weaving_of(canvas).woven.emit(canvas.layout.window, 0.01)
    qtbot.wait(50)
    assert judged.is_settled
    np.testing.assert_array_equal(shown(canvas), before)
    assert not canvas.viewer.mouse_move_callbacks
