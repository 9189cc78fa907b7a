"""The house generator's network with its weights, as weaving uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from histoloom.errors import BundleError, LookError
from histoloom.generators.networks.canonical_stain import (
    canonical_pictures,
    pictures_of,
    relative_concentrations,
    stain_numbers,
    stain_rows,
)
from histoloom.generators.networks.look_crops import LEAST_CROP, crops_of, resampled_look
from histoloom.generators.networks.loom import MARGIN, TEXTURE_NUMBERS, LoomNetwork, level_widths
from histoloom.models import Bundle
from histoloom.tiles.looks import AnyLook, Look, NamedLook
from histoloom.tiles.stain_summary import StainSummary
from histoloom.tiles.stains import tissue_mask


@dataclass(frozen=True)
class PreparedLook:
    """What the network has made of a look.

    Parameters
    ----------
    stains
        ``(1, STAIN_ROW)``.
    numbers
        ``(1, STAIN_NUMBERS)``.
    texture
        ``(1, TEXTURE_NUMBERS)``.
    """

    stains: torch.Tensor
    numbers: torch.Tensor
    texture: torch.Tensor


class LoomWeaving:
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

    margin = MARGIN

    def __init__(self, bundle: Bundle, name: str) -> None:
        header = bundle.header
        weights = {key: torch.from_numpy(np.array(each)) for key, each in bundle.weights.items()}
        try:
            # Without memory for weights, which would only be drawn at random to be replaced.
            with torch.device("meta"):
                network = LoomNetwork(
                    header.condition.channels if header.condition is not None else 0,
                    level_widths(header.recipe["width"]),
                )
            network.load_state_dict(weights, assign=True)
            self._reference_size = max(int(header.recipe["reference_size"]), LEAST_CROP)
        except (KeyError, TypeError, ValueError, RuntimeError):
            raise BundleError(
                f"The weights in '{name}' are not those that its recipe tells of; get the file again."
            ) from None
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device, memory_format=torch.channels_last).eval()
        self._name = name

    def prepared_look(self, look: AnyLook, pixel_size: float) -> PreparedLook:
        """Return what the network makes of a look; ``pixel_size`` is what it was trained at, in µm.

        Raises
        ------
        LookError
            If a named look is of another generator.
        """
        stains = stain_rows([look.stains])
        if isinstance(look, NamedLook):
            if len(look.texture) != TEXTURE_NUMBERS:
                raise LookError(
                    f"The look '{look.name}' belongs to another generator than '{self._name}'; choose one of its own."
                )
            texture = torch.tensor([look.texture], dtype=torch.float32)
        else:
            texture = self._texture(resampled_look(look.pixels, look.pixel_size / pixel_size), stains)
        return PreparedLook(*(each.to(self._device) for each in (stains, stain_numbers(stains), texture)))

    @torch.inference_mode()
    def _texture(self, pixels: NDArray[np.uint8], stains: torch.Tensor) -> torch.Tensor:
        """Return the mean of what the reference branch says of crops as large as those that it was trained on."""
        vectors = []
        for crop in crops_of(pixels, self._reference_size):
            picture = torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1)))[None].float().div(127.5).sub(1.0)
            canonical = canonical_pictures(relative_concentrations(picture, stains)).to(self._device)
            vectors.append(self._network.reference(canonical).cpu())
        return torch.cat(vectors).mean(0, keepdim=True)

    def named_look(self, name: str, looks: Sequence[Look], pixel_size: float) -> NamedLook:
        """Return what several tiles have in common as one look without pixels.

        Parameters
        ----------
        name
            What people call it.
        looks
            Of tiles that were stained and cut alike, such as those of one patient.
        pixel_size
            µm per pixel that the network was trained at.
        """
        tissue = [look.pixels[tissue_mask(look.pixels)] for look in looks]
        stains = StainSummary.of(np.concatenate(tissue)[None])
        # Each tile is normalized by its own stains, as it was in training.
        vectors = [self.prepared_look(look, pixel_size).texture.cpu() for look in looks]
        return NamedLook.of(name, stains, torch.cat(vectors).mean(0).tolist())

    @torch.inference_mode()
    def weave(
        self, condition: NDArray[np.float32], noise: Sequence[NDArray[np.float32]], look: PreparedLook
    ) -> NDArray[np.float32]:
        """Return a picture ``float32 (3, H, W)`` in 0..255.

        Parameters
        ----------
        condition
            ``(C, H + 2 margin, W + 2 margin)``; height and width are multiples of 8.
        noise
            Of the same window; see `histoloom.generators.loom.noise.canvas_noise`.
        look
            See `prepared_look`.
        """
        with torch.backends.cudnn.flags(benchmark=False, deterministic=True):
            concentrations = self._network.weave(
                self._tensor(condition), [self._tensor(each) for each in noise], look.texture, look.numbers
            )
            picture = pictures_of(concentrations, look.stains)[0].add(1.0).mul(127.5).clamp(0.0, 255.0)
        return np.asarray(picture.cpu().numpy(), np.float32)

    def _tensor(self, planes: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(planes)[None].to(self._device).contiguous(memory_format=torch.channels_last)
