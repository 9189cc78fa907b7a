"""A run is stopped and paused from any process, through its folder."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from test_engine import recipe, weights_of
from tiny_system import tiny_data

from histoloom.errors import WriteError
from histoloom.runs import Run
from histoloom.training.engine import train
from histoloom.training.events import (
    PreviewSaved,
    StepsDone,
    TrainingContinued,
    TrainingFinished,
    TrainingPaused,
    event_from_json,
)
from tile_folders import write_tiles

LONG = {"steps": 5000, "log_every": 1, "checkpoint_every": 5000, "validate_every": 5000, "preview_every": 5000}


def when(kind: type, step: int, act):
    def on_event(event):
        if isinstance(event, kind) and event.step == step:
            act()

    return on_event


def test_a_request_in_the_folder_stops_after_a_checkpoint(tmp_path):
    run = Run(tmp_path / "run")
    train(recipe(**LONG), tiny_data(), run.folder, on_event=when(StepsDone, 3, run.request_stop))
    finished = event_from_json(run.events()[-1])
    assert finished == TrainingFinished(finished.step, was_stopped=True)
    assert list(run.checkpoints()) == [finished.step]
    assert run.bundle is None
    assert not run.stop_requested


def test_a_paused_run_waits_and_goes_on_to_the_same_end(tmp_path):
    whole = train(recipe(), tiny_data(), tmp_path / "whole")
    run = Run(tmp_path / "run")
    told = []

    def on_event(event):
        told.append(event)
        if isinstance(event, StepsDone) and event.step == 4:
            run.request_pause()
            time.sleep(0.15)
        if isinstance(event, TrainingPaused):
            threading.Timer(0.5, run.clear_requests).start()

    train(recipe(), tiny_data(), run.folder, on_event=on_event)
    kinds = [type(each) for each in told]
    paused, continued = kinds.index(TrainingPaused), kinds.index(TrainingContinued)
    assert continued == paused + 1
    assert told[paused].step == told[continued].step == 5
    assert told[continued + 1].seconds_per_step < 0.3, "the wait is no part of a step's time"
    assert weights_of(run.bundle) == weights_of(whole.bundle)


def test_a_paused_run_still_stops(tmp_path):
    run = Run(tmp_path / "run")
    told = []

    def on_event(event):
        told.append(event)
        if isinstance(event, StepsDone) and event.step == 1:
            run.request_pause()
        if isinstance(event, TrainingPaused):
            run.request_stop()

    train(recipe(**LONG), tiny_data(), run.folder, on_event=on_event)
    assert told[-1].was_stopped
    assert not run.pause_requested


def test_what_was_asked_before_a_run_began_is_forgotten(tmp_path):
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    run.request_stop()
    run.request_pause()
    train(recipe(steps=2), tiny_data(), run.folder)
    assert run.bundle
    run.request_stop()
    told = []
    train(recipe(steps=2), tiny_data(), run.folder, on_event=told.append, resume_from=run.latest_checkpoint())
    assert told[-1] == TrainingFinished(2, was_stopped=False)


def test_a_run_that_is_gone_cannot_be_asked(tmp_path):
    with pytest.raises(WriteError, match="cannot be written"):
        Run(tmp_path / "missing").request_stop()


def test_two_processes_pause_and_stop_together_when_a_third_asks(tmp_path):
    tiles = write_tiles(tmp_path / "tiles")
    run = Run(tmp_path / "run")
    line = f"train pix2pix --data {tiles} -o {run.folder} --steps 5000 --devices 2 --log-every 1"
    small = "--width 2 --discriminator-width 2 --depth 2 --crop-size 32 --validation-crops 1 --device cpu"
    process = subprocess.Popen(
        [sys.executable, "-m", "histoloom", *line.split(), *small.split(), "--precision", "32-true"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    try:
        wait_for(run, StepsDone, process)
        run.request_pause()
        wait_for(run, TrainingPaused, process)
        before = len(run.events())
        time.sleep(0.5)
        assert len(run.events()) == before
        run.clear_requests()
        wait_for(run, TrainingContinued, process)
        run.request_stop()
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, errors
    assert "add --resume to the same line" in errors
    finished = event_from_json(run.events()[-1])
    assert finished.was_stopped
    assert list(run.checkpoints()) == [finished.step]
    assert any(isinstance(event_from_json(each), PreviewSaved) for each in run.events())


def wait_for(run: Run, kind: type, process: subprocess.Popen) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[1]
        if Path(run.folder / "recipe.json").exists() and any(each["kind"] == kind.__name__ for each in run.events()):
            return
        time.sleep(0.1)
    raise AssertionError(f"no {kind.__name__} came")
