from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as npst
from layout_strategies import QUICK, label_maps

from histoloom.errors import LayoutError
from histoloom.layouts import Layout, check_label_map, repair_label_map
from histoloom.layouts.validation import require_same_size

CLEAN = np.zeros((40, 40), np.int32)
CLEAN[2:8, 2:8] = 1
CLEAN[20:30, 20:30] = 2


def kinds(label_map, **options):
    return [finding.kind for finding in check_label_map(label_map, **options)]


@pytest.mark.parametrize(
    "label_map", [CLEAN, np.zeros((5, 5), np.uint8), np.ones((5, 5), np.uint16), CLEAN.astype(np.uint8)]
)
def test_a_sound_map_has_no_findings_and_keeps_its_ids(label_map):
    assert kinds(label_map) == []
    mended, findings = repair_label_map(label_map)
    assert findings == []
    assert mended.dtype == np.int32
    np.testing.assert_array_equal(mended, label_map)


def with_split() -> np.ndarray:
    split = CLEAN.copy()
    split[35:39, 2:8] = 2
    return split


def with_speck() -> np.ndarray:
    speck = CLEAN.copy()
    speck[0, 39] = 3
    return speck


@pytest.mark.parametrize(
    ("label_map", "kind", "nuclei"),
    [
        (CLEAN * 7, "gaps", 2),
        (with_split(), "pieces", 3),
        (with_speck(), "specks", 2),
        ((CLEAN > 0).astype(np.uint8) * 255, "binary", 2),
        ((CLEAN > 0).astype(np.uint8), "binary", 2),
        (CLEAN > 0, "binary", 2),
        (np.stack([CLEAN * 90, CLEAN * 20, CLEAN], -1).astype(np.uint8), "palette", 2),
        (np.stack([CLEAN] * 3, -1).astype(np.uint8), "palette", 2),
        (np.stack([CLEAN] * 4, -1).astype(np.uint8), "palette", 2),
        (CLEAN.astype(np.float32), "dtype", 2),
        (np.where(CLEAN == 0, -1, CLEAN), "negatives", 2),
        (CLEAN[None], "dimensions", 2),
        (CLEAN[..., None], "dimensions", 2),
        (CLEAN.astype(np.int64) * 10**12, "gaps", 2),
        (np.where(CLEAN == 2, np.uint64(2**63 + 5), CLEAN.astype(np.uint64)), "gaps", 2),
    ],
)
def test_what_is_wrong_is_said_and_mended(label_map, kind, nuclei):
    findings = check_label_map(label_map)
    assert kind in [finding.kind for finding in findings]
    assert all(finding.sentence.endswith(".") and "\n" not in finding.sentence for finding in findings)
    mended, said = repair_label_map(label_map)
    assert said == findings
    assert np.unique(mended).tolist() == list(range(nuclei + 1))
    assert len(Layout.from_label_map(mended).nuclei) == nuclei


@pytest.mark.parametrize(
    ("label_map", "sentence"),
    [
        (CLEAN + 0.5 * (CLEAN > 0), "not whole numbers"),
        (np.full((3, 3), np.nan), "not whole numbers"),
        (np.random.default_rng(0).integers(0, 255, (90, 90, 3)), "colour picture with"),
        (np.zeros((4, 5, 6)), "dimensions"),
        (np.zeros(7, int), "dimensions"),
        (np.zeros((0, 4), int), "no pixels"),
        (np.array([["a", "b"]]), "not numbers"),
    ],
)
def test_what_cannot_be_mended_is_refused_with_the_sentence_of_the_check(label_map, sentence):
    findings = check_label_map(label_map)
    assert [finding.repairable for finding in findings][-1] is False
    with pytest.raises(LayoutError, match=sentence) as refusal:
        repair_label_map(label_map)
    assert str(refusal.value) == findings[-1].sentence


def test_labels_of_another_size_than_the_image_are_refused_with_both_sizes():
    assert kinds(CLEAN, image_shape=(40, 40, 3)) == []
    assert kinds(CLEAN, image_shape=(80, 40, 3)) == ["size"]
    with pytest.raises(LayoutError, match="40 x 40 pixels but its image has 80 x 40"):
        repair_label_map(CLEAN, (80, 40, 3))
    with pytest.raises(LayoutError, match="80 x 40"):
        require_same_size(CLEAN, (80, 40))


def test_pixels_joined_at_a_corner_stay_one_nucleus():
    label_map = np.zeros((8, 8), np.int32)
    label_map[0:3, 0:3] = 1
    label_map[3:6, 3:6] = 1
    assert check_label_map(label_map) == []


@QUICK
@given(label_maps)
def test_a_mended_map_is_sound(label_map):
    mended, _ = repair_label_map(label_map)
    again, findings = repair_label_map(mended)
    assert [finding.kind for finding in findings if finding.kind != "binary"] == []
    np.testing.assert_array_equal(again, mended)


@QUICK
@given(
    npst.arrays(npst.integer_dtypes() | npst.floating_dtypes(), npst.array_shapes(min_dims=1, max_dims=4, max_side=6))
)
def test_no_array_makes_the_check_fail(array):
    for finding in check_label_map(array):
        assert finding.sentence
