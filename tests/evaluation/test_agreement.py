"""Where truth and prediction agree, by pixel and by object, and the colours in which that is shown."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from histoloom.errors import EvaluationError
from histoloom.evaluation import (
    AGREEMENT_PALETTES,
    DEFAULT_PALETTE,
    AgreementError,
    ObjectAgreement,
    PixelAgreement,
    agree_by_object,
    agree_by_pixel,
)

NEITHER, MATCHED, SPLIT, MERGED, MISSED, SPURIOUS = ObjectAgreement


def strip(*runs):
    """A label map of one row: (label, length) after each other."""
    return np.concatenate([np.full(length, label, np.int32) for label, length in runs])[None]


def test_pixels_are_in_both_in_one_or_in_neither():
    truth, prediction = strip((0, 2), (7, 4), (0, 2)), strip((0, 1), (3, 3), (5, 1), (0, 3))
    agreed = agree_by_pixel(truth, prediction)
    assert agreed.dtype == np.uint8
    both, over, under = PixelAgreement.BOTH, PixelAgreement.PREDICTION_ONLY, PixelAgreement.TRUTH_ONLY
    assert agreed.tolist() == [[0, over, both, both, both, under, 0, 0]]


def test_a_nucleus_found_is_matched_and_no_error():
    agreement = agree_by_object(strip((0, 2), (9, 10)), strip((0, 3), (4, 9)))
    assert agreement.map.tolist() == [[0, 0, *[MATCHED] * 10]]
    assert agreement.errors == ()
    assert agreement.counts == {"matched": 1, "split": 0, "merged": 0, "missed": 0, "spurious": 0}


def test_a_nucleus_that_nothing_covers_is_missed_and_one_where_nothing_is_spurious():
    agreement = agree_by_object(strip((0, 2), (9, 5), (0, 4)), strip((0, 7), (3, 3), (0, 1)))
    assert agreement.map.tolist() == [[0, 0, *[MISSED] * 5, *[SPURIOUS] * 3, 0]]
    assert agreement.errors == (
        AgreementError("missed", 9, (0.0, 4.0), 5),
        AgreementError("spurious", 3, (0.0, 8.0), 3),
    )


def test_a_nucleus_found_as_two_is_split():
    agreement = agree_by_object(strip((1, 10), (0, 1)), strip((6, 5), (7, 5), (0, 1)))
    assert agreement.map.tolist() == [[*[SPLIT] * 10, 0]]
    assert agreement.errors == (AgreementError("split", 1, (0.0, 4.5), 10, (6, 7)),)


def test_two_nuclei_found_as_one_are_merged():
    agreement = agree_by_object(strip((6, 5), (7, 5), (0, 1)), strip((1, 10), (0, 1)))
    assert agreement.map.tolist() == [[*[MERGED] * 10, 0]]
    assert agreement.errors == (AgreementError("merged", 1, (0.0, 4.5), 10, (6, 7)),)


def test_a_match_stays_one_when_a_fragment_or_a_small_neighbour_lies_in_it():
    split = agree_by_object(strip((1, 10)), strip((6, 8), (7, 2)))
    assert split.map.tolist() == [[*[MATCHED] * 8, *[SPLIT] * 2]]
    assert split.counts == {"matched": 1, "split": 1, "merged": 0, "missed": 0, "spurious": 0}
    merged = agree_by_object(strip((6, 8), (7, 2)), strip((1, 10)))
    assert merged.map.tolist() == [[*[MATCHED] * 8, *[MERGED] * 2]]
    assert merged.counts["matched"] == merged.counts["merged"] == 1


def test_an_overlap_too_small_is_missed_and_spurious():
    agreement = agree_by_object(strip((0, 4), (1, 6)), strip((2, 6), (0, 4)))
    assert agreement.map.tolist() == [[*[SPURIOUS] * 4, *[MISSED] * 6]]
    assert [each.kind for each in agreement.errors] == ["spurious", "missed"]


def test_centres_are_those_of_the_pixels_even_across_the_whole_width():
    truth = np.zeros((6, 8), np.int32)
    truth[1:4] = 5
    (error,) = agree_by_object(truth, np.zeros_like(truth)).errors
    assert error.centroid == (2.0, 3.5)
    assert error.area == 24


def test_maps_that_do_not_belong_together_are_refused():
    for agree in (agree_by_pixel, agree_by_object):
        with pytest.raises(EvaluationError, match="the same picture"):
            agree(np.zeros((4, 4), int), np.zeros((4, 5), int))


maps = arrays(np.int32, (7, 9), elements=st.integers(0, 5))


@settings(max_examples=60, deadline=None)
@given(maps, maps)
def test_every_object_has_a_place_in_the_map_or_yields_to_another(truth, prediction):
    agreement = agree_by_object(truth, prediction)
    counts = agreement.counts
    assert np.array_equal(agreement.map > 0, (truth > 0) | (prediction > 0))
    assert counts["matched"] + counts["missed"] <= len(np.unique(truth[truth > 0]))
    assert counts["matched"] + counts["spurious"] <= len(np.unique(prediction[prediction > 0]))
    assert sum(counts.values()) - counts["matched"] == len(agreement.errors)
    for each in agreement.errors:
        own, other = (truth, prediction) if each.kind in ("missed", "split") else (prediction, truth)
        assert each.area == int((own == each.label).sum())
        inside = [
            2 * int(((own == each.label) & (other == one)).sum()) >= (other == one).sum() for one in each.partners
        ]
        assert all(inside)
        assert (len(inside) >= 2) == (each.kind in ("split", "merged"))


@settings(max_examples=30, deadline=None)
@given(maps)
def test_a_perfect_prediction_has_no_errors(truth):
    agreement = agree_by_object(truth, truth * 3)
    assert agreement.errors == ()
    assert np.array_equal(agreement.map, (truth > 0) * MATCHED)


@settings(max_examples=40, deadline=None)
@given(maps, maps)
def test_what_one_side_splits_the_other_merges(truth, prediction):
    one, other = agree_by_object(truth, prediction).counts, agree_by_object(prediction, truth).counts
    assert one["matched"] == other["matched"]
    assert agree_by_pixel(truth, prediction).tolist() == [
        [{2: 3, 3: 2}.get(value, value) for value in row] for row in agree_by_pixel(prediction, truth).tolist()
    ]


# Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB.
SEEN_BY = {
    "anyone": np.eye(3),
    "protanopes": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopes": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopes": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def seen_difference(one, other, matrix):
    """Distance in CIELAB, where 2 can just be seen."""
    from skimage.color import rgb2lab

    def lab(color):
        values = np.array(color) / 255
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        seen = np.clip(np.asarray(matrix) @ linear, 0, 1)
        return rgb2lab(np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055))

    return float(np.linalg.norm(lab(one) - lab(other)))


@pytest.mark.parametrize("eyes", SEEN_BY)
def test_the_default_palette_is_told_apart_by_colour_blind_people_and_from_tissue(eyes):
    palette = AGREEMENT_PALETTES[DEFAULT_PALETTE]
    colors = list(palette.object_colors().values())
    assert all(seen_difference(one, other, SEEN_BY[eyes]) > 20 for one, other in combinations(colors, 2))
    eosin, haematoxylin = (220, 160, 200), (110, 70, 150)
    for tissue in (eosin, haematoxylin):
        assert all(seen_difference(each, tissue, SEEN_BY[eyes]) > 20 for each in palette.pixel_colors().values())


def test_palettes_have_a_colour_for_everything_and_the_papers_are_theirs():
    for palette in AGREEMENT_PALETTES.values():
        assert set(palette.pixel_colors()) == set(PixelAgreement) - {PixelAgreement.NEITHER}
        assert set(palette.object_colors()) == set(ObjectAgreement) - {ObjectAgreement.NEITHER}
        assert len(set(palette.object_colors().values())) == 5
    first, daff = AGREEMENT_PALETTES["white-green-magenta"], AGREEMENT_PALETTES["blue-green-red"]
    assert (first.match, first.over, first.under) == ((255, 255, 255), (0, 255, 0), (255, 0, 255))
    assert (daff.match, daff.over, daff.under) == ((0, 0, 255), (0, 255, 0), (255, 0, 0))
