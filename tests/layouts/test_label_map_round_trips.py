from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layout_strategies import QUICK, label_maps, layouts, outlines

from histoloom.errors import LayoutError
from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.layouts.measures import measure_outlines
from histoloom.layouts.tracing import trace_label_map
from histoloom.window import Window


@QUICK
@given(label_maps)
def test_a_table_traced_from_a_label_map_rasterizes_to_that_map(label_map):
    layout = Layout.from_label_map(label_map)
    assert set(layout.nuclei) == set(np.unique(label_map).tolist()) - {0}
    np.testing.assert_array_equal(layout.rasterize(), label_map)


def test_holes_corners_and_single_pixels_survive_tracing():
    label_map = np.array(
        [
            [1, 1, 1, 0, 5],
            [1, 0, 1, 0, 0],
            [1, 1, 1, 2, 2],
            [0, 3, 0, 2, 2],
            [3, 0, 3, 0, 9],
        ]
    )
    np.testing.assert_array_equal(Layout.from_label_map(label_map).rasterize(), label_map)
    rings = trace_label_map(label_map.astype(np.int32))
    assert len(rings[1]) == 2
    assert len(rings[3]) == 3


@QUICK
@given(label_maps)
def test_rings_of_one_nucleus_share_no_pixel_edge_with_another(label_map):
    for label, rings in trace_label_map(label_map).items():
        np.testing.assert_array_equal(Outline(rings).mask(Window.of_shape(label_map.shape)), label_map == label)


@QUICK
@given(layouts(), st.data())
def test_a_window_rasterizes_to_the_crop_of_the_whole(layout, data):
    height, width = layout.shape
    y = sorted(data.draw(st.tuples(st.integers(0, height), st.integers(0, height))))
    x = sorted(data.draw(st.tuples(st.integers(0, width), st.integers(0, width))))
    window = Window(y[0], x[0], y[1], x[1])
    np.testing.assert_array_equal(layout.rasterize(window), layout.rasterize()[window.slices])


def test_a_canvas_taller_than_a_band_rasterizes_as_its_windows_do():
    nucleus = Nucleus.create(1, Outline.ellipse((1024.0, 5.0), (30.0, 4.0)))
    layout = Layout.from_nuclei([nucleus], (2100, 12))
    whole = layout.rasterize()
    np.testing.assert_array_equal(whole[1000:1050], layout.rasterize(Window(1000, 0, 1050, 12)))
    assert (whole == 1).sum() == nucleus.outline.mask().sum()


def test_moving_one_nucleus_over_another_loses_neither():
    lower = Nucleus.create(1, Outline.ellipse((10.0, 10.0), (5.0, 5.0)))
    upper = Nucleus.create(2, Outline.ellipse((10.0, 30.0), (5.0, 5.0)), z_order=1)
    apart = Layout.from_nuclei([lower, upper], (40, 40))
    over = apart.with_nuclei({2: upper.moved(0.0, -20.0)})
    assert (over.rasterize() == 1).sum() < (apart.rasterize() == 1).sum()
    back = over.with_nuclei({2: over.nuclei[2].moved(0.0, 20.0)})
    np.testing.assert_array_equal(back.rasterize(), apart.rasterize())
    assert back.equals(apart)


def test_of_two_nuclei_at_one_place_the_higher_z_order_shows():
    shape = Outline.ellipse((5.0, 5.0), (3.0, 3.0))
    bottom, top = Nucleus.create(7, shape, z_order=4), Nucleus.create(3, shape, z_order=5)
    assert set(np.unique(Layout.from_nuclei([bottom, top], (10, 10)).rasterize())) == {0, 3}


@QUICK
@given(st.lists(outlines, max_size=5))
def test_measuring_many_outlines_agrees_with_measuring_each(shapes):
    measures = measure_outlines(shapes)
    assert len(measures.areas) == len(shapes)
    for shape, area, centroid, bounds in zip(shapes, *measures, strict=True):
        assert area == pytest.approx(shape.area, abs=1e-6)
        np.testing.assert_array_equal(bounds, shape.bounds)
        if area > 1e-3:
            np.testing.assert_allclose(centroid, shape.centroid, rtol=1e-5, atol=1e-3)


def test_centroids_come_in_the_order_of_ids():
    nuclei = [Nucleus.create(key, Outline.ellipse((float(key), 4.0), (2.0, 2.0))) for key in (9, 2, 5)]
    np.testing.assert_allclose(Layout.from_nuclei(nuclei, (20, 20)).centroids(), [[2, 4], [5, 4], [9, 4]], atol=1e-9)
    assert Layout.empty((5, 5)).centroids().shape == (0, 2)


def test_creating_many_nuclei_gives_what_creating_each_gives():
    shapes = [Outline.ellipse((3.3 * key, 1.7 * key), (2.0, 3.0), 0.3 * key) for key in range(1, 9)]
    many = Nucleus.create_many(range(1, 9), shapes, ["nucleus"] * 8)
    assert many == [Nucleus.create(key, shape) for key, shape in enumerate(shapes, 1)]


def test_layouts_empty_single_and_full_are_layouts():
    assert not Layout.empty((3, 4)).rasterize().any()
    assert len(Layout.from_label_map(np.array([[5]])).nuclei) == 1
    full = np.full((6, 7), 2)
    np.testing.assert_array_equal(Layout.from_label_map(full).rasterize(), full)


def test_a_canvas_of_100000_squared_rasterizes_by_windows_and_refuses_to_do_so_whole():
    nucleus = Nucleus.create(1, Outline.ellipse((90_000.0, 90_000.0), (9.0, 9.0)))
    layout = Layout.from_nuclei([nucleus], (100_000, 100_000))
    assert layout.rasterize(Window(89_990, 89_990, 90_010, 90_010)).any()
    with pytest.raises(LayoutError, match="by windows"):
        layout.rasterize()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Layout.empty((0, 5)), "no area"),
        (lambda: Layout.empty((5, 5), 0.0), "pixel size"),
        (lambda: Layout.from_label_map(np.zeros((4, 4, 3), int)), "repair it first"),
        (lambda: Layout.from_label_map(np.array([[-1]])), "renumber"),
        (lambda: Outline([]), "no ring"),
        (lambda: Outline([[(0, 0), (1, 1)]]), "fewer than three"),
        (lambda: Outline([[(0, 0), (1, 1), (float("nan"), 1)]]), "not a number"),
        (lambda: Outline.from_mask(np.zeros((2, 2), bool)), "empty"),
    ],
)
def test_what_cannot_be_a_layout_is_refused_in_a_sentence(make, sentence):
    with pytest.raises(LayoutError, match=sentence):
        make()


@QUICK
@given(layouts(), st.data())
def test_a_layout_after_an_edit_is_the_layout_made_anew(layout, data):
    layout.rasterize()
    keys = data.draw(st.lists(st.sampled_from([*layout.nuclei, 11, 12]), unique=True, max_size=4))
    changes = {
        key: data.draw(st.none() | outlines.map(lambda shape, key=key: Nucleus.create(key, shape, z_order=key % 3)))
        for key in keys
    }
    edited = layout.with_nuclei(changes)
    fresh = Layout(dict(edited.nuclei), layout.shape, layout.pixel_size, layout.classes)
    assert edited.stacked == fresh.stacked
    np.testing.assert_array_equal(edited.rasterize(), fresh.rasterize())
