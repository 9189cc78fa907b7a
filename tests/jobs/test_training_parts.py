"""What lies between a viewer and a training process: frozen tiles, orders, events, curves, lists of runs."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histoloom.errors import RecipeError, RunError, TrainingError, WriteError
from histoloom.jobs import recent_runs
from histoloom.jobs.checkpoint_sheets import read_preview, side_by_side
from histoloom.jobs.event_tail import EventTail
from histoloom.jobs.frozen_tiles import LabelledTile, freeze_tiles, pieces
from histoloom.jobs.training_estimate import words_of_duration
from histoloom.jobs.training_order import TrainingOrder, read_order, system_of
from histoloom.jobs.training_series import TrainingSeries
from histoloom.jobs.woven_so_far import woven_so_far
from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.runs import Run
from histoloom.tiles.tile import Tile
from histoloom.training.events import StepsDone, TrainingStarted, Validated, event_as_json
from histoloom.training.systems.critic_recipe import CriticRecipe
from histoloom.training.systems.mode_seeking_recipe import ModeSeekingRecipe
from histoloom.training.systems.pix2pix_recipe import Pix2PixRecipe


def labelled(layout: Layout, name: str = "tile") -> LabelledTile:
    pixels = np.random.default_rng(3).integers(0, 255, (*layout.shape, 3), dtype=np.uint8)
    return LabelledTile(name, Tile.from_array(pixels, layout.pixel_size), layout)


def started(step: int) -> TrainingStarted:
    return TrainingStarted(step, 100, "CPU", "32-true", 1, 3, 1, 1000, 10_000)


def test_tiles_with_their_classes_come_back_from_the_folder(layout: Layout, tmp_path: Path):
    nuclei = [
        Nucleus.create(1, Outline.ellipse((40.0, 40.0), (8.0, 6.0)), "epithelial"),
        Nucleus.create(7, Outline.ellipse((90.0, 70.0), (7.0, 7.0)), "inflammatory"),
    ]
    other = Layout.from_nuclei(nuclei, (120, 130), 0.5)
    frozen = freeze_tiles([labelled(layout), labelled(other)], tmp_path / "layers", crop=16.0)
    folder = open_tile_folder(frozen)

    assert len(folder.pairs) == 2
    tile, read = folder.open(folder.ids[1])
    assert tile.pixel_size == pytest.approx(0.5)
    np.testing.assert_array_equal(tile.read(), labelled(other).tile.read())
    np.testing.assert_array_equal(read.rasterize(), other.rasterize())
    assert {label: each.class_name for label, each in read.nuclei.items()} == {1: "epithelial", 7: "inflammatory"}


def test_the_only_tile_is_cut_into_pieces_of_at_least_a_crop(layout: Layout, tmp_path: Path):
    windows = pieces(layout, crop=128 * layout.pixel_size)
    assert sum(each.shape[0] * each.shape[1] for each in windows) == layout.shape[0] * layout.shape[1]
    assert min(min(each.shape) for each in windows) >= 128
    assert len(pieces(layout, crop=1e6)) == 2
    assert len(pieces(layout, crop=1e-3)) == 16

    folder = open_tile_folder(freeze_tiles([labelled(layout)], tmp_path / "canvas", crop=32.0))
    assert len(folder.pairs) == len(pieces(layout, 32.0))
    assert sum(folder.open(each)[0].read().sum(dtype=np.int64) for each in folder.ids) == labelled(
        layout
    ).tile.read().sum(dtype=np.int64)


def test_what_cannot_be_trained_on_is_said_and_nothing_is_left(layout: Layout, tmp_path: Path, monkeypatch):
    small = Tile.from_array(np.zeros((50, 60, 3), np.uint8))
    for tiles, sentence in (
        ([], "no tile with nuclei"),
        ([LabelledTile("liver", small, layout)], "'liver' has 50 x 60 pixels and its nuclei lie on 300 x 400"),
        ([labelled(Layout.empty((64, 64)))], "There are no nuclei"),
    ):
        with pytest.raises(TrainingError, match=sentence):
            freeze_tiles(tiles, tmp_path / "frozen", 32.0)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tifffile.imwrite", full)
    with pytest.raises(WriteError, match="No space left on device"):
        freeze_tiles([labelled(layout)], tmp_path / "frozen", 32.0)
    assert not list(tmp_path.iterdir())


def test_an_order_is_read_as_it_was_written_wherever_the_run_has_moved(tmp_path: Path):
    run = tmp_path / "run"
    order = TrainingOrder(
        "pix2pix", Pix2PixRecipe(steps=7), (run / "start" / "canvas", tmp_path / "more"), 0.25, ("CC0", "CC BY 4.0")
    )
    order.write(run)
    assert read_order(run) == order
    moved = run.rename(tmp_path / "moved")
    assert read_order(moved).data == (moved / "start" / "canvas", tmp_path / "more")
    assert order.arguments(run)[-2:] == ["--recipe", str(run / "start" / "recipe.json")]
    assert order.arguments(run, resume=True)[-1] == "--resume"
    assert "--tile-pixel-size" in order.arguments(run)
    assert [order.arguments(run).count(each) for each in ("--data", "--licence")] == [2, 2]
    corrected = replace(order, corrected=(moved / "start" / "corrected",), begin_from=tmp_path / "step_1.safetensors")
    corrected.remember(moved)
    assert read_order(moved).corrected == (moved / "start" / "corrected",)
    assert read_order(moved).begin_from == tmp_path / "step_1.safetensors"
    assert {"--corrected", "--begin-from"} <= set(corrected.arguments(run))
    assert "--begin-from" not in corrected.arguments(run, resume=True)
    far = TrainingOrder("pix2pix", Pix2PixRecipe(), (tmp_path / "elsewhere",))
    far.write(tmp_path / "run2")
    assert read_order(tmp_path / "run2") == far


def test_an_order_of_before_there_could_be_several_folders_is_read(tmp_path: Path):
    order = TrainingOrder("pix2pix", Pix2PixRecipe(), (tmp_path / "tiles",), None, ("CC0",))
    order.write(tmp_path / "run")
    old = {"system": "pix2pix", "data": str(tmp_path / "tiles"), "tile_pixel_size": None, "licence": "CC0"}
    (tmp_path / "run" / "start" / "order.json").write_text(json.dumps(old))
    assert read_order(tmp_path / "run") == order


def test_orders_do_not_replace_runs_and_damage_is_said(tmp_path: Path):
    Run.create(tmp_path / "run", Pix2PixRecipe().as_json(), {})
    order = TrainingOrder("pix2pix", Pix2PixRecipe(), (tmp_path,))
    with pytest.raises(RunError, match="holds a run already"):
        order.write(tmp_path / "run")
    with pytest.raises(RunError, match="does not know where its tiles are"):
        read_order(tmp_path / "run")
    (tmp_path / "other" / "start").mkdir(parents=True)
    for text in ("{", '{"system": "pix2pix", "data": [3], "licences": []}', '{"system": "pix2pix", "data": []}'):
        (tmp_path / "other" / "start" / "order.json").write_text(text)
        with pytest.raises(RunError, match="damaged"):
            read_order(tmp_path / "other")
    order.write(tmp_path / "third")
    (tmp_path / "third" / "start" / "recipe.json").write_text('{"mode_seeking": "none"}')
    with pytest.raises(RecipeError, match="'mode_seeking' is not usable"):
        read_order(tmp_path / "third")


def test_the_system_of_any_run_is_known_by_its_recipe(tmp_path: Path):
    Run.create(tmp_path / "run", ModeSeekingRecipe().as_json(), {})
    assert system_of(tmp_path / "run") == "mode-seeking-pix2pix"
    Run.create(tmp_path / "foreign", {"fields": 3}, {})
    assert system_of(tmp_path / "foreign") is None
    assert system_of(tmp_path) is None


def test_events_are_read_while_they_are_written(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    assert tail.read() == []
    lines = [json.dumps(event_as_json(started(step))) + "\n" for step in (0, 5)]
    with path.open("w") as file:
        file.write(lines[0] + lines[1][:20])
    assert tail.read() == [(0, started(0))]
    assert tail.read() == []
    with path.open("a") as file:
        file.write(lines[1][20:] + "cut off\n")
    assert tail.read() == [(len(lines[0]), started(5))]


@dataclass(frozen=True)
class Measured:
    step: int
    diversity: float
    color_drift: dict[str, float]


def test_curves_follow_the_steps_and_a_resumed_run_replaces_what_it_does_again():
    series = TrainingSeries()
    for step in (10, 20, 30):
        series.add(StepsDone(step, {"l1": step / 10, "adversarial": float("nan")}, 1e-3, 0.1, 0.0))
        series.add(Validated(step, {"l1": step / 5}))
        series.add(Measured(step, 0.5, {"haematoxylin": 0.1}))  # type: ignore[arg-type]
    series.add(started(20))
    series.add(StepsDone(25, {"l1": 9.0}, 1e-3, 0.1, 0.0))

    curve = series.curves("training")["l1"]
    assert (curve.steps, curve.values) == ([10, 20, 25], [1.0, 2.0, 9.0])
    assert "adversarial" not in series.curves("training")
    assert series.curves("held-out")["l1"].steps == [10, 20]
    assert series.curves("diversity")["diversity"].values == [0.5, 0.5]
    assert series.curves("colour")["color drift haematoxylin"].values == [0.1, 0.1]


def test_previews_of_several_steps_show_what_stays_once(tmp_path: Path):
    cell = 32

    def sheet(woven: int) -> np.ndarray:
        columns = [np.full((2 * cell + 4, cell, 3), each, np.uint8) for each in (10, 20, woven, woven + 1)]
        gap = np.full((2 * cell + 4, 4, 3), 255, np.uint8)
        return np.concatenate([columns[0], gap, columns[1], gap, columns[2], gap, columns[3]], axis=1)

    compared = side_by_side({100: sheet(50), 200: sheet(90), 300: sheet(130)}, cell)
    pixels = compared[-1, 16 :: cell + 4, 0]
    assert pixels.tolist() == [10, 20, 50, 90, 130]
    assert (compared[:18] < 128).any()
    with pytest.raises(RunError, match="choose steps of one run"):
        side_by_side({1: sheet(5), 2: sheet(5)[:-4]}, cell)

    Image.fromarray(sheet(50)).save(tmp_path / "step.png")
    np.testing.assert_array_equal(read_preview(tmp_path / "step.png"), sheet(50))
    (tmp_path / "step.png").write_bytes(b"no picture")
    with pytest.raises(RunError, match="cannot be read"):
        read_preview(tmp_path / "step.png")


def test_runs_are_remembered_the_latest_first_as_long_as_they_are_there(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(recent_runs, "recent_runs_file", lambda: tmp_path / "runs.json")
    for name in "abca":
        Run.create(tmp_path / name, {}, {}) if not (tmp_path / name).exists() else None
        recent_runs.remember_run(tmp_path / name)
    assert [each.name for each in recent_runs.recent_runs()] == ["a", "c", "b"]
    (tmp_path / "c" / "recipe.json").unlink()
    assert [each.name for each in recent_runs.recent_runs()] == ["a", "b"]
    (tmp_path / "runs.json").write_text("[3")
    assert recent_runs.recent_runs() == []


def test_a_request_is_a_file_that_can_be_taken_back(tmp_path: Path):
    run = Run.create(tmp_path / "run", {}, {})
    run.request_pause()
    run.request_stop()
    assert run.stop_requested
    assert run.pause_requested
    run.clear_requests()
    assert not run.stop_requested
    assert not run.pause_requested
    assert not run.is_in_use
    with Run.open(run.folder).locked():
        assert run.is_in_use


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (75, "75 s"), (150, "2 min"), (12_000, "3 h 20 min"), (180_000, "2 d 2 h")]
)
def test_durations_are_said_as_people_do(seconds: float, words: str):
    assert words_of_duration(seconds) == words


def test_a_training_that_weaves_tells_how_far_it_is(tmp_path: Path):
    run = tmp_path / "run"
    assert woven_so_far(run) == (0, 0)
    TrainingOrder("critic", CriticRecipe(weave=4), (tmp_path,)).write(run)
    assert woven_so_far(run) == (0, 4)
    for name in ("training/woven_00000_seed1", "training/woven_00001_seed2", "held_out/woven_00000_seed3"):
        path = run / "start" / "woven" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    half_written = run / "start" / "woven" / "training" / ".woven_00002_seed4-x"
    half_written.mkdir()
    (half_written / "woven_00002_seed4.png").write_bytes(b"")
    assert woven_so_far(run) == (3, 4)
    (run / "recipe.json").write_text("[]")
    assert woven_so_far(run) == (0, 0)
