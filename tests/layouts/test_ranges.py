"""Numbers out of range: left out where the nucleus is sound without them, refused in a sentence elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layout_strategies import QUICK

from histoloom.errors import LayoutError
from histoloom.layouts import Layout, Nucleus, Outline, layout_from_geojson, layout_to_geojson
from histoloom.layouts.columns import layout_fingerprint
from histoloom.layouts.layout import MAX_ID, first_free_id
from histoloom.layouts.nucleus import seed_of_id

SQUARE = Outline([[(2, 2), (2, 9), (9, 9), (9, 2)]])


def feature(corner=(5, 5), side=10, **row):
    x, y = corner
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "geometry": geometry, "properties": {"histoloom": row} if row else {}}


@pytest.mark.parametrize(
    "row",
    [
        {"texture_seed": 2**80},
        {"texture_seed": -5},
        {"texture_seed": True},
        {"z_order": 2**70},
        {"z_order": -(2**70)},
        {"z_order": True},
        {"anchor": [1e308, 1]},
        {"angle": 10**400},
    ],
)
def test_a_row_of_geojson_that_is_out_of_range_counts_as_absent(row):
    layout = layout_from_geojson([feature(id=1, **row)])
    nucleus = layout.nuclei[1]
    assert (nucleus.texture_seed, nucleus.z_order, nucleus.angle) == (seed_of_id(1), 0, 0.0)
    assert nucleus.anchor == Nucleus.create(1, nucleus.outline).anchor
    assert len(layout_fingerprint(layout)) == 64


@pytest.mark.parametrize("key", [0, -3, MAX_ID + 1, 2**80, True])
def test_an_id_of_geojson_that_is_out_of_range_is_replaced(key):
    assert list(layout_from_geojson([feature(id=key)]).nuclei) == [1]


@pytest.mark.parametrize(
    "change",
    [
        {"texture_seed": 2**32},
        {"texture_seed": -1},
        {"z_order": 2**60},
        {"anchor": (float("nan"), 0.0)},
        {"anchor": (0.0, 1e300)},
        {"angle": float("inf")},
        {"angle": float("nan")},
    ],
)
def test_a_nucleus_out_of_range_is_refused_in_a_sentence(change):
    with pytest.raises(LayoutError, match=r"Nucleus 3 .* out of range; draw it again"):
        replace(Nucleus(3, SQUARE), **change)


def test_new_nuclei_have_ids_in_range_where_the_highest_one_is_taken():
    layout = Layout.from_nuclei([Nucleus(1, SQUARE), Nucleus(7, SQUARE), Nucleus(MAX_ID, SQUARE)], (20, 20))
    assert layout.next_id() == 8
    assert layout.with_nuclei({8: Nucleus(8, SQUARE)}).next_id() == 9
    features = [feature(id=MAX_ID), feature((25, 5)), feature((45, 5))]
    assert sorted(layout_from_geojson(features).nuclei) == [1, 2, MAX_ID]


@QUICK
@given(st.sets(st.integers(1, 50) | st.integers(MAX_ID - 50, MAX_ID)), st.integers(1, 100))
def test_numbering_starts_where_enough_ids_in_a_row_are_free(taken, room):
    first = first_free_id(taken, room)
    assert first >= 1
    assert first + room - 1 <= MAX_ID
    assert not taken.intersection(range(first, first + room))
    if max(taken, default=0) <= MAX_ID - room:
        assert first == max(taken, default=0) + 1


@pytest.mark.parametrize("far", [1e12, 1e300, -1e300])
def test_an_outline_far_beyond_any_canvas_is_refused_in_a_sentence(far):
    with pytest.raises(LayoutError, match=r"2\*\*30 pixels .* check that it is in pixels"):
        layout_from_geojson([feature((far, 5), side=abs(far) / 10)])


def test_a_tissue_outline_on_a_small_canvas_is_rasterized_at_the_cost_of_the_canvas():
    far = Outline([[(-1e6, -1e6), (-1e6, 1e6), (1e6, 1e6), (1e6, -1e6)]])
    layout = Layout.from_nuclei([Nucleus(1, far)], (64, 64))
    assert (layout.rasterize() == 1).all()
    with pytest.raises(LayoutError, match="memory"):
        far.mask()


@pytest.mark.parametrize("size", [1e-300, 1e-9, 0.0, -1.0, 1e9, float("nan"), float("inf")])
def test_a_pixel_size_that_no_microscope_has_is_refused_in_a_sentence(size):
    with pytest.raises(LayoutError, match=r"A pixel size of .* µm is not possible; give a number from 0.01 to 100"):
        Layout.empty((64, 64), size)


def test_a_pixel_size_in_geojson_that_no_microscope_has_is_refused_in_a_sentence():
    document = layout_to_geojson(Layout.empty((64, 64)))
    document["histoloom"]["pixel_size"] = 1e-300
    with pytest.raises(LayoutError, match="give a number from"):
        layout_from_geojson(json.loads(json.dumps(document)))


def test_a_canvas_beyond_all_coordinates_is_refused_in_a_sentence():
    with pytest.raises(LayoutError, match="too large"):
        Layout.empty((2**80, 5))
    assert np.array_equal(Layout.empty((5, 5)).rasterize(), np.zeros((5, 5)))
