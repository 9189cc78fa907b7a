from __future__ import annotations

import json

import numpy as np
import pytest
from flat_generator import FAILS_AT, FlatRecipe
from PIL import Image
from small_tissue import look_of, nucleus_at

from histoloom.errors import LayoutError, RecipeError, WriteError
from histoloom.generators.weaving import weave
from histoloom.jobs.batch import (
    BatchFinished,
    BatchStarted,
    PictureFailed,
    PictureSkipped,
    PictureWoven,
    weave_batch,
)
from histoloom.layouts import Layout


def small(key):
    return Layout.from_nuclei([nucleus_at(key, 20, 20 + key)], (64, 70), 0.25)


@pytest.fixture
def batch(tmp_path, look):
    def run(layouts=None, seeds=(0, 1), **other):
        events = []
        arguments = {"look": look, "generator": "flat", "recipe": FlatRecipe(), "folder": tmp_path / "out", **other}
        layouts = [("a", small(1)), ("b", small(2))] if layouts is None else layouts
        weave_batch(layouts, seeds=seeds, on_event=events.append, **arguments)
        return events

    return run


def kinds(events):
    return [type(event) for event in events]


def test_every_layout_is_woven_with_every_seed_as_the_library_weaves_it(batch, tmp_path, look):
    events = batch()
    assert kinds(events) == [BatchStarted, *[PictureWoven] * 4, BatchFinished]
    assert events[0].total == 4
    assert [event.done for event in events[1:-1]] == [1, 2, 3, 4]
    assert events[-1] == BatchFinished(4, 0, 0, False)
    names = [event.path.name for event in events[1:-1]]
    assert names == ["a_seed0.png", "a_seed1.png", "b_seed0.png", "b_seed1.png"]
    pixels = np.asarray(Image.open(tmp_path / "out" / "b_seed1.png"))
    np.testing.assert_array_equal(pixels, weave(small(2), look, generator="flat", seed=1).image)


def test_a_stopped_batch_goes_on_where_it_was_and_gives_the_same_bytes(batch, tmp_path):
    answers = iter([False] * 7)
    stopped = batch(should_stop=lambda: next(answers, True))
    assert stopped[-1].was_stopped
    done = stopped[-1].woven
    assert 0 < done < 4
    resumed = batch()
    assert resumed[-1] == BatchFinished(4 - done, done, 0, False)
    assert kinds(resumed)[1 : 1 + done] == [PictureSkipped] * done
    batch(folder=tmp_path / "at once")
    for each in (tmp_path / "at once").iterdir():
        assert each.read_bytes() == (tmp_path / "out" / each.name).read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": FlatRecipe(brightness=1)},
        {"look": look_of(1)},
        {"layouts": [("a", small(3)), ("b", small(4))]},
        {"image_format": "tif"},
        {"coco": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_was_woven_otherwise_is_woven_again(batch, change):
    batch()
    assert batch(**change)[-1] == BatchFinished(4, 0, 0, False)
    assert batch(**change)[-1] == BatchFinished(0, 4, 0, False)


def test_what_is_missing_cut_short_or_damaged_is_woven_again(batch, tmp_path):
    batch()
    folder = tmp_path / "out"
    (folder / "a_seed0_labels.tif").unlink()
    (folder / "a_seed1.png").write_bytes(b"cut")
    (folder / "b_seed0.json").write_text("{")
    picture = bytearray((folder / "b_seed1.png").read_bytes())
    picture[len(picture) // 2] ^= 255
    (folder / "b_seed1.png").write_bytes(picture)
    assert batch()[-1] == BatchFinished(4, 0, 0, False)
    assert batch()[-1] == BatchFinished(0, 4, 0, False)
    assert json.loads((folder / "b_seed0.json").read_text())["synthetic"]


def test_a_layout_that_cannot_be_read_or_woven_is_reported_and_the_batch_goes_on(batch):
    def unreadable():
        raise LayoutError("'bad.tif' is not a layout; choose another file.")

    huge = Layout.empty((100_000, 100_000))
    events = batch([("bad", unreadable), ("huge", huge), ("read", lambda: small(1))], seeds=[7])
    assert kinds(events) == [BatchStarted, PictureFailed, PictureFailed, PictureWoven, BatchFinished]
    assert events[1] == PictureFailed("bad", 7, "'bad.tif' is not a layout; choose another file.", 1)
    assert "weave a window" in events[2].sentence
    assert events[-1] == BatchFinished(1, 0, 2, False)


def test_a_layout_whose_reading_fails_unexpectedly_is_reported_by_name_and_the_batch_goes_on(batch):
    def broken():
        raise OverflowError("Python int too large\nto convert")

    events = batch([("odd", broken), ("read", lambda: small(1))], seeds=[7])
    assert kinds(events) == [BatchStarted, PictureFailed, PictureWoven, BatchFinished]
    assert events[1].sentence.startswith("The layout 'odd' could not be read (OverflowError: Python int too large to")
    assert events[1].sentence.endswith(".")


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5])
def test_a_seed_that_is_not_usable_is_refused_before_anything_is_woven(batch, seed):
    with pytest.raises(RecipeError, match="whole number from 0"):
        batch(seeds=[0, seed])


def test_a_defect_of_the_generator_is_reported_as_a_failure_of_its_picture(batch):
    broken = Layout.from_nuclei([nucleus_at(FAILS_AT, 20, 20)], (64, 64), 0.25)
    events = batch([("broken", broken), ("fine", small(1))], seeds=[0])
    assert kinds(events) == [BatchStarted, PictureFailed, PictureWoven, BatchFinished]
    assert "cannot be woven" in events[1].sentence


def test_layouts_of_another_pixel_size_get_a_look_prepared_for_it(batch):
    other = Layout.from_nuclei([nucleus_at(1, 9, 9)], (32, 32), 0.5)
    assert batch([("a", small(1)), ("b", other)], seeds=[0])[-1].woven == 2


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_woven(batch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError, match="choose a folder that you may write to"):
        batch(folder=tmp_path / "file")
    with pytest.raises(WriteError, match="choose a folder that you may write to"):
        batch(folder=tmp_path / "file" / "below")


def test_a_batch_that_finds_no_room_ends_and_leaves_no_half_picture(batch, tmp_path, monkeypatch):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("histoloom.layouts.files.save_layout", full_disk)
    events = batch()
    assert kinds(events) == [BatchStarted, PictureFailed, BatchFinished]
    assert "No space left" in events[1].sentence
    assert events[-1].was_stopped
    assert list((tmp_path / "out").iterdir()) == []


def test_names_that_would_overwrite_each_other_or_leave_the_folder_are_refused(batch):
    with pytest.raises(LayoutError, match="Two layouts are called"):
        batch([("a", small(1)), ("A", small(2))])
    with pytest.raises(WriteError, match="file name"):
        batch([("../a", small(1))])
    with pytest.raises(LayoutError, match="at least one"):
        batch([])
    with pytest.raises(RecipeError, match="seed"):
        batch(seeds=[])
