"""What turns pictures into the features by which their realism is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from histoloom.models import TrainingSource

if TYPE_CHECKING:
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
