from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import textwrap
import time
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import pytest
from flat_generator import DIES_AT, FAILS_AT, FlatRecipe
from small_tissue import nucleus_at

from histoloom import __version__
from histoloom.errors import RecipeError
from histoloom.generators.weaving import weave
from histoloom.jobs.messages import Message, read_message, write_message
from histoloom.jobs.shared_pixels import SharedPixels
from histoloom.jobs.weave_client import WeaveAnswer, WeaveClient, WeaveFailure
from histoloom.layouts import Layout
from histoloom.tiles.tissue import CELLULAR
from histoloom.window import Window

PATIENCE_S = 60.0
HERE = str(Path(__file__).parent)


class Listener:
    """Collects what a client is told, from its threads."""

    def __init__(self):
        self.answers, self.statuses = queue.Queue(), queue.Queue()

    def answer(self):
        return self.answers.get(timeout=PATIENCE_S)

    def status(self, state):
        while (status := self.statuses.get(timeout=PATIENCE_S)).state != state:
            pass
        return status

    def last_of(self, request_id):
        while not (isinstance(answer := self.answer(), WeaveAnswer) and answer.request_id == request_id):
            pass
        return answer


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def client(listener):
    client = WeaveClient(listener.answers.put, listener.statuses.put)
    yield client
    client.close()


@pytest.fixture
def ready(client, look, layout):
    client.prepare(look, "flat", FlatRecipe(is_noisy=True), layout.pixel_size)
    client.set_layout(layout)
    return client


def test_the_process_weaves_the_bytes_that_the_library_weaves(ready, listener, look, layout):
    ready.weave(1, Window(20, 30, 250, 390), seed=9)
    answer = listener.answer()
    assert (answer.request_id, answer.window, answer.is_last) == (1, Window(20, 30, 250, 390), True)
    expected = weave(layout, look, generator="flat", recipe=FlatRecipe(), seed=9, window=answer.window).image
    np.testing.assert_array_equal(answer.pixels, expected)
    status = listener.status("ready")
    while status.last_seconds is None:
        status = listener.status("ready")
    assert status.device
    assert status.pid == ready.pid


def test_edits_are_applied_in_order_before_the_request_that_follows_them(ready, listener, look, layout):
    rows = [{1: nucleus_at(1, 50, 50)}, {2: None, 99: nucleus_at(99, 200, 200, 20)}, {1: nucleus_at(1, 60, 60)}]
    ready.weave(1, Window(0, 0, 40, 40), seed=0)
    for changed in rows:
        ready.edit(changed)
        layout = layout.with_nuclei(changed)
    ready.weave(2, layout.window, seed=0)
    answer = listener.last_of(2)
    np.testing.assert_array_equal(answer.pixels, weave(layout, look, generator="flat").image)


def test_a_large_window_comes_in_pieces_and_more_of_them_than_there_are_slots(client, listener, look):
    layout = Layout.from_nuclei([nucleus_at(1, 700, 700, 40)], (1100, 1600))
    client.prepare(look, "flat", FlatRecipe(), 0.25)
    client.set_layout(layout)
    client.weave(7, layout.window, seed=1)
    picture = np.zeros((*layout.shape, 3), np.uint8)
    count, is_last = 0, False
    while not is_last:
        answer = listener.answer()
        picture[answer.window.slices] = answer.pixels
        count, is_last = count + 1, answer.is_last
    assert count == 12
    np.testing.assert_array_equal(picture, weave(layout, look, generator="flat", seed=1).image)


def test_of_many_requests_the_newest_wins(client, listener, look, layout):
    client.prepare(look, "flat", FlatRecipe(delay_s=0.1), 0.25)
    client.set_layout(layout)
    for number in range(1, 101):
        client.weave(number, Window(0, 0, 64, 64), seed=number)
    last = listener.last_of(100)
    assert last.is_last
    answered = 1 + listener.answers.qsize()
    assert answered < 10


def test_a_newer_request_ends_an_older_one_between_its_pieces(client, listener, look):
    client.prepare(look, "flat", FlatRecipe(delay_s=0.1), 0.25)
    client.set_layout(Layout.empty((4096, 4096)))
    client.weave(1, Window(0, 0, 4096, 4096), seed=0)
    assert listener.answer().request_id == 1
    client.weave(2, Window(0, 0, 16, 16), seed=0)
    pieces = 1
    while listener.answer().request_id == 1:
        pieces += 1
    assert pieces < 32


def test_a_failed_weave_is_one_sentence_and_the_process_lives_on(ready, listener):
    ready.edit({FAILS_AT: nucleus_at(FAILS_AT, 10, 10)})
    ready.weave(1, Window(0, 0, 50, 50), seed=0)
    failure = listener.answer()
    assert isinstance(failure, WeaveFailure)
    assert failure.request_id == 1
    assert "cannot be woven" in failure.sentence
    assert failure.sentence.endswith("report this as a defect.")
    pid = ready.pid
    ready.edit({FAILS_AT: None})
    ready.weave(2, Window(0, 0, 50, 50), seed=0)
    assert listener.last_of(2).pixels.shape == (50, 50, 3)
    assert ready.pid == pid


def test_a_look_that_cannot_be_studied_is_one_sentence_for_each_who_asks(client, listener, look, layout):
    number = client.prepare(look, "flat", FlatRecipe(prepare_fails=True), 0.25)
    client.set_layout(layout)
    client.weave(1, Window(0, 0, 8, 8), seed=0)
    first, second = listener.answer(), listener.answer()
    assert (first.request_id, second.request_id) == (None, 1)
    assert "no such look" in first.sentence
    assert first.sentence == second.sentence
    again = client.prepare(look, "flat", FlatRecipe(), 0.25)
    client.weave(2, Window(0, 0, 8, 8), seed=0)
    assert listener.answer().request_id == 2
    while (status := listener.status("ready")).halo is None:
        pass
    assert (status.halo, status.preparation) == (3, again)
    assert again != number


def test_a_request_without_a_look_says_what_to_do(client, listener, layout):
    client.set_layout(layout)
    client.weave(1, Window(0, 0, 8, 8), seed=0)
    assert "choose a tile" in listener.answer().sentence


def test_an_unknown_generator_is_refused_at_once(client, look):
    with pytest.raises(RecipeError, match="choose one of"):
        client.prepare(look, "warp", FlatRecipe(), 0.25)


def test_a_process_killed_in_mid_weave_is_started_again_and_nothing_is_lost(client, listener, look, layout):
    client.prepare(look, "flat", FlatRecipe(delay_s=0.5), 0.25)
    client.set_layout(layout)
    client.edit({1: None})
    client.weave(1, Window(0, 0, 100, 100), seed=4)
    listener.status("weaving")
    pid = client.pid
    os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    client.edit({2: None})
    assert "being started again" in listener.status("restarted").message
    answer = listener.last_of(1)
    expected = weave(layout.with_nuclei({1: None, 2: None}), look, generator="flat", seed=4, window=answer.window)
    np.testing.assert_array_equal(answer.pixels, expected.image)
    assert client.pid != pid
    while "nothing is lost" not in listener.status("ready").message:
        pass


def test_a_process_that_keeps_dying_is_given_up_until_it_is_started_again(ready, listener, look, layout):
    ready.edit({DIES_AT: nucleus_at(DIES_AT, 10, 10)})
    ready.weave(1, Window(0, 0, 50, 50), seed=0)
    dead = listener.status("dead")
    assert "died 4 times within a minute" in dead.message
    assert dead.pid is None
    ready.edit({DIES_AT: None})
    ready.weave(2, Window(0, 0, 50, 50), seed=0)
    assert ready.pid is None, "only an explicit start revives it"
    ready.start()
    assert listener.last_of(2).pixels.shape == (50, 50, 3)


def test_closing_is_quick_final_and_may_be_repeated(ready, listener):
    ready.weave(1, Window(0, 0, 50, 50), seed=0)
    listener.answer()
    started = time.perf_counter()
    ready.close()
    ready.close()
    assert time.perf_counter() - started < 2.0
    ready.weave(2, Window(0, 0, 50, 50), seed=0)
    ready.start()
    assert ready.pid is None
    assert listener.answers.empty()


def test_closing_does_not_wait_for_a_weave(client, listener, look, layout):
    client.prepare(look, "flat", FlatRecipe(delay_s=30.0), 0.25)
    client.set_layout(layout)
    client.weave(1, layout.window, seed=0)
    listener.status("weaving")
    started = time.perf_counter()
    client.close()
    assert time.perf_counter() - started < 3.0


def test_nothing_that_the_viewer_calls_waits_for_the_process(client, look, layout):
    started = time.perf_counter()
    client.prepare(look, "flat", FlatRecipe(delay_s=1.0), 0.25)
    client.set_layout(layout)
    for number in range(300):
        client.edit({1: nucleus_at(1, 50, number)})
        client.weave(number, layout.window, seed=0)
    assert time.perf_counter() - started < 1.0


def test_a_listener_that_fails_does_not_end_the_client(look, layout):
    answers = queue.Queue()

    def fail_first(answer):
        answers.put(answer)
        raise KeyError(answer.request_id)

    client = WeaveClient(fail_first, lambda _: None)
    try:
        client.prepare(look, "flat", FlatRecipe(), 0.25)
        client.set_layout(layout)
        for number in (1, 2):
            client.weave(number, Window(0, 0, 9, 9), seed=0)
            assert answers.get(timeout=PATIENCE_S).request_id == number
    finally:
        client.close()


def _blocks():
    return {each.name for each in Path("/dev/shm").glob("psm_*")}


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory shows as files on Linux only")
def test_painted_tissue_is_woven_and_outlives_the_process(ready, listener, look, layout):
    painted = layout.with_tissue(Window(60, 60, 120, 120), CELLULAR)
    ready.set_tissue(painted.tissue_map)
    ready.weave(1, layout.window, seed=9)
    expected = weave(painted, look, generator="flat", recipe=FlatRecipe(), seed=9).image
    np.testing.assert_array_equal(listener.last_of(1).pixels, expected)
    os.kill(ready.pid, signal.SIGKILL)
    listener.status("restarted")
    ready.weave(2, layout.window, seed=9)
    np.testing.assert_array_equal(listener.last_of(2).pixels, expected)
    ready.set_tissue(None)
    ready.weave(3, layout.window, seed=9)
    bare = weave(layout.with_tissue_map(None), look, generator="flat", recipe=FlatRecipe(), seed=9).image
    np.testing.assert_array_equal(listener.last_of(3).pixels, bare)


def test_no_shared_memory_is_left_behind(look, layout):
    before = _blocks()
    listener = Listener()
    client = WeaveClient(listener.answers.put, listener.statuses.put)
    client.prepare(look, "flat", FlatRecipe(), 0.25)
    client.set_layout(layout)
    client.weave(1, Window(0, 0, 9, 9), seed=0)
    listener.answer()
    os.kill(client.pid, signal.SIGKILL)
    listener.status("restarted")
    client.weave(2, Window(0, 0, 9, 9), seed=0)
    listener.last_of(2)
    assert len(_blocks() - before) == 1
    client.close()
    assert _blocks() <= before


VIEWER = textwrap.dedent(
    """
    import queue, sys
    sys.path.insert(0, {here!r})
    from flat_generator import FlatRecipe
    from small_tissue import look_of
    from histoloom.jobs.weave_client import WeaveClient
    from histoloom.layouts import Layout
    from histoloom.window import Window
    if __name__ == "__main__":
        answers, statuses = queue.Queue(), queue.Queue()
        client = WeaveClient(answers.put, statuses.put)
        client.prepare(look_of(0), "flat", FlatRecipe(delay_s={delay_s}), 0.25)
        client.set_layout(Layout.empty((64, 64)))
        client.weave(1, Window(0, 0, 64, 64), 0)
        while statuses.get(timeout=60).state != "weaving":
            pass
        print(client.pid, flush=True)
        {then}
    """
)


def _start_viewer(delay_s, then):
    code = VIEWER.format(here=HERE, delay_s=delay_s, then=then)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process whose parent has died may wait to be collected; it does nothing any more.
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.mark.skipif(os.name != "posix", reason="asks for processes by signal")
def test_a_viewer_that_is_killed_leaves_no_orphan_even_in_mid_weave():
    viewer = _start_viewer(60.0, "answers.get()")
    pid = int(viewer.stdout.readline())
    assert _is_alive(pid)
    viewer.kill()
    viewer.wait()
    until = time.monotonic() + 10.0
    while _is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not _is_alive(pid)
    viewer.stdout.close()
    viewer.stderr.close()


@pytest.mark.skipif(os.name != "posix", reason="asks for processes by signal")
def test_a_viewer_that_ends_without_closing_is_cleaned_up_without_a_warning():
    viewer = _start_viewer(0.0, "answers.get(timeout=60)")
    output, errors = viewer.communicate(timeout=PATIENCE_S)
    assert viewer.returncode == 0
    assert errors == ""
    assert not _is_alive(int(output))


def test_the_process_says_who_it_is_and_ends_with_its_input():
    shared = SharedPixels()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "histoloom.jobs.weaver", shared.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        hello = read_message(process.stdout)
        assert (hello.kind, hello.values["version"], hello.values["pid"]) == ("hello", __version__, process.pid)
        write_message(process.stdin, Message("release", {"slot": 0}))
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0
        process.stdout.close()
        # The process was attached to the block; it must still be there.
        again = SharedMemory(name=shared.name, create=False)
        again.close()
    finally:
        shared.close()


def test_the_process_needs_neither_torch_nor_a_viewer():
    code = "import histoloom.jobs.weaver, sys; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "napari", "qtpy", "cv2", "skimage", "dask", "scipy", "tifffile"} & set(modules)
