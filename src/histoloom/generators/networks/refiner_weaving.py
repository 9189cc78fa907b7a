"""The refiner with its weights, as weaving uses it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from histoloom.errors import BundleError
from histoloom.generators.networks.hou_reference import LEAST_REFERENCE
from histoloom.generators.networks.hou_refiner import refiner_from_recipe
from histoloom.generators.networks.look_crops import crops_of
from histoloom.models import Bundle


class RefinerWeaving:
    """The network, on this machine's NVIDIA GPU where it has one.

    Parameters
    ----------
    bundle
        Weights and header.
    name
        What errors call it.

    Raises
    ------
    BundleError
        If weights and header do not fit together.
    """

    def __init__(self, bundle: Bundle, name: str) -> None:
        weights = {key: torch.from_numpy(np.array(each)) for key, each in bundle.weights.items()}
        try:
            # Without memory for weights, which would only be drawn at random to be replaced.
            with torch.device("meta"):
                network = refiner_from_recipe(bundle.header.recipe)
            network.load_state_dict(weights, assign=True)
            self._reference_size = max(int(bundle.header.recipe["reference_size"]), LEAST_REFERENCE)
        except (KeyError, TypeError, ValueError, RuntimeError):
            raise BundleError(
                f"The weights in '{name}' are not those that its recipe tells of; get the file again."
            ) from None
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device, memory_format=torch.channels_last).eval()
        self.margin = network.margin
        """How many pixels around one decide about it."""

    @torch.inference_mode()
    def reference(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Return what the reference branch says of real tissue, RGB ``uint8 (H, W, 3)``, ``(1, C, 1, 1)``.

        It is the mean over crops as large as those that it was trained on, as its last layer is a mean as well.
        """
        vectors = [self._network.reference(self._tensor(each)) for each in crops_of(pixels, self._reference_size)]
        return torch.cat(vectors).mean(0, keepdim=True)

    @torch.inference_mode()
    def refine(self, picture: NDArray[np.uint8], vector: torch.Tensor, share: float = 1.0) -> NDArray[np.float32]:
        """Return a refined picture ``float32 (3, H, W)`` in 0..255; within `margin` of its sides it is of no use.

        Parameters
        ----------
        picture
            RGB ``uint8 (H, W, 3)``.
        vector
            See `reference`.
        share
            How much of the change is made, in 0..1.
        """
        first = self._tensor(picture)
        with torch.backends.cudnn.flags(benchmark=False, deterministic=True):
            refined = self._network.refine(first, vector)
            if share != 1.0:
                refined = first + share * (refined - first)
            refined = refined[0].float().add(1.0).mul(127.5).clamp(0.0, 255.0)
        return np.asarray(refined.cpu().numpy(), np.float32)

    def _tensor(self, picture: NDArray[np.uint8]) -> torch.Tensor:
        values = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].to(self._device)
        return values.float().div(127.5).sub(1.0).contiguous(memory_format=torch.channels_last)
