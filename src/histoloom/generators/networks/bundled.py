"""Networks of bundles, ready to weave one window at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histoloom.errors import BundleError
from histoloom.generators.networks.layers import NoiseDropout
from histoloom.generators.networks.mode_seeking_pix2pix import ModeSeekingGenerator
from histoloom.generators.networks.pix2pix import Pix2PixGenerator
from histoloom.models import Bundle, BundleHeader


def _pix2pix(recipe: Mapping[str, Any], channels: int) -> nn.Module:
    return Pix2PixGenerator(channels, recipe["width"], recipe["depth"])


def _mode_seeking_pix2pix(recipe: Mapping[str, Any], channels: int) -> nn.Module:
    noise = recipe["noise_channels"] if recipe["mode_seeking"] == "noises" else 0
    return ModeSeekingGenerator(channels, recipe["width"], recipe["depth"], noise)


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any], int], nn.Module]] = {
    "pix2pix": _pix2pix,
    "mode-seeking-pix2pix": _mode_seeking_pix2pix,
}


class BundledNetwork:
    """A generator network with its weights, on this machine's NVIDIA GPU where it has one.

    Parameters
    ----------
    bundle
        Weights and header.
    name
        What errors call it.

    Raises
    ------
    BundleError
        If there is no network for its system, or weights and header do not fit together.
    """

    def __init__(self, bundle: Bundle, name: str) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = _built(bundle, name).to(self._device).eval()
        self._noise_channels = int(getattr(self._network, "noise_channels", 0))
        self._noisy = [each for each in self._network.modules() if isinstance(each, NoiseDropout)]

    def weave(self, condition: NDArray[np.float32], key: int) -> NDArray[np.float32]:
        """Return a picture ``float32 (3, H, W)`` in 0..255 of a condition ``(C, H, W)``.

        Parameters
        ----------
        condition
            As the bundle's encoding makes it; height and width as the network can halve them.
        key
            From 0 to 2**63 - 1; decides about all noise, whatever was woven before.
        """
        # On the CPU also where the network is not, so that noise is the same on every device.
        random = torch.Generator().manual_seed(key)
        for each in self._noisy:
            each.random = random
        arguments = [torch.from_numpy(condition)[None].to(self._device)]
        if self._noise_channels:
            arguments.append(torch.randn(1, self._noise_channels, generator=random).to(self._device))
        with torch.inference_mode(), torch.backends.cudnn.flags(benchmark=False, deterministic=True):
            picture = self._network(*arguments)[0].float().cpu().numpy()
        return np.asarray(np.clip((picture + np.float32(1.0)) * np.float32(127.5), 0.0, 255.0), np.float32)


def _built(bundle: Bundle, name: str) -> nn.Module:
    header = bundle.header
    if header.system not in _BUILDERS:
        raise _no_network(header, name)
    weights = {key: torch.from_numpy(np.array(each)) for key, each in bundle.weights.items()}
    channels = header.condition.channels if header.condition is not None else 0
    try:
        # Without memory for weights, which would only be drawn at random to be replaced.
        with torch.device("meta"):
            network = _BUILDERS[header.system](header.recipe, channels)
        network.load_state_dict(weights, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise BundleError(
            f"The weights in '{name}' are not those that its recipe tells of; get the file again."
        ) from None
    return network


def _no_network(header: BundleHeader, name: str) -> BundleError:
    return BundleError(
        f"'{name}' holds a network of the system '{header.system}', which this version cannot weave with; "
        "update histoloom, or choose another bundle."
    )
