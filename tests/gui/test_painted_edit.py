"""Painted pixels become rows of the table, whatever was painted."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from histoloom.gui.painted_edit import painted_changes
from histoloom.layouts import Layout

label_maps = arrays(np.int32, (9, 11), elements=st.integers(0, 3))


@given(label_maps, label_maps)
def test_without_overlaps_the_table_gives_the_painted_picture(before: np.ndarray, after: np.ndarray) -> None:
    layout = Layout.from_label_map(before)
    painted = layout.with_nuclei(painted_changes(layout, before, after, layout.window, "other"))
    erased = (before != after) & (after == 0)
    np.testing.assert_array_equal(painted.rasterize()[~erased & (after != 0) & (before == 0)] > 0, True)
    # Nuclei may only show through where something was erased or lies over them.
    assert (painted.rasterize()[erased & (before == 0)] == 0).all()


@given(label_maps, st.integers(4, 9))
def test_painting_a_new_nucleus_over_all_gives_exactly_the_picture(before: np.ndarray, new: int) -> None:
    layout = Layout.from_label_map(before)
    after = before.copy()
    after[2:7, 3:8] = new
    painted = layout.with_nuclei(painted_changes(layout, before, after, layout.window, "tumor"))
    np.testing.assert_array_equal(painted.rasterize(), after)
    assert painted.nuclei[new].class_name == "tumor"
    for key, nucleus in layout.nuclei.items():
        assert painted.nuclei[key] == nucleus


@given(label_maps, arrays(np.bool_, (9, 11)))
def test_erasing_gives_exactly_the_picture(before: np.ndarray, erased: np.ndarray) -> None:
    layout = Layout.from_label_map(before)
    after = np.where(erased, 0, before).astype(np.int32)
    painted = layout.with_nuclei(painted_changes(layout, before, after, layout.window, "other"))
    np.testing.assert_array_equal(painted.rasterize(), after)
    assert set(painted.nuclei) == set(np.unique(after).tolist()) - {0}
