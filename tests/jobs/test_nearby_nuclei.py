from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from small_tissue import nucleus_at

from histoloom.jobs.nearby_nuclei import NearbyNuclei
from histoloom.layouts import Layout
from histoloom.window import Window

coordinates = st.integers(-10, 70)
changes = st.dictionaries(st.integers(1, 12), st.none() | st.tuples(coordinates, coordinates), max_size=6)


@given(st.lists(changes, max_size=6), coordinates, coordinates, st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_after_any_edits_the_same_nuclei_are_near_as_in_the_layout(edits, y, x, side):
    layout = Layout.from_nuclei([nucleus_at(1, 5, 5), nucleus_at(2, 40, 40)], (60, 60))
    nearby = NearbyNuclei(layout)
    for edit in edits:
        rows = {key: place and nucleus_at(key, *place) for key, place in edit.items()}
        layout = layout.with_nuclei(rows)
        nearby.change(rows)
    window = Window(y, x, y + side, x + side)
    assert nearby.near(window).stacked == tuple(layout.nuclei_in(window))
    assert nearby.whole().equals(layout)
