"""Scores of files and folders of labels, in the formats that they come in."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from histoloom.errors import EvaluationError, HistoloomError
from histoloom.evaluation import score_files, score_folders, score_labels
from histoloom.evaluation.label_files import labels_in_folder
from histoloom.layouts import Layout, Nucleus, Outline, layout_to_geojson, save_layout
from tile_folders import write_tiles


def layout(shift=0.0, class_name="tumor", pixel_size=0.25):
    """Three nuclei, the middle one of a class of its own."""
    nuclei = [
        Nucleus.create(key, Outline.ellipse((20.0, 20.0 * key + shift), (8.0, 6.0)), name)
        for key, name in ((1, "epithelial"), (2, class_name), (3, "epithelial"))
    ]
    return Layout.from_nuclei(nuclei, (48, 96), pixel_size)


def write_map(path: Path, label_map, **tags) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".tif":
            tifffile.imwrite(path, label_map, **tags)
        case ".npy":
            np.save(path, label_map)
        case ".mat":
            from scipy.io import savemat

            savemat(path, {"inst_map": label_map, **tags})
        case _:
            Image.fromarray(label_map).save(path)
    return path


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.png", "a.mat", "a.bmp"])
def test_label_maps_of_any_format_give_the_same_scores(tmp_path, name):
    truth, prediction = layout().rasterize(), layout(3).rasterize()
    save_layout(layout(), tmp_path / "truth.tif")
    path = write_map(tmp_path / name, prediction.astype(np.uint8))
    scores, notes = score_files(tmp_path / "truth.tif", path)
    assert {key: scores[key] for key in ("aji", "pq", "bf_score", "object_hausdorff")} == {
        key: score_labels(truth, prediction)[key] for key in ("aji", "pq", "bf_score", "object_hausdorff")
    }
    assert notes == ["The prediction has no classes of nuclei, so that none are scored."]


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (1, 6, 1)])
def test_label_maps_of_one_row_or_column_are_label_maps(tmp_path, shape):
    np.save(tmp_path / "truth.npy", np.ones(shape, np.int32))
    scores, _ = score_files(tmp_path / "truth.npy", tmp_path / "truth.npy")
    assert scores["pq"] == 1.0
    assert scores["n_truth"] == 1


def test_layouts_are_scored_with_their_classes(tmp_path):
    save_layout(layout(), tmp_path / "truth.tif")
    save_layout(layout(1, "spindle"), tmp_path / "prediction.geojson")
    scores, notes = score_files(tmp_path / "truth.tif", tmp_path / "prediction.geojson")
    assert notes == [
        "The prediction has a class that the truth has nowhere (spindle), so that all its nuclei count as wrong in the "
        "scores of classes; name classes alike if they mean the same."
    ]
    assert set(scores["classes"]) == {"background", "epithelial", "spindle", "tumor"}
    assert scores["classes"]["tumor"]["pq"] == 0 < scores["classes"]["epithelial"]["pq"] < 1


def test_classes_beside_a_label_map_are_read_and_those_without_a_common_name_are_said(tmp_path):
    for side, number in (("truth", 1), ("prediction", 2)):
        write_map(tmp_path / side / "labels" / "a.tif", layout().rasterize().astype(np.uint16))
        types = tmp_path / side / "types" / "a.json"
        types.parent.mkdir()
        types.write_text(json.dumps(dict.fromkeys("123", number)), encoding="utf-8")
    scores, notes = score_files(*(tmp_path / side / "labels" / "a.tif" for side in ("truth", "prediction")))
    assert scores["pq"] == 1
    assert scores["mpq_plus"] == 0
    assert notes == [
        "Truth (other) and prediction (inflammatory) have no class in common; name them alike if they mean the same."
    ]


def test_outlines_without_a_canvas_take_that_of_the_other_side(tmp_path):
    bare = {"type": "FeatureCollection", "features": layout_to_geojson(layout())["features"]}
    (tmp_path / "outlines.geojson").write_text(json.dumps(bare), encoding="utf-8")
    truth = write_map(tmp_path / "truth.tif", layout().rasterize())
    for pair in ((truth, tmp_path / "outlines.geojson"), (tmp_path / "outlines.geojson", truth)):
        scores, _ = score_files(*pair)
        assert scores["dice"] == scores["overall_accuracy"] == 1
    scores, _ = score_files(tmp_path / "outlines.geojson", tmp_path / "outlines.geojson")
    assert scores["mpq_plus"] == 1


def test_pixel_sizes_that_files_give_must_agree(tmp_path):
    truth = write_map(tmp_path / "truth.tif", layout().rasterize())
    save_layout(layout(pixel_size=0.5), tmp_path / "coarse.tif")
    save_layout(layout(pixel_size=0.25), tmp_path / "fine.geojson")
    assert score_files(truth, tmp_path / "coarse.tif")[0]["dice"] == 1  # the first says nothing
    with pytest.raises(EvaluationError, match=r"pixels of 0\.5 µm and the prediction of 0\.25 µm; rescale"):
        score_files(tmp_path / "coarse.tif", tmp_path / "fine.geojson")


def test_masks_in_files_are_named_or_split(tmp_path):
    mask = (layout().rasterize() > 0).astype(np.uint8) * 255
    truth = write_map(tmp_path / "truth.tif", layout().rasterize())
    for name in ("mask.png", "mask.tif", "mask.npy"):
        path = write_map(tmp_path / name, mask > 0 if name == "mask.npy" else mask)
        with pytest.raises(EvaluationError, match="a single label in 3 pieces"):
            score_files(truth, path)
        assert score_files(truth, path, split=True)[0]["aji"] == 1
        assert score_files(truth, path, split=False)[0]["n_prediction"] == 1


@pytest.mark.parametrize(
    ("truth", "prediction", "sentence"),
    [
        ("a.tif", "gone.tif", "'gone.tif' does not exist"),
        ("a.tif", "small.tif", "48 x 96 pixels and the prediction 20 x 20"),
        ("a.tif", "words.txt", "no file of labels"),
        ("a.tif", "damaged.tif", "cannot be read"),
        ("a.tif", "damaged.geojson", "not readable GeoJSON"),
        ("a.tif", "photo.png", "not colours"),
    ],
)
def test_files_that_cannot_be_scored_are_answered_with_a_sentence(tmp_path, truth, prediction, sentence):
    write_map(tmp_path / "a.tif", layout().rasterize())
    write_map(tmp_path / "small.tif", layout().rasterize()[:20, :20])
    for name in ("words.txt", "damaged.tif", "damaged.geojson"):
        (tmp_path / name).write_text("nothing", encoding="utf-8")
    write_map(tmp_path / "photo.png", np.random.default_rng(0).integers(0, 255, (48, 96, 3), np.uint8))
    with pytest.raises(HistoloomError, match=sentence):
        score_files(tmp_path / truth, tmp_path / prediction)


@pytest.fixture
def folders(tmp_path):
    """Truth of three pictures; predictions of two of them and of another, named as a segmenter writes them."""
    for name, shift in (("a", 0), ("b", 2), ("c", 4)):
        write_map(tmp_path / "truth" / f"{name}.tif", layout(shift).rasterize())
    for name in ("a", "b", "d"):
        save_layout(layout(1), tmp_path / "predicted" / f"{name}_labels.tif")
        save_layout(layout(9), tmp_path / "predicted" / f"{name}.geojson")
        write_map(tmp_path / "predicted" / f"{name}.png", np.zeros((48, 96, 3), np.uint8))
    return tmp_path / "truth", tmp_path / "predicted"


def test_folders_are_paired_by_name_and_scored_each_in_the_mean_and_pooled(folders):
    seen = []
    found = score_folders(*folders, on_image=lambda *each: seen.append(each))
    assert seen == [("a", 0, 2), ("b", 1, 2)]
    truths, prediction = [layout(shift).rasterize() for shift in (0, 2)], layout(1).rasterize()
    each = [score_labels(truth, prediction) for truth in truths]
    assert [found.per_image[name]["aji"] for name in "ab"] == [scores["aji"] for scores in each]
    assert found.mean_over_images["pq"] == pytest.approx((each[0]["pq"] + each[1]["pq"]) / 2)
    assert found.mean_over_images["n_truth"] == 3
    assert found.pooled["n_truth"] == 6
    assert found.pooled["object_hausdorff"] == pytest.approx(found.mean_over_images["object_hausdorff"], rel=0.2)
    assert found.unpaired == {"truth": ("c",), "prediction": ("d",)}
    assert found.notes == (
        "The truth has no classes of nuclei, so that none are scored.",
        "1 image of the truth without a prediction, such as 'c', not scored.",
        "1 image of the prediction without a truth, such as 'd', not scored.",
    )


def test_classes_that_the_truth_of_no_image_has_are_said_once(tmp_path):
    for name, true, told in (("a", "tumor", "tumor"), ("b", "spindle", "tumor"), ("c", "tumor", "muscle")):
        save_layout(layout(class_name=true), tmp_path / "truth" / f"{name}.tif")
        save_layout(layout(class_name=told), tmp_path / "predicted" / f"{name}.tif")
    found = score_folders(tmp_path / "truth", tmp_path / "predicted")
    assert [each.split(",")[0] for each in found.notes] == [
        "The prediction has a class that the truth has nowhere (muscle)"
    ]


def test_images_without_a_value_are_counted_and_left_out_of_means(tmp_path):
    for name, truth in (("a", layout().rasterize()), ("b", np.zeros((48, 96), np.int32))):
        write_map(tmp_path / "truth" / f"{name}.tif", truth)
        write_map(tmp_path / "predicted" / f"{name}.tif", layout(2).rasterize())
    found = score_folders(tmp_path / "truth", tmp_path / "predicted")
    assert found.per_image["b"]["object_hausdorff"] == math.inf
    assert found.left_out == {"object_hausdorff": 1}
    assert found.mean_over_images["object_hausdorff"] == found.per_image["a"]["object_hausdorff"]
    assert found.mean_over_images["aji"] == found.per_image["a"]["aji"] / 2


def test_folders_of_tiles_are_truth_as_they_are(tmp_path):
    tiles = write_tiles(tmp_path / "tiles", tiles=2, classes="tumor")
    for name in ("t0", "t1"):
        label_map = tifffile.imread(tiles / "labels" / f"{name}.tif")
        write_map(tmp_path / "predicted" / f"{name}_labels.tif", label_map)
    found = score_folders(tiles, tmp_path / "predicted")
    assert found.pooled["pq"] == 1
    classed = score_folders(tiles, tiles)
    assert classed.pooled["classes"]["tumor"]["pq"] == classed.mean_over_images["classes"]["tumor"]["pq"] == 1


def test_of_files_of_one_name_the_one_meant_to_be_labels_is_read(folders):
    chosen = {name: source.path.name for name, source in labels_in_folder(folders[1]).items()}
    assert chosen == {name: f"{name}_labels.tif" for name in "abd"}


def test_folders_that_cannot_be_scored_are_answered_with_a_sentence(folders, tmp_path):
    truth, _ = folders
    (tmp_path / "empty").mkdir()
    write_map(tmp_path / "others" / "z.tif", layout().rasterize())
    write_map(tmp_path / "small" / "b.tif", layout().rasterize()[:20])
    for other, sentence in (
        ("gone", "The folder 'gone' does not exist"),
        ("empty", "The folder 'empty' holds no labels"),
        ("others", "have no names in common .such as 'a' and 'z'."),
        ("small", "'b': The truth has 48 x 96 pixels and the prediction 20 x 96"),
    ):
        with pytest.raises(EvaluationError, match=sentence):
            score_folders(truth, tmp_path / other)
