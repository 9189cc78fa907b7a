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


def _mean_distance(woven: torch.Tensor, real: torch.Tensor) -> float:
    """Return the mean over several draws of filters, single ones of which answer to one stripe more than to another."""
    everywhere = [torch.ones(2, 1, 64, 64)]
    return sum(float(patch_distribution_loss(woven, real, everywhere)) for _ in range(8)) / 8


def test_texture_at_other_places_is_the_same_texture_and_in_another_direction_nearly() -> None:
    moved = _mean_distance(_stripes(4), _stripes(0))
    turned = _mean_distance(_stripes(0).transpose(2, 3), _stripes(0))
    finer = _mean_distance(_stripes(0)[..., ::2].repeat(1, 1, 1, 2), _stripes(0))
    flat = _mean_distance(torch.zeros(SHAPE), _stripes(0))
    assert moved < 0.02 * turned
    assert turned < 0.8 * finer
    assert moved < 0.02 * flat


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
    assert float(patch_distribution_loss(0.5 * real, real, [region])) > 0.2


def test_gradients_lead_towards_the_texture() -> None:
    real = torch.rand(1, 3, 12, 12).repeat_interleave(4, 2).repeat_interleave(4, 3)
    woven = (0.1 * torch.randn(1, 3, 48, 48)).requires_grad_()
    everywhere = [torch.ones(1, 1, 48, 48)]
    optimizer = torch.optim.Adam([woven], 0.02)
    distances = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = patch_distribution_loss(woven, real, everywhere)
        loss.backward()
        optimizer.step()
        distances.append(float(loss.detach()))
    assert sum(distances[-10:]) < 0.5 * sum(distances[:10])


def test_fine_grain_does_not_stand_in_for_coarse_structure() -> None:
    # Fine lines, and grain with as much of each wavelength: the same spectrum, with phases drawn at random.
    lines = torch.zeros(SHAPE)
    lines[..., ::16] = 1.0
    spectrum = torch.fft.rfft2(lines).abs()
    grain = torch.fft.irfft2(
        torch.fft.rfft2(torch.randn(SHAPE)).sgn() * spectrum.mean((2, 3), keepdim=True), s=(64, 64)
    )
    grain = grain * lines.std() / grain.std()
    everywhere = [torch.ones(2, 1, 64, 64)]
    distances = [float(patch_distribution_loss(each, lines, everywhere)) for each in (grain, lines.roll(5, 3))]
    assert distances[0] > 8.0 * distances[1]


def test_each_weave_is_compared_with_its_real_picture() -> None:
    real, regions = torch.rand(SHAPE), [torch.ones(2, 1, 64, 64)]
    for loss in (patch_distribution_loss, value_distribution_loss):
        assert float(loss(torch.cat([real, real]), real, regions, repeats=2)) == 0.0
        assert float(loss(torch.cat([real, 0.5 * real]), real, regions, repeats=2)) > 0.05


def test_values_are_compared_wherever_they_lie() -> None:
    region = torch.ones(2, 1, 64, 64)
    real = torch.zeros(SHAPE)
    real[..., :32, :] = 1.0
    assert float(value_distribution_loss(real.flip(2), real, [region])) < 1e-6
    darker = float(value_distribution_loss(0.8 * real, real, [region]))
    flat = float(value_distribution_loss(torch.full(SHAPE, 0.5), real, [region]))
    assert 0.02 < darker < 0.4 * flat
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
    assert float(local_feature_matching_loss([[shuffled]], [[real]], cell=1)) > 0.2
