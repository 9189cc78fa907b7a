"""``histoloom score``: what it prints, and the sentence that answers each mistake."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from histoloom.cli import main
from histoloom.evaluation import score_labels
from histoloom.layouts import Layout, Nucleus, Outline, save_layout

KEYS = ("dice", "object_dice_micc17", "aji", "aji_plus", "dq", "sq", "pq", "n_truth", "n_prediction")


def layout(shift: float, class_name: str = "nucleus") -> Layout:
    nuclei = [
        Nucleus.create(key, Outline.ellipse((20.0, 20.0 * key + shift), (8.0, 6.0)), class_name) for key in (1, 2, 3)
    ]
    return Layout.from_nuclei(nuclei, (48, 96), 0.25)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, shift in (("a", 0.0), ("b", 3.0)):
        save_layout(layout(shift), tmp_path / "truth" / f"{name}.tif")
        save_layout(layout(1.0), tmp_path / "predicted" / f"{name}_labels.tif")
    (tmp_path / "empty").mkdir()
    save_layout(layout(0.0).resized((40, 40)), tmp_path / "small.tif")
    save_layout(replace(layout(0.0), pixel_size=0.5), tmp_path / "coarse.tif")
    tifffile.imwrite(tmp_path / "mask.tif", (layout(0.0).rasterize() > 0).astype(np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_two_files_give_the_scores_that_the_library_gives(folder, capsys):
    assert main(["score", "truth/a.tif", "predicted/a_labels.tif", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    wanted = score_labels(layout(0.0).rasterize(), layout(1.0).rasterize())
    assert {key: said[key] for key in KEYS} == {key: wanted[key] for key in KEYS}
    assert said["classes"]["nucleus"]["bf_score"] == wanted["classes"]["nucleus"]["bf_score"]


def test_a_table_names_every_family_of_scores(folder, capsys):
    assert main(["score", "truth/a.tif", "predicted/a_labels.tif"]) == 0
    said = capsys.readouterr().out
    wanted = score_labels(layout(0.0).rasterize(), layout(1.0).rasterize())
    for title, key in (("AJI+", "aji_plus"), ("F1 (Dice)", "dice"), ("BF score", "bf_score"), ("PQ", "pq")):
        assert any(line.split() == [*title.split(), f"{wanted[key]:.4f}"] for line in said.splitlines()), title
    assert "Hausdorff" in said
    assert main(["score", "truth/a.tif", "predicted/a_labels.tif", "--no-hausdorff"]) == 0
    assert "Hausdorff" not in capsys.readouterr().out


def test_a_probability_adds_the_area_under_the_roc_curve(folder, capsys):
    probability = np.random.default_rng(0).random((48, 96)).astype(np.float32) + (layout(0.0).rasterize() > 0)
    tifffile.imwrite("likely.tif", probability)
    line = ["score", "truth/a.tif", "predicted/a_labels.tif", "--probability"]
    assert main([*line, "likely.tif", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["auroc"] == 1.0
    np.save("flat.npy", np.full((48, 96), 0.3))
    assert main([*line, "flat.npy"]) == 0
    assert any(line.split() == ["AUROC", "0.5000"] for line in capsys.readouterr().out.splitlines())
    np.save("small.npy", np.full((8, 8), 0.3))
    np.save("colours.npy", np.zeros((48, 96, 3)))
    for wrong, sentence in (
        ("small.npy", "give one finite number for each"),
        ("colours.npy", "not one number for each pixel"),
        ("gone.tif", "does not exist"),
    ):
        assert main([*line, wrong]) != 0
        assert sentence in capsys.readouterr().err
    assert main(["score", "truth", "predicted", "--probability", "likely.tif"]) != 0
    assert "two files" in capsys.readouterr().err


def test_two_folders_give_images_means_and_pooled_scores(folder, capsys):
    assert main(["score", "truth", "predicted", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"per_image", "mean_over_images", "left_out", "pooled", "unpaired"}
    assert set(said["per_image"]) == {"a", "b"}
    mean = (said["per_image"]["a"]["aji"] + said["per_image"]["b"]["aji"]) / 2
    assert said["mean_over_images"]["aji"] == pytest.approx(mean)
    assert said["pooled"]["n_truth"] == 6
    assert main(["score", "truth", "predicted"]) == 0
    table = capsys.readouterr().out
    assert "mean of images" in table
    assert "pooled" in table


def test_classes_have_a_table_of_their_own(folder, capsys):
    save_layout(layout(0.0, "tumor"), "one.tif")
    save_layout(layout(1.0, "tumor"), "other.tif")
    assert main(["score", "one.tif", "other.tif"]) == 0
    assert any(line.startswith("tumor ") for line in capsys.readouterr().out.splitlines())


def test_a_prediction_of_other_classes_is_scored_and_that_is_said(folder, capsys):
    save_layout(layout(0.0, "tumor"), "one.tif")
    save_layout(layout(1.0, "epithelial"), "other.tif")
    assert main(["score", "one.tif", "other.tif", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["mpq_plus"] == 0
    assert said.err == (
        "Truth (tumor) and prediction (epithelial) have no class in common; name them alike if they mean the same.\n"
    )


def test_scores_without_a_value_are_null_in_json(folder, capsys):
    save_layout(Layout.empty((48, 96)), "none.tif")
    assert main(["score", "truth/a.tif", "none.tif", "--json"]) == 0
    said = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert said["object_hausdorff"] is None
    assert said["aji"] == 0
    assert main(["score", "truth/a.tif", "none.tif"]) == 0
    assert "∞" in capsys.readouterr().out


def test_a_mask_can_be_split_or_kept(folder, capsys):
    assert main(["score", "truth/a.tif", "mask.tif", "--json", "--split"]) == 0
    assert json.loads(capsys.readouterr().out)["aji"] == 1
    assert main(["score", "truth/a.tif", "mask.tif", "--json", "--no-split"]) == 0
    assert json.loads(capsys.readouterr().out)["n_prediction"] == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["truth", "predicted/a_labels.tif"],
            "'truth' is a folder and the other is not; give two files or two",
        ),
        (["truth/a.tif", "gone.tif"], "'gone.tif' does not exist"),
        (["truth", "empty"], "The folder 'empty' holds no labels"),
        (["truth/a.tif", "small.tif"], "48 x 96 pixels and the prediction 40 x 40"),
        (["truth/a.tif", "coarse.tif"], "pixels of 0.25 µm and the prediction of 0.5 µm; rescale one of them"),
        (["truth/a.tif", "mask.tif"], "'--split'"),
    ],
)
def test_mistakes_are_answered_with_one_sentence(folder, capsys, words, sentence):
    assert main(["score", *words]) == 1
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.realdata
def test_folders_of_the_published_codes_pairs_give_its_numbers(shared_data, tmp_path, capsys):
    golden = shared_data.parent / "golden"
    for side in ("truth", "prediction"):
        (tmp_path / side).mkdir()
        for path in golden.glob(f"*_{side}.tif"):
            (tmp_path / side / path.name).symlink_to(path)
    assert main(["score", str(tmp_path / "truth"), str(tmp_path / "prediction"), "--json", "--no-hausdorff"]) == 0
    said = json.loads(capsys.readouterr().out)["per_image"]
    for name, wanted in json.loads((golden / "expected.json").read_text(encoding="utf-8")).items():
        assert {key: said[name][key] for key in wanted} == pytest.approx(wanted, abs=1e-6, rel=0)
