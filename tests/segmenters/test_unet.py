"""The contract of segmenter networks, and both U-Nets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_tiles import drawn_tile

from histoloom.errors import SegmenterError
from histoloom.segmenters.registry import architecture, build_segmenter, register_architecture

BOTH = ("unet", "hover-unet")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("shape", [(32, 32), (33, 50), (64, 47)])
def test_outputs_have_the_size_of_the_picture(name: str, shape: tuple[int, int]) -> None:
    network = build_segmenter(name, 3, {"width": 4}).eval()
    outputs = network(torch.rand(2, 3, *shape))
    assert tuple(outputs) == architecture(name).outputs
    channels = {"classes": 4, "nucleus": 1, "offsets": 2}
    assert all(each.shape == (2, channels[key], *shape) for key, each in outputs.items())
    assert network.features(torch.rand(2, 3, *shape)).shape[0] == 2


def test_the_published_unet_has_its_number_of_weights() -> None:
    with torch.device("meta"):
        network = build_segmenter("unet", 1)
    assert sum(each.numel() for each in network.parameters()) == pytest.approx(31.04e6, rel=1e-3)


@pytest.mark.parametrize("name", BOTH)
def test_one_batch_is_learnt_by_heart(name: str) -> None:
    tiles = [drawn_tile(48, 4, seed) for seed in (0, 1)]
    picture = torch.from_numpy(np.stack([image for image, _ in tiles])).permute(0, 3, 1, 2) / 255
    nuclei = torch.from_numpy(np.stack([labels > 0 for _, labels in tiles])).long()
    network = build_segmenter(name, 1, {"width": 8})
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(network(picture)["classes"], nuclei)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (network(picture)["classes"].argmax(1) == nuclei).float().mean() > 0.97


@pytest.mark.parametrize("name", BOTH)
def test_pixels_far_from_a_change_do_not_feel_it(name: str) -> None:
    network = build_segmenter(name, 1, {"width": 4}).eval()
    picture = torch.rand(1, 3, 32, 512)
    changed = picture.clone()
    changed[..., :32] = 0
    with torch.no_grad():
        before, after = network(picture)["classes"], network(changed)["classes"]
    assert torch.allclose(before[..., -32:], after[..., -32:], atol=1e-5)


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        (lambda: build_segmenter("unet", 0), "cannot have 0 classes"),
        (lambda: build_segmenter("net of nets", 1), "choose one of: .*hover-unet"),
        (lambda: build_segmenter("unet", 1, {"height": 3}), "leave that setting out"),
        (lambda: register_architecture("own", "nowhere"), "package.module:ClassName"),
        (lambda: register_architecture("unet", "other.place:Network"), "exists already"),
        (lambda: build_segmenter("unet", 1, {"width": 4})(torch.rand(1, 3, 31, 64)), "too small to segment"),
    ],
)
def test_what_cannot_be_built_or_seen_is_said_in_a_sentence(attempt: object, sentence: str) -> None:
    with pytest.raises(SegmenterError, match=sentence):
        attempt()  # type: ignore[operator]
