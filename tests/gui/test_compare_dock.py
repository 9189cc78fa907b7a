"""The Compare dock: agreement shown live, scores, errors that are gone to, exports, and what is refused."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from canvas_mouse import Mouse
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QDockWidget, QFileDialog

from histoloom.evaluation import (
    AGREEMENT_PALETTES,
    DEFAULT_PALETTE,
    ObjectAgreement,
    agree_by_object,
    agree_by_pixel,
    score_labels,
)
from histoloom.gui.canvas import Canvas, canvas_of
from histoloom.gui.canvas_layers import AGREEMENT, IGNORE, LAYOUT
from histoloom.gui.compare_dock import CompareDock
from histoloom.gui.comparison import camera_of
from histoloom.gui.ignored_regions import ignored_regions_of
from histoloom.gui.readers import layout_layer
from histoloom.gui.status_card import Level
from histoloom.gui.tools import Tool
from histoloom.gui.training_data import label_layers
from histoloom.layouts import Layout, Nucleus, Outline, save_layout
from histoloom.tiles.tile import Tile

PATIENCE_MS = 30_000
MICROMETRES = ("micrometer", "micrometer")


def add_labels(viewer: ViewerModel, labels: np.ndarray, name: str, pixel_size: float = 0.5):
    return viewer.add_labels(labels, name=name, scale=(pixel_size, pixel_size), units=MICROMETRES)


@pytest.fixture
def predicted(layout: Layout) -> np.ndarray:
    """Nucleus 1 shifted by a pixel, nucleus 2 in two halves, nucleus 3 missed, and one that is none."""
    labels = layout.rasterize()
    labels[labels == 3] = 0
    labels = np.roll(labels, 1, axis=1)
    rows, columns = np.nonzero(labels == 2)
    labels[rows[rows > 60], columns[rows > 60]] = 9
    labels[80:90, 100:110] = 5
    return labels


@pytest.fixture
def dock(viewer: ViewerModel, canvas: Canvas, predicted: np.ndarray, qtbot: QtBot) -> Iterator[CompareDock]:
    add_labels(viewer, predicted, "prediction")
    dock = opened(viewer, qtbot)
    settle(dock, qtbot)
    yield dock
    dock.close()


def opened(viewer: ViewerModel, qtbot: QtBot) -> CompareDock:
    dock = CompareDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    qtbot.waitUntil(lambda: dock._has_been_seen, timeout=PATIENCE_MS)
    return dock


def settle(dock: CompareDock, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: dock.is_settled, timeout=PATIENCE_MS)


def refused(dock: CompareDock, qtbot: QtBot, words: str, level: Level = Level.ERROR) -> None:
    qtbot.waitUntil(lambda: dock.card.level is level and words in dock.card.text, timeout=PATIENCE_MS)
    assert dock.card.text.endswith(".")
    settle(dock, qtbot)


def shown(canvas: Canvas) -> np.ndarray:
    return np.asarray(canvas.layers.find(AGREEMENT).data)


def test_the_nuclei_and_the_prediction_are_compared_as_soon_as_the_dock_is_seen(
    dock: CompareDock, canvas: Canvas, layout: Layout, predicted: np.ndarray
) -> None:
    expected = agree_by_object(layout.rasterize(), predicted)
    np.testing.assert_array_equal(shown(canvas), expected.map)
    assert expected.counts == {"matched": 1, "split": 1, "merged": 0, "missed": 1, "spurious": 1}
    scores = score_labels(layout.rasterize(), predicted)
    assert dock.scores.value("dice") == f"{scores['dice']:.4f}"
    assert dock.scores.value("pq") == f"{scores['pq']:.4f}"
    assert dock.scores.value("object_hausdorff") == f"{scores['object_hausdorff']:.2f}"
    assert {(each.kind, each.label) for each in dock.errors.listed} == {("split", 2), ("missed", 3), ("spurious", 5)}
    assert dock.errors.counts.text() == "1 missed, 1 spurious, 1 split, 0 merged"
    layer = canvas.layers.find(AGREEMENT)
    assert tuple(layer.scale) == (0.5, 0.5)
    assert list(canvas.viewer.layers)[-1] is layer, "nothing covers it"
    assert layer not in label_layers(canvas.viewer.layers), "it is no label map to compare or to train on"


def test_pixels_and_palettes_are_shown_in_the_same_layer(
    dock: CompareDock, canvas: Canvas, layout: Layout, predicted: np.ndarray
) -> None:
    layer = canvas.layers.find(AGREEMENT)

    def color(value: int) -> list[int]:
        return np.rint(255 * layer.colormap.map(np.array([value], np.uint8))[0, :3]).astype(int).tolist()

    assert color(ObjectAgreement.MATCHED) == list(AGREEMENT_PALETTES[DEFAULT_PALETTE].match)
    dock.view.setCurrentIndex(1)
    np.testing.assert_array_equal(shown(canvas), agree_by_pixel(layout.rasterize(), predicted))
    for index, name in enumerate(AGREEMENT_PALETTES):
        dock.palette_choice.setCurrentIndex(index)
        palette = AGREEMENT_PALETTES[name]
        for value, wanted in palette.pixel_colors().items():
            assert color(value) == list(wanted)
    assert canvas.layers.find(AGREEMENT) is layer
    assert sum("Agreement" in each.name for each in canvas.viewer.layers) == 1


def test_strokes_on_the_canvas_are_followed_while_they_are_made(
    dock: CompareDock, canvas: Canvas, mouse: Mouse, predicted: np.ndarray, qtbot: QtBot
) -> None:
    layer = canvas.layers.find(AGREEMENT)
    canvas.tool = Tool.BRUSH
    seen = dock.agreement.latest
    mouse.press((85.0, 105.0))
    for x in (106.0, 107.0, 108.0):
        mouse.move((85.0, x))
    dock.agreement.renew()
    qtbot.waitUntil(lambda: dock.agreement.latest is not seen, timeout=PATIENCE_MS)
    assert np.count_nonzero(canvas.layers.find(LAYOUT).data[80:90, 100:110]) > 0
    mouse.release((85.0, 108.0))
    settle(dock, qtbot)
    np.testing.assert_array_equal(shown(canvas), agree_by_object(canvas.layout.rasterize(), predicted).map)
    assert canvas.layers.find(AGREEMENT) is layer
    canvas.undo()
    settle(dock, qtbot)
    np.testing.assert_array_equal(shown(canvas), agree_by_object(canvas.layout.rasterize(), predicted).map)


def test_a_prediction_that_is_painted_or_renewed_in_its_layer_is_followed(
    dock: CompareDock, canvas: Canvas, layout: Layout, qtbot: QtBot
) -> None:
    layer = canvas.viewer.layers["prediction"]
    layer.data_setitem((np.array([25, 26]), np.array([60, 60])), 5)
    settle(dock, qtbot)
    np.testing.assert_array_equal(shown(canvas), agree_by_object(layout.rasterize(), layer.data).map)
    layer.data[:] = layout.rasterize()
    layer.refresh()
    settle(dock, qtbot)
    assert dock.scores.value("dice") == "1.0000"
    assert dock.errors.listed == []


def test_what_is_painted_to_be_ignored_counts_for_nothing(
    dock: CompareDock, canvas: Canvas, layout: Layout, predicted: np.ndarray, mouse: Mouse, qtbot: QtBot
) -> None:
    canvas.set_tile(Tile.from_array(np.full((*layout.shape, 3), 200, np.uint8), 0.5), "real")
    ignored_regions_of(canvas).begin()
    before = dock.agreement.latest
    mouse.press((40.0, 40.0))
    mouse.move((60.0, 60.0))
    mouse.release((60.0, 60.0))
    qtbot.waitUntil(lambda: dock.agreement.latest is not before, timeout=PATIENCE_MS)
    settle(dock, qtbot)
    ignored = canvas.layers.find(IGNORE).data != 0
    assert ignored.any()
    assert not shown(canvas)[ignored].any()
    assert "painted in the Ignore layer counts for nothing" in dock.notes.text()
    expected = score_labels(layout.rasterize(), predicted, ignore=ignored)
    assert dock.agreement.scores["overall_accuracy"] == expected["overall_accuracy"]
    canvas.undo()
    qtbot.waitUntil(lambda: "Ignore" not in dock.notes.text(), timeout=PATIENCE_MS)
    settle(dock, qtbot)
    assert dock.agreement.scores["dice"] == score_labels(layout.rasterize(), predicted)["dice"]


def test_switched_off_it_follows_nothing_but_choices(dock: CompareDock, canvas: Canvas, qtbot: QtBot) -> None:
    before = shown(canvas).copy()
    dock.live.setChecked(False)
    canvas.change("Delete", {1: None})
    qtbot.wait(150)
    np.testing.assert_array_equal(shown(canvas), before)
    dock.live.setChecked(True)
    settle(dock, qtbot)
    assert not np.array_equal(shown(canvas), before)


def test_choosing_an_error_brings_it_into_the_middle(dock: CompareDock, canvas: Canvas) -> None:
    camera = camera_of(canvas.viewer)
    row = [each.kind for each in dock.errors.listed].index("missed")
    dock.errors.choose(row)
    missed = dock.errors.listed[row]
    np.testing.assert_allclose(camera.center[-2:], 0.5 * np.array(missed.centroid))
    assert canvas.selection == {3}
    zoom = camera.zoom
    dock.errors.choose([each.kind for each in dock.errors.listed].index("spurious"))
    np.testing.assert_allclose(camera.center[-2:], (0.5 * 84.5, 0.5 * 104.5))
    assert camera.zoom >= zoom, "nobody is taken away from what they look at closely"


def test_errors_are_listed_by_kind(dock: CompareDock) -> None:
    dock.errors.kind.setCurrentText("Missed")
    assert [each.label for each in dock.errors.listed] == [3]
    dock.errors.kind.setCurrentIndex(0)
    assert len(dock.errors.listed) == 3


def test_files_can_be_truth_and_prediction(
    viewer: ViewerModel, canvas: Canvas, layout: Layout, predicted: np.ndarray, tmp_path: Path, qtbot: QtBot
) -> None:
    other = Layout.from_label_map(predicted, 0.5, dict.fromkeys((1, 2, 5, 9), "epithelial"))
    save_layout(layout, tmp_path / "truth.geojson")
    save_layout(other, tmp_path / "prediction.tif")
    dock = opened(viewer, qtbot)
    dock.sides["truth"].choose_file(tmp_path / "truth.geojson")
    dock.sides["prediction"].choose_file(tmp_path / "prediction.tif")
    qtbot.waitUntil(lambda: dock.agreement.latest is not None, timeout=PATIENCE_MS)
    settle(dock, qtbot)
    assert dock.sides["truth"].currentText() == "truth.geojson"
    assert dock.agreement.latest.by_object.counts["matched"] == 1
    assert dock.scores.value("iou", "epithelial"), "both files have classes"
    (tmp_path / "prediction.tif").unlink()
    dock.agreement.renew()
    refused(dock, qtbot, "cannot be read any more")
    dock.close()


def test_layers_without_a_pixel_size_are_compared_where_they_lie(
    viewer: ViewerModel, layout: Layout, predicted: np.ndarray, qtbot: QtBot
) -> None:
    viewer.add_labels(layout.rasterize(), name="truth", translate=(5.0, 7.0))
    viewer.add_labels(predicted, name="predicted", translate=(5.0, 7.0))
    dock = opened(viewer, qtbot)
    qtbot.waitUntil(lambda: dock.agreement.latest is not None, timeout=PATIENCE_MS)
    settle(dock, qtbot)
    layer = dock.canvas.layers.find(AGREEMENT)
    assert [each.currentText() for each in dock.sides.values()] == ["truth", "predicted"]
    assert (tuple(layer.scale), tuple(layer.translate)) == ((1.0, 1.0), (5.0, 7.0))
    assert {str(each) for each in layer.units} == {"pixel"}
    assert dock.agreement.latest.pair.pixel_size is None
    dock.close()


def test_scores_of_classes_are_shown_where_both_sides_have_them(
    viewer: ViewerModel, canvas: Canvas, layout: Layout, qtbot: QtBot
) -> None:
    data, options, _ = layout_layer(layout, "prediction")
    viewer.add_labels(data, **options)
    dock = opened(viewer, qtbot)
    qtbot.waitUntil(lambda: dock.scores.value("iou", "spindle") == "1.0000", timeout=PATIENCE_MS)
    settle(dock, qtbot)
    assert dock.scores.value("mpq_plus") == "1.0000"
    dock.close()


def test_a_prediction_of_classes_that_the_truth_does_not_know_is_scored_and_that_is_said(
    viewer: ViewerModel, canvas: Canvas, layout: Layout, qtbot: QtBot
) -> None:
    nuclei = [layout.nuclei[1], layout.nuclei[2], layout.nuclei[3].reclassed("muscle")]
    data, options, _ = layout_layer(Layout.from_nuclei(nuclei, layout.shape, layout.pixel_size), "prediction")
    viewer.add_labels(data, **options)
    dock = opened(viewer, qtbot)
    settle(dock, qtbot)
    assert dock.notes.text().startswith("The prediction has a class that the truth has nowhere (muscle)")
    assert dock.scores.value("iou", "muscle") == dock.scores.value("iou", "spindle") == "0.0000"
    dock.close()


@pytest.mark.parametrize("kind", ["figure", "scores", "errors", "json"])
def test_exports_are_written_in_the_background(
    kind: str, dock: CompareDock, canvas: Canvas, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / {"figure": "a.png", "json": "a.json"}.get(kind, "a.csv")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    dock.exports[kind].click()
    qtbot.waitUntil(lambda: "was written" in dock.card.text, timeout=PATIENCE_MS)
    assert target.stat().st_size > 0
    if kind == "json":
        said = json.loads(target.read_text())
        assert said["objects"]["missed"] == 1
        assert said["scores"]["object_hausdorff"] > 0
        assert said["prediction"] == "prediction"


def test_an_export_to_where_nothing_can_be_written_is_told(dock: CompareDock, tmp_path: Path, qtbot: QtBot) -> None:
    (tmp_path / "file").write_text("")
    dock.export("json", tmp_path / "file" / "a.json")
    refused(dock, qtbot, "cannot be written")


def test_without_truth_or_prediction_the_dock_says_what_to_do(
    viewer: ViewerModel, canvas: Canvas, qtbot: QtBot
) -> None:
    dock = opened(viewer, qtbot)
    refused(dock, qtbot, "There is no prediction yet", Level.ATTENTION)
    assert not dock.exports["json"].isEnabled()
    dock.export("json", Path("nowhere.json"))
    assert "nothing to export yet" in dock.card.text
    dock.sides["prediction"].choose(dock.sides["truth"].labels)
    refused(dock, qtbot, "the same labels", Level.ATTENTION)
    dock.sides["truth"].choose(None)
    refused(dock, qtbot, "There is no truth yet", Level.ATTENTION)
    assert canvas.layers.find(AGREEMENT) is None
    dock.close()


def test_other_sizes_and_pixel_sizes_are_refused_and_nothing_old_stays(
    dock: CompareDock, canvas: Canvas, predicted: np.ndarray, qtbot: QtBot
) -> None:
    add_labels(canvas.viewer, predicted[:50], "cut")
    add_labels(canvas.viewer, predicted, "finer", 0.25)
    choices = {dock.sides["prediction"].itemText(index): index for index in range(dock.sides["prediction"].count())}
    dock.sides["prediction"].choose(dock.sides["prediction"].itemData(choices["cut"]))
    refused(dock, qtbot, "100 × 120 pixels and the prediction 'cut' 50 × 120")
    assert not shown(canvas).any()
    assert dock.errors.listed == []
    assert not dock.scores.value("dice")
    dock.sides["prediction"].choose(dock.sides["prediction"].itemData(choices["finer"]))
    refused(dock, qtbot, "pixels of 0.5 µm and the prediction of 0.25 µm")
    add_labels(canvas.viewer, predicted.repeat(2, axis=0).repeat(2, axis=1), "at 40x", 0.25)
    dock.sides["prediction"].choose(dock.sides["prediction"].itemData(dock.sides["prediction"].findText("at 40x")))
    refused(dock, qtbot, "pixels of 0.5 µm and the prediction of 0.25 µm; rescale one of them")


def test_labels_that_lie_elsewhere_are_not_compared_pixel_by_pixel(
    dock: CompareDock, viewer: ViewerModel, canvas: Canvas, qtbot: QtBot
) -> None:
    moved = next(each for each in viewer.layers if "pred" in each.name.lower())
    moved.translate = (20.0, 0.0)
    refused(dock, qtbot, "lie at different places", Level.ATTENTION)
    assert dock.agreement.latest is None
    moved.translate = (0.0, 0.0)
    qtbot.waitUntil(lambda: dock.agreement.latest is not None, timeout=PATIENCE_MS)
    settle(dock, qtbot)


def answers(split: bool) -> Callable[[CompareDock], None]:
    return lambda dock: (dock.question.yes if split else dock.question.no).click()


@pytest.mark.parametrize(("split", "nuclei"), [(True, 3), (False, 1)])
def test_a_semantic_mask_is_asked_about(
    split: bool, nuclei: int, viewer: ViewerModel, canvas: Canvas, layout: Layout, qtbot: QtBot
) -> None:
    layer = add_labels(viewer, (layout.rasterize() > 0).astype(np.uint8), "mask")
    dock = opened(viewer, qtbot)
    qtbot.waitUntil(lambda: bool(dock.question.text), timeout=PATIENCE_MS)
    assert "looks like a semantic mask" in dock.question.text
    assert dock.agreement.latest is None
    answers(split)(dock)
    qtbot.waitUntil(lambda: dock.agreement.latest is not None, timeout=PATIENCE_MS)
    settle(dock, qtbot)
    assert dock.scores.value("n_prediction") == str(nuclei)
    layer.data_setitem((np.array([90, 90, 91, 91, 92]), np.array([5, 6, 5, 6, 5])), 1)
    settle(dock, qtbot)
    assert not dock.question.text, "the answer holds for what is painted later"
    dock.close()


def test_a_layer_that_is_deleted_meanwhile_is_told_of(dock: CompareDock, canvas: Canvas, qtbot: QtBot) -> None:
    dock.agreement.renew()
    canvas.viewer.layers.remove("prediction")
    refused(dock, qtbot, "The layer 'prediction', which was the prediction, has been deleted")
    qtbot.wait(100)
    assert not shown(canvas).any()
    assert dock.sides["prediction"].labels is None
    assert dock.agreement.latest is None


def test_nuclei_whose_layer_is_deleted_meanwhile_are_compared_as_the_canvas_has_them(
    dock: CompareDock, canvas: Canvas, layout: Layout, predicted: np.ndarray, qtbot: QtBot
) -> None:
    dock.agreement.renew()
    canvas.viewer.layers.remove(canvas.layers.find(LAYOUT))
    dock.agreement.renew()
    settle(dock, qtbot)
    np.testing.assert_array_equal(shown(canvas), agree_by_object(layout.rasterize(), predicted).map)
    assert dock.card.level is Level.OK


def test_a_deleted_agreement_layer_comes_back_with_the_next_stroke(
    dock: CompareDock, canvas: Canvas, qtbot: QtBot
) -> None:
    canvas.viewer.layers.remove(canvas.layers.find(AGREEMENT))
    canvas.change("Delete", {1: None})
    settle(dock, qtbot)
    assert shown(canvas).any()


def test_labels_that_come_later_are_chosen_where_nothing_is(
    viewer: ViewerModel, canvas: Canvas, predicted: np.ndarray, qtbot: QtBot
) -> None:
    dock = opened(viewer, qtbot)
    refused(dock, qtbot, "There is no prediction yet", Level.ATTENTION)
    add_labels(viewer, predicted, "found")
    qtbot.waitUntil(lambda: dock.agreement.latest is not None, timeout=PATIENCE_MS)
    assert dock.sides["prediction"].currentText() == "found"
    add_labels(viewer, predicted, "prediction")
    assert dock.sides["prediction"].currentText() == "found", "what is chosen stays"
    settle(dock, qtbot)
    dock.close()


def test_another_layout_is_followed_in_the_same_layer(dock: CompareDock, canvas: Canvas, qtbot: QtBot) -> None:
    layer = canvas.layers.find(AGREEMENT)
    nucleus = Nucleus.create(1, Outline.ellipse((30.0, 30.0), (9.0, 7.0)))
    canvas.open_layout(Layout.from_nuclei([nucleus], (64, 70), 0.5))
    refused(dock, qtbot, "64 × 70 pixels")
    canvas.viewer.layers["prediction"].data = canvas.layout.rasterize()
    qtbot.waitUntil(lambda: dock.agreement.latest is not None, timeout=PATIENCE_MS)
    settle(dock, qtbot)
    assert canvas.layers.find(AGREEMENT) is layer
    assert shown(canvas).shape == (64, 70)


def test_a_closed_dock_follows_nothing(dock: CompareDock, canvas: Canvas, qtbot: QtBot) -> None:
    before = shown(canvas).copy()
    dock.close()
    canvas.change("Delete", {1: None})
    canvas.viewer.layers["prediction"].refresh()
    qtbot.wait(100)
    assert dock.is_settled
    np.testing.assert_array_equal(shown(canvas), before)


def test_a_viewer_that_is_gone_leaves_no_error_behind(
    viewer: ViewerModel, layout: Layout, predicted: np.ndarray, qtbot: QtBot
) -> None:
    own = ViewerModel()
    canvas_of(own).open_layout(layout)
    add_labels(own, predicted, "prediction")
    dock = opened(own, qtbot)
    qtbot.waitUntil(lambda: dock.agreement.latest is not None, timeout=PATIENCE_MS)
    agreement = dock.agreement
    agreement.renew()
    del own
    gc.collect()
    qtbot.wait(200)
    agreement.go_to(dock.errors.listed[0])
    dock.close()
    assert agreement.is_settled


def test_the_legend_lies_on_the_canvas_while_the_layer_is_seen(
    make_napari_viewer, layout: Layout, predicted: np.ndarray, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer(show=True)
    canvas_of(viewer).open_layout(layout)
    add_labels(viewer, predicted, "prediction")
    window_dock, dock = viewer.window.add_plugin_dock_widget("histoloom", "Compare")
    assert isinstance(window_dock, QDockWidget)
    qtbot.waitUntil(lambda: dock.agreement.latest is not None, timeout=PATIENCE_MS)
    settle(dock, qtbot)
    legend = dock.agreement.layer.legend
    assert legend.isVisible()
    assert legend.words == ["Matched: 1", "Split: 1", "Merged: 0", "Missed: 1", "Spurious: 1"]
    dock.view.setCurrentIndex(1)
    assert [each.split(":")[0] for each in legend.words] == [
        "In both (TP)",
        "Prediction only (FP)",
        "Truth only (FN)",
    ]
    viewer.layers["Agreement"].visible = False
    assert not legend.isVisible()
    viewer.layers["Agreement"].visible = True
    assert legend.isVisible()
    viewer.layers.remove("Agreement")
    assert not legend.isVisible()
    viewer.window.remove_dock_widget(window_dock)
