"""From label maps to what networks learn of them, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_tiles import drawn_tile

from histoloom.conditions import encoding_from_json
from histoloom.errors import SegmenterError
from histoloom.layouts import Layout
from histoloom.segmenters.instances import check_instances, instances_of, split_mask
from histoloom.segmenters.nucleus_maps import centre_map, depth_map, offset_maps


def touching_discs(scale: float = 1.0) -> NDArray[np.int32]:
    """Return three discs that touch in a row, and one apart."""
    side = round(120 * scale)
    rows, columns = np.mgrid[:side, :side] / scale
    label_map = np.zeros((side, side), np.int32)
    for label, (y, x) in enumerate([(40, 25), (40, 52), (52, 78), (95, 40)], start=1):
        inside = (rows - y) ** 2 + (columns - x) ** 2 < 14**2
        label_map[inside & (label_map == 0)] = label
    return label_map


def maps_of(label_map: NDArray[np.int32], kind: str) -> dict[str, NDArray[np.float32]]:
    nucleus = (label_map > 0).astype(np.float32)
    made = {"offsets": offset_maps, "detection": centre_map, "distance": depth_map}
    return {"nucleus": nucleus} | ({kind: made[kind](label_map)} if kind in made else {})


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_offsets_are_those_of_the_condition(seed: int) -> None:
    _, label_map = drawn_tile(64, 6, seed)
    encoding = encoding_from_json({"name": "hover-maps", "recipe": {}})
    np.testing.assert_allclose(offset_maps(label_map), encoding.encode(Layout.from_label_map(label_map))[1:], atol=1e-6)


def test_depth_is_that_of_the_condition() -> None:
    _, label_map = drawn_tile(64, 6, 3)
    encoding = encoding_from_json({"name": "distance-map", "recipe": {}})
    np.testing.assert_allclose(depth_map(label_map), encoding.encode(Layout.from_label_map(label_map))[0], atol=1e-5)


def test_maps_of_nothing_are_empty() -> None:
    nothing = np.zeros((20, 30), np.int32)
    assert not offset_maps(nothing).any()
    assert not depth_map(nothing).any()
    assert not centre_map(nothing).any()


@pytest.mark.parametrize("kind", ["offsets", "detection", "distance", "nothing else"])
@pytest.mark.parametrize("pixel_size", [0.25, 0.5, 0.2])
def test_touching_nuclei_come_apart_at_any_pixel_size(kind: str, pixel_size: float) -> None:
    truth = touching_discs(0.25 / pixel_size)
    found = instances_of(maps_of(truth, kind), pixel_size)
    assert found.max() == 4
    for label in range(1, 5):
        own = found == np.bincount(found[truth == label])[1:].argmax() + 1
        assert (own & (truth == label)).sum() / (own | (truth == label)).sum() > 0.85


@pytest.mark.parametrize("kind", ["offsets", "detection", "distance", "nothing else"])
def test_maps_without_nuclei_have_none(kind: str) -> None:
    assert not instances_of(maps_of(np.zeros((40, 40), np.int32), kind), 0.25).any()


def test_specks_are_no_nuclei_and_labels_have_no_gaps() -> None:
    mask = np.zeros((60, 60), bool)
    mask[5:8, 5:8] = mask[20:40, 20:40] = mask[50:59, 5:25] = True
    found = split_mask(mask, 0.25)
    assert sorted(np.unique(found)) == [0, 1, 2]
    assert not found[5:8, 5:8].any()


def test_a_mask_of_classes_is_not_taken_for_nuclei() -> None:
    truth = touching_discs()
    check_instances(truth, "The truth", "split it")
    check_instances(np.zeros((9, 9), np.int32), "The truth", "split it")
    many = np.tile(truth > 0, (1, 3)).astype(np.int32)
    classes = np.tile(many, (7, 4)) * (np.arange(7 * len(many)) // len(many) + 1)[:, None]
    with pytest.raises(SegmenterError, match=r"pieces have 7 values\); split it"):
        check_instances(classes, "The truth", "split it")
    with pytest.raises(SegmenterError, match=r"'truth\.png' is a mask of classes and not of single nuclei"):
        check_instances(many, "'truth.png'", "split it")
