"""Trained bundles weave in other processes, live and in batches, with the bytes of the library."""

from __future__ import annotations

import queue
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from histoloom.conditions import AcceptedStructure, StructureLabelsEncoding
from histoloom.errors import BundleError
from histoloom.generators import generator_named, weave
from histoloom.generators.bundles import BundleRecipe
from histoloom.jobs.batch import BatchFinished, BatchStarted, PictureFailed, PictureSkipped, PictureWoven
from histoloom.jobs.batch_process import weave_batch_beside
from histoloom.jobs.live import LiveWeaver
from histoloom.jobs.messages import Message, structure_of, structure_parts
from histoloom.jobs.weave_client import WeaveAnswer, WeaveClient, WeaveFailure
from histoloom.tiles import NamedLook
from histoloom.window import Window
from small_bundles import small_bundle, small_layout

PATIENCE_S = 240.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return str(small_bundle(tmp_path_factory.mktemp("bundle") / "small.safetensors"))


@pytest.fixture
def named_look(look):
    return NamedLook.of("any", look.stains, ())


def structure_on(layout):
    labels = np.zeros(layout.shape, np.uint8)
    labels[::7] = 255
    corrected = np.zeros(layout.shape, bool)
    corrected[:20] = True
    return AcceptedStructure(labels, StructureLabelsEncoding(), corrected)


def test_structure_arrives_as_it_was_sent():
    sent = structure_on(small_layout())
    arrived = structure_of(Message("structure", *structure_parts(sent)))
    assert arrived.sha256 == sent.sha256
    np.testing.assert_array_equal(arrived.corrected, sent.corrected)
    assert structure_of(Message("structure", *structure_parts(None))) is None


def test_the_weave_process_weaves_a_bundle_and_sees_accepted_structure(bundle, named_look):
    answers = queue.Queue()
    client = WeaveClient(answers.put, lambda _: None)
    layout = small_layout()
    try:
        client.prepare(named_look, bundle, BundleRecipe(), layout.pixel_size)
        client.set_layout(layout)
        client.weave(1, layout.window, 4)
        first = answers.get(timeout=PATIENCE_S)
        assert isinstance(first, WeaveAnswer), first
        np.testing.assert_array_equal(first.pixels, weave(layout, named_look, generator=bundle, seed=4).image)
        structure = structure_on(layout)
        client.set_structure(structure)
        client.weave(2, Window(10, 20, 60, 70), 4)
        second = answers.get(timeout=PATIENCE_S)
        expected = weave(layout, named_look, generator=bundle, seed=4, structure=structure).image
        np.testing.assert_array_equal(second.pixels, expected[10:60, 20:70])
        client.prepare(named_look, bundle, BundleRecipe(), 0.25)
        failure = answers.get(timeout=PATIENCE_S)
        assert isinstance(failure, WeaveFailure)
        assert "switch 'Rescale' on" in failure.sentence
    finally:
        client.close()


def batch(bundle, look, folder, **options):
    events = []
    layouts = [("a", small_layout()), ("b", small_layout((40, 50)))]
    finished = weave_batch_beside(layouts, look, bundle, None, [5], folder, on_event=events.append, **options)
    return finished, events


def test_a_batch_beside_the_viewer_has_the_bytes_of_the_library_and_goes_on_where_it_was(bundle, named_look, tmp_path):
    finished, events = batch(bundle, named_look, tmp_path)
    assert finished == BatchFinished(2, 0, 0, False)
    assert [type(each) for each in events] == [BatchStarted, PictureWoven, PictureWoven, BatchFinished]
    pixels = np.asarray(Image.open(events[1].path))
    np.testing.assert_array_equal(pixels, weave(small_layout(), named_look, generator=bundle, seed=5).image)
    finished, events = batch(bundle, named_look, tmp_path)
    assert [type(each) for each in events[1:-1]] == [PictureSkipped, PictureSkipped]
    structure = structure_on(small_layout())
    finished, _ = batch(bundle, named_look, tmp_path, structure=structure)
    assert finished.woven == 2, "pictures with other structure are other pictures"


def test_a_batch_that_cannot_begin_raises_its_own_error(bundle, named_look, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(Exception, match="cannot be written to") as raised:
        batch(bundle, named_look, tmp_path / "taken")
    assert type(raised.value).__name__ == "WriteError"
    with pytest.raises(BundleError, match="There is no file"):
        batch(str(tmp_path / "gone.safetensors"), named_look, tmp_path)


def test_a_batch_stops_when_it_is_asked_to(bundle, named_look, tmp_path):
    finished, _ = batch(bundle, named_look, tmp_path, should_stop=lambda: True)
    assert finished.was_stopped


def test_a_layout_that_fails_is_told_and_the_batch_goes_on(bundle, named_look, tmp_path):
    events = []
    layouts = [("a", small_layout(pixel_size=0.25)), ("b", small_layout())]
    finished = weave_batch_beside(layouts, named_look, bundle, None, [0], tmp_path, on_event=events.append)
    assert finished == BatchFinished(1, 0, 1, False)
    failed = next(each for each in events if isinstance(each, PictureFailed))
    assert "Rescale" in failed.sentence


def test_batches_of_bundles_leave_torch_to_the_other_process(bundle, tmp_path):
    code = f"""
import sys
import numpy as np
from histoloom.jobs.batch_process import weave_batch_beside
from histoloom.layouts import Layout
from histoloom.tiles import Look, Tile
pixels = (np.random.default_rng(0).random((64, 64, 3)) * 60 + (150, 90, 150)).astype(np.uint8)
layout = Layout.from_nuclei([], (40, 40), 0.5)
look = Look.from_tile(Tile.from_array(pixels))
done = weave_batch_beside([("a", layout)], look, {bundle!r}, None, [0], {str(tmp_path)!r})
print(done.woven, "torch" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["1", "False"]


def test_a_slow_generator_waits_for_the_end_of_a_stroke(look):
    from deferred_weaver import DeferredWeaver, Timers

    from histoloom.layouts import LayoutEdit

    client, timers = DeferredWeaver(64), Timers()
    live = LiveWeaver(client, lambda *_: None, timers.schedule, lambda: timers.now)
    layout = small_layout()
    live.replaced(layout)
    live.set_look(look, "texture", generator_named("texture").recipe_type())
    live.set_enabled(True)

    def answer(seconds):
        request_id, window = client.requests[-1]
        live.answered(WeaveAnswer(request_id, window, np.zeros((*window.shape, 3), np.uint8), seconds))

    answer(0.01)
    assert live.follows_strokes
    live.set_seed(1)
    answer(90.0 * 75.0)
    assert not live.follows_strokes
    asked = len(client.requests)
    timers.advance(1.0)
    live.edited(LayoutEdit.of("stroke", layout, {1: None}), final=False)
    timers.advance(1.0)
    assert len(client.requests) == asked
    live.edited(LayoutEdit.of("end", layout, {}), final=True)
    assert len(client.requests) == asked + 1
