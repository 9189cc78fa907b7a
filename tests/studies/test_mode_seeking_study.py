"""``histoloom study mode-seeking``: a tiny grid trains, resumes, and reports with intervals."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from killed_studies import kill_at_first_checkpoint
from PIL import Image

from histoloom.cli import main
from histoloom.errors import RunError, Stopped
from histoloom.models import load_bundle
from histoloom.studies.grid import finished_run
from histoloom.studies.mode_seeking import run_mode_seeking_study
from histoloom.studies.mode_seeking_recipe import ARMS, FULL, PRESETS, ModeSeekingStudyRecipe
from histoloom.studies.mode_seeking_report import MEASURE_TITLES

TINY = {
    "width": 4, "discriminator_width": 4, "depth": 4, "crop_size": 32, "steps": 3, "seeds": 1, "crops_per_tile": 1,
    "structures": 2, "noises": 2, "held_out_share": 0.5, "checkpoint_every": 1, "preview_every": 3, "device": "cpu",
    "precision": "32-true",
}  # fmt: skip


def line(tiles, folder, *words, **settings):
    options = [
        word for name, value in (TINY | settings).items() for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    return ["study", "mode-seeking", "--data", str(tiles), "-o", str(folder), *options, *words]


@pytest.fixture(scope="module")
def study(tiles, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "study"
    assert main(line(tiles, folder)) == 0
    return folder


def results(folder):
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def test_every_arm_is_trained_and_measured_with_intervals(study):
    found = results(study)
    assert found["is_whole"]
    assert list(found["arms"]) == list(ARMS)
    for arm in ARMS:
        assert (study / "runs" / f"{arm}-seed-0" / "bundle.safetensors").is_file()
        for name in MEASURE_TITLES:
            interval = found["arms"][arm][name]
            assert interval["low"] <= interval["mean"] <= interval["high"]
    assert list(found["differences_to_full"]) == [arm for arm in ARMS if arm != FULL]
    assert 0 < found["real"]["similarity_across_layouts"]["mean"] < 1


def test_differences_are_those_of_the_means(study):
    found = results(study)
    for arm, differences in found["differences_to_full"].items():
        for name, difference in differences.items():
            expected = found["arms"][arm][name]["mean"] - found["arms"][FULL][name]["mean"]
            assert difference["mean"] == pytest.approx(expected, abs=1e-9)


def test_without_a_structure_map_a_mask_has_one_picture(study):
    arms = results(study)["arms"]
    assert arms["no-structure-map"]["similarity_across_structures"]["mean"] == pytest.approx(1)
    assert arms["no-structure-map"]["l1_across_structures"]["mean"] == 0
    assert arms[FULL]["l1_across_structures"]["mean"] > 0


def test_held_out_patients_are_not_trained_on(study):
    split = results(study)["environment"]["split"]
    patients = {part: {int(name[1:]) % 4 for name in split[part]} for part in ("training", "validation")}
    assert split["by"] == "patient"
    assert not patients["training"] & patients["validation"]
    assert results(study)["held_out_tiles"] == split["validation"]


def test_table_values_and_figures_hold_every_arm(study):
    table = (study / "results.md").read_text(encoding="utf-8")
    for title, _ in ARMS.values():
        assert title in table
    assert "[" in table
    with (study / "values.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["arm"] for row in rows} == {"real", *ARMS}
    full = [float(row["value"]) for row in rows if row["arm"] == FULL and row["measure"] == "l1_to_real"]
    assert np.mean(full) == pytest.approx(results(study)["arms"][FULL]["l1_to_real"]["mean"], rel=1e-4)
    with Image.open(study / "figure.png") as figure, Image.open(study / "figure-woven.png") as woven:
        assert figure.width == woven.width + 36
        assert "synthetic" in figure.text["Description"]


def test_what_is_finished_is_not_repeated(study, tiles, capsys):
    before = {path: path.stat().st_mtime_ns for path in study.glob("runs/*/*") if path.is_file()}
    assert len(before) > 8
    assert main(line(tiles, study)) == 0
    assert {path: path.stat().st_mtime_ns for path in study.glob("runs/*/*") if path.is_file()} == before
    assert not list(study.glob("runs/*/checkpoints"))
    assert "4 of 4 cells" in capsys.readouterr().out


def test_a_run_of_before_a_field_was_added_still_counts(study, tmp_path):
    cell = ModeSeekingStudyRecipe.checked(**TINY).cells()[0]
    older = shutil.copytree(study / "runs" / cell.name, tmp_path / cell.name)
    kept = json.loads((older / "recipe.json").read_text(encoding="utf-8"))
    assert kept.pop("elastic") == 0
    (older / "recipe.json").write_text(json.dumps(kept), encoding="utf-8")
    assert finished_run(cell, tmp_path) is not None
    (older / "recipe.json").write_text(json.dumps(kept | {"elastic": 1.0}), encoding="utf-8")
    with pytest.raises(RunError, match=r"has 1\.0 for 'elastic'"):
        finished_run(cell, tmp_path)


def test_a_study_that_was_killed_goes_on_where_it_was(study, tiles, tmp_path):
    folder, name = tmp_path / "study", "no-structure-map-seed-0"
    long = line(tiles, folder, "--only", "full", "--only", "no-structure-map", steps=60, checkpoint_every=5)
    kill_at_first_checkpoint(long, folder / "runs" / name)
    assert results(folder)["cells"].keys() == {"full-seed-0"}
    events = folder / "runs" / "full-seed-0" / "events.jsonl"
    before = events.read_bytes()
    assert main(long) == 0
    assert events.read_bytes() == before
    resumed = (folder / "runs" / name / "events.jsonl").read_text(encoding="utf-8").splitlines()
    starts = [json.loads(each)["step"] for each in resumed if '"TrainingStarted"' in each]
    assert starts[0] == 0
    assert starts[-1] > 0
    assert results(folder)["cells"].keys() == {"full-seed-0", name}


def test_a_cell_that_was_killed_before_its_first_checkpoint_begins_anew(study, tiles, tmp_path):
    folder = tmp_path / "study"
    recipe = ModeSeekingStudyRecipe.checked(**TINY)
    cell = recipe.cells()[0]
    path = folder / "runs" / cell.name
    path.mkdir(parents=True)
    (path / "environment.json").write_text("{}")
    (path / "recipe.json").write_text(json.dumps(cell.recipe.as_json()))
    (folder / "study.json").write_text((study / "study.json").read_text())
    run_mode_seeking_study(recipe, tiles, folder, only=["full"])
    one, other = (load_bundle(each / "runs" / cell.name / "bundle.safetensors").weights for each in (study, folder))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_stopping_is_answered_and_the_study_stays_usable(tiles, tmp_path):
    recipe = ModeSeekingStudyRecipe.checked(**TINY)
    asked = iter([False, False, True])
    with pytest.raises(Stopped, match="the same line goes on"):
        run_mode_seeking_study(recipe, tiles, tmp_path / "study", should_stop=lambda: next(asked))
    found = run_mode_seeking_study(recipe, tiles, tmp_path / "study", only=["full-seed-0"])
    assert [cell.name for cell in found.cells] == ["full-seed-0"]
    assert not found.is_whole


def test_a_grid_grows_by_arms_and_keeps_what_it_has(study, tiles, tmp_path):
    folder = tmp_path / "study"
    recipe = ModeSeekingStudyRecipe.checked(**TINY)
    run_mode_seeking_study(recipe, tiles, folder, only=["full"])
    grown = recipe.model_copy(update={"between_noises": True, "unbounded": True})
    found = run_mode_seeking_study(grown, tiles, folder, only=["between-noises", "unbounded"])
    assert {cell.arm for cell in found.cells} == {"full", "between-noises", "unbounded"}
    assert found.difference("between-noises")["l1_across_noises"] is not None


@pytest.mark.parametrize(
    ("words", "settings", "code", "sentence"),
    [
        (["--only", "nothing"], {}, 1, "has no cell 'nothing'"),
        ([], {"steps": 4}, 1, "has 3 for 'steps' and not 4"),
        ([], {"seeds": 0}, 1, "'seeds' is not usable"),
        (["--preset", "large"], {}, 2, "--preset"),
    ],
)
def test_mistakes_are_answered_with_one_sentence(study, tiles, capsys, words, settings, code, sentence):
    assert main(line(tiles, study, *words, **settings)) == code
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


def test_other_tiles_and_other_folders_are_refused(study, tiles, tmp_path, capsys):
    from tile_folders import write_tiles

    other = write_tiles(tmp_path / "other", tiles=4, patients=4)
    assert main(line(other, study)) == 1
    assert "is of other tiles" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("Dear reader")
    assert main(line(tiles, tmp_path / "full")) == 1
    assert "is not empty" in capsys.readouterr().err


def test_the_paper_preset_is_that_of_the_paper():
    (full, *ablations) = ModeSeekingStudyRecipe.checked(**PRESETS["paper"], seeds=1).cells()
    assert (full.recipe.width, full.recipe.crop_size, full.recipe.l1_weight) == (64, 256, 10)
    assert (full.recipe.mode_seeking, full.recipe.mode_seeking_weight, full.recipe.batch_size) == ("conditions", 10, 1)
    assert (full.recipe.learning_rate, full.recipe.beta_1, full.recipe.beta_2) == (2e-4, 0.5, 0.999)
    assert full.recipe.structure_map
    assert not full.recipe.conditional_discriminator
    differing = [
        {name: value for name, value in cell.recipe if value != getattr(full.recipe, name)} for cell in ablations
    ]
    assert differing == [{"structure_map": False}, {"mode_seeking": "none"}, {"conditional_discriminator": True}]


def test_help_does_not_wait_for_torch():
    script = (
        "import sys; from histoloom.cli import main; "
        "code = main(['study', 'mode-seeking', '--help']); sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "--held-out-share" in done.stdout
