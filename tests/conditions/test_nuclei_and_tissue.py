"""What the house generator sees: nuclei, classes, contours, tissue, and edges where they are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_canvases import PIXEL_SIZE, QUICK, canvases, windows

from histoloom.conditions import NucleiAndTissueEncoding, NucleiAndTissueRecipe, encoding_from_json
from histoloom.conditions.contours import instance_contours
from histoloom.conditions.nuclei_and_tissue import surrounding_tissue
from histoloom.errors import ConditionError
from histoloom.layouts import Layout, Nucleus, Outline, TissueMap
from histoloom.tiles.tissue import TISSUES
from histoloom.window import Window

CLASSES = ("epithelial", "inflammatory")
ENCODING = NucleiAndTissueEncoding(NucleiAndTissueRecipe.checked(classes=CLASSES))


@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
@QUICK
def test_a_window_is_a_part_of_the_whole(data: st.DataObject, seed: int) -> None:
    layout = data.draw(canvases())
    cells = np.random.default_rng(seed).integers(0, len(TISSUES), (9, 9)).astype(np.uint8)
    layout = layout.with_tissue_map(TissueMap(cells, 8))
    window = data.draw(windows(layout.shape))
    larger = window.union(layout.window)
    whole, part = ENCODING.encode(layout, larger), ENCODING.encode(layout, window)
    assert part.dtype == np.float32
    assert part.shape == (len(ENCODING.channels), *window.shape)
    sharp = np.delete(whole, np.r_[ENCODING.tissue_channels], axis=0)
    assert set(np.unique(sharp)) <= {0.0, 1.0}
    assert 0.0 <= whole.min() <= whole.max() <= 1.0
    np.testing.assert_array_equal(part, whole[:, *window.relative_to(larger).slices])


@given(data=st.data())
@QUICK
def test_each_channel_shows_what_it_is_called(data: st.DataObject) -> None:
    layout = data.draw(canvases())
    tissue = data.draw(st.sampled_from(TISSUES))
    layout = layout.with_tissue(Window(0, 0, 16, 24), TISSUES.index(tissue))
    shown = dict(zip(ENCODING.channels, ENCODING.encode(layout), strict=True))
    ids = layout.rasterize()
    np.testing.assert_array_equal(shown["nucleus"], ids > 0)
    names = {0: "", **{key: nucleus.class_name for key, nucleus in layout.nuclei.items()}}
    class_of = np.vectorize(names.get, otypes=[object])(ids)
    np.testing.assert_array_equal(shown["inflammatory"], class_of == "inflammatory")
    np.testing.assert_array_equal(shown["epithelial"], class_of == "tumor")
    np.testing.assert_array_equal(shown["contour"], instance_contours(layout, layout.window))
    assert not shown["edges known"].any()
    assert not shown["edge"].any()


@given(seed=st.integers(0, 2**32 - 1))
@QUICK
def test_tissue_is_shown_without_the_squares_of_its_map(seed: int) -> None:
    cells = np.random.default_rng(seed).integers(0, len(TISSUES), (5, 6)).astype(np.uint8)
    layout = Layout.empty((80, 96), PIXEL_SIZE).with_tissue_map(TissueMap(cells, 16))
    shown = ENCODING.encode(layout)[ENCODING.tissue_channels]
    for index in range(1, len(TISSUES)):
        share = shown[index - 1]
        assert (share[8::16, 8::16] > 0.85)[cells == index].all()
        assert np.abs(np.diff(share, axis=0)).max() <= 1 / 17 + 1e-6
        assert np.abs(np.diff(share, axis=1)).max() <= 1 / 17 + 1e-6


@given(layout=canvases())
@QUICK
def test_classes_are_read_back(layout: Layout) -> None:
    decoded = ENCODING.decode(ENCODING.encode(layout))
    wanted = {"nucleus": 1, "tumor": 2, "inflammatory": 3}
    for key, nucleus in layout.nuclei.items():
        assert (decoded[layout.rasterize() == key] == wanted[nucleus.class_name]).all()
    assert (decoded[layout.rasterize() == 0] == 0).all()


def test_a_class_of_its_own_goes_before_the_one_it_is_seen_as() -> None:
    assert ENCODING.class_index("tumor") == ENCODING.class_index("epithelial") == 0
    both = NucleiAndTissueEncoding(NucleiAndTissueRecipe.checked(classes=("epithelial", "tumor")))
    assert (both.class_index("tumor"), both.class_index("epithelial")) == (1, 0)
    assert ENCODING.class_index("mitosis") == ENCODING.class_index("nucleus") == -1
    assert NucleiAndTissueEncoding(NucleiAndTissueRecipe.checked(classes=("other",))).class_index("tumor") == -1


def test_unknown_classes_are_plain_nuclei() -> None:
    nucleus = Nucleus.create(4, Outline.ellipse((10.0, 10.0), (5.0, 5.0)), "mitosis")
    shown = ENCODING.encode(Layout.from_nuclei([nucleus], (20, 20), PIXEL_SIZE))
    assert shown[0].any()
    assert not shown[ENCODING.class_channels].any()
    assert set(np.unique(ENCODING.decode(shown))) == {0, 1}


def test_networks_without_classes_have_none_to_show() -> None:
    plain = NucleiAndTissueEncoding(NucleiAndTissueRecipe.checked(classes=()))
    nucleus = Nucleus.create(4, Outline.ellipse((10.0, 10.0), (5.0, 5.0)), "tumor")
    shown = plain.encode(Layout.from_nuclei([nucleus], (20, 20), PIXEL_SIZE))
    assert plain.channels == ("nucleus", "contour", *TISSUES[1:], "edges known", "edge")
    assert set(np.unique(plain.decode(shown))) == {0, 1}


def test_known_edges_are_added_to_a_copy() -> None:
    values = ENCODING.encode(Layout.empty((20, 20), PIXEL_SIZE))
    edges = np.random.default_rng(0).random((20, 20)) < 0.2
    shown = ENCODING.with_edges(values, edges)
    np.testing.assert_array_equal(shown[ENCODING.edge_channels], [np.ones((20, 20)), edges])
    np.testing.assert_array_equal(shown[:-2], values[:-2])
    assert not values.any()


def test_groups_of_channels_are_where_their_names_are() -> None:
    names = ENCODING.channels
    assert names[ENCODING.class_channels] == CLASSES
    assert names[ENCODING.tissue_channels] == TISSUES[1:]
    assert names[ENCODING.edge_channels] == ("edges known", "edge")
    assert len(set(names)) == len(names)


def test_the_encoding_goes_through_json() -> None:
    again = encoding_from_json(json.loads(json.dumps(ENCODING.as_json())))
    assert isinstance(again, NucleiAndTissueEncoding)
    assert again.channels == ENCODING.channels
    with pytest.raises(ConditionError, match="'classes' is not usable"):
        encoding_from_json({"name": "nuclei-and-tissue", "recipe": {"classes": 3}})


def test_labels_without_a_layout_are_seen_alike() -> None:
    nuclei = [
        Nucleus.create(3, Outline.ellipse((8.0, 9.0), (5.0, 4.0)), "tumor"),
        Nucleus.create(8, Outline.ellipse((14.0, 13.0), (4.0, 6.0)), "nucleus"),
    ]
    layout = Layout.from_nuclei(nuclei, (24, 26), PIXEL_SIZE)
    ids = layout.rasterize(layout.window.expanded(1))
    tissue = surrounding_tissue(layout, layout.window)
    np.testing.assert_array_equal(ENCODING.encode_ids(ids, {3: 0, 8: -1}, tissue), ENCODING.encode(layout))
    # Labels that are not in the picture, such as those of a crop's whole tile, do no harm.
    np.testing.assert_array_equal(ENCODING.encode_ids(ids, {1: 1, 3: 0, 8: -1, 99: 1}, tissue), ENCODING.encode(layout))
