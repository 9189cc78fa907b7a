"""The losses, the history and the schedule of Hou et al. (2019) are those of paper and code."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from histoloom.training.history_buffer import HistoryBuffer, as_bytes, from_bytes
from histoloom.training.losses.refining import (
    batch_weights,
    judgement_loss,
    realism_loss,
    regularization_loss,
    task_loss,
)
from histoloom.training.systems.refiner_recipe import RefinerRecipe
from histoloom.training.systems.refining_schedule import Round, main_round, round_at


def test_regularization_adds_up_changes_and_takes_the_papers_norm_or_the_codes_square():
    first = torch.zeros(2, 3, 4, 4)
    refined = first.clone()
    refined[0, 0, 0, 0], refined[0, 2, 3, 3] = 0.3, -0.4
    paper = regularization_loss(first, refined, 1e-5, 1e-4)
    assert paper.tolist() == pytest.approx([0.7e-5 + 0.5e-4, 0.0], abs=1e-9)
    code = regularization_loss(first, refined, 1e-3, 1e-2, "squared norm")
    assert code.tolist() == pytest.approx([0.7e-3 + 0.25e-2, 0.0])


def test_no_change_at_all_has_a_gradient_that_is_a_number():
    refined = torch.zeros(1, 3, 4, 4, requires_grad=True)
    regularization_loss(torch.zeros(1, 3, 4, 4), refined, 1e-5, 1e-4).sum().backward()
    assert torch.isfinite(refined.grad).all()


def test_realism_is_log_one_minus_d_in_the_paper_and_minus_log_d_by_name():
    probability = torch.tensor([[0.2, 0.7], [0.5, 0.9]]).reshape(2, 1, 1, 2)
    logits = torch.logit(probability)
    papers = [(math.log(0.8) + math.log(0.3)) / 2, (math.log(0.5) + math.log(0.1)) / 2]
    assert realism_loss(logits).tolist() == pytest.approx(papers)
    other = [-math.log(0.2) - math.log(0.7), -math.log(0.5) - math.log(0.9)]
    assert realism_loss(logits, "-log D", "sum").tolist() == pytest.approx(other)
    judged = judgement_loss(logits, is_real=False).tolist()
    assert judged == pytest.approx([-each for each in papers])


def test_the_learners_loss_is_a_sum_whose_border_counts_a_hundredth():
    outputs, targets = {"segmentation": torch.zeros(1, 1, 8, 8)}, {"segmentation": torch.ones(1, 1, 8, 8)}
    assert float(task_loss(outputs, targets, 0)) == pytest.approx(64 * math.log(2))
    assert float(task_loss(outputs, targets, 2)) == pytest.approx((16 + 0.48) * math.log(2))


def test_weights_of_a_batch_are_equation_5_with_the_mean_over_the_map():
    logits = torch.logit(torch.tensor([[0.4, 0.8], [0.5, 0.5], [0.98, 0.98]])).reshape(3, 1, 1, 2)
    assert batch_weights(logits, None).tolist() == pytest.approx([1.5, 1.0, 49.0], rel=1e-3)
    assert batch_weights(logits, (0.2, 2.0)).tolist() == pytest.approx([1.5, 1.0, 2.0], rel=1e-3)


def batch(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count, dtype=torch.uint8)[:, None]


def test_history_fills_up_and_then_half_of_a_batch_takes_the_place_of_others():
    torch.manual_seed(0)
    history = HistoryBuffer(6)
    history.push(batch(0, 4), batch(100, 4))
    history.push(batch(4, 2), batch(104, 2))
    assert len(history) == 6
    history.push(batch(50, 4), batch(150, 4))
    pictures, labels = history.sample(6)
    kept = sorted(pictures.flatten().tolist())
    assert sum(each >= 50 for each in kept) == 2
    assert (labels == pictures + 100).all()
    assert len(history.sample(3)[0]) == 3
    assert len(history.sample(30)[0]) == 6


def test_a_history_of_none_keeps_nothing():
    history = HistoryBuffer(0)
    history.push(batch(0, 4))
    assert len(history) == 0
    assert history.sample(2) == ()


def test_history_goes_on_from_its_state():
    history = HistoryBuffer(4)
    history.push(batch(0, 3), batch(10, 3))
    other = HistoryBuffer(4)
    other.restore(history.state())
    for each in (history, other):
        torch.manual_seed(1)
        each.push(batch(20, 4), batch(30, 4))
    torch.manual_seed(2)
    first = history.sample(4)
    torch.manual_seed(2)
    assert all(torch.equal(*pair) for pair in zip(first, other.sample(4), strict=True))
    empty = HistoryBuffer(4)
    empty.restore(HistoryBuffer(4).state())
    assert len(empty) == 0


def test_pictures_survive_being_kept_as_bytes():
    values = torch.linspace(-1.0, 1.0, 256)
    assert torch.allclose(from_bytes(as_bytes(values)), values, atol=1e-6)


def test_the_schedule_is_the_codes():
    recipe = RefinerRecipe()
    rounds = Counter(round_at(step, recipe) for step in range(recipe.steps))
    assert rounds == {
        Round(refiner=2, is_alone=True): 900,
        Round(refiner=2, is_alone=True, is_remembered=True): 100,
        Round(discriminator=1): 1000,
        Round(refiner=2, discriminator=1): 1000,
        Round(learner=1): 2000,
        Round(refiner=2, learner=6, discriminator=1): 10_000,
    }
    assert round_at(0, recipe).is_alone
    assert round_at(3500, recipe) == round_at(14_999, recipe) == Round(learner=1)
    assert round_at(4000, recipe) == main_round(recipe)


def test_without_a_learner_there_are_no_rounds_of_it():
    recipe = RefinerRecipe(learner_updates=0, refiner_first=3, discriminator_first=2, adversarial_first=1, steps=50)
    assert round_at(5, recipe) == Round(refiner=2, discriminator=1)
    assert {round_at(step, recipe) for step in range(6, 50)} == {Round(refiner=2, discriminator=1)}
