"""What every segmenter network takes and returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional

from histoloom.errors import SegmenterError

OutputName = Literal["classes", "nucleus", "offsets", "segmentation", "detection", "distance"]
"""`classes` ``(B, K + 1, H, W)`` logits, channel 0 background; `nucleus`, `segmentation`, `detection`
``(B, 1, H, W)`` logits; `offsets` ``(B, 2, H, W)`` horizontal and vertical in -1..1 (Graham et al. 2019); `distance`
``(B, 1, H, W)``."""

LEAST_SIDE = 32
"""Smallest height and width of a picture."""

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class SegmenterNetwork(nn.Module, ABC):
    """A network that tells of each pixel of a picture what it is.

    An architecture has `predict` and `encode`, both of a picture that is normalized by ImageNet's mean and deviation
    and whose sides are multiples of `multiple`. Its constructor takes ``classes``, and more with defaults.

    Parameters
    ----------
    classes
        How many classes of nuclei; 1 where all are just nuclei.

    Raises
    ------
    SegmenterError
        If there are none.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    outputs: ClassVar[tuple[OutputName, ...]]
    multiple: ClassVar[int] = 1
    """What `predict` and `encode` need the sides of a picture to be a multiple of; at most `LEAST_SIDE`."""

    _mean: torch.Tensor
    _deviation: torch.Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        if classes < 1:
            raise SegmenterError(f"A segmenter cannot have {classes} classes of nuclei; give 1 or more.")
        self.classes = classes
        self.register_buffer("_mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("_deviation", torch.tensor(_DEVIATION)[:, None, None], persistent=False)

    @abstractmethod
    def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the `outputs`, each ``(B, ?, H, W)``, of a normalized and padded picture ``(B, 3, H, W)``."""

    @abstractmethod
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the deepest features ``(B, D, h, w)`` of the encoder, of a normalized and padded picture."""

    def forward(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the outputs of pictures.

        Parameters
        ----------
        picture
            RGB ``float32 (B, 3, H, W)`` in 0..1, sides from `LEAST_SIDE`.

        Returns
        -------
        dict
            The `outputs` by name, each of height H and width W; see `OutputName`.

        Raises
        ------
        SegmenterError
            If the picture is too small.
        """
        padded, (top, left) = self._padded(picture)
        height, width = picture.shape[2:]
        predicted = self.predict(padded)
        return {name: each[:, :, top : top + height, left : left + width] for name, each in predicted.items()}

    def features(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the encoder's features ``(B, D)`` of pictures as `forward` takes them, averaged over each picture."""
        return self.encode(self._padded(picture)[0]).mean((2, 3))

    def _padded(self, picture: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
        """Return the picture normalized and continued by reflection, and the place of its corner in that."""
        height, width = picture.shape[2:]
        if min(height, width) < LEAST_SIDE:
            raise SegmenterError(
                f"A picture of {height} x {width} pixels is too small to segment; give one of {LEAST_SIDE} x "
                f"{LEAST_SIDE} or more."
            )
        normalized = (picture - self._mean) / self._deviation
        rows, columns = -height % self.multiple, -width % self.multiple
        top, left = rows // 2, columns // 2
        if rows or columns:
            normalized = functional.pad(normalized, (left, columns - left, top, rows - top), mode="reflect")
        # Channels last, because processors then convolve up to twice as fast, and weights may stay as they are.
        return normalized.contiguous(memory_format=torch.channels_last), (top, left)
