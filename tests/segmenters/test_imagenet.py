"""ImageNet's weights: which goes where, and where they come from."""

from __future__ import annotations

import hashlib

import pytest
import torch
from published import NARROW, small, without_weights

from histoloom.errors import SegmenterError
from histoloom.segmenters import imagenet
from histoloom.segmenters.imagenet import IMAGENET_FILES, begin_from_imagenet, imagenet_weights
from histoloom.segmenters.registry import build_segmenter
from inception_weights import inception_shapes

FROM_IMAGENET = {
    "fcn8s": "vgg16",
    "segnet": "vgg16",
    "deeplabv3plus-resnet18": "resnet18",
    "deeplabv3plus-resnet50": "resnet50",
    "hovernet": "resnet50",
    "hovernet-resnet34": "resnet34",
}
PUBLISHED_COUNTS = {
    "vgg16": 138_357_544,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "inception_v3": 27_161_264,
}


def norm(name, channels):
    return {f"{name}.{each}": (channels,) for each in ("weight", "bias", "running_mean", "running_var")}


def vgg16_shapes(width):
    shapes, channels, place = {}, 3, 0
    for each in (1, 1, "pool", 2, 2, "pool", 4, 4, 4, "pool", 8, 8, 8, "pool", 8, 8, 8, "pool"):
        if each == "pool":
            place += 1
            continue
        shapes |= {
            f"features.{place}.weight": (each * width, channels, 3, 3),
            f"features.{place}.bias": (each * width,),
        }
        channels, place = each * width, place + 2
    for layer, seen, made in ((0, channels * 49, 64 * width), (3, 64 * width, 64 * width), (6, 64 * width, 1000)):
        shapes |= {f"classifier.{layer}.weight": (made, seen), f"classifier.{layer}.bias": (made,)}
    return shapes


def resnet_shapes(depth, width):
    shapes = {"conv1.weight": (width, 3, 7, 7), **norm("bn1", width)}
    expansion, outer = (4 if depth == 50 else 1), width
    for stage, blocks in enumerate({18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}[depth]):
        inner = width * 2**stage
        for block in range(blocks):
            at = f"layer{stage + 1}.{block}"
            if depth == 50:
                sizes = [(inner, outer, 1, 1), (inner, inner, 3, 3), (4 * inner, inner, 1, 1)]
            else:
                sizes = [(inner, outer, 3, 3), (inner, inner, 3, 3)]
            for index, size in enumerate(sizes, start=1):
                shapes |= {f"{at}.conv{index}.weight": size, **norm(f"{at}.bn{index}", size[0])}
            if block == 0 and (stage or depth == 50):
                shapes[f"{at}.downsample.0.weight"] = (expansion * inner, outer, 1, 1)
                shapes |= norm(f"{at}.downsample.1", expansion * inner)
            outer = expansion * inner
    return shapes | {"fc.weight": (1000, outer), "fc.bias": (1000,)}


def shapes_of(encoder, width=64):
    if encoder == "inception_v3":
        return inception_shapes()
    return vgg16_shapes(width) if encoder == "vgg16" else resnet_shapes(int(encoder.removeprefix("resnet")), width)


def generated(encoder, width=64, device="cpu"):
    """Return weights with torchvision's names and shapes, each of its own value."""
    shapes = shapes_of(encoder, width)
    return {name: torch.full(shape, float(value), device=device) for value, (name, shape) in enumerate(shapes.items())}


@pytest.mark.parametrize("encoder", IMAGENET_FILES)
def test_the_generated_weights_are_as_many_as_torchvisions(encoder):
    counted = ("running_mean", "running_var", "num_batches_tracked")
    learned = [shape for name, shape in shapes_of(encoder).items() if not name.endswith(counted)]
    assert sum(torch.Size(shape).numel() for shape in learned) == PUBLISHED_COUNTS[encoder]


@pytest.mark.parametrize("name", FROM_IMAGENET)
def test_weights_of_published_size_fit(name):
    network = without_weights(name)
    begin_from_imagenet(network, generated(FROM_IMAGENET[name], device="meta"))


@pytest.mark.parametrize("name", FROM_IMAGENET)
def test_every_convolution_of_the_encoder_begins_from_imagenet(name):
    used = set(without_weights(name).imagenet_names().values())
    shapes = shapes_of(FROM_IMAGENET[name])
    convolutions = {each for each, shape in shapes.items() if len(shape) == 4}
    assert convolutions <= used
    left = set(shapes) - used
    # The classifier, and of HoVer-Net's pre-activated units the norms that have no place there.
    if name == "fcn8s":
        assert left == {"classifier.6.weight", "classifier.6.bias"}
    elif name == "hovernet":
        assert all(each.startswith("fc.") or ".bn3." in each or ".downsample.1." in each for each in left)
    else:
        assert all(each.startswith(("fc.", "classifier.")) for each in left)


@pytest.mark.parametrize("name", sorted(set(FROM_IMAGENET) & set(NARROW)))
def test_each_weight_goes_to_its_place_and_the_decoder_stays_as_it_is(name):
    network = small(name)
    before = {each: value.clone() for each, value in network.state_dict().items()}
    weights = generated(FROM_IMAGENET[name], NARROW[name])
    begin_from_imagenet(network, weights)
    names = network.imagenet_names()
    assert len(set(names.values())) == len(names)
    for each, value in network.state_dict().items():
        expected = weights[names[each]].reshape(value.shape) if each in names else before[each]
        assert torch.equal(value, expected)


def test_segnets_convolutions_are_vgg16s_in_its_order():
    network = small("segnet")
    begin_from_imagenet(network, generated("vgg16", NARROW["segnet"]))
    convolutions = [each for each in network.encoder.modules() if isinstance(each, torch.nn.Conv2d)]
    firsts = [each.weight.flatten()[0].item() for each in convolutions]
    assert firsts == [2.0 * place for place in range(13)]


def test_fcn_8s_sees_with_a_convolution_what_the_linear_layer_saw():
    network, width = small("fcn8s"), NARROW["fcn8s"]
    weights = generated("vgg16", width)
    weights["classifier.0.weight"] = torch.rand(64 * width, 8 * width * 49)
    begin_from_imagenet(network, weights)
    x = torch.rand(2, 8 * width, 7, 7)
    linear = x.flatten(1) @ weights["classifier.0.weight"].T + weights["classifier.0.bias"]
    torch.testing.assert_close(network.sixth(x).flatten(1), linear)


def test_hovernets_units_take_the_convolutions_of_their_place():
    names = without_weights("hovernet").imagenet_names()
    assert names["res_blocks.d0.layers.denselayer_0.layers.conv1.weight"] == "layer1.0.conv1.weight"
    assert names["res_blocks.d2.layers.denselayer_5.layers.conv2/bn.running_var"] == "layer3.5.bn2.running_var"
    assert names["res_blocks.d3.shortcut.weight"] == "layer4.0.downsample.0.weight"
    assert names["conv0.bn.bias"] == "bn1.bias"


def test_a_network_of_another_width_says_so_and_stays_as_it_is():
    network = small("segnet")
    before = {each: value.clone() for each, value in network.state_dict().items()}
    with pytest.raises(SegmenterError, match=r"do not fit SegNet \(VGG16\) at this width; leave the width"):
        begin_from_imagenet(network, generated("vgg16", 2 * NARROW["segnet"]))
    assert all(torch.equal(value, before[each]) for each, value in network.state_dict().items())


def test_weights_of_another_encoder_say_which_are_asked_for():
    with pytest.raises(SegmenterError, match=r"lack 'features\.0\.weight'; give those of torchvision's vgg16\.$"):
        begin_from_imagenet(small("segnet"), generated("resnet18", 8))


@pytest.mark.parametrize("name", ["unet", "fcdensenet", "hou-unet", "hou-cnn"])
def test_networks_that_were_published_without_imagenet_say_so(name):
    with pytest.raises(SegmenterError, match=r"has no ImageNet weights; begin from random ones\.$"):
        begin_from_imagenet(build_segmenter(name, 1, {"width": 4}))


def test_there_is_no_other_encoder():
    with pytest.raises(SegmenterError, match=r"no encoder called 'vgg19'; choose one of: vgg16, resnet18"):
        imagenet_weights("vgg19")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder in the place of torchvision's server, and an empty one in that of torch.hub's."""
    folder = tmp_path / "server"
    folder.mkdir()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(imagenet, "_SERVER", folder.as_uri())
    return folder


def offer(server, monkeypatch, weights, damaged=False):
    """Put a file of weights on the server, with the beginning of its hash in its name."""
    file = server / "new.pth"
    torch.save(weights, file)
    named = server / f"resnet18-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth"
    named.write_bytes(file.read_bytes()[: -1 if damaged else None])
    monkeypatch.setitem(imagenet.IMAGENET_FILES, "resnet18", named.name)
    return named


def test_weights_are_downloaded_once_and_taken(server, monkeypatch):
    width = NARROW["deeplabv3plus-resnet18"]
    offered = offer(server, monkeypatch, generated("resnet18", width))
    network = small("deeplabv3plus-resnet18")
    begin_from_imagenet(network)
    assert torch.equal(network.encoder.conv1.weight, torch.zeros(width, 3, 7, 7))
    assert float(network.encoder.bn1.running_var[0]) == 4.0
    offered.unlink()
    begin_from_imagenet(small("deeplabv3plus-resnet18"))


def test_without_a_connection_there_is_one_clear_sentence(server):
    network = small("deeplabv3plus-resnet18")
    before = network.encoder.conv1.weight.clone()
    with pytest.raises(SegmenterError, match=r"could not be downloaded \(.*\); connect to the internet") as error:
        begin_from_imagenet(network)
    assert "or begin from random weights." in str(error.value)
    assert torch.equal(network.encoder.conv1.weight, before)


def test_a_file_with_another_hash_is_not_read(server, monkeypatch):
    offer(server, monkeypatch, {}, damaged=True)
    with pytest.raises(SegmenterError, match=r"arrived damaged; try again"):
        imagenet_weights("resnet18")


def test_a_file_that_was_changed_after_its_download_is_not_read(server, monkeypatch, tmp_path):
    offered = offer(server, monkeypatch, {"fc.bias": torch.zeros(1)})
    imagenet_weights("resnet18")
    kept = tmp_path / "home" / "hub" / "checkpoints" / offered.name
    kept.write_bytes(b"something else")
    with pytest.raises(SegmenterError, match=r"is not ImageNet's weights of resnet18 as published; delete it"):
        imagenet_weights("resnet18")


def test_the_files_are_torchvisions_by_name():
    assert set(IMAGENET_FILES.values()) == {
        "vgg16-397923af.pth",
        "resnet18-f37072fd.pth",
        "resnet34-b627a593.pth",
        "resnet50-0676ba61.pth",
        "inception_v3_google-0cc3c7bd.pth",
    }
