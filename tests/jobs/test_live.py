from __future__ import annotations

import numpy as np
import pytest
from deferred_weaver import DeferredWeaver, Picture, Timers
from flat_generator import FAILS_AT, FlatRecipe, FlatWeaver
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from small_tissue import look_of, nucleus_at

from histoloom.errors import RecipeError
from histoloom.jobs import stale_pixels
from histoloom.jobs.answers import WeaveAnswer, WeaveFailure, WeaverStatus
from histoloom.jobs.live import LiveWeaver
from histoloom.layouts import Layout, LayoutEdit, TissueMap
from histoloom.tiles.tissue import BLANK, BLOOD
from histoloom.window import Window

LOOKS = [look_of(seed) for seed in range(3)]
places = st.tuples(st.integers(-6, 60), st.integers(-6, 60))


class Canvas:
    """A canvas with live weaving, and all that it hangs on, driven by hand."""

    def __init__(self, layout=None, enabled=True, piece_side=16):
        self.client, self.timers = DeferredWeaver(piece_side), Timers()
        self.picture = Picture(LiveWeaver, self.client, self.timers)
        self.live = self.picture.live
        self.seed, self.look, self.recipe = 0, LOOKS[0], FlatRecipe()
        self.live.set_look(self.look, "flat", self.recipe)
        self.replace(layout or Layout.empty((50, 40)))
        self.live.set_enabled(enabled)

    def replace(self, layout):
        self.layout = layout
        self.picture.pixels = np.zeros((*layout.shape, 3), np.uint8)
        self.live.replaced(layout)

    def edit(self, rows, final=True):
        edit = LayoutEdit.of("Edit", self.layout, rows)
        self.layout = edit.applied_to(self.layout)
        self.live.edited(edit, final)

    def give_tissue(self, tissue_map, final=True):
        edit = LayoutEdit.of_tissue("Paint tissue", self.layout, tissue_map)
        self.layout = edit.applied_to(self.layout)
        self.live.edited(edit, final)

    def paint_tissue(self, window, tissue, final=True):
        before = self.layout.tissue_map or TissueMap.filled(self.layout.shape, 7)
        self.give_tissue(before.painted(window, tissue), final)

    def hear(self):
        report = self.client.reports.popleft()
        if isinstance(report, WeaverStatus):
            self.live.status_changed(report)
        else:
            self.live.answered(report)

    def settle(self):
        for _ in range(5000):
            if self.client.reports:
                self.hear()
            elif not self.client.is_idle:
                self.client.step()
            elif not self.timers.is_quiet:
                self.timers.advance(0.1)
            else:
                return
        raise AssertionError("live weaving does not come to rest")

    def expected(self):
        return FlatWeaver().prepare(self.look, self.recipe, 0.25).weave(self.layout, self.seed)


class LiveWeaving(RuleBasedStateMachine):
    """Whatever happens and in whatever order: in the end the picture is that of the layout."""

    @initialize(is_settled=st.booleans())
    def begin(self, is_settled):
        self.patch = pytest.MonkeyPatch()
        # On a canvas this small everything would otherwise be woven as one window.
        self.patch.setattr(stale_pixels, "_SMALL_SIDE", 4)
        self.canvas = Canvas(Layout.from_nuclei([nucleus_at(1, 9, 9, 3), nucleus_at(2, 40, 30, 3)], (50, 40)))
        if is_settled:
            self.canvas.settle()

    @rule(key=st.integers(1, 4), place=st.none() | places, final=st.booleans(), radius=st.integers(2, 5))
    def edit(self, key, place, final, radius):
        self.canvas.edit({key: place and nucleus_at(key, *place, radius)}, final)

    @rule(shift=st.tuples(st.integers(-2, 2), st.integers(-2, 2)), final=st.booleans())
    def drag(self, shift, final):
        self.canvas.edit({key: nucleus.moved(*shift) for key, nucleus in self.canvas.layout.nuclei.items()}, final)

    @rule(place=places, size=st.integers(1, 9), tissue=st.integers(0, 4), final=st.booleans())
    def paint_tissue(self, place, size, tissue, final):
        self.canvas.paint_tissue(Window(*place, place[0] + size, place[1] + size), tissue, final)

    @rule(final=st.booleans())
    def clear_tissue(self, final):
        self.canvas.give_tissue(None, final)

    @rule()
    def end_stroke(self):
        self.canvas.live.edited(LayoutEdit("Nothing", {}, {}), final=True)

    @rule(steps=st.integers(1, 9))
    def weave(self, steps):
        for _ in range(steps):
            self.canvas.client.step()

    @rule(count=st.integers(1, 9))
    def hear(self, count):
        for _ in range(min(count, len(self.canvas.client.reports))):
            self.canvas.hear()

    @rule(seconds=st.sampled_from([0.001, 0.05, 0.1]))
    def wait(self, seconds):
        self.canvas.timers.advance(seconds)

    @rule()
    def settle(self):
        self.canvas.settle()

    @rule(
        change=st.sampled_from(["seed", "look", "recipe", "layout", "on", "off", "once", "death"]),
        number=st.integers(0, 2),
    )
    def change_everything(self, change, number):
        canvas = self.canvas
        if change == "seed":
            canvas.seed = number
            canvas.live.set_seed(number)
        elif change == "look":
            canvas.look = LOOKS[number]
            canvas.live.set_look(canvas.look, "flat", canvas.recipe)
        elif change == "recipe":
            canvas.recipe = FlatRecipe(halo=2 * number + 1)
            canvas.live.set_look(canvas.look, "flat", canvas.recipe)
        elif change == "layout":
            shape = (50 - 10 * number, 20 + 10 * number)
            canvas.replace(Layout.from_nuclei([nucleus_at(1, 9, 9)], shape, 0.25 * (1 + number % 2)))
        elif change == "once":
            canvas.live.weave_all()
        elif change == "death":
            canvas.client.die()
        else:
            canvas.live.set_enabled(change == "on")

    @invariant()
    def a_settled_picture_is_right(self):
        if self.canvas.live.is_settled:
            np.testing.assert_array_equal(self.canvas.picture.pixels, self.canvas.expected())

    def teardown(self):
        if hasattr(self, "canvas"):
            self.canvas.live.set_enabled(True)
            self.canvas.live.edited(LayoutEdit("Nothing", {}, {}), final=True)
            self.canvas.settle()
            assert self.canvas.live.is_settled
            np.testing.assert_array_equal(self.canvas.picture.pixels, self.canvas.expected())
            self.patch.undo()


TestLiveWeaving = LiveWeaving.TestCase
TestLiveWeaving.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


@pytest.fixture
def canvas():
    settled = Canvas(Layout.from_nuclei([nucleus_at(1, 10, 10), nucleus_at(2, 40, 30)], (400, 400)), piece_side=512)
    settled.settle()
    settled.timers.advance(1.0)
    settled.client.requests.clear()
    settled.picture.updates.clear()
    return settled


def test_only_the_edited_nucleus_and_its_halo_are_woven_again(canvas):
    moved = canvas.layout.nuclei[1].moved(3, 0)
    dirty = canvas.layout.nuclei[1].outline.window.union(moved.outline.window).expanded(FlatRecipe().halo)
    canvas.edit({1: moved})
    canvas.settle()
    assert [window for _, window in canvas.client.requests] == [dirty.intersection(canvas.layout.window)]
    np.testing.assert_array_equal(canvas.picture.pixels, canvas.expected())


def test_only_the_painted_cells_of_tissue_and_their_halo_are_woven_again(canvas):
    canvas.paint_tissue(Window(0, 0, 1, 1), BLANK)
    canvas.settle()
    assert canvas.client.requests.pop()[1] == canvas.layout.window, "a map where there was none may show anywhere"
    canvas.paint_tissue(Window(100, 205, 103, 206), BLOOD)
    canvas.settle()
    assert [window for _, window in canvas.client.requests] == [Window(98, 203, 105, 210).expanded(FlatRecipe().halo)]
    np.testing.assert_array_equal(canvas.picture.pixels, canvas.expected())
    canvas.paint_tissue(Window(100, 205, 103, 206), BLOOD)
    assert len(canvas.client.requests) == 1, "painting the same again changes nothing"


def test_two_far_ends_of_a_long_move_are_woven_without_what_lies_between(canvas):
    canvas.edit({1: canvas.layout.nuclei[1].moved(370, 370)})
    canvas.settle()
    assert len(canvas.client.requests) == 2
    assert max(max(window.shape) for _, window in canvas.client.requests) < 30
    np.testing.assert_array_equal(canvas.picture.pixels, canvas.expected())


def test_a_stroke_asks_about_15_times_a_second_and_its_end_at_once(canvas):
    for index in range(200):
        canvas.edit({1: canvas.layout.nuclei[1].moved(0, 0.5)}, final=False)
        canvas.timers.advance(1 / 200)
        if index % 3 == 0:
            while not canvas.client.is_idle:
                canvas.client.step()
            while canvas.client.reports:
                canvas.hear()
    assert 13 <= len(canvas.client.requests) <= 16
    before = len(canvas.client.requests)
    canvas.edit({1: canvas.layout.nuclei[1].moved(0, 0.5)}, final=True)
    assert len(canvas.client.requests) == before + 1


def test_an_empty_edit_at_the_end_of_a_stroke_flushes_what_was_held_back(canvas):
    canvas.edit({1: canvas.layout.nuclei[1].moved(0, 1)}, final=False)
    canvas.edit({1: canvas.layout.nuclei[1].moved(0, 1)}, final=False)
    assert len(canvas.client.requests) == 1
    canvas.live.edited(LayoutEdit("Nothing", {}, {}), final=True)
    assert len(canvas.client.requests) == 2
    canvas.live.edited(LayoutEdit("Nothing", {}, {}), final=True)
    assert len(canvas.client.requests) == 2, "nothing has changed since the request under way"


def test_answers_from_before_a_change_of_the_whole_picture_are_dropped(canvas):
    canvas.edit({1: None})
    while not canvas.client.is_idle:
        canvas.client.step()
    canvas.seed = 5
    canvas.live.set_seed(5)
    canvas.picture.updates.clear()
    canvas.hear()
    while canvas.client.reports:
        canvas.hear()
    assert canvas.picture.updates == []
    canvas.settle()
    np.testing.assert_array_equal(canvas.picture.pixels, canvas.expected())


def test_an_answer_that_comes_after_a_newer_one_is_dropped(canvas):
    canvas.edit({1: None})
    canvas.edit({2: None})
    (old, window), (new, _) = canvas.client.requests
    canvas.live.answered(WeaveAnswer(new, Window(0, 0, 2, 2), np.zeros((2, 2, 3), np.uint8), 0.0, is_last=False))
    canvas.live.answered(WeaveAnswer(old, window, np.zeros((*window.shape, 3), np.uint8), 0.0))
    assert canvas.picture.updates == [Window(0, 0, 2, 2)]


def test_an_older_answer_is_shown_while_the_newer_one_is_awaited(canvas):
    canvas.edit({1: canvas.layout.nuclei[1].moved(0, 1)}, final=False)
    while not canvas.client.is_idle:
        canvas.client.step()
    canvas.edit({1: canvas.layout.nuclei[1].moved(0, 1)}, final=True)
    while canvas.client.reports:
        canvas.hear()
    assert canvas.picture.updates
    assert not canvas.live.is_settled
    canvas.settle()
    np.testing.assert_array_equal(canvas.picture.pixels, canvas.expected())


def test_what_changes_while_live_weaving_is_off_is_woven_when_it_is_on_again(canvas):
    canvas.live.set_enabled(False)
    canvas.edit({1: None})
    canvas.settle()
    assert canvas.client.requests == []
    canvas.live.set_enabled(True)
    canvas.settle()
    assert len(canvas.client.requests) == 1
    np.testing.assert_array_equal(canvas.picture.pixels, canvas.expected())


def test_weaving_once_works_while_live_weaving_is_off(canvas):
    canvas.live.set_enabled(False)
    canvas.edit({1: None})
    canvas.live.weave_all()
    canvas.settle()
    np.testing.assert_array_equal(canvas.picture.pixels, canvas.expected())
    canvas.edit({2: None})
    assert len(canvas.client.requests) == 1


def test_a_failure_is_not_asked_for_again_until_something_changes(canvas):
    canvas.edit({FAILS_AT: nucleus_at(FAILS_AT, 20, 20)})
    canvas.settle()
    assert len(canvas.client.requests) == 1
    assert not canvas.live.is_settled
    canvas.edit({FAILS_AT: None})
    canvas.settle()
    assert canvas.live.is_settled
    np.testing.assert_array_equal(canvas.picture.pixels, canvas.expected())


def test_a_failure_of_an_older_request_changes_nothing(canvas):
    canvas.edit({1: None})
    canvas.live.answered(WeaveFailure("An older request failed.", canvas.client.requests[-1][0] - 1))
    canvas.settle()
    assert canvas.live.is_settled


def test_after_the_process_is_given_up_switching_on_again_weaves_what_is_missing(canvas):
    canvas.edit({1: None})
    canvas.live.status_changed(WeaverStatus("dead", "The weave process died 4 times within a minute."))
    canvas.edit({2: None})
    assert len(canvas.client.requests) == 1
    canvas.live.set_enabled(True)
    assert len(canvas.client.requests) == 2
    canvas.settle()
    np.testing.assert_array_equal(canvas.picture.pixels, canvas.expected())


def test_an_unknown_generator_leaves_the_look_as_it_was(canvas):
    with pytest.raises(RecipeError, match="choose one of"):
        canvas.live.set_look(LOOKS[1], "warp", FlatRecipe())
    canvas.edit({1: None})
    canvas.settle()
    np.testing.assert_array_equal(canvas.picture.pixels, canvas.expected())


def test_the_halo_of_a_look_that_is_no_longer_chosen_is_not_believed(canvas):
    far = canvas.recipe = FlatRecipe(halo=40)
    canvas.live.set_look(canvas.look, "flat", far)
    canvas.live.status_changed(WeaverStatus("ready", "", preparation=1, halo=0))
    canvas.client.requests.clear()
    canvas.edit({1: None})
    assert canvas.client.requests[-1][1] == canvas.layout.window
    canvas.settle()
    np.testing.assert_array_equal(canvas.picture.pixels, canvas.expected())
