"""The published networks, layer by layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from histoloom.generators.networks.discriminators import PatchDiscriminator
from histoloom.generators.networks.layers import ScaleAndShift
from histoloom.generators.networks.mode_seeking_pix2pix import ModeSeekingDiscriminator, ModeSeekingGenerator
from histoloom.generators.networks.pix2pix import Pix2PixGenerator

# Table 1 of the appendix: output (height, channels) and numbers of each layer with numbers. Mended misprints: the first
# convolution (1,664 is that of one channel) and the bottleneck (655,513).
GENERATOR_TABLE = [
    (128, 64, 3_264),
    (64, 128, 205_184),
    (32, 256, 819_968),
    (16, 512, 3_278_336),
    (8, 512, 6_555_136),
    (4, 512, 6_555_136),
    (2, 512, 6_555_136),
    (1, 512, 6_555_136),
    (2, 512, 6_555_136),
    (4, 512, 13_108_736),
    (8, 512, 13_108_736),
    (16, 512, 13_108_736),
    (32, 256, 6_554_368),
    (64, 128, 1_638_784),
    (128, 64, 409_792),
    (256, 3, 9_603),
]
# Table 2; the linear layer's 0 is a misprint.
DISCRIMINATOR_TABLE = [(128, 64, 4_864), (64, 128, 205_184), (32, 256, 819_968), (32, 512, 3_278_336)]


def count(*modules):
    return sum(each.numel() for module in modules for each in module.parameters())


def shapes_of(network, kinds, *inputs):
    """Return each layer's output in the order in which layers ran."""
    seen = []
    for module in network.modules():
        if isinstance(module, kinds):
            module.register_forward_hook(lambda _, __, output: seen.append(tuple(output.shape)))
    with torch.no_grad():
        network(*inputs)
    return seen


@pytest.fixture(scope="module")
def generator():
    with torch.device("meta"):
        return ModeSeekingGenerator()


def test_the_mode_seeking_generator_has_the_layers_of_table_1(generator):
    convolutions = [*generator.convolutions, *generator.transposed, generator.last]
    norms = [*generator.normalizations, *generator.transposed_normalizations, nn.Identity()]
    counts = [count(*pair) for pair in zip(convolutions, norms, strict=True)]
    shapes = shapes_of(generator, nn.Conv2d | nn.ConvTranspose2d, torch.empty(1, 2, 256, 256, device="meta"))
    assert shapes == [(1, channels, side, side) for side, channels, _ in GENERATOR_TABLE]
    assert counts == [numbers for _, _, numbers in GENERATOR_TABLE]
    assert count(generator) == sum(counts)


def test_one_channel_gives_the_tables_own_first_count():
    with torch.device("meta"):
        assert count(ModeSeekingGenerator(channels=1).convolutions[0]) == 1_664


def test_concatenations_have_the_tables_channels(generator):
    inner = [each.in_channels for each in [*generator.transposed, generator.last]]
    assert inner == [512, 1024, 1024, 1024, 1024, 512, 256, 128]


def test_the_mode_seeking_discriminator_has_the_layers_of_table_2():
    with torch.device("meta"):
        network = ModeSeekingDiscriminator()
    counts = [count(*pair) for pair in zip(network.convolutions, network.normalizations, strict=True)]
    shapes = shapes_of(network, nn.Conv2d, torch.empty(1, 3, 256, 256, device="meta"))
    assert shapes == [(1, channels, side, side) for side, channels, _ in DISCRIMINATOR_TABLE]
    assert counts == [numbers for _, _, numbers in DISCRIMINATOR_TABLE]
    assert network.linear.in_features == 524_288
    assert count(network.linear) == 524_289


def test_the_bottleneck_says_something_at_batch_size_1():
    """A norm with statistics would make it the same for every condition."""
    torch.manual_seed(0)
    network = ModeSeekingGenerator(width=4, depth=5)
    assert isinstance(network.normalizations[-1], ScaleAndShift)
    values = []
    network.normalizations[-1].register_forward_hook(lambda _, __, output: values.append(output.clone()))
    for _ in range(2):
        network(torch.rand(1, 2, 32, 32))
    assert values[0].shape == (1, 32, 1, 1)
    assert values[0].abs().max() > 0
    assert not torch.allclose(values[0], values[1])


def test_pix2pix_has_as_many_numbers_as_the_public_one():
    with torch.device("meta"):
        generator, discriminator = Pix2PixGenerator(3), PatchDiscriminator(6)
    assert count(generator) == 54_414_531
    assert round(count(discriminator) / 1e6, 3) == 2.769


def test_the_pix2pix_unet_halves_to_one_pixel_and_back():
    with torch.device("meta"):
        network = Pix2PixGenerator(1)
    shapes = shapes_of(network, nn.Conv2d | nn.ConvTranspose2d, torch.empty(1, 1, 256, 256, device="meta"))
    sides = [128, 64, 32, 16, 8, 4, 2, 1, 2, 4, 8, 16, 32, 64, 128, 256]
    widths = [64, 128, 256, 512, 512, 512, 512, 512, 512, 512, 512, 512, 256, 128, 64, 3]
    assert shapes == [(1, width, side, side) for width, side in zip(widths, sides, strict=True)]


def test_a_patch_of_the_discriminator_is_70_pixels_wide():
    torch.manual_seed(0)
    network = PatchDiscriminator(3, width=2)
    # Norms look at all of the picture; without them, what is left is the receptive field.
    for name, module in network.layers.named_children():
        if isinstance(module, nn.BatchNorm2d):
            setattr(network.layers, name, nn.Identity())
    picture = torch.rand(1, 3, 256, 256, requires_grad=True)
    network(picture)[0, 0, 15, 15].backward()
    rows = torch.nonzero(picture.grad[0].abs().sum((0, 2))).flatten()
    assert int(rows[-1] - rows[0]) + 1 == 70


def test_dropout_is_the_noise_in_use_as_in_training():
    torch.manual_seed(0)
    for network, channels in ((Pix2PixGenerator(1, 4, 5), 1), (ModeSeekingGenerator(2, 4, 5), 2)):
        network.eval()
        condition = torch.rand(1, channels, 32, 32)
        first, second = network(condition), network(condition)
        assert first.shape == (1, 3, 32, 32)
        assert first.abs().max() <= 1
        assert not torch.equal(first, second)


def test_only_the_three_innermost_decoder_layers_of_pix2pix_have_dropout():
    with torch.device("meta"):
        network = Pix2PixGenerator(1)
    noisy = [any(type(layer).__name__ == "NoiseDropout" for layer in up) for up in network.ups]
    assert noisy == [True, True, True, False, False, False, False]


def test_a_noise_vector_changes_the_picture():
    torch.manual_seed(0)
    network = ModeSeekingGenerator(2, 4, 5, noise_channels=3)
    network.noise.probability = 0.0
    condition = torch.rand(1, 2, 32, 32)
    first, second = (network(condition, torch.randn(1, 3)) for _ in range(2))
    assert (first - second).abs().max() > 0
