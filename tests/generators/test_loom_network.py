"""The house generator's network keeps what it promises the brush; colour goes out of tiles and into woven ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from histoloom.generators.loom.noise import LEVELS, NOISE_PLANES
from histoloom.generators.networks.canonical_stain import (
    STAIN_NUMBERS,
    canonical_pictures,
    jittered_stains,
    pictures_of,
    relative_concentrations,
    stain_numbers,
    stain_rows,
)
from histoloom.generators.networks.loom import MARGIN, TEXTURE_NUMBERS, LoomNetwork, level_widths
from histoloom.generators.networks.loom_discriminator import LoomDiscriminator
from histoloom.tiles import StainSummary
from histoloom.tiles.samples import embedded_sample
from histoloom.tiles.stain_summary import QUANTILE_LEVELS
from histoloom.tiles.stains import HEMATOXYLIN_EOSIN, combine_stains, separate_stains, tissue_mask
from histoloom.training.systems.loom_recipe import LoomRecipe

CHANNELS = 9


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = LoomNetwork(CHANNELS, level_widths(3)).eval()
    with torch.no_grad():
        # Of usual strength, so that styles and mistakes show.
        for level in made.levels:
            for each in level.styles:
                each.weight.normal_(std=0.3)
    return made


def inputs(height=160, width=128, count=1, seed=0):
    random = torch.Generator().manual_seed(seed)
    condition = (torch.rand(count, CHANNELS, height, width, generator=random) < 0.3).float()
    noise = [
        torch.randn(count, planes, height // cell, width // cell, generator=random)
        for cell, planes in zip(LEVELS, NOISE_PLANES, strict=True)
    ]
    style = torch.randn(count, TEXTURE_NUMBERS, generator=random), torch.rand(count, STAIN_NUMBERS, generator=random)
    return condition, noise, *style


@torch.no_grad()
def test_what_is_woven_is_the_window_without_its_margin(network):
    for height, width in ((160, 128), (104, 104), (136, 200)):
        woven = network.weave(*inputs(height, width))
        assert woven.shape == (1, 3, height - 2 * MARGIN, width - 2 * MARGIN)
        assert woven.std() > 0.01


def test_the_networks_default_is_the_one_that_ships_of_fewer_than_three_million_parameters():
    with torch.device("meta"):
        made = LoomNetwork(12, level_widths(LoomRecipe().width))
    assert sum(each.numel() for each in made.parameters()) == 729_551


def test_nothing_in_what_weaves_takes_statistics_of_the_picture_or_leaves_a_checkerboard(network):
    refused = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.Dropout, nn.ConvTranspose2d)
    assert not any(isinstance(each, refused) for each in network.modules())
    assert not dict(network.named_buffers())


@torch.no_grad()
def test_no_pixel_depends_on_others_than_those_near_it(network):
    condition, noise, *style = inputs()
    whole = network.weave(condition, noise, *style)
    changed = condition.clone()
    changed[..., :8, :] = 5.0
    again = network.weave(changed, noise, *style)
    # Row 0 of what is woven is row MARGIN of what is seen, and sees no further than that.
    torch.testing.assert_close(again[:, :, 8:], whole[:, :, 8:], rtol=0, atol=0)
    assert not torch.equal(again[:, :, 0], whole[:, :, 0])


@torch.no_grad()
@pytest.mark.parametrize("shift", [(8, 0), (16, 24)])
def test_what_is_seen_moved_by_whole_cells_moves_what_is_woven_by_as_much(network, shift):
    condition, noise, *style = inputs()
    down, right = shift
    whole = network.weave(condition, noise, *style)
    moved = network.weave(
        condition[..., down:, right:],
        [each[..., down // cell :, right // cell :] for each, cell in zip(noise, LEVELS, strict=True)],
        *style,
    )
    torch.testing.assert_close(moved, whole[..., down:, right:], rtol=1e-4, atol=1e-5)


def test_weaving_with_one_style_is_what_training_sees_in_any_order_of_memory(network):
    seen = inputs(count=2)
    with torch.no_grad():
        trained = network.weave(*seen)
    for index in range(2):
        one = slice(index, index + 1)
        condition, noise, *style = seen[0][one], [each[one] for each in seen[1]], seen[2][one], seen[3][one]
        for order in (torch.contiguous_format, torch.channels_last):
            with torch.inference_mode():
                woven = network.weave(
                    condition.contiguous(memory_format=order),
                    [each.contiguous(memory_format=order) for each in noise],
                    *style,
                )
            torch.testing.assert_close(woven, trained[one], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(trained[:1], trained[1:])


def test_gradients_reach_every_weight(network):
    condition, noise, *_ = inputs(104, 104, count=2)
    reference = torch.rand(1, 3, 64, 64)
    network.zero_grad()
    network(condition, noise, reference, torch.rand(1, STAIN_NUMBERS)).square().mean().backward()
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in network.parameters())
    network.zero_grad()


@torch.no_grad()
def test_the_reference_branch_forgets_places_and_tells_textures_apart(network):
    torch.manual_seed(1)
    fine = torch.rand(1, 3, 64, 64)
    coarse = nn.functional.interpolate(torch.rand(1, 3, 8, 8), scale_factor=8)
    first, rolled, other = (network.reference(2 * each - 1) for each in (fine, fine.roll(8, 3), coarse))
    assert first.shape == (1, TEXTURE_NUMBERS)
    assert (first - rolled).norm() < (first - other).norm()


@torch.no_grad()
def test_the_discriminator_judges_patches_at_two_scales_by_the_reference():
    torch.manual_seed(0)
    judge = LoomDiscriminator(CHANNELS, 4)
    picture, condition = torch.rand(2, 3, 96, 96), torch.rand(2, CHANNELS, 96, 96)
    logits, features = judge(picture, condition, torch.rand(1, 3, 64, 64))
    assert [each.shape[1] for each in logits] == [1, 1]
    assert logits[0].shape[-1] > logits[1].shape[-1] > 1
    assert all(len(layers) == 4 for layers in features)
    again, same = judge(picture, condition, torch.zeros(1, 3, 64, 64))
    assert not torch.allclose(again[0], logits[0])
    torch.testing.assert_close(same[0][-1], features[0][-1])


def picture_of(tile):
    return torch.from_numpy(np.ascontiguousarray(tile.transpose(2, 0, 1)))[None].float() / 127.5 - 1


@pytest.fixture(scope="module")
def tissue():
    return embedded_sample().read()


def test_tissue_taken_apart_into_stains_comes_back_within_a_grey_level(tissue):
    rows = stain_rows([StainSummary.of(tissue)])
    picture = picture_of(tissue)
    again = pictures_of(relative_concentrations(picture, rows), rows)
    assert (again - picture).abs().max() <= 2 / 255


def test_one_percent_of_the_tissue_exceeds_a_concentration_of_one(tissue):
    concentrations = relative_concentrations(picture_of(tissue), stain_rows([StainSummary.of(tissue)]))
    for stain in range(2):
        assert 0.001 < float((concentrations[0, stain] > 1.0).float().mean()) < 0.015


def test_a_tile_and_the_same_tile_in_other_stains_have_nearly_one_canonical_picture(tissue):
    # Stronger haematoxylin, weaker eosin, and both of another hue; unlike a scanner's, these stay within 8 bits.
    concentrations = separate_stains(tissue)[..., :2].clip(min=0.0)
    vectors = HEMATOXYLIN_EOSIN + np.array([[-0.08, 0.06, 0.08], [0.06, -0.03, 0.1]])
    plain = combine_stains(concentrations)
    restained = combine_stains(concentrations * [1.3, 0.75], vectors)
    first, second = (
        canonical_pictures(relative_concentrations(picture_of(each), stain_rows([StainSummary.of(each)])))
        for each in (plain, restained)
    )
    before = float((picture_of(plain) - picture_of(restained)).abs().mean()) * 127.5
    after = float((first - second).abs().mean()) * 127.5
    assert before > 8
    assert after < 0.4 * before
    numbers = [stain_numbers(stain_rows([StainSummary.of(each)])) for each in (plain, restained)]
    torch.testing.assert_close(*numbers, rtol=0, atol=0.15)


def test_jittered_stains_stay_stains(tissue):
    rows = stain_rows([StainSummary.of(tissue)]).repeat(50, 1)
    torch.manual_seed(0)
    shaken = jittered_stains(rows, 0.05, 0.2)
    before, after = (each[:, : 2 * (3 + len(QUANTILE_LEVELS))].unflatten(1, (2, -1)) for each in (rows, shaken))
    torch.testing.assert_close(after[:, :, :3].norm(dim=2), torch.ones(50, 2))
    assert (after[:, :, :3] >= 0).all()
    # Relative to the highest, quantiles stay what they were.
    quantiles = 2 * (len(QUANTILE_LEVELS) - 1)
    torch.testing.assert_close(stain_numbers(shaken)[:, :quantiles], stain_numbers(rows)[:, :quantiles])
    assert 0.1 < float((after[:, :, -1] / before[:, :, -1]).log().std()) < 0.3
    torch.testing.assert_close(jittered_stains(rows, 0.0, 0.0), rows)


def test_a_network_is_told_which_mixture_of_stains_its_darkest_pixels_are(tissue):
    rows = stain_rows([StainSummary.of(tissue)])
    for stains in (rows, jittered_stains(rows, 0.05, 0.2)):
        told = stain_numbers(stains)[0, -3:]
        concentrations = relative_concentrations(picture_of(tissue), stains)[0].flatten(1)
        red = picture_of(tissue)[0, 0].flatten()
        darkest = concentrations[:, red <= red[is_tissue(tissue)].quantile(0.1)]
        torch.testing.assert_close(told, darkest.mean(1), rtol=0, atol=0.05)


def is_tissue(tile):
    return torch.from_numpy(tissue_mask(tile)).flatten()


def test_no_concentration_is_too_dark_or_too_pale_for_a_picture(tissue):
    rows = stain_rows([StainSummary.of(tissue)])
    for value in (-50.0, 0.0, 1.0, 50.0):
        picture = pictures_of(torch.full((1, 3, 4, 4), value), rows)
        assert torch.isfinite(picture).all()
        assert (picture.abs() <= 1.0 + 1e-5).all()
