"""One loop for all systems: it stops, resumes, survives, and says what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_system import TinyRecipe, tiny_data

from histoloom.errors import RunError, TrainingError, WriteError
from histoloom.models import load_bundle
from histoloom.runs import Run
from histoloom.training.checkpoints import load_checkpoint
from histoloom.training.engine import train
from histoloom.training.events import (
    CheckpointSaved,
    StepsDone,
    TrainingFailed,
    TrainingFinished,
    TrainingStarted,
    Validated,
    event_from_json,
    history,
)


def recipe(**changes):
    return TinyRecipe(
        **{
            "steps": 12,
            "batch_size": 2,
            "crop_size": 16,
            "checkpoint_every": 4,
            "validate_every": 6,
            "preview_every": 6,
            "log_every": 2,
            "validation_crops": 2,
            "average_decay": 0.9,
            "learning_rate": 1e-2,
            "scale_spread": 0.2,
            "elastic": 0.5,
            "stain_jitter": 0.1,
            "device": "cpu",
            **changes,
        }
    )


def weights_of(path: Path) -> str:
    bundle = load_bundle(path)
    return bundle.header.weights_sha256


def test_a_run_has_all_that_its_folder_promises(tmp_path):
    told = []
    run = train(recipe(), tiny_data(), tmp_path / "run", on_event=told.append)
    assert isinstance(told[0], TrainingStarted)
    assert told[-1] == TrainingFinished(12, False)
    assert [event_from_json(each) for each in run.events()] == told
    assert TinyRecipe.from_file(run.folder / "recipe.json") == recipe()
    assert run.environment["data"][0]["licence"] == "CC0"
    assert list(run.checkpoints()) == [8, 12]
    assert list(run.bundles()) == [4, 8, 12]
    header = load_bundle(run.bundle, kind="generator", classes=["nucleus"], pixel_size=0.25).header
    assert (header.system, header.step, header.halo, header.tile_invariant) == ("tiny", 12, 2, True)
    with Image.open(run.previews()[12]) as preview:
        assert preview.size == (4 * 16 + 3 * 4, 2 * 16 + 4)
        assert "synthetic" in preview.info["Description"]
    assert [each.step for each in told if isinstance(each, Validated)] == [6, 12]


def test_losses_fall(tmp_path):
    told = []
    train(
        recipe(steps=60, log_every=10, scale_spread=0.0, elastic=0.0),
        tiny_data(),
        tmp_path / "run",
        on_event=told.append,
    )
    losses = [each.losses["distance"] for each in told if isinstance(each, StepsDone)]
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("stop", [3, 8])
def test_a_run_stopped_and_resumed_equals_one_that_never_stopped(tmp_path, stop):
    whole = train(recipe(), tiny_data(), tmp_path / "whole")
    asked = []
    run = train(recipe(), tiny_data(), tmp_path / "stopped", should_stop=lambda: asked.append(1) or len(asked) == stop)
    assert run.bundle is None
    assert max(run.checkpoints()) == stop
    train(recipe(), tiny_data(), run.folder, resume_from=run.latest_checkpoint())
    assert run.bundle.read_bytes() == whole.bundle.read_bytes()
    assert run.previews()[12].read_bytes() == whole.previews()[12].read_bytes()
    one, other = (load_checkpoint(each.latest_checkpoint()) for each in (whole, run))
    for part in ("networks", "optimizers", "averaged"):
        assert_same(one[part], other[part])


def assert_same(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif hasattr(one, "numpy"):
        assert one.numpy().tobytes() == other.numpy().tobytes()
    else:
        assert one == other


def test_equal_recipes_give_equal_runs_and_other_seeds_others(tmp_path):
    first = train(recipe(steps=4), tiny_data(), tmp_path / "a")
    again = train(recipe(steps=4), tiny_data(), tmp_path / "b")
    other = train(recipe(steps=4, seed=1), tiny_data(), tmp_path / "c")
    assert weights_of(first.bundle) == weights_of(again.bundle) != weights_of(other.bundle)


def test_the_number_of_workers_changes_nothing(tmp_path):
    one = train(recipe(steps=4), tiny_data(), tmp_path / "a")
    three = train(recipe(steps=4, workers=3), tiny_data(), tmp_path / "b")
    assert weights_of(one.bundle) == weights_of(three.bundle)


def test_a_killed_run_opens_and_goes_on_from_its_last_checkpoint(tmp_path):
    script = (
        "import os, signal, sys, torch\n"
        "torch.set_num_threads(1)\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_engine import recipe, tiny_data, train\n"
        "def kill(event):\n"
        "    if getattr(event, 'step', 0) == 6: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"train(recipe(), tiny_data(), {str(tmp_path / 'run')!r}, on_event=kill)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120)
    assert killed.returncode == -9, killed.stderr.decode()
    with (tmp_path / "run" / "events.jsonl").open("a") as file:
        file.write('{"kind": "StepsDo')
    run = Run.open(tmp_path / "run")
    assert list(run.checkpoints()) == [4]
    train(recipe(), tiny_data(), run.folder, resume_from=run.latest_checkpoint())
    whole = train(recipe(), tiny_data(), tmp_path / "whole")
    assert weights_of(run.bundle) == weights_of(whole.bundle)
    events = history(filter(None, map(event_from_json, run.events())))
    assert [each.step for each in events if isinstance(each, CheckpointSaved)] == [4, 8, 12]
    assert [each.step for each in events if isinstance(each, StepsDone)] == [2, 4, 6, 8, 10, 12]


def test_a_folder_in_use_is_refused(tmp_path):
    refused = []

    def try_again(event):
        if isinstance(event, TrainingStarted):
            script = (
                "import sys\n"
                f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
                "from test_engine import recipe, tiny_data, train\n"
                "from histoloom.errors import RunError\n"
                f"try: train(recipe(), tiny_data(), {str(tmp_path / 'run')!r})\n"
                "except RunError as error: print(error)\n"
            )
            refused.append(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120))

    train(recipe(steps=2), tiny_data(), tmp_path / "run", on_event=try_again)
    assert "Another process trains in 'run'" in refused[0].stdout


def test_folders_that_hold_something_are_refused(tmp_path):
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(RunError, match=r"not empty \(it holds 'thesis\.docx'\)"):
        train(recipe(), tiny_data(), tmp_path)
    assert (tmp_path / "thesis.docx").read_text() == "mine"
    run = train(recipe(steps=1), tiny_data(), tmp_path / "run")
    with pytest.raises(RunError, match="holds a run already"):
        train(recipe(steps=1), tiny_data(), run.folder)
    with pytest.raises(RunError, match="resume it with its own recipe"):
        train(recipe(steps=2), tiny_data(), run.folder, resume_from=run.latest_checkpoint())
    with pytest.raises(RunError, match="holds no run"):
        Run.open(tmp_path)


def test_a_run_from_before_a_field_was_added_goes_on(tmp_path):
    run = train(recipe(steps=3), tiny_data(), tmp_path / "run", should_stop=lambda: True)
    older = run.folder / "recipe.json"
    values = json.loads(older.read_text())
    del values["leave_out"]
    older.write_text(json.dumps(values))

    resumed = train(recipe(steps=3), tiny_data(), run.folder, resume_from=run.latest_checkpoint())

    assert resumed.bundle is not None


def test_a_damaged_checkpoint_is_refused_and_the_one_before_serves(tmp_path):
    run = train(recipe(), tiny_data(), tmp_path / "run")
    latest = run.latest_checkpoint()
    content = bytearray(latest.read_bytes())
    content[-5] ^= 1
    latest.write_bytes(content)
    with pytest.raises(RunError, match="is damaged; remove it"):
        train(recipe(), tiny_data(), run.folder, resume_from=latest)
    before = weights_of(run.bundle)
    latest.unlink()
    train(recipe(), tiny_data(), run.folder, resume_from=run.latest_checkpoint())
    assert weights_of(run.bundle) == before


def test_a_loss_that_is_no_number_ends_the_run_with_a_sentence_and_saves_nothing(tmp_path):
    told = []
    with pytest.raises(TrainingError, match="no number any more at step 6; resume"):
        train(recipe(fail_at=6), tiny_data(), tmp_path / "run", on_event=told.append)
    assert isinstance(told[-1], TrainingFailed)
    run = Run.open(tmp_path / "run")
    assert list(run.checkpoints()) == [4]
    assert np.isfinite(load_bundle(run.bundles()[4]).weights["0.weight"]).all()


def test_memory_that_does_not_do_is_said_before_the_start_with_what_fits(tmp_path, monkeypatch):
    monkeypatch.setattr("histoloom.training.engine.free_memory", lambda _: 2_000_000)
    with pytest.raises(TrainingError, match=r"a batch size of [1-9]+ fits"):
        train(recipe(batch_size=64, crop_size=32), tiny_data(), tmp_path / "run")
    with pytest.raises(TrainingError, match=r"a batch size of 1 with a crop size of [0-9]+ fits"):
        train(recipe(batch_size=1, crop_size=512), tiny_data(), tmp_path / "run")


def test_memory_that_runs_out_on_the_way_is_answered_with_what_fits(tmp_path, monkeypatch):
    import torch

    def step(*_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr("tiny_system.TinySystem.step", step)
    monkeypatch.setattr("histoloom.training.engine.check_memory", lambda *_, **__: 0)
    with pytest.raises(TrainingError, match="ran out of memory at step 0; a batch size of 1 fits"):
        train(recipe(), tiny_data(), tmp_path / "run")


def test_a_gpu_that_is_absent_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(TrainingError, match="No NVIDIA GPU answers"):
        train(recipe(device="cuda"), tiny_data(), tmp_path / "run")


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    import histoloom.training.engine as engine

    save = engine.save_checkpoint

    def full(state, path):
        if state["step"] == 8:
            raise WriteError("'x' cannot be written (No space left on device); make room.")
        save(state, path)

    monkeypatch.setattr(engine, "save_checkpoint", full)
    with pytest.raises(WriteError, match="No space left"):
        train(recipe(), tiny_data(), tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert list(run.checkpoints()) == [4]
    monkeypatch.undo()
    train(recipe(), tiny_data(), run.folder, resume_from=run.latest_checkpoint())
    assert run.bundle


def test_crops_of_a_wrong_size_are_refused(tmp_path):
    with pytest.raises(TrainingError, match="give a multiple of 4"):
        train(recipe(crop_size=18), tiny_data(), tmp_path / "run")


def test_checkpoints_hold_json_and_tensors_only(tmp_path):
    from safetensors import safe_open

    run = train(recipe(steps=2), tiny_data(), tmp_path / "run")
    with safe_open(str(run.latest_checkpoint()), framework="np") as file:
        state = json.loads(file.metadata()["histoloom_checkpoint"])
        assert any(name.startswith("/optimizers/generator/state") for name in file.keys())  # noqa: SIM118
    assert state["schema_version"] == 1
