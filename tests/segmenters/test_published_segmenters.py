"""What every published architecture does: pictures of any size, features, learning."""

from __future__ import annotations

import pytest
import torch
from published import NARROW, PUBLISHED, WHOLE, small, without_weights
from torch.nn import functional

from histoloom.segmenters.registry import architecture

CHANNELS = {"classes": 4, "nucleus": 1, "offsets": 2, "segmentation": 1, "detection": 1}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def picture(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", PUBLISHED)
def test_outputs_have_the_size_of_odd_pictures_in_training_and_in_use(name):
    network = small(name, classes=3)
    for training, shape in ((True, (1, 3, 32, 32)), (False, (2, 3, 33, 47))):
        network.train(training)
        with torch.no_grad():
            outputs = network(picture(*shape))
        assert set(outputs) == set(network.outputs)
        for output, values in outputs.items():
            assert values.shape == (shape[0], CHANNELS[output], *shape[2:])
            assert values.isfinite().all()


@pytest.mark.parametrize(("name", "classes"), [*((each, 7) for each in PUBLISHED), *((each, 1) for each in NARROW)])
def test_any_number_of_classes_is_told_apart(name, classes):
    network = without_weights(name, classes)
    outputs = network(torch.empty(1, 3, 33, 250, device="meta"))
    assert set(outputs) == set(network.outputs)
    if "classes" in outputs:
        assert outputs["classes"].shape == (1, classes + 1, 33, 250)
    else:
        assert name.startswith("hou-")
        assert classes == 1


@pytest.mark.parametrize("name", PUBLISHED)
def test_features_are_one_vector_a_picture_and_tell_pictures_apart(name):
    network = small(name, classes=3).eval()
    pictures = torch.cat([picture(1, 3, 40, 40), picture(1, 3, 40, 40, seed=1) ** 4])
    with torch.no_grad():
        features = network.features(pictures)
    assert features.ndim == 2
    assert len(features) == 2
    assert features.isfinite().all()
    assert not torch.allclose(features[0], features[1])


@pytest.mark.parametrize("name", NARROW)
def test_what_a_network_says_of_one_picture_does_not_depend_on_another(name):
    network = small(name).eval()
    pictures = picture(2, 3, 32, 48)
    with torch.no_grad():
        both, alone = network(pictures), network(pictures[:1])
    for output in alone:
        torch.testing.assert_close(both[output][:1], alone[output], atol=1e-4, rtol=1e-3)


def two_nuclei():
    """Return pictures with dark discs, where they are, and offsets in them."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    truth, offsets = torch.zeros(2, 1, 32, 32), torch.zeros(2, 2, 32, 32)
    for index, (row, column) in enumerate([(11.0, 13.0), (20.0, 17.0)]):
        disc = ((y - row) ** 2 + (x - column) ** 2) < 49
        truth[index, 0] = disc.float()
        offsets[index] = torch.stack([(x - column) / 7, (y - row) / 7]) * disc
    return 0.85 - 0.5 * truth.expand(-1, 3, -1, -1) + 0.05 * picture(2, 3, 32, 32), truth, offsets


def loss_of(outputs, truth, offsets):
    losses = []
    for output, values in outputs.items():
        if output == "classes":
            losses.append(functional.cross_entropy(values, truth[:, 0].long()))
        elif output == "offsets":
            losses.append(functional.mse_loss(values, offsets))
        else:
            losses.append(functional.binary_cross_entropy_with_logits(values, truth))
    return torch.stack(losses).sum()


def overfit(name, steps, rate):
    """Return the first and the last loss on one batch, and the names of weights that did not move."""
    pictures, truth, offsets = two_nuclei()
    network = small(name).train()
    before = {each: weight.clone() for each, weight in network.named_parameters()}
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(steps):
            loss = loss_of(network(pictures), truth, offsets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    unmoved = [each for each, weight in network.named_parameters() if torch.equal(weight, before[each])]
    return losses[0], losses[-1], unmoved


@pytest.mark.parametrize("name", NARROW)
def test_one_batch_is_learned_by_heart_and_every_weight_learns(name):
    # Dropout in its widest layers makes FCN-8s slow, and networks without norms bear smaller steps only.
    steps, rate = (50 if name == "fcn8s" else 25), (1e-2 if name not in ("fcn8s", "hou-unet", "hou-cnn") else 3e-3)
    first, last, unmoved = overfit(name, steps, rate)
    assert last < first / 2
    assert not unmoved


@pytest.mark.parametrize("name", WHOLE)
def test_gradients_reach_every_weight_of_hovernet(name):
    pictures, truth, offsets = two_nuclei()
    network = small(name, classes=3).train()
    loss_of(network(pictures), truth, offsets).backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in network.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_one_batch_is_learned_by_heart_by_hovernet(name):
    first, last, unmoved = overfit(name, steps=15, rate=1e-3)
    assert last < first / 2
    assert not unmoved


def test_published_architectures_say_their_own_names():
    assert {name: architecture(name).name for name in PUBLISHED} == {name: name for name in PUBLISHED}
