"""KID and FID: what they are of equal and of different sets, and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from histoloom.errors import EvaluationError
from histoloom.evaluation.frechet_distance import frechet_distance, frechet_with_twin
from histoloom.evaluation.kernel_distance import KernelSums, kernel_distance


def drawn(seed, blocks=8, n=12, shift=0.0, between=0.2, prefix="a"):
    """Blocks of features that are alike within a block."""
    random = np.random.default_rng(seed)
    return {
        f"{prefix}{index}": random.normal(0, between, 8) + random.normal(shift, 1, (n, 8)) for index in range(blocks)
    }


def test_kernel_distance_is_that_of_the_formula():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(5, 3)), random.normal(0.5, 1, (4, 3))

    def kernel(a, b):
        return (a @ b / 3 + 1) ** 3

    expected = np.mean([kernel(x[i], x[j]) for i in range(5) for j in range(5) if i != j])
    expected += np.mean([kernel(y[i], y[j]) for i in range(4) for j in range(4) if i != j])
    expected -= 2 * np.mean([kernel(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(expected)
    by_block = KernelSums.of({"a": x[:2], "b": x[2:]}, {"c": y[:1], "d": y[1:]})
    assert by_block.distance() == pytest.approx(expected)
    assert by_block.joined(["a", "a"], ["c", "c"]).distance() == pytest.approx(expected)
    mask = np.array([False, True])
    assert by_block.distance(mask, mask) == pytest.approx(kernel_distance(x[2:], y[1:]))
    assert by_block.distances_within_first() == pytest.approx([kernel_distance(x[:2], x[2:])])


def test_kernel_distance_has_no_bias_and_grows_with_a_shift():
    same = [kernel_distance(*(drawn(seed, 1, 30, 0, 0)["a0"] for seed in (2 * k, 2 * k + 1))) for k in range(40)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(len(same))
    distances = [kernel_distance(drawn(1, 1, 60)["a0"], drawn(2, 1, 60, shift)["a0"]) for shift in (0.3, 0.6, 1.2)]
    assert 0.05 < distances[0] < distances[1] < distances[2]


def test_an_interval_holds_the_distance_and_is_narrower_with_more_blocks():
    few, many = (
        KernelSums.of(drawn(1, blocks), drawn(2, blocks, shift=0.6, prefix="b")).with_interval(np.random.default_rng(0))
        for blocks in (6, 24)
    )
    for each in (few, many):
        assert 0 < each.low < each.value < each.high
    assert many.high - many.low < few.high - few.low


def test_blocks_of_one_name_are_drawn_together_so_that_what_they_share_does_not_count():
    real = drawn(1, between=0.6)
    woven = {name: each + 0.1 for name, each in real.items()}
    apart = {f"other {name}": each for name, each in woven.items()}
    together, alone = (KernelSums.of(real, each).with_interval(np.random.default_rng(0)) for each in (woven, apart))
    assert together.value == pytest.approx(alone.value)
    assert together.high - together.low < (alone.high - alone.low) / 2


def test_one_block_gives_a_distance_and_no_interval():
    found = KernelSums.of(drawn(1, 1), drawn(2, 4)).with_interval(np.random.default_rng(0))
    assert np.isfinite(found.value)
    assert np.isnan([found.low, found.high]).all()


def test_frechet_distance_is_that_of_the_formula_with_more_and_fewer_pictures_than_features():
    from scipy.linalg import sqrtm

    random = np.random.default_rng(3)
    for n in (40, 6):
        x, y = random.normal(size=(n, 10)), random.normal(0.4, 1.5, (n + 3, 10))
        shared = np.trace(sqrtm(np.cov(x.T) @ np.cov(y.T)).real)
        expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(np.cov(x.T) + np.cov(y.T)) - 2 * shared
        # The root of a singular matrix is known to a few digits only.
        assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9 if n == 40 else 1e-3)
        assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_the_twin_is_what_equal_sets_score_at_the_same_number():
    x, y, shifted = (drawn(seed, 1, n, shift, 0)["a0"] for seed, n, shift in ((1, 80, 0), (2, 40, 0), (3, 40, 1)))
    found = frechet_with_twin(x, y, np.random.default_rng(0))
    assert found.n == 40
    assert found.value == pytest.approx(found.real_twin, rel=0.4)
    far = frechet_with_twin(x, shifted, np.random.default_rng(0))
    assert far.value > 2 * far.real_twin
    small = frechet_with_twin(x[:20], y, np.random.default_rng(0))
    assert small.n == 10
    assert small.real_twin > found.real_twin
    assert frechet_with_twin(x[:3], y, np.random.default_rng(0)) is None


def test_features_that_cannot_be_compared_are_answered_with_a_sentence():
    x = np.ones((3, 4))
    for first, second, sentence in (
        (x[:1], x, "Sets of 1 and 3 pictures cannot be compared"),
        (x, np.ones((3, 5)), "different numbers of features"),
        (x, np.full((3, 4), np.nan), "not finite"),
    ):
        with pytest.raises(EvaluationError, match=sentence):
            kernel_distance(first, second)
    for second in (np.ones((3, 5)), x[:1], np.full((3, 4), np.inf)):
        with pytest.raises(EvaluationError):
            frechet_distance(x, second)
    with pytest.raises(EvaluationError, match="one or more pictures"):
        KernelSums.of({}, {"a": x})
