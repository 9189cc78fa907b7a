"""Comparisons as figure, CSV and JSON."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from histoloom.errors import WriteError
from histoloom.evaluation import (
    AGREEMENT_PALETTES,
    AgreementReport,
    LegendEntry,
    PixelAgreement,
    agree_by_object,
    agree_by_pixel,
    draw_agreement,
    save_agreement_figure,
    save_agreement_json,
    save_errors_table,
    save_scores_table,
    score_labels,
)


@pytest.fixture
def truth():
    labels = np.zeros((40, 60), np.int32)
    labels[2:10, 2:10], labels[20:30, 20:30], labels[20:30, 40:50] = 1, 2, 7
    return labels


@pytest.fixture
def prediction():
    labels = np.zeros((40, 60), np.int32)
    labels[20:30, 20:25], labels[20:30, 25:30], labels[32:36, 50:58] = 4, 5, 6
    return labels


@pytest.fixture
def report(truth, prediction):
    scores = score_labels(truth, prediction, split=False)
    return AgreementReport("by hand", "network", agree_by_object(truth, prediction), scores, 0.5)


def test_json_holds_all_scores_and_errors_and_no_infinity(report, truth, prediction, tmp_path):
    saved = save_agreement_json(report, tmp_path / "all")
    said = json.loads(saved.read_text())

    assert saved.name == "all.json"
    assert said["scores"]["pq"] == score_labels(truth, prediction, split=False)["pq"]
    assert said["objects"] == {"matched": 0, "split": 1, "merged": 0, "missed": 2, "spurious": 1}
    split = next(each for each in said["errors"] if each["kind"] == "split")
    assert (split["side"], split["label"], split["partners"]) == ("truth", 2, [4, 5])
    assert (split["y_um"], split["area_um2"]) == (split["y_px"] * 0.5, split["area_px"] * 0.25)
    empty = AgreementReport("a", "b", report.agreement, score_labels(truth, np.zeros_like(prediction), split=False))
    assert (
        json.loads(save_agreement_json(empty, tmp_path / "none.json").read_text())["scores"]["object_hausdorff"] is None
    )


def test_tables_have_a_row_for_each_score_and_each_error(report, tmp_path):
    with save_scores_table(report, tmp_path / "scores.csv").open(newline="") as file:
        scores = {(row["class"], row["score"]): row["value"] for row in csv.DictReader(file)}
    with save_errors_table(report, tmp_path / "errors.csv").open(newline="") as file:
        errors = list(csv.DictReader(file))

    assert float(scores["(all)", "dice"]) == report.scores["dice"]
    assert float(scores["nucleus", "iou"]) == report.scores["classes"]["nucleus"]["iou"]
    assert [row["kind"] for row in errors] == [each.kind for each in report.agreement.errors]
    assert next(row["partners"] for row in errors if row["kind"] == "split") == "4 5"


def test_a_figure_shows_the_palette_over_the_picture(truth, prediction, tmp_path):
    palette = AGREEMENT_PALETTES["white-green-magenta"]
    legend = [LegendEntry(kind, kind.name, color) for kind, color in palette.pixel_colors().items()]
    picture = np.full((40, 60, 3), (200, 100, 150), np.uint8)
    values = agree_by_pixel(truth, prediction)
    figure = draw_agreement(values, legend, picture, opacity=1.0, caption=("Dice 0.5",))
    scale = figure.shape[1] // 60
    shown = figure[: 40 * scale : scale, ::scale]

    assert figure.shape[1] >= 900
    assert figure.shape[0] > 40 * scale, "the legend lies beneath"
    for kind, color in palette.pixel_colors().items():
        assert (shown[values == kind] == color).all()
    assert (shown[values == PixelAgreement.NEITHER] == (200, 100, 150)).all()
    saved = save_agreement_figure(figure, tmp_path / "figure", {"Title": "µ"})
    with Image.open(saved) as image:
        assert saved.suffix == ".png"
        assert image.text["Title"] == "µ"
        np.testing.assert_array_equal(np.asarray(image), figure)


def test_what_cannot_be_written_is_told_in_a_sentence(report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be written"):
        save_agreement_json(report, tmp_path / "file" / "all.json")
