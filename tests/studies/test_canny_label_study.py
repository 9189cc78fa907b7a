"""``histoloom study canny-label``: a tiny grid weaves inside the fold, trains, resumes, and reports with intervals."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from killed_studies import kill_at_first_checkpoint
from PIL import Image

from histoloom.cli import main
from histoloom.errors import RunError, Stopped, TrainingError
from histoloom.runs import Run
from histoloom.studies.canny_label import run_canny_label_study
from histoloom.studies.canny_label_figures import overlay
from histoloom.studies.canny_label_fold import read_fold, with_augmented_set
from histoloom.studies.canny_label_paper import PAPER_SCORES
from histoloom.studies.canny_label_recipe import (
    ARMS,
    INITIAL,
    PRESETS,
    REPLICA,
    SEGMENTERS,
    SHAPE,
    UNWOVEN,
    CannyLabelStudyRecipe,
)  # fmt: skip
from histoloom.studies.canny_label_results import compared
from histoloom.studies.canny_label_scores import SCORE_TITLES, TileScores
from histoloom.studies.study_folder import begin_study
from tile_folders import write_tiles

TINY = {
    "architectures": ("unet",), "seeds": 1, "generator_steps": 3, "generator_width": 4, "discriminator_width": 4,
    "generator_depth": 4, "steps": 3, "batch_size": 2, "unet_width": 4, "imagenet": False, "block_size": 32,
    "held_out_share": 0.5, "checkpoint_every": 3, "device": "cpu", "precision": "32-true", "unwoven": True,
}  # fmt: skip


def line(data, folder, *words, **settings):
    options = []
    for name, value in (TINY | settings).items():
        option = f"--{name.replace('_', '-')}"
        if value is True or value is False:
            options.append(option if value else option.replace("--", "--no-", 1))
        else:
            options += [option, json.dumps(value) if isinstance(value, tuple) else str(value)]
    return ["study", "canny-label", "--data", str(data), "-o", str(folder), *options, *words]


def recipe(**settings):
    return CannyLabelStudyRecipe.checked(**(PRESETS["small"] | TINY | settings))


@pytest.fixture(scope="module")
def study(tiles, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "study"
    assert main(line(tiles, folder)) == 0
    return folder


def results(folder):
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def test_every_arm_is_trained_and_scored_with_intervals(study):
    found = results(study)
    assert found["is_whole"]
    data_set = found["data_sets"]["tiles"]
    assert list(data_set["arms"]) == [f"unet-{arm}" for arm in (*ARMS, UNWOVEN)]
    for arm, scores in data_set["arms"].items():
        assert (study / "tiles" / "runs" / f"{arm}-seed-0" / "bundle.safetensors").is_file()
        for name in SCORE_TITLES:
            assert scores[name]["low"] <= scores[name]["mean"] <= scores[name]["high"]
    assert list(data_set["differences_to_initial"]) == [f"unet-{arm}" for arm in (REPLICA, SHAPE, UNWOVEN)]


def test_differences_are_those_of_the_means_and_say_what_could_be_seen(study):
    data_set = results(study)["data_sets"]["tiles"]
    for arm, differences in data_set["differences_to_initial"].items():
        for name, each in differences.items():
            expected = data_set["arms"][arm][name]["mean"] - data_set["arms"]["unet-initial"][name]["mean"]
            assert each["mean"] == pytest.approx(expected, abs=1e-9)
            assert each["half_width"] == pytest.approx((each["high"] - each["low"]) / 2)
            assert each["by_seed"] == [pytest.approx(each["mean"])]


def test_the_detectable_difference_is_that_of_a_paired_t_test():
    differences = np.array([[0.1, 0.2, 0.3, 0.4, 0.0], [0.3, 0.2, 0.1, 0.0, 0.4]])
    found = compared(differences)
    assert found.difference.mean == pytest.approx(0.2)
    assert found.detectable == pytest.approx(0)
    assert found.by_seed == (pytest.approx(0.2), pytest.approx(0.2))
    # 2.776 and 0.941 are the quantiles of 4 degrees of freedom, as tables have them.
    alone = compared(differences[:1])
    assert alone.detectable == pytest.approx((2.776 + 0.941) * math.sqrt(0.025 / 5), rel=1e-3)
    assert compared(np.full((2, 3), np.nan)) is None


def test_neither_generator_nor_segmenters_are_trained_on_held_out_patients(study):
    data_set = results(study)["data_sets"]["tiles"]
    split = data_set["split"]
    patients = {part: {int(name[1:]) % 4 for name in split[part]} for part in ("training", "validation")}
    assert split["by"] == "patient"
    assert not patients["training"] & patients["validation"]
    for run in (study / "tiles" / "runs").iterdir():
        assert Run.open(run).environment["split"] == split


def test_arms_differ_in_nothing_but_what_is_woven(study):
    runs = study / "tiles" / "runs"
    recipes = {arm: Run.open(runs / f"unet-{arm}-seed-0").recipe for arm in (INITIAL, REPLICA, SHAPE, UNWOVEN)}
    shares = {arm: each.pop("woven_share") for arm, each in recipes.items()}
    assert shares == {INITIAL: 0.0, REPLICA: 0.5, SHAPE: 0.5, UNWOVEN: 0.5}
    assert all(each == recipes[INITIAL] for each in recipes.values())
    assert recipes[INITIAL]["class_weights"] == "median frequency"


def test_sets_are_woven_from_training_tiles_alone_and_are_as_large_as_the_first(study, tiles, tmp_path):
    fold = read_fold(tiles, recipe(shape_rounds=2))
    assert len(fold.blocks) == 4 * len(fold.tiles.training)
    run = Run.open(study / "tiles" / "runs" / "generator-seed-0")
    sets = {
        arm: with_augmented_set(fold, recipe(shape_rounds=2), arm, 0, run, tmp_path)
        for arm in (INITIAL, REPLICA, SHAPE, UNWOVEN)
    }
    assert [len(each.woven) for each in sets.values()] == [0, len(fold.blocks), *[2 * len(fold.blocks)] * 2]
    for block, woven in zip(fold.blocks, sets[REPLICA].woven, strict=True):
        assert np.array_equal(block.label_map, woven.label_map)
        assert not np.array_equal(block.image, woven.image)
    for woven, real in zip(sets[SHAPE].woven, sets[UNWOVEN].woven, strict=True):
        assert np.array_equal(woven.label_map, real.label_map)
        assert not np.array_equal(woven.image, real.image)
    assert all(each.validation is fold.tiles.validation for each in sets.values())


def test_woven_pictures_are_kept_and_damaged_ones_woven_again(study, tiles, tmp_path):
    fold, run = read_fold(tiles, recipe()), Run.open(study / "tiles" / "runs" / "generator-seed-0")
    first = with_augmented_set(fold, recipe(), SHAPE, 0, run, tmp_path)
    kept = tmp_path / "shape-seed-0.npz"
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    again = with_augmented_set(fold, recipe(), SHAPE, 0, run, tmp_path)
    assert all(np.array_equal(one.image, other.image) for one, other in zip(first.woven, again.woven, strict=True))
    time = kept.stat().st_mtime_ns
    with_augmented_set(fold, recipe(), SHAPE, 0, run, tmp_path)
    assert kept.stat().st_mtime_ns == time


def test_tables_figures_and_page_hold_every_arm_and_the_papers_numbers(study):
    table, page = ((study / name).read_text(encoding="utf-8") for name in ("results.md", "report.html"))
    for words in (table, page):
        assert all(title in words for title in ARMS.values())
        assert "(0.670)" in words
        assert "+0.094" in words
    assert page.count("<svg") >= 5
    assert page.count("data:image/png;base64,") == 2
    assert 'src="http' not in page
    with (study / "values.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["arm"] for row in rows} == {*ARMS, UNWOVEN}
    initial = [float(row["value"]) for row in rows if (row["arm"], row["score"]) == (INITIAL, "aji")]
    assert np.mean(initial) == pytest.approx(
        results(study)["data_sets"]["tiles"]["arms"]["unet-initial"]["aji"]["mean"], rel=1e-4
    )
    with Image.open(study / "tiles" / "figures" / "overlay-unet.png") as figure:
        assert "U-Net" in figure.text["Description"]


def test_overlays_have_the_papers_colors():
    truth = np.array([[1, 1, 0, 0]], np.int32)
    found = np.array([[True, False, True, False]])
    assert overlay(truth, found).tolist() == [[[255, 255, 255], [255, 0, 255], [0, 255, 0], [0, 0, 0]]]


def test_the_papers_table_has_its_headline_numbers():
    gains = {
        name: round(PAPER_SCORES[name, SHAPE]["roi_iou"] - PAPER_SCORES[name, INITIAL]["roi_iou"], 4)
        for name in SEGMENTERS
    }
    assert gains == {
        "fcn8s": 0.0784, "unet": 0.0936, "segnet": 0.0540, "deeplabv3plus-resnet18": 0.0189,
        "deeplabv3plus-resnet50": 0.0153,
    }  # fmt: skip
    hurt = [
        name for name in SEGMENTERS if PAPER_SCORES[name, REPLICA]["roi_iou"] < PAPER_SCORES[name, INITIAL]["roi_iou"]
    ]
    assert hurt == ["segnet", "deeplabv3plus-resnet18", "deeplabv3plus-resnet50"]


def test_what_is_finished_is_not_repeated(study, tiles, capsys):
    before = {path: path.stat().st_mtime_ns for path in study.glob("tiles/*/*/*") if path.is_file()}
    assert len(before) > 20
    assert main(line(tiles, study)) == 0
    assert {path: path.stat().st_mtime_ns for path in study.glob("tiles/*/*/*") if path.is_file()} == before
    assert "5 of 5 cells" in capsys.readouterr().out


def test_a_study_goes_on_where_an_earlier_version_knew_less_of_its_tiles(tmp_path):
    known = {"tiles": [{"name": "tiles", "sha256": "abc"}]}
    begin_study(tmp_path / "study", "canny-label", recipe(), known)
    more = {"tiles": [{"name": "renamed", "sha256": "abc", "held_out": 3}]}
    begin_study(tmp_path / "study", "canny-label", recipe(), more)
    with pytest.raises(RunError, match="is of other tiles"):
        begin_study(tmp_path / "study", "canny-label", recipe(), {"tiles": [{"name": "tiles", "sha256": "abd"}]})
    with pytest.raises(RunError, match="holds another study"):
        begin_study(tmp_path / "study", "mode-seeking", recipe(), known)


def test_a_study_that_was_killed_goes_on_where_it_was(tiles, tmp_path):
    folder, name = tmp_path / "study", "unet-initial-seed-0"
    long = line(tiles, folder, "--only", "generator", "--only", "unet-initial", steps=60, checkpoint_every=5)
    kill_at_first_checkpoint(long, folder / "tiles" / "runs" / name)
    generator = folder / "tiles" / "runs" / "generator-seed-0" / "events.jsonl"
    before = generator.read_bytes()
    assert main(long) == 0
    assert generator.read_bytes() == before
    resumed = (folder / "tiles" / "runs" / name / "events.jsonl").read_text(encoding="utf-8").splitlines()
    starts = [json.loads(each)["step"] for each in resumed if '"TrainingStarted"' in each]
    assert starts[-1] > starts[0] == 0
    assert results(folder)["data_sets"]["tiles"]["arms"].keys() == {"unet-initial"}


def test_stopping_is_answered_and_seeds_can_be_added(study, tiles, tmp_path):
    folder = shutil.copytree(study, tmp_path / "study")
    asked = iter([False, False, True])
    with pytest.raises(Stopped, match="the same line goes on"):
        run_canny_label_study(recipe(seeds=2), [tiles], folder, should_stop=lambda: next(asked, True))
    found = run_canny_label_study(recipe(seeds=2), [tiles], folder, only=["unet-initial"])
    assert found.data_sets["tiles"].seeds("unet", INITIAL) == [0, 1]
    assert found.finished == (6, 10)


@pytest.mark.parametrize(
    ("words", "settings", "code", "sentence"),
    [
        (["--only", "nothing"], {}, 1, "has no cell 'nothing'"),
        ([], {"steps": 4}, 1, "has 3 for 'steps' and not 4"),
        ([], {"architectures": ("unet", "u-net")}, 1, "there is no architecture called 'u-net'"),
        (["--licence", "one", "--licence", "two"], {}, 1, "number of licences (2)"),
        (["--preset", "large"], {}, 2, "--preset"),
    ],
)
def test_mistakes_are_answered_with_one_sentence(study, tiles, capsys, words, settings, code, sentence):
    assert main(line(tiles, study, *words, **settings)) == code
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


def test_data_that_cannot_be_compared_are_refused(tiles, tmp_path):
    with pytest.raises(TrainingError, match="smaller than a block"):
        read_fold(tiles, recipe(block_size=128, generator_depth=5))
    with pytest.raises(TrainingError, match="fewer than two tiles are held out"):
        read_fold(write_tiles(tmp_path / "two", tiles=2), recipe())
    with pytest.raises(TrainingError, match="have the same name"):
        run_canny_label_study(recipe(), [tiles, Path(tmp_path) / "other" / "tiles"], tmp_path / "study")
    with pytest.raises(TrainingError, match="at least one folder"):
        run_canny_label_study(recipe(), [], tmp_path / "study")
    with pytest.raises(RunError, match="damaged"):
        TileScores.from_json({"aji": [0.5]}, 1)


def test_the_presets_are_the_papers_five_and_two_narrow_ones():
    paper, small = (CannyLabelStudyRecipe.checked(**PRESETS[name]) for name in ("paper", "small"))
    assert paper.architectures == tuple(SEGMENTERS)
    assert paper.generator_cell(0).recipe.l1_weight == 100
    assert small.architectures == ("unet", "deeplabv3plus-resnet18")
    assert small.seeds >= 3
    steps = {cell.recipe.steps for seed in range(small.seeds) for _, _, cell in small.segmenter_cells(seed)}
    assert steps == {small.steps}
    assert all(cell.recipe.imagenet for _, _, cell in paper.segmenter_cells(0) if "unet" not in cell.name)
