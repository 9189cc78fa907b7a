from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layout_strategies import QUICK

from histoloom.errors import LayoutError
from histoloom.layouts import STAMPS, Layout, Nucleus, Outline, Stamp, grow_centroids, stamp_nucleus

EMPTY = Layout.empty((200, 200))


@pytest.mark.parametrize("name", STAMPS)
def test_every_stamp_has_its_size_and_place(name):
    stamp = STAMPS[name]
    nucleus = stamp_nucleus(stamp, (100.0, 90.0), EMPTY, 1)
    assert 2 * np.sqrt(nucleus.outline.area / np.pi) * 0.25 == pytest.approx(stamp.diameter, rel=0.02)
    np.testing.assert_allclose(nucleus.outline.centroid, (100.0, 90.0), atol=0.1)
    assert nucleus.class_name == stamp.class_name


def test_a_lymphocyte_is_seven_micrometres_at_any_magnification():
    for pixel_size in (0.25, 0.5):
        nucleus = stamp_nucleus(STAMPS["lymphocyte"], (50.0, 50.0), Layout.empty((100, 100), pixel_size), 3)
        assert 2 * np.sqrt(nucleus.outline.area / np.pi) * pixel_size == pytest.approx(7.0, rel=0.03)


def test_equal_seeds_stamp_equal_nuclei_and_ids_go_on():
    stamp = STAMPS["tumor"]
    first = stamp_nucleus(stamp, (50.0, 50.0), EMPTY, 5)
    assert first == stamp_nucleus(stamp, (50.0, 50.0), EMPTY, 5)
    assert first.outline != stamp_nucleus(stamp, (50.0, 50.0), EMPTY, 6).outline
    second = stamp_nucleus(stamp, (50.0, 50.0), EMPTY.with_nuclei({first.id: first}), 6)
    assert (second.id, second.z_order) == (2, 1)


def test_an_upright_stamp_stands_upright():
    nucleus = stamp_nucleus(Stamp("spindle", 8.0, 3.0, 90.0, 0.0), (50.0, 50.0), EMPTY, 0)
    y_min, x_min, y_max, x_max = nucleus.outline.bounds
    assert y_max - y_min > 2.5 * (x_max - x_min)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Stamp("nucleus", 0.0), "diameter above 0"),
        (lambda: Stamp("nucleus", 7.0, 0.5), "length over width"),
        (lambda: Stamp("nucleus", 7.0, 1.0, None, 2.0), "from 0 to 1"),
        (lambda: stamp_nucleus(Stamp("mitosis", 7.0), (1.0, 1.0), EMPTY, 0), "does not list the class"),
        (lambda: stamp_nucleus(Stamp("nucleus", 7.0), (float("nan"), 1.0), EMPTY, 0), "not a number"),
        (lambda: grow_centroids(EMPTY, [[1.0, 2.0, 3.0]], STAMPS["tumor"]), r"points \(y, x\)"),
        (lambda: grow_centroids(EMPTY, [[float("inf"), 2.0]], STAMPS["tumor"]), "finite"),
        (lambda: grow_centroids(EMPTY, [[1.0, 2.0]], Stamp("mitosis", 7.0)), "does not list"),
    ],
)
def test_what_cannot_be_stamped_or_grown_is_refused_in_a_sentence(make, sentence):
    with pytest.raises(LayoutError, match=sentence):
        make()


points = st.lists(st.tuples(st.floats(0, 79), st.floats(0, 79)), min_size=1, max_size=12)


@QUICK
@given(points)
def test_grown_nuclei_leave_existing_ones_their_pixels_and_share_none(centroids):
    existing = Nucleus.create(5, Outline.ellipse((40.0, 40.0), (12.0, 9.0)))
    layout = Layout.from_nuclei([existing], (80, 80))
    clear: list[tuple[float, float]] = []
    for y, x in centroids:
        if np.hypot(y - 40, x - 40) > 20 and all(np.hypot(y - other[0], x - other[1]) > 2 for other in clear):
            clear.append((y, x))
    grown = grow_centroids(layout, clear, STAMPS["lymphocyte"])
    assert len(grown) == len(clear)
    assert all(key > 5 for key in grown)
    after = layout.with_nuclei(grown).rasterize()
    np.testing.assert_array_equal(after == 5, layout.rasterize() == 5)
    for key, nucleus in grown.items():
        mask = nucleus.outline.mask(layout.window)
        assert mask.any()
        np.testing.assert_array_equal(after == key, mask)


def test_a_lonely_point_grows_into_the_stamp_and_crowded_ones_share():
    alone = grow_centroids(EMPTY, [(100.0, 100.0)], STAMPS["tumor"])
    crowded = grow_centroids(EMPTY, [(100.0, 100.0), (100.0, 112.0)], STAMPS["tumor"])
    assert alone[1].outline.area * 0.0625 == pytest.approx(np.pi * 5.5**2, rel=0.03)
    assert crowded[1].outline.area < 0.9 * alone[1].outline.area


def test_a_point_on_a_nucleus_becomes_a_small_one_above_it():
    below = Nucleus.create(1, Outline.ellipse((50.0, 50.0), (20.0, 20.0)))
    layout = Layout.from_nuclei([below], (100, 100))
    grown = grow_centroids(layout, [(50.0, 50.0)], STAMPS["lymphocyte"])
    drawn = layout.with_nuclei(grown).rasterize()
    assert drawn[50, 50] == 2
    assert 20 < (drawn == 2).sum() < 120


def test_points_off_the_canvas_and_repeated_ones_are_left_out():
    grown = grow_centroids(EMPTY, [(-5.0, 3.0), (50.0, 50.0), (50.0, 50.0), (3.0, 500.0)], STAMPS["spindle"])
    assert list(grown) == [1]
    assert grow_centroids(EMPTY, np.zeros((0, 2)), STAMPS["spindle"]) == {}
