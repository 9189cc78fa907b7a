"""The networks of Hou et al. (2019) have the layers that paper and code tell of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from histoloom.generators.networks.hou_discriminator import HouDiscriminator, discriminator_from_recipe
from histoloom.generators.networks.hou_reference import LEAST_REFERENCE, ReferenceBranch, strengthen_as_he
from histoloom.generators.networks.hou_refiner import BLOCKS, HouRefiner, refiner_from_recipe


def layers_of(network: nn.Module) -> tuple[int, int]:
    found = list(network.modules())
    poolings = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
    return sum(isinstance(each, nn.Conv2d) for each in found), sum(isinstance(each, poolings) for each in found)


def weights_of(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


def convolution(inner: int, outer: int, kernel: int) -> int:
    return inner * outer * kernel**2 + outer


REFERENCE = convolution(3, 32, 4) + 4 * convolution(32, 32, 5)


def test_with_their_reference_branches_they_have_the_papers_convolutions_and_poolings():
    assert layers_of(ReferenceBranch()) == (5, 2)
    assert layers_of(HouRefiner()) == (21, 2)
    assert layers_of(HouDiscriminator()) == (15, 3)


def test_the_codes_layers_are_there_by_name():
    assert layers_of(HouRefiner(blocks=BLOCKS["code"])) == (17, 2)
    assert layers_of(HouDiscriminator(layers="code")) == (21, 6)


@pytest.mark.parametrize(("layers", "blocks"), [("paper", 7), ("code", 5)])
def test_the_refiner_has_as_many_weights_as_its_layers_say(layers, blocks):
    first_block = convolution(64, 32, 5) + convolution(32, 32, 5)
    others = (blocks - 1) * 2 * convolution(32, 32, 5)
    expected = convolution(3, 32, 3) + REFERENCE + first_block + others + convolution(32, 3, 3)
    assert weights_of(HouRefiner(blocks=BLOCKS[layers])) == expected == {"paper": 490_307, "code": 387_779}[layers]


@pytest.mark.parametrize("layers", ["paper", "code"])
def test_the_discriminator_has_as_many_weights_as_its_layers_say(layers):
    expected = REFERENCE + convolution(3, 32, 3) + convolution(64, 32, 5) + convolution(32, 32, 5)
    expected += convolution(32, 48, 5) + 2 * convolution(48, 48, 5)
    last = 48
    if layers == "code":
        expected += convolution(48, 64, 5) + 2 * convolution(64, 64, 5)
        expected += convolution(64, 80, 5) + 2 * convolution(80, 80, 5)
        last = 80
    expected += convolution(last, 128, 5) + 2 * convolution(128, 128, 3) + convolution(128, 2, 1)
    assert weights_of(HouDiscriminator(layers=layers)) == expected


def test_the_codes_discriminator_makes_a_map_of_five_by_five_of_its_pictures():
    network = HouDiscriminator(layers="code")
    assert (400 - network.receptive_field) // network.step + 1 == 5


@pytest.mark.parametrize("layers", ["paper", "code"])
def test_a_judgement_depends_on_its_receptive_field_and_on_nothing_else(layers):
    torch.manual_seed(0)
    network = HouDiscriminator(4, layers)
    side = network.receptive_field + network.step
    picture = torch.rand(1, 3, side, side, requires_grad=True)
    reference = torch.rand(1, 3, 40, 40)
    judged = network(picture, reference)
    assert judged.shape == (1, 1, 2, 2)
    judged[0, 0, 0, 0].backward()
    seen = picture.grad.abs().sum((0, 1))
    assert seen[: network.receptive_field, : network.receptive_field][-1].any()
    assert not seen[network.receptive_field :].any()


def test_a_refined_pixel_depends_on_the_margin_around_it_and_on_the_reference():
    torch.manual_seed(0)
    network = HouRefiner(4, blocks=2, kernel=3)
    assert network.margin == 6
    picture, reference = torch.zeros(1, 3, 31, 31, requires_grad=True), torch.zeros(1, 3, 40, 40, requires_grad=True)
    network(picture, reference + 0.1)[0, :, 15, 15].sum().backward()
    rows = torch.nonzero(picture.grad.abs().sum((0, 1)).sum(1))[:, 0]
    assert (int(rows.min()), int(rows.max())) == (9, 21)
    assert reference.grad.any()


def test_refined_pictures_stay_within_the_values_of_pictures():
    torch.manual_seed(0)
    network = HouRefiner(4, blocks=2)
    for each in network.parameters():
        each.data *= 5.0
    refined = network(2.0 * torch.rand(2, 3, 20, 24) - 1.0, torch.rand(2, 3, 50, 40))
    assert refined.shape == (2, 3, 20, 24)
    assert float(refined.detach().abs().max()) == 1.0


def test_the_least_reference_is_just_wide_enough():
    branch = ReferenceBranch(2)
    assert branch(torch.zeros(1, 3, LEAST_REFERENCE, LEAST_REFERENCE)).shape == (1, 2, 1, 1)
    with pytest.raises(RuntimeError):
        branch(torch.zeros(1, 3, LEAST_REFERENCE - 1, LEAST_REFERENCE))


def test_recipes_say_which_networks_they_are_of():
    recipe = {"width": 8, "blocks": 0, "kernel": 3, "layers": "code", "discriminator_width": 16}
    assert len(refiner_from_recipe(recipe).blocks) == 5
    assert len(refiner_from_recipe(recipe | {"blocks": 2}).blocks) == 2
    assert layers_of(discriminator_from_recipe(recipe)) == (21, 6)
    assert discriminator_from_recipe(recipe | {"detail_gain": 2.0}).detail_gain == 2.0


def test_with_hes_weights_signals_keep_their_strength_through_the_discriminator():
    torch.manual_seed(0)
    network, picture, reference = HouDiscriminator(8), 2 * torch.rand(4, 3, 52, 52) - 1, torch.rand(4, 3, 40, 40)
    with torch.no_grad():
        weak = network(picture, reference).std()
        strengthen_as_he(network)
        assert network(picture, reference).std() > 10 * weak


def test_a_discriminator_that_is_shown_detail_has_the_same_layers_and_sees_a_little_farther():
    torch.manual_seed(0)
    plain, keen = HouDiscriminator(4), HouDiscriminator(4, detail_gain=4.0)
    assert layers_of(keen) == layers_of(plain)
    assert keen.receptive_field == plain.receptive_field + 4
    keen.load_state_dict(plain.state_dict())
    flat, reference = torch.full((1, 3, 56, 56), 0.25), torch.full((1, 3, 40, 40), -0.5)
    judged = keen(flat, reference)
    assert judged.shape == (1, 1, 1, 1)
    torch.testing.assert_close(judged, plain(flat[..., 2:-2, 2:-2], reference))
