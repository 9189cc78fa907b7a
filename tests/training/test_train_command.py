"""``histoloom train``: the same loop from a shell."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from histoloom.cli import main
from histoloom.models import inspect_bundle
from histoloom.runs import Run, run_locked
from tile_folders import write_tiles

SMALL = [
    *("--width", "4", "--discriminator-width", "4", "--depth", "4", "--crop-size", "32", "--log-every", "1"),
    *("--validation-crops", "1", "--previews", "1", "--device", "cpu", "--precision", "32-true"),
]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("data") / "tiles")


def test_a_line_trains_and_the_same_recipe_gives_the_same_run(tiles, tmp_path, capsys):
    line = ["train", "pix2pix", "--data", str(tiles), "--licence", "CC0"]
    assert main([*line, "-o", str(tmp_path / "a"), "--steps", "2", *SMALL]) == 0
    assert "Trained for 2 steps" in capsys.readouterr().out
    assert main([*line, "-o", str(tmp_path / "b"), "--recipe", str(tmp_path / "a" / "recipe.json")]) == 0
    one, other = (inspect_bundle(tmp_path / name / "bundle.safetensors") for name in "ab")
    assert one == other
    assert one.training_data[0].licence == "CC0"


def test_a_run_that_is_finished_resumes_to_its_end_and_other_data_is_refused(tiles, tmp_path, capsys):
    run = str(tmp_path / "run")
    line = ["train", "mode-seeking-pix2pix", "-o", run]
    assert main([*line, "--data", str(tiles), "--steps", "2", *SMALL]) == 0
    before = inspect_bundle(tmp_path / "run" / "bundle.safetensors")
    assert main([*line, "--data", str(tiles), "--resume"]) == 0
    assert inspect_bundle(tmp_path / "run" / "bundle.safetensors") == before
    other = write_tiles(tmp_path / "other", tiles=3)
    capsys.readouterr()
    assert main([*line, "--data", str(other), "--resume"]) == 1
    assert "trained on other tiles" in capsys.readouterr().err
    assert main([*line, "--data", str(tiles), "--resume", "--steps", "3"]) == 1
    assert "resume it with its own recipe" in capsys.readouterr().err
    assert main([*line, "--data", str(tiles)]) == 1
    assert "holds a run already" in capsys.readouterr().err


def test_a_run_knows_its_tiles_when_it_is_resumed_and_tells_nobody_else(tiles, tmp_path, capsys):
    own = shutil.copytree(tiles, tmp_path / "own tiles")
    run = tmp_path / "run"
    line = ["train", "pix2pix", "-o", str(run)]
    more = ["--data", str(tiles), "--licence", "CC BY 4.0"]
    first = ["--data", str(own), "--licence", "CC0", *more]
    assert main([*line, *first, "--leave-out", '["t3"]', "--steps", "2", *SMALL]) == 0
    before = inspect_bundle(run / "bundle.safetensors")
    sources = [(each.name, each.licence, each.tiles) for each in before.training_data]
    assert sources == [("own tiles", "CC0", 3), ("tiles", "CC BY 4.0", 3)]
    assert main([*line, "--resume"]) == 0
    assert inspect_bundle(run / "bundle.safetensors") == before
    for name in ("environment.json", "recipe.json", "events.jsonl", "bundle.safetensors"):
        assert str(tmp_path).encode() not in (run / name).read_bytes()
    moved = shutil.move(own, tmp_path / "moved")
    capsys.readouterr()
    assert main([*line, "--resume"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    assert "own tiles" in error
    assert main([*line, "--resume", "--data", str(moved), *more[:2]]) == 0
    assert main([*line, "--resume"]) == 0
    picture = next((tmp_path / "moved" / "images").iterdir())
    Image.fromarray(np.asarray(Image.open(picture)) ^ 1).save(picture)
    capsys.readouterr()
    assert main([*line, "--resume"]) == 1
    assert "trained on other tiles" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-o", "run"], "name their folder with '--data'"),
        (["--data", "tiles"], "name one with '--output'"),
        (["--resume"], "resumed from its folder"),
        (["--resume", "-o", "run", "--preset", "paper"], "by its own recipe"),
        (["--data", "tiles", "-o", "run", "--preset", "best"], "choose one of its own: 'fast look'"),
    ],
)
def test_what_a_line_lacks_is_said(tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "pix2pix", *words]) == 1
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--l1-weight", "-1"], 1, "'l1_weight' is not usable"),
        (["--mode-seeking", "none"], 2, "--mode-seeking"),
        (["--resume"], 1, "holds no run"),
        (["--leave-out", '["ink"]'], 1, "There is no tile 'ink' to leave out in 'tiles'"),
        (["--leave-out", "ink"], 1, """write it such as '["one", "two"]', in quotes"""),
        (["--licence", "CC0", "--licence", "CC0"], 1, "The number of licences (2) is not that of the folders (1)"),
        (["--devices", "0"], 1, "give whole numbers from 1"),
    ],
)
def test_mistakes_are_answered_with_one_sentence(tiles, tmp_path, capsys, words, code, sentence):
    assert main(["train", "pix2pix", "--data", str(tiles), "-o", str(tmp_path / "run"), *SMALL, *words]) == code
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert not (tmp_path / "run" / "recipe.json").exists()


@pytest.mark.parametrize(
    ("tiles_are", "sentence"),
    [
        ({"tiles": 1}, "has one labelled tile, and training needs at least two"),
        (
            {"tiles": 2, "label_side": 40},
            "are 40 x 40 pixels and their picture 64 x 64; put labels and pictures of the",
        ),
        ({"tiles": 2, "classes": None}, "'t0.json' does not give a class for each label"),
    ],
)
def test_tiles_that_cannot_be_trained_on_are_answered_with_one_sentence(tmp_path, capsys, tiles_are, sentence):
    folder = write_tiles(tmp_path / "tiles", **tiles_are)
    if "classes" in tiles_are:
        (folder / "types").mkdir()
        (folder / "types" / "t0.json").write_text('{"10": null}')
    assert main(["train", "pix2pix", "--data", str(folder), "-o", str(tmp_path / "run"), *SMALL]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("system", ["loom", "pix2pix", "mode-seeking-pix2pix", "segmenter"])
def test_tiles_without_nuclei_are_answered_with_one_sentence(system, tmp_path, capsys):
    folder = write_tiles(tmp_path / "tiles", tiles=2, nuclei=0)
    line = ["train", system, "--data", str(folder), "-o", str(tmp_path / "run"), "--device", "cpu", "--crop-size", "64"]
    assert main(line) == 1
    assert capsys.readouterr().err == (
        "The training tiles have no nuclei at all, so there is nothing to learn; label some.\n"
    )
    assert not (tmp_path / "run").exists()


def test_classes_without_a_name_are_said_and_trained_as_they_are_called(tmp_path, capsys):
    folder = write_tiles(tmp_path / "tiles", tiles=2, classes=9)
    line = ["train", "pix2pix", "--condition", "classes and contour", "--data", str(folder), "--steps", "1", *SMALL]
    assert main([*line, "-o", str(tmp_path / "run")]) == 0
    assert "classes that are not known by name (class 9)" in capsys.readouterr().err
    assert inspect_bundle(tmp_path / "run" / "bundle.safetensors").classes == ("class 9",)


def test_an_absent_gpu_is_said(tiles, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    words = [word if word != "cpu" else "cuda" for word in SMALL]
    assert main(["train", "pix2pix", "--data", str(tiles), "-o", str(tmp_path / "run"), *words]) == 1
    assert "No NVIDIA GPU answers here" in capsys.readouterr().err


def test_a_run_folder_in_use_by_another_process_is_said(tiles, tmp_path, capsys):
    with run_locked(tmp_path / "run"):
        assert main(["train", "pix2pix", "--data", str(tiles), "-o", str(tmp_path / "run"), *SMALL]) == 1
    assert "Another process trains in 'run'" in capsys.readouterr().err


def test_a_recipe_of_another_system_is_refused(tiles, tmp_path, capsys):
    (tmp_path / "recipe.json").write_text('{"mode_seeking": "none"}')
    line = ["train", "pix2pix", "--data", str(tiles), "-o", str(tmp_path / "run")]
    assert main([*line, "--recipe", str(tmp_path / "recipe.json")]) == 1
    assert "'mode_seeking' is not usable" in capsys.readouterr().err


def test_two_processes_train_together(tiles, tmp_path):
    line = f"train pix2pix --data {tiles} -o {tmp_path / 'run'} --steps 2 --devices 2".split()
    done = subprocess.run(
        [sys.executable, "-m", "histoloom", *line, *SMALL], capture_output=True, text=True, timeout=300, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Trained for 2 steps") == 1
    run = Run.open(tmp_path / "run")
    assert run.environment["world_size"] == 2
    assert inspect_bundle(run.bundle).step == 2


def test_help_does_not_wait_for_torch():
    script = (
        "import sys; from histoloom.cli import main; "
        "code = main(['train', 'pix2pix', '--help']); sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "--l1-weight" in done.stdout
