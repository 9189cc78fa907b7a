"""``histoloom study lymphocytes``: a tiny grid, AUROC with intervals, and what learns nothing."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from histoloom.cli import main
from histoloom.errors import RecipeError, RunError, Stopped, TrainingError
from histoloom.evaluation import area_under_roc
from histoloom.runs import Run
from histoloom.studies.lymphocytes import RUNS, run_lymphocyte_study
from histoloom.studies.lymphocytes_points import dark_roundness_at, darkness_at, points_of
from histoloom.studies.lymphocytes_recipe import (
    ARMS,
    BOTH,
    MEASURED,
    PRESETS,
    SUPERVISED,
    UNIVERSAL,
    LymphocyteStudyRecipe,
)
from histoloom.studies.pooled_auroc import PooledAuroc
from histoloom.studies.study_tiles import read_study_tiles
from lymphocyte_tiles import write_lymphocyte_tiles
from tile_folders import write_tiles

TINY = {
    "seeds": 1, "steps": 2, "width": 4, "batch_size": 2, "crop_size": 83, "weave": 6, "layout_side": 144,
    "checkpoint_every": 1, "held_out_share": 0.5,
}  # fmt: skip


def recipe(**changes):
    return LymphocyteStudyRecipe.checked(**(PRESETS["small"] | TINY | changes))


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_lymphocyte_tiles(tmp_path_factory.mktemp("data") / "tiles", tiles=4, side=156)


def line(tiles, study, *words):
    options = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return ["study", "lymphocytes", "--data", str(tiles), "-o", str(study), *options, *words]


@pytest.fixture(scope="module")
def study(tiles, tmp_path_factory):
    """One that was stopped in the midst of its second training and went on."""
    path = tmp_path_factory.mktemp("study") / "study"
    with pytest.raises(Stopped):
        run_lymphocyte_study(recipe(), tiles, path, should_stop=lambda: (path / RUNS / "supervised-seed-0").is_dir())
    assert (path / RUNS / "supervised-seed-0" / "checkpoints").is_dir()
    assert main(line(tiles, path)) == 0
    return path


def test_every_arm_and_what_learns_nothing_are_measured_with_intervals(study):
    found = json.loads((study / "results.json").read_text(encoding="utf-8"))
    assert found["is_whole"]
    assert list(found["auroc"]) == ["darkness", "dark-roundness", *ARMS]
    for of_arm in found["auroc"].values():
        for each in of_arm.values():
            assert 0 <= each["low"] <= each["mean"] <= each["high"] <= 1
    assert found["auroc"]["dark-roundness"]["nuclei"]["mean"] > 0.95
    assert all(each["lymphocytes"] and each["other nuclei"] and each["background"] for each in found["points"].values())
    assert "Universal (7 µm) less supervised" in found["differences"]
    with (study / "values.csv").open() as file:
        assert {row["what"] for row in csv.DictReader(file)} == {"darkness", "dark-roundness", *ARMS}
    assert "| Universal, lymphocytes of 7 µm | 1 |" in (study / "results.md").read_text(encoding="utf-8")
    assert (study / "differences.svg").is_file()


def test_universal_arms_read_no_label_and_no_tile_that_is_scored_on(study, tiles):
    for arm in (UNIVERSAL, MEASURED):
        environment = Run.open(study / "runs" / f"{arm}-seed-0").environment
        assert environment["split"]["validated on"] == "woven tiles"
        assert all(each["woven"] for each in environment["data"])
    split = json.loads((study / "study.json").read_text(encoding="utf-8"))["split"]
    assert not set(split["training"]) & set(split["validation"])
    supervised, both = (Run.open(study / "runs" / f"{arm}-seed-0").environment for arm in (SUPERVISED, BOTH))
    assert not any(each["woven"] for each in supervised["data"])
    assert {bool(each["woven"]) for each in both["data"]} == {True, False}
    assert LymphocyteStudyRecipe().cell(MEASURED, 0).recipe.lymphocyte_diameter == 0


def test_a_finished_study_does_nothing_again_and_only_its_own_settings_go_on(study, tiles):
    before = (study / "runs" / "supervised-seed-0" / "scores.json").stat().st_mtime_ns
    assert main(line(tiles, study, "--only", "supervised")) == 0
    assert (study / "runs" / "supervised-seed-0" / "scores.json").stat().st_mtime_ns == before
    with pytest.raises(RunError, match="'weave' and not 8"):
        run_lymphocyte_study(recipe(weave=8), tiles, study)
    with pytest.raises(RecipeError, match="no cell 'dreams'"):
        run_lymphocyte_study(recipe(), tiles, study, only=["dreams"])
    with pytest.raises(RecipeError, match="no arm called 'dreams'"):
        recipe(arms=("dreams",))
    path = study / "runs" / "supervised-seed-0" / "scores.json"
    whole = path.read_bytes()
    path.write_text("[[0.5]]")
    with pytest.raises(RunError, match="are damaged or of other points"):
        run_lymphocyte_study(recipe(), tiles, study, only=["universal"])
    path.write_bytes(whole)


def test_points_are_nuclei_of_known_class_and_background_away_from_lymphocytes(tiles):
    data = read_study_tiles(tiles, recipe())
    for each in points_of(data, data.split["validation"], "inflammatory", 1.0):
        background = each.points[~each.is_nucleus]
        assert len(background) == each.is_nucleus.sum()
        rows, columns = background.astype(int).T
        assert not each.picture.label_map[rows, columns].any()
        lymphocytes = each.points[each.is_positive]
        apart = np.linalg.norm(background[:, None] - lymphocytes[None], axis=2)
        assert apart.min() >= 10
        dark, round_and_dark = (f(each.picture.image, each.points, 0.25) for f in (darkness_at, dark_roundness_at))
        assert dark[each.is_positive].min() > dark[~each.is_positive].max()
        assert (round_and_dark[~each.is_nucleus] == 0).all()


def test_labels_without_classes_are_refused_in_a_sentence(tmp_path):
    plain = write_tiles(tmp_path / "plain", tiles=4)
    with pytest.raises(TrainingError, match="do not tell which nuclei are lymphocytes"):
        run_lymphocyte_study(recipe(), plain, tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_pooled_auroc_is_the_usual_one_over_all_patches_and_its_interval_holds_it():
    random = np.random.default_rng(0)
    sizes = (40, 7, 25, 30)
    positive = [random.random(size) < 0.4 for size in sizes]
    positive[1][:] = False
    scores = [np.round(random.normal(size=size) + each, 1) for size, each in zip(sizes, positive, strict=True)]
    pooled = PooledAuroc.of(scores, positive)
    usual = area_under_roc(np.concatenate(positive), np.concatenate(scores))
    assert pooled.by_seed[0] == pytest.approx(usual)
    assert pooled.by_tile[0, 0] == pytest.approx(area_under_roc(positive[0], scores[0]))
    assert np.isnan(pooled.by_tile[0, 1])
    worse = PooledAuroc.of([random.normal(size=size) for size in sizes], positive)
    both = PooledAuroc.of_seeds([pooled, pooled])
    interval = both.interval(np.random.default_rng(1))
    assert interval.low < interval.mean == pytest.approx(usual)
    assert interval.mean < interval.high
    less = both.interval(np.random.default_rng(1), worse)
    assert less.mean == pytest.approx(usual - worse.by_seed[0])
    nothing = both.interval(np.random.default_rng(1), both)
    assert (nothing.low, nothing.mean, nothing.high) == (0, 0, 0)
    none = PooledAuroc.of([np.ones(3)], [np.zeros(3, bool)])
    assert none.interval(np.random.default_rng(1)) is None
