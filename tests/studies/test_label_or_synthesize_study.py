"""``histoloom study label-or-synthesize``: a tiny grid with and without labels, its floor, weights and intervals."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from histoloom.cli import main
from histoloom.errors import TrainingError
from histoloom.models import inspect_bundle
from histoloom.runs import Run
from histoloom.studies.label_or_synthesize_recipe import (
    ACROSS,
    ARMS,
    BLIND_REFINER,
    BOTH,
    EASY_REFINER,
    NO_REFERENCE,
    NOT_HARD,
    PRESETS,
    REFINED,
    REFINED_BY,
    REFINED_UNIFORM,
    REFINER,
    UNIFORM,
    WEIGHTED,
    WITHIN,
    LabelOrSynthesizeRecipe,
)
from histoloom.studies.label_or_synthesize_scores import SCORE_TITLES
from histoloom.studies.label_or_synthesize_tiles import read_typed_tiles
from histoloom.studies.label_or_synthesize_weaving import woven_set
from tile_folders import write_tiles

TRAINED = (ACROSS, UNIFORM, WEIGHTED, BOTH, REFINED, NO_REFERENCE)
"""Arms of the tiny study; the others differ in nothing that training would show."""

TINY = {
    "architectures": ("hover-unet",), "width": 4, "seeds": 1, "steps": 2, "batch_size": 2, "crop_size": 32, "weave": 6,
    "layout_side": 128, "critic_steps": 2, "critic_crops": 4, "refiner_steps": 2, "critic_width": 4,
    "critic_batch_size": 2, "type_groups": 2, "held_out_share": 0.5, "checkpoint_every": 2, "device": "cpu",
    "precision": "32-true", "arms": TRAINED,
}  # fmt: skip


def recipe(**settings):
    return LabelOrSynthesizeRecipe.checked(**(PRESETS["small"] | TINY | settings))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return [write_tiles(folder / name, tiles=4, side=192, patients=4, nuclei=30) for name in ("breast", "colon")]


def line(folders, study, *words):
    options = []
    for name, value in TINY.items():
        options += [f"--{name.replace('_', '-')}", json.dumps(value) if isinstance(value, tuple) else str(value)]
    data = [word for each in folders for word in ("--data", str(each))]
    return ["study", "label-or-synthesize", *data, "-o", str(study), *options, *words]


@pytest.fixture(scope="module")
def study(folders, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study"
    assert main(line(folders, path)) == 0
    return path


def results(study):
    return json.loads((study / "results.json").read_text(encoding="utf-8"))


def test_every_arm_and_the_floor_are_scored_with_intervals(study):
    found = results(study)
    assert found["is_whole"]
    assert list(found["arms"]) == [f"hover-unet-{arm}" for arm in ARMS if arm in TRAINED]
    for scores in found["arms"].values():
        for name in SCORE_TITLES:
            assert scores[name]["low"] <= scores[name]["mean"] <= scores[name]["high"]
    assert found["floor"]["mean_dice_micc17"]["mean"] > 0.3
    assert "hover-unet: Importance weights less uniform ones" in found["differences"]


def test_universal_training_reads_no_label_and_no_tile_that_is_scored_on(study, folders):
    tiles = read_typed_tiles(folders, recipe())
    assert all(not each.label_map.any() for each in tiles.unlabelled().training)
    assert not {each.id for each in tiles.training} & {each.id for each in tiles.test}
    environment = Run.open(study / "runs" / "hover-unet-uniform-seed-0").environment
    assert environment["split"]["validated on"] == "woven tiles"
    assert all(each["woven"] for each in environment["data"])


def test_across_types_leaves_out_the_types_that_it_is_scored_on(study, folders):
    tiles = read_typed_tiles(folders, recipe())
    assert tiles.groups == (("breast",), ("colon",))
    for part, left_out in enumerate(("breast", "colon")):
        run = Run.open(study / "runs" / f"hover-unet-across-{part + 1}-seed-0")
        trained = run.environment["split"]["training"]
        assert trained
        assert not any(name.startswith(left_out) for name in trained)
    with pytest.raises(TrainingError, match="are of one type"):
        tiles.labelled(("breast", "colon"))


def test_weights_are_of_the_woven_tiles_and_kept(study, folders, tmp_path):
    weights = results(study)["weights"]["critic-seed-0"]
    assert len(weights["values"]) == TINY["weave"]
    assert all(0.2 <= each <= 2.0 for each in weights["values"])
    assert 0 < weights["effective_sample_size"] <= TINY["weave"]
    woven = woven_set(recipe(), read_typed_tiles(folders, recipe()), 0, tmp_path / "woven")
    assert len(woven.alone(np.full(6, 0.5)).woven) == TINY["weave"] - 2
    assert {each.weight for each in woven.alone(np.full(6, 0.5)).woven} == {0.5}
    critic = woven.for_critic(0.5)
    assert all(each.lender is not None for each in critic.woven)
    held = {id(each.lender) for each in critic.validation if each.lender is not None}
    assert not held & {id(each.lender) for each in critic.woven}


def test_refined_tiles_are_weighed_by_their_own_refiners_discriminator(study):
    weights = results(study)["weights"]
    assert set(weights) == {"critic-seed-0", "refiner-seed-0", "refiner-no-reference-seed-0"}
    for name in ("refiner", "refiner-no-reference"):
        kept = inspect_bundle(study / "runs" / f"{name}-seed-0" / "discriminator.safetensors")
        assert kept.kind == "discriminator"
    assert "hover-unet: Refined: with less without reference" in results(study)["differences"]


def test_without_reference_all_references_are_grey(folders, tmp_path):
    woven = woven_set(recipe(), read_typed_tiles(folders, recipe()), 0, tmp_path / "woven")
    assert all(each.lender is None for each in woven.for_refiner(with_reference=True).training)
    blind = woven.for_refiner(with_reference=False)
    assert all((each.lender.image == 128).all() for each in (*blind.training, *blind.validation))


def test_ablations_take_one_part_away_each():
    settings = recipe(arms=tuple(ARMS))
    assert settings.helpers == ("critic", REFINER, BLIND_REFINER, EASY_REFINER)
    assert recipe(arms=(WITHIN,)).helpers == ()
    assert REFINED_BY[REFINED_UNIFORM] == REFINED_BY[REFINED] == REFINER
    hard, easy = (settings.helper_cell(REFINED_BY[arm], 0).recipe for arm in (REFINED, NOT_HARD))
    assert hard.hardness_weight > easy.hardness_weight == 0
    assert hard.as_json() | {"hardness_weight": 0.0, "learner_updates": 0} == easy.as_json()
    assert settings.helper_cell(REFINED_BY[NO_REFERENCE], 0).recipe == hard
    cells = [cell for _, _, _, cell in settings.segmenter_cells(0, 2, 3)]
    assert len({cell.name for cell in cells}) == len(cells) == len(ARMS) + 1 + 4
    assert {cell.recipe.steps for cell in cells} == {settings.steps}


def test_a_finished_study_is_not_repeated_and_may_grow(study, folders, capsys):
    before = {path: path.stat().st_mtime_ns for path in study.glob("runs/*/*") if path.is_file()}
    assert main(line(folders, study)) == 0
    assert {path: path.stat().st_mtime_ns for path in study.glob("runs/*/*") if path.is_file()} == before
    assert "10 of 10 cells" in capsys.readouterr().out
    with (study / "values.csv").open(encoding="utf-8") as file:
        assert {row["arm"] for row in csv.DictReader(file)} == {*TRAINED, "floor"}
    assert "<svg" in (study / "differences.svg").read_text(encoding="utf-8")


def test_figures_are_those_whose_cells_exist_and_are_made_once(study, folders):
    place = study / "figures"
    records = json.loads((place / "figures.json").read_text(encoding="utf-8"))
    assert not [name for name, each in records.items() if "missing" in each]
    files = {name for each in records.values() for name in each["files"]}
    assert {
        "textures-and-references.png", "weights-by-critic.png", "weights-by-critic.svg", "weights-by-refiner.png",
        "woven-tiles.png", "failures.png",
    } <= files  # fmt: skip
    page = (place / "figures.md").read_text(encoding="utf-8")
    assert all(f"![]({name})" in page for name in files)
    assert "hover-unet: Universal, refined (proposed), seed 0" in page
    (place / "failures.png").unlink()
    before = {name: (place / name).stat().st_mtime_ns for name in files - {"failures.png"}}
    assert main(line(folders, study)) == 0
    assert {name: (place / name).stat().st_mtime_ns for name in before} == before
    assert (place / "failures.png").is_file()


def test_what_cannot_be_compared_is_said(folders, tmp_path, capsys):
    assert main(line(folders, tmp_path / "a", "--organ", "breast")) == 1
    assert "number of organs (1)" in capsys.readouterr().err
    assert main(line(folders, tmp_path / "b", "--only", "nothing")) == 1
    assert "no cell 'nothing'" in capsys.readouterr().err
    assert main(line([folders[0], folders[0]], tmp_path / "c")) == 1
    assert "same name" in capsys.readouterr().err
