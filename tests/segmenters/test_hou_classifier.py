"""The 11-layer CNN for lymphocytes: its layers, and what it says of points and of whole pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from histoloom.errors import BundleError, SegmenterError
from histoloom.models import Bundle, BundleHeader
from histoloom.segmenters.hou_classifier import PATCH, STEP, HouClassifier
from histoloom.segmenters.lymphocytes import LymphocyteClassifier, lymphocytes_in
from histoloom.tiles.tile import Tile


def bundle(**changes):
    torch.manual_seed(3)
    header = {
        "kind": "classifier", "system": "lymphocytes", "recipe": {"width": 4}, "classes": ("inflammatory",),
        "pixel_size": 0.25, "normalization": "none",
    }  # fmt: skip
    weights = {name: each.numpy() for name, each in HouClassifier(4).state_dict().items()}
    return Bundle(BundleHeader(**header | changes), weights)


@pytest.fixture(scope="module")
def classifier():
    return LymphocyteClassifier(bundle(), "own.safetensors")


def tissue(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_the_network_has_11_convolutions_and_no_norms():
    network = HouClassifier()
    convolutions = [each for each in network.modules() if isinstance(each, torch.nn.Conv2d)]
    assert len(convolutions) == 11
    assert {type(each) for each in network.modules()} == {
        HouClassifier, torch.nn.ModuleList, torch.nn.Sequential, torch.nn.Conv2d, torch.nn.LeakyReLU,
    }  # fmt: skip
    by_hand = sum(
        each.in_channels * each.out_channels * each.kernel_size[0] ** 2 + each.out_channels for each in convolutions
    )
    assert sum(each.numel() for each in network.parameters()) == by_hand == 1_139_617
    assert sum(each.numel() for each in HouClassifier(12).parameters()) == 160_717


def test_a_logit_depends_on_its_whole_patch_and_nothing_else():
    network = HouClassifier(4)
    picture = torch.rand(1, 3, PATCH + 2 * STEP, PATCH + STEP, requires_grad=True)
    logits = network(picture)
    assert logits.shape == (1, 1, 3, 2)
    (gradient,) = torch.autograd.grad(logits[0, 0, 1, 1], picture)
    rows, columns = gradient.abs().sum((0, 1)).nonzero(as_tuple=True)
    assert (int(rows.min()), int(rows.max())) == (STEP, STEP + PATCH - 1)
    assert (int(columns.min()), int(columns.max())) == (STEP, STEP + PATCH - 1)
    patch = picture[:, :, STEP : STEP + PATCH, STEP : STEP + PATCH]
    assert torch.allclose(network(patch)[0, 0, 0, 0], logits[0, 0, 1, 1], atol=1e-5)


def test_the_map_of_a_picture_is_what_is_said_of_its_points(classifier):
    picture = tissue(101, 650)
    seen = classifier.probability_map(picture)
    assert seen.shape == (101, 650)
    # Across the seam of two blocks, at the border, and in the corners.
    places = [(0, 0), (0, 648), (100, 0), (100, 648), (52, 508), (52, 512), (52, 516), (48, 324)]
    assert np.allclose(classifier.at(picture, places), [seen[each] for each in places], atol=1e-4)
    between = (seen[48, 320] + seen[48, 324]) / 2
    assert seen[48, 322] == pytest.approx(between, abs=1e-5)


def test_patches_beyond_the_border_see_the_picture_reflected(classifier):
    picture = tissue(20, 9)
    large = np.pad(picture, ((37, 37), (37, 37), (0, 0)), mode="reflect")
    assert classifier.at(picture, [(3, 2)]) == pytest.approx(classifier.at(large, [(40, 39)]), abs=1e-6)
    assert classifier.probability_map(tissue(1, 1)).shape == (1, 1)


def test_points_outside_of_the_picture_are_refused_in_a_sentence(classifier):
    for point in ((-1, 5), (5, 80), (float("nan"), 3)):
        with pytest.raises(SegmenterError, match=r"lies outside of the picture of 80 x 80 pixels"):
            classifier.at(tissue(80, 80), [(4, 4), point])
    assert classifier.at(tissue(80, 80), []).shape == (0,)


def test_pictures_of_another_pixel_size_are_rescaled_or_refused_in_a_sentence(classifier):
    picture = tissue(90, 90)
    doubled = np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1)
    tile = Tile.from_array(doubled, 0.125)
    assert classifier.at(tile, [(89.5, 59.5)])[0] == pytest.approx(classifier.at(picture, [(44.5, 29.5)])[0], abs=0.02)
    assert classifier.probability_map(tile).shape == (180, 180)
    with pytest.raises(SegmenterError, match=r"has 2 µm per pixel and 'own.safetensors' was trained at 0.25, too far"):
        classifier.at(picture, [(1, 1)], 2.0)
    with pytest.raises(SegmenterError, match="must be RGB uint8"):
        classifier.probability_map(picture.astype(np.float32))


def test_pictures_smaller_than_a_patch_are_refused_by_the_network_alone():
    with pytest.raises(SegmenterError, match="74 x 90 pixels is smaller than a patch"):
        HouClassifier(4)(torch.rand(1, 3, 74, 90))


def test_peaks_are_found_once_each():
    seen = np.zeros((60, 60), np.float32)
    seen[20, 20], seen[22, 24], seen[50, 5], seen[40, 40] = 0.9, 0.8, 0.7, 0.3
    assert lymphocytes_in(seen, 0.25).tolist() == [[20, 20], [50, 5]]
    assert lymphocytes_in(seen, 0.25, 0.2).tolist() == [[20, 20], [50, 5], [40, 40]]


def test_bundles_of_something_else_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(BundleError, match="holds a segmenter and not a classifier"):
        LymphocyteClassifier(bundle(kind="segmenter"), "s")
    with pytest.raises(BundleError, match="of the system 'mitoses'"):
        LymphocyteClassifier(bundle(system="mitoses"), "s")
    with pytest.raises(BundleError, match="not those that its recipe tells of"):
        LymphocyteClassifier(bundle(recipe={"width": 5}), "s")
    with pytest.raises(BundleError, match="no classifier called 'lung'"):
        LymphocyteClassifier.load("lung")
