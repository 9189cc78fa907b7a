"""Losses have the values of their equations, and gradients where they are needed."""

from __future__ import annotations

import math

import pytest
import torch

from histoloom.errors import TrainingError
from histoloom.training.divergence import DivergenceWatch
from histoloom.training.learning_rates import constant_then_linear
from histoloom.training.losses.adversarial import real_loss, woven_loss
from histoloom.training.losses.mode_seeking import mode_seeking_loss


def test_adversarial_losses_are_those_of_the_equation():
    logits = torch.tensor([0.3, -1.2])
    probability = torch.sigmoid(logits)
    torch.testing.assert_close(real_loss(logits), -probability.log().mean())
    torch.testing.assert_close(woven_loss(logits), -(1 - probability).log().mean())


def test_mode_seeking_is_the_ratio_of_distances_when_the_bound_is_far():
    x = torch.rand(3, 2, 4, 4), torch.rand(3, 2, 4, 4)
    y = torch.rand(3, 3, 4, 4), torch.rand(3, 3, 4, 4)
    expected = ((x[0] - x[1]).abs().mean((1, 2, 3)) / (y[0] - y[1]).abs().mean((1, 2, 3))).mean()
    torch.testing.assert_close(mode_seeking_loss(*x, *y, bound=1e6), expected, rtol=1e-4, atol=0)


def test_mode_seeking_is_bounded_where_pictures_are_equal_and_still_drives_them_apart():
    x = torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4)
    picture = torch.rand(1, 3, 4, 4)
    other = (picture + 1e-7).requires_grad_()
    loss = mode_seeking_loss(*x, picture, other, bound=10.0)
    assert loss.item() == pytest.approx(10.0, rel=1e-4)
    loss.backward()
    assert torch.isfinite(other.grad).all()
    assert other.grad.abs().max() > 0


def test_pairs_of_equal_conditions_are_left_out():
    same, different = torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4)
    first = torch.cat([same, same])
    second = torch.cat([same, different])
    y = torch.rand(2, 3, 4, 4, requires_grad=True), torch.rand(2, 3, 4, 4)
    both = mode_seeking_loss(first, second, *y, bound=10.0)
    one = mode_seeking_loss(first[1:], second[1:], y[0][1:], y[1][1:], bound=10.0)
    torch.testing.assert_close(both, one)
    nothing = mode_seeking_loss(same, same, y[0][:1], y[0][:1], bound=10.0)
    assert nothing.item() == 0.0
    nothing.backward()
    assert torch.isfinite(y[0].grad).all()


def test_the_learning_rate_is_constant_and_then_falls_linearly():
    plan = [constant_then_linear(step, 10, 0.5) for step in range(10)]
    assert plan[:6] == [1.0] * 6
    assert plan[6:] == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert {constant_then_linear(step, 10, 1.0) for step in range(10)} == {1.0}


def test_a_loss_that_runs_away_is_noticed_and_swings_are_not():
    watch = DivergenceWatch()
    for step in range(200):
        watch.look_at(step, {"l1": 1.0 + math.sin(step)})
    again = DivergenceWatch()
    again.restore(watch.state())
    for step in range(200, 202):
        again.look_at(step, {"l1": 5000.0})
    with pytest.raises(TrainingError, match="has grown to"):
        again.look_at(202, {"l1": 5000.0})
