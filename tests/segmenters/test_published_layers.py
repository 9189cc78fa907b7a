"""The published architectures, layer by layer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from published import PUBLISHED, count, layers, small, without_weights
from torch import nn

from histoloom.errors import SegmenterError
from histoloom.segmenters.registry import ARCHITECTURES, build_segmenter
from histoloom.segmenters.resnet import ResNet
from histoloom.segmenters.vgg16 import VGG16

# Of torchvision's networks, less their classifiers, which are published too.
PUBLISHED_ENCODERS = {
    "vgg16": 138_357_544 - (25_088 * 4096 + 4096) - (4096 * 4096 + 4096) - (4096 * 1000 + 1000),
    "resnet18": 11_689_512 - (512 * 1000 + 1000),
    "resnet34": 21_797_672 - (512 * 1000 + 1000),
    "resnet50": 25_557_032 - (2048 * 1000 + 1000),
}


def convolution(channels, width, side=3, bias=True):
    return channels * width * side**2 + bias * width


def convolution_and_norm(channels, width, side=3):
    return convolution(channels, width, side, bias=False) + 2 * width


@pytest.fixture(scope="module", autouse=True)
def meta():
    with torch.device("meta"):
        yield


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_residual_networks_have_their_layers_and_weights(depth):
    network = ResNet(depth)
    main = [name for name, each in network.named_modules() if type(each) is nn.Conv2d and "downsample" not in name]
    # The last layer that the name counts is the classifier, which segmenters leave out.
    assert len(main) + 1 == depth
    assert count(network) == PUBLISHED_ENCODERS[f"resnet{depth}"]


def test_vgg16_has_13_convolutions_and_its_weights():
    network = VGG16()
    assert len(layers(network, nn.Conv2d)) == 13
    assert count(network) == PUBLISHED_ENCODERS["vgg16"]


@pytest.mark.parametrize("form", ["as published", "atrous", "whole"])
def test_residual_stages_have_the_sizes_of_their_form(form):
    network = ResNet(18, atrous=form == "atrous", whole=form == "whole")
    sides = [stage.shape[-1] for stage in network(torch.empty(1, 3, 96, 96))]
    assert sides == {"as published": [24, 12, 6, 3], "atrous": [24, 12, 6, 6], "whole": [96, 48, 24, 12]}[form]


def test_fcn_8s_has_the_weights_of_the_papers_134_million():
    classes = 20
    scores = 21
    enlarging = 2 * scores * scores * 4 * 4
    by_hand = (
        PUBLISHED_ENCODERS["vgg16"]
        + convolution(512, 4096, 7)
        + convolution(4096, 4096, 1)
        + sum(convolution(channels, scores, 1) for channels in (4096, 512, 256))
        + enlarging
    )
    network = without_weights("fcn8s", classes)
    assert count(network) == by_hand
    # Table 2 of the paper, whose PASCAL has 21 classes with the background.
    assert round(by_hand / 1e6) == 134
    # VGG16's 15 layers without its classifier, and a score of each of three sizes.
    assert len(layers(network, nn.Conv2d)) == 13 + 2 + 3


def test_segnet_has_26_convolutions_and_29_million_weights():
    network = without_weights("segnet", 20)
    norms = 2 * (2 * 64 + 2 * 128 + 3 * 256 + 6 * 512) + 2 * (5 * 512 + 3 * 256 + 2 * 128 + 2 * 64)
    back = (
        5 * convolution(512, 512) + convolution(512, 256)
        + 2 * convolution(256, 256) + convolution(256, 128)
        + convolution(128, 128) + convolution(128, 64)
        + convolution(64, 64) + convolution(64, 21)
    )  # fmt: skip
    assert len(layers(network, nn.Conv2d)) == 26
    assert count(network) == PUBLISHED_ENCODERS["vgg16"] + back + norms
    # What others count of it (Paszke et al. 2016, table 2: 29.46 million).
    assert round(count(network) / 1e6, 2) == 29.46


@pytest.mark.parametrize(("depth", "low", "high"), [(18, 64, 512), (50, 256, 2048)])
def test_deeplab_has_the_weights_of_its_figure(depth, low, high):
    by_hand = (
        PUBLISHED_ENCODERS[f"resnet{depth}"]
        + 2 * convolution_and_norm(high, 256, 1)
        + 3 * convolution_and_norm(high, 256)
        + convolution_and_norm(5 * 256, 256, 1)
        + convolution_and_norm(low, 48, 1)
        + convolution_and_norm(256 + 48, 256)
        + convolution_and_norm(256, 256)
        + convolution(256, 2, 1)
    )
    network = without_weights(f"deeplabv3plus-resnet{depth}")
    assert count(network) == by_hand
    assert [each.dilation[0] for each in layers(network.pyramid, nn.Conv2d)] == [1, 6, 12, 18, 1, 1]
    assert network.encode(torch.empty(1, 3, 256, 256)).shape == (1, high, 16, 16)


def test_the_mini_fc_densenet_has_42_layers_and_a_million_weights():
    network = without_weights("fcdensenet")
    assert len(layers(network, nn.Conv2d)) == 42
    assert len(layers(network, nn.ConvTranspose2d)) == 4
    assert round(count(network) / 1e6, 3) == 0.980


def test_hous_unet_has_39_convolutions_of_the_codes_widths():
    network = without_weights("hou-unet")
    assert len(layers(network, nn.Conv2d)) == 39
    widths, counts = (16, 32, 64, 128, 256), (3, 4, 4, 5, 6)
    by_hand = convolution(16, 2)
    for channels, width, several in zip((3, *widths), widths, counts, strict=False):
        by_hand += convolution(channels, width) + (several - 1) * convolution(width, width)
    for inner, outer, several in zip(widths[1:], widths, counts, strict=False):
        by_hand += convolution(inner, inner, 2)
        by_hand += convolution(inner + outer, outer) + (several - 1) * convolution(outer, outer)
    assert count(network) == by_hand


def test_hous_cnn_has_15_layers_and_2_poolings():
    network = without_weights("hou-cnn")
    assert len(layers(network, nn.Conv2d)) == 15
    assert network.encode(torch.empty(1, 3, 64, 64)).shape == (1, 128, 16, 16)
    pairs = [(3, 32), *[(32, 32)] * 2, (32, 64), *[(64, 64)] * 2, (64, 128), *[(128, 128)] * 2]
    pairs += [(128, 64), *[(64, 64)] * 2, (64, 32), (32, 32), (32, 2)]
    assert count(network) == sum(convolution(*pair) for pair in pairs)


def hovernet_branch(outputs):
    """Return a decoder's weights: two dense blocks of 8 and 4 units of growth 32, and the last convolutions."""
    total = 0
    for channels, units in ((1024, 8), (512, 4)):
        width = channels // 4
        total += convolution(channels, width, bias=False)
        for _ in range(units):
            total += 2 * width + convolution_and_norm(width, 128, 1) + convolution(128 // 4, 32, bias=False)
            width += 32
        total += 2 * width + convolution(width, width, 1, bias=False)
    return total + convolution(256, 64, bias=False) + 2 * 64 + convolution(64, outputs, 1)


def test_hovernet_has_the_papers_weights():
    network = without_weights("hovernet", 5)
    # Pre-activation needs a norm less in each of ResNet50's shortcuts and one at the end of each stage.
    stem_and_stages = PUBLISHED_ENCODERS["resnet50"] - 2 * (256 + 512 + 1024 + 2048)
    by_hand = stem_and_stages + convolution(2048, 1024, 1, bias=False) + sum(map(hovernet_branch, (2, 2, 6)))
    assert count(network) == by_hand
    # The authors give 37.6 million.
    assert round(by_hand / 1e6, 1) == 37.6


def test_hovernet_with_resnet34_keeps_the_decoders():
    network = without_weights("hovernet-resnet34", 5)
    widened = sum(own * seen for own, seen in ((64, 256), (128, 512), (256, 1024), (512, 1024)))
    branches = sum(map(hovernet_branch, (2, 2, 6)))
    assert count(network) == PUBLISHED_ENCODERS["resnet34"] + widened + branches


def test_hovernets_decoders_see_all_three_sizes_of_the_encoder():
    with torch.device("cpu"):
        branches = small("hovernet", classes=3).branches.eval()
        sizes = ((256, 16), (512, 8), (1024, 4), (1024, 2))
        seen = [torch.rand(1, channels, side, side) for channels, side in sizes]
        with torch.no_grad():
            before = branches(seen[3], seen[:3])
            for size in range(3):
                changed = [*seen[:size], seen[size] + 1, *seen[size + 1 :]]
                after = branches(changed[3], changed[:3])
                assert all(not torch.allclose(before[each], after[each]) for each in before)


def test_segnet_puts_values_back_where_the_maxima_were():
    with torch.device("cpu"):
        network = small("segnet").eval()
        enlarged = []
        for block in network.decoder:
            block.register_forward_pre_hook(lambda _, inputs: enlarged.append(inputs[0]))
        with torch.no_grad():
            network(torch.rand(1, 3, 64, 64))
        for each in enlarged:
            in_windows = each.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
            assert ((in_windows != 0).sum(4) <= 1).all()
    assert len(enlarged) == 5


@pytest.mark.parametrize(("scores", "stride"), [("third", 8), ("fourth", 16), ("seventh", 32)])
def test_each_score_of_fcn_8s_lies_where_its_pixels_are(scores, stride):
    with torch.device("cpu"):
        network = small("fcn8s").eval()
        for each in network.parameters():
            # Only additions are left, so that gradients tell where a score looks.
            each.data.abs_()
        for each in ("third", "fourth", "seventh"):
            getattr(network, f"score_{each}").weight.data.fill_(float(each == scores))
        picture = torch.rand(1, 3, 97, 130, requires_grad=True)
        network(picture)["classes"][0, 1, 50, 70].backward()
        weight = picture.grad.abs().sum((0, 1))
        y = (weight.sum(1) * torch.arange(97)).sum() / weight.sum()
        x = (weight.sum(0) * torch.arange(130)).sum() / weight.sum()
    assert abs(float(y) - 50) <= stride / 2
    assert abs(float(x) - 70) <= stride / 2


def test_equal_scores_everywhere_stay_equal_in_fcn_8s():
    with torch.device("cpu"):
        network = small("fcn8s").eval()
        network.score_third.bias.data.fill_(2.0)
        with torch.no_grad():
            classes = network(torch.rand(1, 3, 75, 40))["classes"]
        torch.testing.assert_close(classes, torch.full((1, 2, 75, 40), 2.0))


def test_the_documentation_has_each_networks_weights_outputs_and_encoder():
    page = Path(__file__).resolve().parents[2] / "docs" / "segmenters.md"
    rows = re.findall(r"^\| `([\w-]+)` \|(.*)\|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    table = {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}
    # Other tests register networks of their own.
    assert set(table) == {name for name, place in ARCHITECTURES.items() if place.startswith("histoloom.")}
    for name in ("unet", *PUBLISHED):
        network = without_weights(name)
        _, weights, _, outputs, encoder, _ = table[name]
        assert weights == f"{count(network) / 1e6:.2f}"
        assert outputs == ", ".join(network.outputs)
        assert encoder.lower() == getattr(network, "imagenet", "")


def test_no_classes_are_an_error():
    with pytest.raises(SegmenterError, match=r"cannot have 0 classes"):
        build_segmenter("segnet", 0)
