"""Bootstrap intervals against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoloom.errors import EvaluationError
from histoloom.studies.intervals import bootstrap_interval

HALF_WIDTH = 1.959964


def interval(values, seed=0, resamples=4000):
    return bootstrap_interval(np.asarray(values, float), np.random.default_rng(seed), resamples)


def centred(size, spread, seed):
    draws = np.random.default_rng(seed).normal(size=size)
    return spread * (draws - draws.mean()) / draws.std()


def test_one_seed_gives_the_textbook_interval_of_a_mean():
    found = interval([5 + centred(100, 2.0, 1)])
    assert found.mean == pytest.approx(5)
    assert found.high - found.mean == pytest.approx(HALF_WIDTH * 2 / 10, rel=0.08)
    assert found.mean - found.low == pytest.approx(HALF_WIDTH * 2 / 10, rel=0.08)


def test_effects_of_seeds_and_tiles_add_their_variances():
    seeds, tiles = centred(40, 3.0, 2), centred(90, 2.0, 3)
    found = interval(seeds[:, None] + tiles)
    expected = HALF_WIDTH * np.sqrt(9 / 40 + 4 / 90)
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.08)


def test_a_measure_of_pairs_varies_twice_as_much_as_one_of_its_tiles():
    tiles = centred(80, 1.0, 4)
    found = interval((tiles[:, None] + tiles)[None])
    assert (found.high - found.low) / 2 == pytest.approx(HALF_WIDTH * 2 / np.sqrt(80), rel=0.1)


def test_pairs_of_a_tile_with_itself_are_left_out():
    pairs = np.full((2, 5, 5), 0.25)
    pairs[:, range(5), range(5)] = 1e6
    assert interval(pairs) == interval(np.full((2, 5, 5), 0.25))
    assert interval(pairs).high == pytest.approx(0.25)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(2, 8),
    st.floats(-100, 100),
    st.floats(-50, 50),
    st.floats(0.1, 10),
)
def test_intervals_move_and_stretch_with_the_values(seeds, tiles, value, shift, factor):
    values = value + np.random.default_rng(seeds * 10 + tiles).normal(size=(seeds, tiles))
    plain, moved = interval(values, resamples=200), interval(shift + factor * values, resamples=200)
    for name in ("mean", "low", "high"):
        assert getattr(moved, name) == pytest.approx(shift + factor * getattr(plain, name), abs=1e-6)
    assert plain.low - 1e-9 <= plain.mean <= plain.high + 1e-9


def test_what_could_not_be_measured_is_left_out():
    assert interval([[1.0, 3.0, np.nan]]).mean == pytest.approx(2)
    assert interval([[np.nan, np.nan]]) is None


def test_the_same_draws_give_the_same_interval():
    values = np.random.default_rng(5).normal(size=(3, 9))
    assert interval(values, 7) == interval(values, 7)


def test_values_of_no_tiles_or_pairs_are_refused():
    with pytest.raises(EvaluationError, match="neither of tiles nor of pairs"):
        interval(np.zeros((2, 3, 4)))
