"""Weights: equation 5 of Hou et al. (2019), clipping, and how many samples weighted ones are worth."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from histoloom.errors import ImportanceError
from histoloom.importance import (
    ClipRange,
    clip_bounds,
    effective_sample_size,
    importance_weights,
    logit_weights,
    normalized_weights,
    weights_among_alike,
)

probabilities = arrays(np.float64, st.integers(1, 20), elements=st.floats(1e-6, 1 - 1e-6))
ratios = st.floats(0.01, 100.0)
usable_weights = arrays(np.float64, st.integers(1, 20), elements=st.just(0.0) | st.floats(1e-6, 1e6)).filter(np.any)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 4.0])
def test_reweighted_samples_of_one_gaussian_have_the_expectations_of_another(ratio):
    random = np.random.default_rng(3)
    woven = random.normal(0.6, 1.2, 400_000)

    # What the best discriminator says of samples of which there are `ratio` woven for each real one (equation 4).
    def density(x, mean, deviation):
        return np.exp(-0.5 * ((x - mean) / deviation) ** 2) / deviation

    real_density, woven_density = density(woven, 0.0, 1.0), density(woven, 0.6, 1.2)
    believed = real_density / (real_density + ratio * woven_density)

    weights = importance_weights(believed, ratio)

    np.testing.assert_allclose(weights, real_density / woven_density)
    assert weights.mean() == pytest.approx(1.0, abs=0.01)
    assert (weights * woven).mean() == pytest.approx(0.0, abs=0.01)
    assert (weights * woven**2).mean() == pytest.approx(1.0, abs=0.02)
    assert (weights * (woven > 1.0)).mean() == pytest.approx(0.158655, abs=0.003)
    assert woven.mean() == pytest.approx(0.6, abs=0.01)


@given(probabilities, ratios)
def test_weights_are_the_ratio_times_the_odds(probability, ratio):
    assert importance_weights(probability, ratio) == pytest.approx(ratio * probability / (1 - probability))


@given(probabilities, ratios)
def test_logits_give_the_weights_of_their_probabilities(probability, ratio):
    logits = np.log(probability) - np.log1p(-probability)

    assert logit_weights(logits, ratio) == pytest.approx(importance_weights(probability, ratio))


@given(probabilities, ratios, st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_clipped_weights_lie_within_the_range_and_keep_their_order(probability, ratio, one, other):
    low, high = sorted((one, other))

    weights = importance_weights(probability, ratio, clip=(low, high))

    assert ((weights >= low) & (weights <= high)).all()
    assert (np.diff(weights[np.argsort(probability)]) >= 0).all()


def test_weights_have_the_shape_of_their_probabilities():
    assert importance_weights(np.full((2, 3, 4), 0.5), 2.0).shape == (2, 3, 4)
    assert importance_weights(0.5, 2.0).item() == pytest.approx(2.0)


def test_a_blind_but_calibrated_discriminator_gives_weight_1():
    ratio = 3.0

    assert importance_weights(1 / (1 + ratio), ratio).item() == pytest.approx(1.0)


def test_a_probability_of_exactly_0_weighs_nothing_and_one_of_1_is_infinite_unless_clipped():
    assert importance_weights([0.0, 1.0], 1.0).tolist() == [0.0, np.inf]
    assert importance_weights([0.0, 1.0], 1.0, clip=(0.2, 2.0)).tolist() == [0.2, 2.0]


def test_logits_weigh_where_probabilities_would_round_to_1():
    assert logit_weights(60.0, 1.0).item() == pytest.approx(np.exp(60.0))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: importance_weights([0.5, np.nan], 1.0), "is not a number; the discriminator is damaged"),
        (lambda: logit_weights([0.5, np.nan], 1.0), "A logit is not a number"),
        (lambda: importance_weights([0.5, 1.5], 1.0), "lies outside 0 to 1; what discriminators give before"),
        (lambda: importance_weights([0.5], 0.0), "A ratio of 0 woven samples"),
        (lambda: importance_weights([0.5], 1.0, clip=(2.0, 0.2)), "clipped to 2 to 0.2"),
        (lambda: normalized_weights([0.0, 0.0]), "All tiles are rejected"),
        (lambda: normalized_weights([]), "no tiles to weigh"),
        (lambda: normalized_weights([1.0, np.inf]), "no number from 0"),
        (lambda: effective_sample_size([1.0, -1.0]), "no number from 0"),
        (lambda: weights_among_alike([0.0, 0.0], [1, 2], 1), "All tiles are rejected"),
        (lambda: weights_among_alike([1.0, 2.0], [1], 1), "a number for each tile"),
        (lambda: weights_among_alike([1.0, 2.0], [1, np.nan], 1), "a number for each tile"),
        (lambda: weights_among_alike([1.0, 2.0], [1, 2], 2), "2 tiles cannot be parted into 2 groups"),
    ],
)
def test_what_cannot_be_weighed_is_said_in_a_sentence(wrong, sentence):
    with pytest.raises(ImportanceError, match=sentence):
        wrong()


@given(usable_weights)
def test_normalized_weights_have_mean_1_and_keep_their_proportions(weights):
    normalized = normalized_weights(weights)

    assert normalized.mean() == pytest.approx(1.0)
    assert normalized * weights.mean() == pytest.approx(weights)


@given(usable_weights, st.floats(1e-3, 1e3))
def test_the_effective_sample_size_is_from_1_to_the_number_whatever_the_scale(weights, scale):
    size = effective_sample_size(weights)

    assert 1.0 - 1e-9 <= size <= len(weights) + 1e-9
    assert effective_sample_size(scale * weights) == pytest.approx(size)


def test_equal_weights_are_worth_all_samples_and_a_single_one_is_worth_1():
    assert effective_sample_size(np.full(7, 0.3)) == pytest.approx(7.0)
    assert effective_sample_size([0.0, 5.0, 0.0]) == pytest.approx(1.0)
    assert effective_sample_size([0.0, 0.0]) == 0.0


def test_clip_ranges_are_none_the_published_one_weights_or_quantiles():
    weights = np.linspace(0.0, 10.0, 101)

    assert clip_bounds(weights, ClipRange.none()) is None
    assert clip_bounds(weights, ClipRange.published()) == (0.2, 2.0)
    assert clip_bounds(weights, ClipRange.between(0.5, 4.0)) == (0.5, 4.0)
    assert clip_bounds(weights, ClipRange.quantiles(0.1, 0.9)) == pytest.approx((1.0, 9.0))


@pytest.mark.parametrize("text", ["none", "0.2,2", "0.5,inf", "quantiles 0.05,0.95", "quantiles 0,1"])
def test_clip_ranges_are_read_as_they_are_written(text):
    assert ClipRange.from_text(text).as_text() == text


@given(st.lists(st.floats(1e-9, 1e9), min_size=2, max_size=2, unique=True).map(sorted))
def test_no_digit_of_a_clip_range_is_lost(ends):
    for clip in (ClipRange.between(*ends), ClipRange.quantiles(*(each / 1e9 for each in ends))):
        assert ClipRange.from_text(clip.as_text()) == clip


def test_clip_ranges_have_names():
    assert ClipRange.from_text("published") == ClipRange.published()
    assert ClipRange.from_text("quantiles") == ClipRange.quantiles()


@pytest.mark.parametrize("text", ["", "wide", "2,0.2", "-1,2", "1", "quantiles 0.9,0.1", "quantiles 0.5,7", "e,2"])
def test_what_is_no_clip_range_is_said(text):
    with pytest.raises(ImportanceError, match="clip"):
        ClipRange.from_text(text)


def test_nothing_here_imports_torch_before_a_critic_is_loaded():
    modules = ", ".join(f"histoloom.importance.{each}" for each in ("critic", "folders", "networks", "weights_table"))
    code = f"import sys, histoloom.importance, {modules}; sys.exit('torch' in sys.modules or 'scipy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(usable_weights, st.integers(1, 10), st.data())
def test_weights_among_alike_tiles_take_no_kind_of_layout_out(weights, groups, data):
    groups = min(groups, max(len(weights) // 2, 1))
    # Few values, so that many tiles are quite alike.
    measure = data.draw(arrays(np.float64, len(weights), elements=st.sampled_from([0.0, 0.1, 0.5]) | st.floats(0, 1)))
    among = weights_among_alike(weights, measure, groups)

    assert weights_among_alike(weights, measure, 1) == pytest.approx(normalized_weights(weights))
    assert among.sum() <= len(weights) * (1 + 1e-9)
    ratio = among[weights > 0] / weights[weights > 0]
    assert (ratio > 0).all()
    assert len(np.unique(ratio.round(9))) <= groups or np.ptp(weights) > 1e3
    for value in np.unique(measure):
        alike = (measure == value) & (weights > 0)
        assert among[alike] * weights[alike].sum() == pytest.approx(weights[alike] * among[alike].sum())


def test_tiles_are_parted_into_groups_of_about_equal_size():
    weights, measure = np.array([1.0, 3.0, 10.0, 30.0, 5.0, 5.0]), np.array([0.1, 0.2, 0.5, 0.6, 0.9, 0.8])
    assert weights_among_alike(weights, measure, 3) == pytest.approx([0.5, 1.5, 0.5, 1.5, 1.0, 1.0])


def test_a_critic_that_dislikes_crowded_tiles_takes_them_out_only_where_layouts_are_not_minded():
    random = np.random.default_rng(0)
    coverage = random.uniform(0, 0.5, 300)
    weights = np.exp(-6 * coverage + 0.3 * random.normal(size=300))

    def learnt_coverage(of_each):
        return np.average(coverage, weights=of_each)

    assert learnt_coverage(weights) < 0.6 * coverage.mean()
    assert learnt_coverage(weights_among_alike(weights, coverage, 6)) == pytest.approx(coverage.mean(), rel=0.05)
