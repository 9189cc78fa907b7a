"""What a critic needs to know of a discriminator, whatever system it is of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


class JudgingNetwork(ABC):
    """A discriminator that gives logits of windows.

    Parameters
    ----------
    network
        Its weights have the bundle's names.
    receptive_field
        Side in pixels of what one logit depends on.
    step
        Pixels from one logit to the next.
    offset
        How many steps the centre of a window's first logit lies beyond that of its first square of `step` pixels.
    side
        Height and width of the windows that it was trained on, for those whose logits depend on statistics or on the
        size of a window; None for those that judge a patch alike whatever is around it.
    reference_size
        Least side of the picture of another place that it wants; 0 for none.
    sees_condition
        Whether it sees the layout beside the picture.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        receptive_field: int,
        step: int,
        offset: float,
        side: int | None = None,
        reference_size: int = 0,
        sees_condition: bool = False,
    ) -> None:
        self.network = network
        self.receptive_field, self.step, self.offset = receptive_field, step, offset
        self.side, self.reference_size, self.sees_condition = side, reference_size, sees_condition

    @classmethod
    @abstractmethod
    def from_recipe(cls, recipe: Mapping[str, Any], channels: int) -> Self:
        """Build one with new weights.

        Parameters
        ----------
        recipe
            With which its system was trained.
        channels
            Of the condition that it sees beside the picture, or 0.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the recipe is of something else.
        """

    @property
    def least_side(self) -> int:
        """Height and width of the smallest picture that it can judge."""
        return self.receptive_field if self.side is None else self.side

    def prepared_reference(self, reference: NDArray[np.uint8]) -> Any:  # noqa: ARG002 - of those that have one
        """Return what `logits` takes of a picture of another place of the tile, RGB ``uint8 (H, W, 3)``."""
        return None

    @abstractmethod
    def logits(self, picture: torch.Tensor, condition: torch.Tensor | None, reference: Any) -> torch.Tensor:
        """Return logits ``(h, w)`` of a window, above 0 is real.

        Parameters
        ----------
        picture
            ``(1, 3, H, W)`` in -1..1.
        condition
            Of the same window, ``(1, C, H, W)``, or None.
        reference
            As `prepared_reference` makes it.
        """


def as_tensor(picture: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """Return RGB ``uint8 (H, W, 3)`` as ``(1, 3, H, W)`` in -1..1."""
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1))
    return torch.from_numpy(planes)[None].to(device).float().div_(127.5).sub_(1.0)


def central(picture: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """Return the middle of a picture, no more than ``most`` pixels high and wide."""
    y, x = (max(side - most, 0) // 2 for side in picture.shape[:2])
    return picture[y : y + most, x : x + most]
