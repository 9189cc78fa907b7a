"""Diversity: MS-SSIM against an independent SSIM and its own laws, and means over pairs against closed forms."""

import sys
from subprocess import run

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from histoloom.errors import EvaluationError
from histoloom.evaluation import mean_pairwise_l1, mean_pairwise_similarity, multiscale_similarity
from histoloom.evaluation.diversity import SCALE_WEIGHTS, scale_count


def picture(seed, height=48, width=48):
    """A picture with structure at several scales."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 200, (6, 6, 3)).repeat(-(-height // 6), 0).repeat(-(-width // 6), 1)[:height, :width]
    return (coarse + random.integers(0, 55, (height, width, 3))).astype(np.uint8)


seeds = st.integers(0, 2**32 - 1)
sides = st.integers(11, 60)


@settings(max_examples=20, deadline=None)
@given(seeds, sides, sides)
def test_equal_pictures_are_entirely_similar(seed, height, width):
    same = picture(seed, height, width)
    assert multiscale_similarity(same, same.copy()) == pytest.approx(1, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(seeds, seeds, sides, sides)
def test_similarity_is_symmetric_and_between_nought_and_one(first_seed, second_seed, height, width):
    first, second = picture(first_seed, height, width), picture(second_seed, height, width)
    similarity = multiscale_similarity(first, second)
    assert 0 <= similarity <= 1
    assert multiscale_similarity(second, first) == pytest.approx(similarity, abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(seeds, st.permutations([0, 1, 2]))
def test_the_order_of_channels_and_mirroring_change_nothing(seed, order):
    first, second = picture(seed, 32, 48), picture(seed + 1, 32, 48)
    similarity = multiscale_similarity(first, second)
    assert multiscale_similarity(first[..., order], second[..., order]) == pytest.approx(similarity)
    assert multiscale_similarity(first[::-1, ::-1], second[::-1, ::-1]) == pytest.approx(similarity)


def test_at_one_scale_it_is_the_structural_similarity_of_scikit_image():
    first = picture(1, 21, 64)
    second = np.clip(first.astype(int) + np.random.default_rng(2).integers(-60, 60, first.shape), 0, 255).astype(
        np.uint8
    )
    assert scale_count(21, 64) == 1
    independent = structural_similarity(
        first, second, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert multiscale_similarity(first, second) == pytest.approx(independent, abs=1e-10)


def test_more_noise_makes_pictures_less_similar():
    clean = picture(3, 180, 180)
    random = np.random.default_rng(4)
    noise = random.normal(size=clean.shape)
    similarities = [
        multiscale_similarity(clean, np.clip(clean + strength * noise, 0, 255).astype(np.uint8))
        for strength in (0, 10, 30, 90)
    ]
    assert similarities == sorted(similarities, reverse=True)
    assert similarities[-1] < 0.8 < similarities[1]


def test_flat_pictures_differ_by_the_luminance_of_the_coarsest_scale_only():
    dark, bright = (np.full((88, 88, 3), level, np.uint8) for level in (60, 180))
    guard = (0.01 * 255) ** 2
    luminance = (2 * 60 * 180 + guard) / (60**2 + 180**2 + guard)
    weight = SCALE_WEIGHTS[3] / sum(SCALE_WEIGHTS[:4])
    assert multiscale_similarity(dark, bright) == pytest.approx(luminance**weight)


def test_inverse_pictures_are_not_similar_at_all():
    same = picture(5, 96, 96)
    assert multiscale_similarity(same, 255 - same) == 0


@pytest.mark.parametrize(
    ("side", "scales"), [(11, 1), (21, 1), (22, 2), (87, 3), (88, 4), (175, 4), (176, 5), (512, 5)]
)
def test_small_pictures_are_compared_at_fewer_scales(side, scales):
    assert scale_count(side, 600) == scale_count(600, side) == scales


def test_means_over_pairs_count_each_pair_once():
    levels = [0, 51, 255]
    pictures = [np.full((12, 12, 3), level, np.uint8) for level in levels]
    assert mean_pairwise_l1(pictures) == pytest.approx((0.2 + 1 + 0.8) / 3)
    assert mean_pairwise_similarity(pictures) == pytest.approx(
        np.mean([multiscale_similarity(pictures[a], pictures[b]) for a, b in ((0, 1), (0, 2), (1, 2))])
    )


def test_repeated_pictures_have_no_diversity():
    pictures = [picture(6)] * 3
    assert mean_pairwise_similarity(pictures) == pytest.approx(1)
    assert mean_pairwise_l1(pictures) == 0


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (np.zeros((16, 16, 3), np.float32), np.zeros((16, 16, 3), np.uint8), "Only RGB pictures of 8 bits"),
        (np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.uint8), "Only RGB pictures of 8 bits"),
        (np.zeros((16, 16, 3), np.uint8), np.zeros((16, 17, 3), np.uint8), "crop them to one size"),
        (np.zeros((16, 10, 3), np.uint8), np.zeros((16, 10, 3), np.uint8), "too small to compare"),
    ],
)
def test_pictures_that_cannot_be_compared_are_refused_in_a_sentence(first, second, sentence):
    with pytest.raises(EvaluationError, match=sentence):
        multiscale_similarity(first, second)


def test_one_picture_has_no_diversity_to_measure():
    for measure in (mean_pairwise_l1, mean_pairwise_similarity):
        with pytest.raises(EvaluationError, match="at least two pictures"):
            measure([picture(7)])


def test_measuring_diversity_needs_no_torch():
    program = (
        "import sys, numpy; from histoloom.evaluation import mean_pairwise_similarity as measure;"
        "measure([numpy.zeros((32, 32, 3), numpy.uint8)] * 2); sys.exit('torch' in sys.modules)"
    )
    assert run([sys.executable, "-c", program], check=False).returncode == 0
