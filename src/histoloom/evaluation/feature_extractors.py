"""What turns pictures into the features by which their realism is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import SegmenterError
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE
from histoloom.models import TrainingSource
from histoloom.models.bundle import hash_of_weights

if TYPE_CHECKING:
    import torch

    from histoloom.segmenters.segmenter import Segmenter

_BATCH = 32


class FeatureExtractor(Protocol):
    """A network that has learnt what tissue looks like, from real tiles of patients other than those it judges."""

    @property
    def name(self) -> str:
        """What sentences call it."""

    @property
    def pixel_size(self) -> float:
        """µm per pixel of the pictures that it knows."""

    @property
    def weights_sha256(self) -> str:
        """Hash of its weights, to be given with every number that it is behind."""

    @property
    def training_data(self) -> Sequence[TrainingSource]:
        """What it was trained on; empty where nobody knows."""

    def features(self, patches: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return features ``(n, D)`` of RGB pictures ``uint8 (n, H, W, 3)``."""


class SegmenterFeatures:
    """The encoder of a segmenter, its deepest features averaged over each picture.

    Parameters
    ----------
    segmenter
        From a bundle.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter

    @property
    def name(self) -> str:
        """The bundle's name."""
        return self._segmenter.name

    @property
    def pixel_size(self) -> float:
        """µm per pixel that the segmenter was trained at."""
        return self._segmenter.pixel_size

    @property
    def weights_sha256(self) -> str:
        """Hash of the bundle's weights."""
        return self._segmenter.header.weights_sha256

    @property
    def training_data(self) -> Sequence[TrainingSource]:
        """What the bundle's header names."""
        return self._segmenter.header.training_data

    def features(self, patches: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return features ``(n, D)`` of RGB pictures ``uint8 (n, H, W, 3)``, sides from 32 pixels.

        Raises
        ------
        SegmenterError
            If the pictures are too small.
        """
        import torch

        network = self._segmenter.network
        device = next(network.parameters()).device
        found = []
        with torch.inference_mode():
            for start in range(0, len(patches), _BATCH):
                pixels = torch.from_numpy(np.array(patches[start : start + _BATCH])).to(device)
                batch = network.features(pixels.permute(0, 3, 1, 2).float().div_(255.0))
                found.append(batch.double().cpu().numpy())
        return np.asarray(np.concatenate(found))


class InceptionFeatures:
    """Inception v3 with torchvision's ImageNet weights, its 2,048 features averaged over each picture.

    It has seen photographs and no tissue. The weights are another training than those of the TensorFlow network in most
    papers, and pictures are resized in another way: Fréchet distances are not equal to published ones.

    Parameters
    ----------
    weights
        By torchvision's names; downloaded the first time where none are given, and kept in torch.hub's folder.

    Raises
    ------
    SegmenterError
        If the weights cannot be had or read, or are another network's.
    """

    def __init__(self, weights: Mapping[str, torch.Tensor] | None = None) -> None:
        import torch

        from histoloom.evaluation.inception import InceptionV3
        from histoloom.segmenters.imagenet import imagenet_weights

        if weights is None:
            weights = imagenet_weights("inception_v3", "take the features of a segmenter's bundle")
        # Without drawing weights that are replaced at once.
        with torch.device("meta"):
            network = InceptionV3()
        # What classifies comes after the features.
        used = {name: each for name, each in weights.items() if not name.startswith(("AuxLogits.", "fc."))}
        try:
            network.load_state_dict(used, assign=True)
        except RuntimeError:
            raise SegmenterError(
                "These are not the weights of torchvision's inception_v3; give those, or none to have them downloaded."
            ) from None
        self._weights_sha256 = hash_of_weights({name: each.numpy() for name, each in network.state_dict().items()})
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device).eval()

    @property
    def name(self) -> str:
        """The network, and whose weights."""
        return "Inception v3 (torchvision)"

    @property
    def pixel_size(self) -> float:
        """That of 40x: photographs have none, and tiles are mostly of this one."""
        return DEFAULT_PIXEL_SIZE

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights in use, without the classifiers'."""
        return self._weights_sha256

    @property
    def training_data(self) -> Sequence[TrainingSource]:
        """The photographs of ImageNet's contest of 2012."""
        return (
            TrainingSource(
                name="ImageNet 2012, photographs and no tissue", licence="ImageNet's terms of access", tiles=1_281_167
            ),
        )

    def features(self, patches: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return features ``(n, 2048)`` of RGB pictures ``uint8 (n, H, W, 3)`` of any size, resized to 299 x 299."""
        import torch
        from torch.nn import functional

        from histoloom.evaluation.inception import SIDE

        found = []
        with torch.inference_mode():
            for start in range(0, len(patches), _BATCH):
                pixels = torch.from_numpy(np.array(patches[start : start + _BATCH])).to(self._device)
                # From -1 to 1, which is what torchvision's normalizing and its undoing (transform_input) come to.
                pictures = pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
                resized = functional.interpolate(pictures, (SIDE, SIDE), mode="bilinear", antialias=True)
                found.append(self._network(resized).double().cpu().numpy())
        return np.asarray(np.concatenate(found))
