"""Inception v3 as an extractor: the network is torchvision's, its weights are fetched, and what it is is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from histoloom.cli import main
from histoloom.errors import SegmenterError
from histoloom.evaluation import InceptionFeatures, measure_realism, patch_similarity
from histoloom.evaluation.inception import FEATURES, InceptionV3
from inception_weights import drawn_weights, inception_shapes, save_as_published, stand_in_for_torchvision
from realism_folders import save_segmenter, write_folder

# Every 256th feature of `patches()` by torchvision 0.28's network with `drawn_weights()`, resized and normalized by
# torchvision.
TORCHVISIONS = [
    [0.090892, 0.0, 0.014077, 1.545015, 0.749388, 0.179068, 0.831305, 0.156741],
    [0.071579, 0.0, 0.026581, 1.804015, 0.884295, 0.14395, 0.87851, 0.130096],
]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def weights():
    return drawn_weights()


@pytest.fixture(scope="module")
def extractor(weights):
    return InceptionFeatures(weights)


@pytest.fixture(scope="module")
def file(weights, tmp_path_factory):
    return save_as_published(weights, tmp_path_factory.mktemp("published"))


def patches():
    rows, columns = np.indices((128, 128))
    slopes = ((1, 2), (3, 1), (2, 2)), ((5, 0), (0, 3), (7, 11))
    made = [np.stack([(rows * down + columns * right) % 256 for down, right in each], -1) for each in slopes]
    return np.stack(made).astype(np.uint8)


def test_it_has_as_many_parameters_as_torchvisions_without_its_classifiers():
    with torch.device("meta"):
        network = InceptionV3()
    assert sum(each.numel() for each in network.parameters()) == 21_785_568
    classifiers = [
        torch.Size(shape).numel()
        for name, shape in inception_shapes().items()
        if name.startswith(("AuxLogits.", "fc.")) and "running" not in name and "tracked" not in name
    ]
    assert 21_785_568 + sum(classifiers) == 27_161_264


def test_every_weight_of_torchvisions_goes_to_its_place():
    shapes = inception_shapes()
    with torch.device("meta"):
        network = InceptionV3()
    own = {name: tuple(each.shape) for name, each in network.state_dict().items()}
    assert own == {name: shape for name, shape in shapes.items() if not name.startswith(("AuxLogits.", "fc."))}


def test_features_are_those_of_torchvisions_network(extractor):
    found = extractor.features(patches())
    assert found.shape == (2, FEATURES)
    np.testing.assert_allclose(found[:, ::256], TORCHVISIONS, atol=2e-5)


def test_a_file_from_before_norms_counted_their_batches_is_taken_as_well(weights, extractor):
    older = {name: each for name, each in weights.items() if not name.endswith("num_batches_tracked")}
    assert InceptionFeatures(older).weights_sha256 == extractor.weights_sha256


def test_other_weights_have_another_hash(weights, extractor):
    other = InceptionFeatures({**weights, "Conv2d_1a_3x3.bn.bias": torch.zeros(32)})
    assert len(extractor.weights_sha256) == 64
    assert other.weights_sha256 != extractor.weights_sha256


def test_weights_of_another_network_are_refused(weights):
    lacking = {name: each for name, each in weights.items() if not name.startswith("Mixed_6c")}
    with pytest.raises(SegmenterError, match=r"not the weights of torchvision's inception_v3; give those"):
        InceptionFeatures(lacking)
    narrow = {**weights, "Mixed_7c.branch1x1.bn.bias": torch.zeros(3)}
    with pytest.raises(SegmenterError, match=r"not the weights of torchvision's inception_v3; give those"):
        InceptionFeatures(narrow)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two real tiles and two woven ones, of one patch each, and a segmenter."""
    write_folder(tmp_path / "real", range(2))
    write_folder(tmp_path / "woven", range(2), ending="_seed1")
    save_segmenter(tmp_path / "dark.safetensors")
    monkeypatch.setattr(patch_similarity, "MOST_PAIRS", 4)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_realism_downloads_inception_for_features_and_takes_nuclei_from_a_segmenter(
    folder, file, extractor, monkeypatch, capsys
):
    stand_in_for_torchvision(file, folder / "home", monkeypatch, kept=False)
    line = ["realism", "real", "woven", "--extractor", "inception", "--segmenter", "dark.safetensors", "--json"]
    assert main(line) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    wanted = measure_realism("real", "woven", extractor).as_dict()
    assert found["pooled"]["kid"] == pytest.approx(wanted["pooled"]["kid"], rel=1e-6)
    assert found["pooled"]["faithfulness"]["dice"] > 0.9
    assert found["extractor"] == wanted["extractor"]
    assert found["extractor"]["name"] == "Inception v3 (torchvision)"
    assert found["segmenter"]["name"] == "dark.safetensors"
    assert found["patches"]["side"] == 128
    assert "Downloading: " in said.err
    assert "was trained on 'ImageNet 2012, photographs and no tissue' (1,281,167 tiles" in said.err


def test_without_faithfulness_and_with_a_kept_file_nothing_else_is_needed(folder, file, monkeypatch, capsys):
    stand_in_for_torchvision(file, folder / "home", monkeypatch, kept=True)
    monkeypatch.setattr("histoloom.models.bundle_path", lambda _name: None)
    assert main(["realism", "real", "woven", "--extractor", "inception", "--no-faithfulness"]) == 0
    assert "KID" in capsys.readouterr().out


def test_without_a_connection_there_is_one_clear_sentence(folder, monkeypatch, capsys):
    stand_in_for_torchvision(folder / "absent-00000000.pth", folder / "home", monkeypatch, kept=False)
    assert main(["realism", "real", "woven", "--extractor", "inception", "--no-faithfulness"]) == 1
    said = capsys.readouterr().err.strip()
    assert "ImageNet's weights of inception_v3 could not be downloaded (" in said
    assert said.endswith("connect to the internet and try again, or take the features of a segmenter's bundle.")


def test_a_damaged_file_is_not_read(folder, monkeypatch, capsys):
    damaged = folder / "inception-00000000.pth"
    damaged.write_bytes(b"something else")
    stand_in_for_torchvision(damaged, folder / "home", monkeypatch, kept=True)
    assert main(["realism", "real", "woven", "--extractor", "inception", "--no-faithfulness"]) == 1
    assert "is not ImageNet's weights of inception_v3 as published; delete it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "There is no segmenter 'nuclei' to find nuclei with; give another one with --segmenter"),
        (["--segmenter", "inception"], "There is no segmenter called 'inception'"),
    ],
)
def test_inception_finds_no_nuclei(folder, monkeypatch, capsys, options, sentence):
    monkeypatch.setattr("histoloom.models.bundle_path", lambda _name: None)
    monkeypatch.setattr("histoloom.segmenters.segmenter.bundle_path", lambda _name: None)
    assert main(["realism", "real", "woven", "--extractor", "inception", *options]) == 1
    assert sentence in capsys.readouterr().err
