import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.color import rgb2lab

from histoloom.errors import LookError
from histoloom.tiles.normalization import ColorStatistics, normalize_macenko, normalize_reinhard
from histoloom.tiles.stain_summary import StainSummary, color_drift
from histoloom.tiles.stains import (
    HEMATOXYLIN_EOSIN,
    combine_stains,
    macenko_vectors,
    optical_density,
    rgb_from_optical_density,
    separate_stains,
    tissue_mask,
)
from histoloom.tiles.tile import Tile

WHITE = np.full((80, 80, 3), 255, np.uint8)
pictures = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8).map(lambda s: (*s, 3)))


def stained(vectors, shape=(128, 128), seed=0):
    generator = np.random.default_rng(seed)
    nuclei = generator.random(shape) < 0.3
    hematoxylin = np.where(nuclei, generator.uniform(0.4, 1.0, shape), generator.uniform(0, 0.03, shape))
    eosin = np.where(nuclei, generator.uniform(0, 0.03, shape), generator.uniform(0.2, 0.7, shape))
    return combine_stains(np.stack([hematoxylin, eosin], -1), vectors)


def test_optical_density_and_back_is_the_same_picture_but_for_zero_which_is_one():
    values = np.arange(256, dtype=np.uint8)
    back = rgb_from_optical_density(optical_density(values))
    assert back.tolist() == [1, *range(1, 256)]
    assert optical_density(values).dtype == np.float32
    assert optical_density(np.uint8([255, 0])) == pytest.approx([0.0, np.log10(255)])


@given(pictures)
def test_separated_stains_combine_to_the_same_picture(rgb):
    assert np.abs(combine_stains(separate_stains(rgb)).astype(int) - np.maximum(rgb, 1)).max() <= 1


@given(hnp.arrays(np.float64, (2, 3), elements=st.floats(0.05, 1.0)))
def test_separation_serves_any_two_different_stains(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    if np.linalg.norm(np.cross(*unit)) < 0.05:
        return
    wanted = np.array([[[0.3, 0.2], [0.0, 0.5]]])
    found = separate_stains(combine_stains(wanted, vectors), vectors)
    # An 8-bit value is exact to half a step, which close vectors magnify.
    assert np.abs(found[..., :2] - wanted).max() < 0.02 / np.linalg.norm(np.cross(*unit))


def test_two_stains_of_one_color_are_refused():
    with pytest.raises(LookError, match="same colour"):
        separate_stains(WHITE, np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]))


def test_vectors_of_ruifrok_have_unit_length_and_cannot_be_changed_by_accident():
    assert np.linalg.norm(HEMATOXYLIN_EOSIN, axis=1) == pytest.approx([1, 1])
    with pytest.raises(ValueError, match="read-only"):
        HEMATOXYLIN_EOSIN[0, 0] = 0


def test_separating_512_pixels_square_takes_less_than_50_ms(tissue):
    separate_stains(tissue)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        separate_stains(tissue)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05


def test_macenko_finds_the_stains_a_picture_was_made_of():
    wanted = np.array([[0.55, 0.75, 0.35], [0.12, 0.85, 0.5]])
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    found = macenko_vectors(stained(wanted))
    angles = np.rad2deg(np.arccos(np.clip((found * wanted).sum(1), -1, 1)))
    assert angles.max() < 4


def test_white_pixels_change_neither_vectors_nor_summary(tissue):
    beside_glass = np.concatenate([tissue, np.full_like(tissue, 255)])
    assert np.allclose(macenko_vectors(beside_glass), macenko_vectors(tissue))
    assert StainSummary.of(beside_glass) == StainSummary.of(tissue)


@pytest.mark.parametrize("function", [macenko_vectors, StainSummary.of])
def test_a_white_picture_has_no_stains_and_a_sentence_says_so(function):
    with pytest.raises(LookError, match=r"no tissue, only white.*choose one with tissue"):
        function(WHITE)


def test_tissue_of_one_color_is_refused_by_macenko_and_summarized_with_ruifroks_vectors():
    plain = np.full((80, 80, 3), (200, 120, 180), np.uint8)
    with pytest.raises(LookError, match="one colour"):
        macenko_vectors(plain)
    assert np.allclose(StainSummary.of(plain).vectors, HEMATOXYLIN_EOSIN)


def test_macenko_brings_the_vectors_and_the_99th_percentiles_of_the_target(tissue):
    other, target = stained([[0.5, 0.8, 0.3], [0.05, 0.8, 0.6]]), StainSummary.of(tissue)
    before, after = StainSummary.of(other), StainSummary.of(normalize_macenko(other, tissue))
    drift = color_drift(target, after)
    assert max(drift.hematoxylin_angle, drift.eosin_angle) < 2
    assert np.allclose(after.maxima, target.maxima, rtol=0.1)
    assert not np.allclose(before.maxima, target.maxima, rtol=0.1)
    assert np.array_equal(normalize_macenko(other, target), normalize_macenko(other, tissue))


def test_reinhard_brings_the_mean_and_spread_of_the_targets_tissue(tissue):
    other = stained([[0.5, 0.8, 0.3], [0.05, 0.8, 0.6]])
    result = normalize_reinhard(other, tissue)

    def lab(rgb):
        return rgb2lab(rgb)[tissue_mask(rgb)]

    # Colours that a screen cannot show are clipped, hence not exact.
    assert np.abs(lab(result).mean(0) - lab(tissue).mean(0)).max() < 3
    assert np.abs(lab(other).mean(0) - lab(tissue).mean(0)).max() > 6
    assert np.allclose(lab(result).std(0), lab(tissue).std(0), rtol=0.25)


@pytest.mark.parametrize("normalize", [normalize_macenko, normalize_reinhard])
def test_normalizing_a_tile_to_itself_hardly_changes_it(normalize, tissue):
    assert np.abs(normalize(tissue, tissue).astype(int) - tissue).mean() < 4


def test_reinhard_leaves_glass_white(tissue):
    half = np.concatenate([WHITE, tissue[:80, :80]])
    assert (normalize_reinhard(half, tissue)[:80] == 255).all()


@pytest.mark.parametrize("normalize", [normalize_macenko, normalize_reinhard])
def test_normalization_without_tissue_is_refused_on_either_side(normalize, tissue):
    for pair in ((WHITE, tissue), (tissue, WHITE)):
        with pytest.raises(LookError, match="no tissue"):
            normalize(*pair)


def test_colours_that_are_not_those_of_haematoxylin_and_eosin_are_told_of(tissue):
    brown = combine_stains(separate_stains(tissue)[..., :2], np.array([[0.27, 0.57, 0.78], [0.27, 0.45, 0.85]]))
    cases = ((tissue, ""), (tissue[..., 1:2].repeat(3, axis=2), "is grey"), (brown, "is of other colours"))
    for picture, words in cases:
        warning = StainSummary.of(np.ascontiguousarray(picture)).color_warning
        assert words in warning
        assert bool(warning) == bool(words)
    for stain in np.eye(2):
        assert not StainSummary.of(combine_stains(np.tile(stain, (64, 64, 1)).astype(np.float32))).color_warning


def test_a_summary_survives_json(tissue):
    summary = StainSummary.of(tissue)
    again = StainSummary.from_json(summary.as_json())
    assert again == summary
    assert hash(again) == hash(summary)


@pytest.mark.parametrize(
    "damage", [{"vectors": [[1, 2]]}, {"mean": "pink"}, {"quantiles": None}, {"mean": [float("nan")] * 3}]
)
def test_a_damaged_summary_is_refused(damage, tissue):
    with pytest.raises(LookError, match="damaged; make"):
        StainSummary.from_json({**StainSummary.of(tissue).as_json(), **damage})
    with pytest.raises(LookError, match="damaged; make"):
        StainSummary.from_json({})


def test_a_tile_has_not_drifted_from_itself_and_a_darker_one_has(tissue):
    reference = StainSummary.of(tissue)
    same = color_drift(reference, reference)
    assert (same.hematoxylin_shift, same.eosin_shift, same.hematoxylin_angle, same.optical_density_shift) == (
        0,
        0,
        0,
        0,
    )
    assert same.hematoxylin_spread_ratio == same.eosin_spread_ratio == 1
    darker = color_drift(reference, StainSummary.of(rgb_from_optical_density(optical_density(tissue) * 1.5)))
    assert darker.hematoxylin_shift > 0.1
    assert darker.eosin_shift > 0.1
    assert darker.eosin_spread_ratio > 1.2
    assert darker.hematoxylin_angle < 3


def test_tissue_mask_tells_tissue_from_glass():
    rgb = np.array([[[255, 255, 255], [250, 248, 249], [220, 150, 190], [90, 60, 140]]], np.uint8)
    assert tissue_mask(rgb).tolist() == [[False, False, True, True]]


def test_a_part_of_a_tile_is_normalized_as_the_whole_is(tissue):
    whole = normalize_reinhard(tissue, ColorStatistics((60.0, 20.0, -15.0), (10.0, 5.0, 6.0)))
    own = ColorStatistics.of_tile(Tile.from_array(tissue))
    part = normalize_reinhard(tissue[:40, :50], ColorStatistics((60.0, 20.0, -15.0), (10.0, 5.0, 6.0)), own)
    assert np.array_equal(part, whole[:40, :50])
    assert ColorStatistics.mean_of([own, own]) == own
    assert ColorStatistics.of(whole).mean == pytest.approx((60.0, 20.0, -15.0), abs=1.5)
