"""Losses that ask for texture and leave its places open."""

from __future__ import annotations

import pytest
import torch

from histoloom.training.losses.distributions import patch_distribution_loss, value_distribution_loss
from histoloom.training.losses.feature_matching import local_feature_matching_loss

SHAPE = (2, 3, 64, 64)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(3)


def _stripes(shift: int) -> torch.Tensor:
    wave = torch.sin((torch.arange(64) + shift) * 2 * torch.pi / 8)
    return wave.expand(SHAPE).clone()


def test_texture_at_other_places_is_the_same_texture() -> None:
    everywhere = torch.ones(2, 1, 64, 64)
    moved = patch_distribution_loss(_stripes(4), _stripes(0), [everywhere])
    turned = patch_distribution_loss(_stripes(0).transpose(2, 3), _stripes(0), [everywhere])
    flat = patch_distribution_loss(torch.zeros(SHAPE), _stripes(0), [everywhere])
    assert float(moved) < 0.2 * float(turned)
    assert float(turned) < float(flat)


def test_equal_pictures_and_empty_regions_have_no_distance() -> None:
    picture = torch.rand(SHAPE)
    assert float(patch_distribution_loss(picture, picture, [torch.ones(2, 1, 64, 64)])) == 0.0
    assert float(patch_distribution_loss(picture, 1.0 - picture, [torch.zeros(2, 1, 64, 64)])) == 0.0


def test_only_the_region_counts_and_brightness_does_not() -> None:
    region = torch.zeros(2, 1, 64, 64)
    region[..., :32, :] = 1.0
    real = torch.rand(SHAPE)
    woven = real + 0.5
    # Patches near the border of the region look a little beyond it, on all three scales.
    woven[..., 56:, :] = 0.0
    assert float(patch_distribution_loss(woven, real, [region])) < 1e-5


def test_gradients_lead_towards_the_texture() -> None:
    real = _stripes(0)
    woven = (0.1 * torch.randn(SHAPE)).requires_grad_()
    everywhere = torch.ones(2, 1, 64, 64)
    optimizer = torch.optim.Adam([woven], 0.05)
    distances = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = patch_distribution_loss(woven, real, [everywhere])
        loss.backward()
        optimizer.step()
        distances.append(float(loss.detach()))
    assert distances[-1] < 0.7 * distances[0]


def test_fine_grain_does_not_stand_in_for_coarse_structure() -> None:
    # Both have the variance of the real picture; only one has its waves.
    real = torch.sin(torch.arange(64) * 2 * torch.pi / 16).expand(SHAPE).clone()
    grain = torch.randn(SHAPE) * real.std()
    turned = real.transpose(2, 3).clone()
    everywhere = [torch.ones(2, 1, 64, 64)]
    distances = [float(patch_distribution_loss(each, real, everywhere)) for each in (grain, turned)]
    assert distances[0] > 2.0 * distances[1]


def test_each_weave_is_compared_with_its_real_picture() -> None:
    real, regions = torch.rand(SHAPE), [torch.ones(2, 1, 64, 64)]
    for loss in (patch_distribution_loss, value_distribution_loss):
        assert float(loss(torch.cat([real, real]), real, regions, repeats=2)) == 0.0
        assert float(loss(torch.cat([real, 0.5 * real]), real, regions, repeats=2)) > 0.0


def test_values_are_compared_wherever_they_lie() -> None:
    region = torch.ones(2, 1, 64, 64)
    real = torch.zeros(SHAPE)
    real[..., :32, :] = 1.0
    assert float(value_distribution_loss(real.flip(2), real, [region])) < 1e-6
    darker = float(value_distribution_loss(0.8 * real, real, [region]))
    flat = float(value_distribution_loss(torch.full(SHAPE, 0.5), real, [region]))
    assert 0.0 < darker < flat
    assert float(value_distribution_loss(1.0 - real, real, [torch.zeros_like(region)])) == 0.0


def test_sorting_by_numpy_hands_gradients_on() -> None:
    real = torch.rand(2, 3, 16, 16)
    woven = torch.rand(2, 3, 16, 16, dtype=torch.float32).requires_grad_()
    torch.manual_seed(5)
    loss = value_distribution_loss(woven, real, [torch.ones(2, 1, 16, 16)])
    loss.backward()
    assert woven.grad is not None
    step = (woven - 0.1 * woven.grad / woven.grad.abs().max()).detach()
    torch.manual_seed(5)
    assert float(value_distribution_loss(step, real, [torch.ones(2, 1, 16, 16)])) < float(loss.detach())


def test_feature_matching_compares_means_of_squares() -> None:
    real = torch.rand(1, 4, 16, 16)
    shuffled = real.view(1, 4, 4, 4, 4, 4).flip(3, 5).reshape(1, 4, 16, 16)
    assert not torch.equal(real, shuffled)
    assert float(local_feature_matching_loss([[shuffled]], [[real]], cell=4)) < 1e-6
    assert float(local_feature_matching_loss([[shuffled]], [[real]], cell=1)) > 0.05
