from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from histoloom.jobs.stale_pixels import StalePixels
from histoloom.window import Window

SIDE = 24
spans = st.tuples(st.integers(0, SIDE), st.integers(0, SIDE)).map(sorted)
windows = st.tuples(spans, spans).map(lambda each: Window(each[0][0], each[1][0], each[0][1], each[1][1]))
steps = st.lists(st.tuples(st.booleans(), windows, st.integers(0, 5)), max_size=100)


@given(steps)
@settings(deadline=None)
def test_every_pixel_that_is_older_than_its_latest_change_is_found(steps):
    stale = StalePixels()
    changed, shown = np.zeros((SIDE, SIDE), int), np.zeros((SIDE, SIDE), int)
    revision = 0
    for is_change, window, age in steps:
        if is_change:
            revision += 1
            changed[window.slices] = revision
            stale.add(window, revision)
        else:
            woven = max(revision - age, 0)
            shown[window.slices] = np.maximum(shown[window.slices], woven)
            stale.renew(window, woven)
    found = np.zeros((SIDE, SIDE), bool)
    for _ in range(1000):
        window = stale.next_window()
        if window is None:
            break
        found[window.slices] = True
        stale.renew(window, revision)
    assert not stale
    assert not ((shown < changed) & ~found).any()


def test_the_latest_change_comes_first_and_takes_only_near_ones_along():
    stale = StalePixels()
    stale.add(Window(0, 0, 1000, 1000), 1)
    stale.add(Window(3000, 3000, 3128, 3128), 2)
    stale.add(Window(3100, 3100, 3228, 3228), 3)
    assert stale.next_window() == Window(3000, 3000, 3228, 3228)


def test_without_changes_there_is_nothing_to_weave():
    assert StalePixels().next_window() is None
