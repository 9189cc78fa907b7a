"""Whether a discriminator's probabilities are true, making them so, and what is said where they cannot be used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoloom.errors import ImportanceError
from histoloom.importance import (
    Calibration,
    expected_calibration_error,
    fit_calibration,
    logit_weights,
    reliability_curve,
    verdict,
)


def samples(count: int = 20_000, ratio: float = 1.0, seed: int = 0):
    """Return true log-odds and what is real, of two Gaussians with `ratio` woven samples for each real one."""
    random = np.random.default_rng(seed)
    is_real = random.random(count) < 1.0 / (1.0 + ratio)
    x = random.normal(np.where(is_real, 0.0, 1.0), 1.0)
    return 0.5 - x - np.log(ratio), is_real


def probabilities(logits):
    return 1.0 / (1.0 + np.exp(-logits))


@pytest.mark.parametrize(("slope", "intercept", "ratio"), [(4.0, 1.0, 1.0), (0.3, -2.0, 1.0), (2.0, 0.5, 3.0)])
def test_calibration_finds_what_was_done_to_true_log_odds(slope, intercept, ratio):
    odds, is_real = samples(ratio=ratio)

    found = fit_calibration((odds - intercept) / slope, is_real)

    assert found.slope == pytest.approx(slope, rel=0.06)
    assert found.intercept == pytest.approx(intercept, abs=0.12)


def test_after_calibration_weights_of_held_out_woven_samples_have_mean_1():
    odds, is_real = samples(200_000, ratio=2.0)
    wrong = 3.0 * odds + 2.0
    held_out, real = samples(200_000, ratio=2.0, seed=1)
    calibrated = fit_calibration(wrong, is_real).applied(3.0 * held_out + 2.0)
    ratio = (~real).sum() / real.sum()

    assert logit_weights(calibrated[~real], ratio).mean() == pytest.approx(1.0, abs=0.05)
    assert logit_weights(3.0 * held_out[~real] + 2.0, ratio).mean() > 5.0


def test_calibration_lowers_the_calibration_error():
    odds, is_real = samples()
    wrong = 5.0 * odds - 2.0
    before = expected_calibration_error(probabilities(wrong), is_real)
    after = expected_calibration_error(probabilities(fit_calibration(wrong, is_real).applied(wrong)), is_real)

    assert before > 0.15
    assert after < 0.02


def test_samples_that_a_line_separates_give_a_finite_slope():
    found = fit_calibration([-2.0, -1.0, 1.0, 2.0], [False, False, True, True])

    assert 0 < found.slope < 10


def test_a_discriminator_that_ranks_the_wrong_way_is_taken_for_blind():
    odds, is_real = samples()

    found = fit_calibration(-odds, is_real)

    assert found.slope == 0.0
    assert probabilities(found.intercept) == pytest.approx(is_real.mean(), abs=0.01)


@pytest.mark.parametrize("logit", [0.0, 0.1, -7.3])
def test_a_discriminator_that_says_the_same_of_all_is_taken_for_blind(logit):
    found = fit_calibration(np.full(3000, logit), np.arange(3000) % 3 == 0)

    assert found.slope == 0.0
    assert probabilities(found.intercept) == pytest.approx(1 / 3, abs=0.001)


@settings(max_examples=30)
@given(st.floats(0.01, 20.0), st.floats(-5.0, 5.0))
def test_calibration_keeps_the_order_of_logits(slope, intercept):
    logits = np.linspace(-3, 3, 7)

    assert (np.diff(Calibration(slope, intercept).applied(logits)) > 0).all()


def test_the_reliability_curve_tells_what_is_said_and_what_is_true():
    curve = reliability_curve([0.1, 0.14, 0.9, 0.95, 1.0], [False, True, True, True, False], bins=5)

    assert [(each.count, each.share_real) for each in curve] == [(2, 0.5), (3, pytest.approx(2 / 3))]
    assert curve[0].probability_real == pytest.approx(0.12)
    assert expected_calibration_error([0.1, 0.14, 0.9, 0.95, 1.0], [False, True, True, True, False], 5) == (
        pytest.approx((2 * 0.38 + 3 * abs(0.95 - 2 / 3)) / 5)
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: fit_calibration([0.0, 1.0], [True, True]), "There are no woven tiles"),
        (lambda: fit_calibration([0.0, 1.0], [False, False]), "There are no real tiles"),
        (lambda: fit_calibration([0.0, 1.0], [False]), "2 values and 1 marks"),
        (lambda: fit_calibration([0.0, np.nan], [True, False]), "A logit is no finite number"),
        (lambda: fit_calibration([0.0, 1.0], [True, np.nan]), "A mark of what is real is neither true nor false"),
        (lambda: fit_calibration([0.0, 1.0], [1, 2]), "A mark of what is real is neither true nor false"),
        (lambda: fit_calibration(["a", "b"], [True, False]), "must be numbers"),
        (lambda: verdict(["a"], 1.0), "must be numbers"),
        (lambda: reliability_curve([0.5, 1.1], [True, False]), "no number in 0 to 1; give probabilities, not logits"),
        (lambda: verdict([], 1.0), "no tiles to weigh"),
        (lambda: verdict([np.nan], 1.0), "A logit is not a number"),
    ],
)
def test_what_cannot_be_calibrated_is_said_in_a_sentence(wrong, sentence):
    with pytest.raises(ImportanceError, match=sentence):
        wrong()


def test_a_sound_critic_gets_no_warning():
    odds, is_real = samples(2000, ratio=2.0)

    assert verdict(odds, 2.0, is_real) == ()
    assert verdict(odds[~is_real], 2.0) == ()


def test_a_nearly_perfect_critic_is_said_to_collapse_the_weights():
    random = np.random.default_rng(2)

    (sentence,) = verdict(random.normal(-9.0, 3.0, 300))

    assert "the weights collapse onto a few" in sentence


def test_a_blind_critic_is_said_to_say_nothing():
    (sentence,) = verdict(np.full(40, -np.log(3.0)), ratio=3.0)

    assert "nearly all weights are 1 and say nothing" in sentence


@pytest.mark.parametrize("ratio", [3.0, 0.02])
def test_a_critic_with_another_prior_is_said_to_have_that(ratio):
    (sentence,) = verdict(np.zeros(40), ratio=ratio)

    assert f"Nearly all weights are {ratio:g}, the ratio of woven to real samples itself" in sentence


def test_nothing_is_concluded_from_a_few_tiles():
    assert verdict(np.zeros(4)) == ()
    assert verdict(np.zeros(5)) != ()


def test_probabilities_that_are_off_are_said_to_be():
    odds, is_real = samples(2000)

    assert any("probabilities are off by" in each for each in verdict(6.0 * odds, 1.0, is_real))


@pytest.mark.parametrize("logit", [np.log(400.0), 80.0, np.inf])
def test_weights_that_are_large_for_all_are_remarked_on(logit):
    (sentence,) = verdict(np.full(40, logit))

    assert "nearly all weights are large and say nothing; calibrate it again" in sentence
