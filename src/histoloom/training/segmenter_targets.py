"""What a segmenter is told of a crop: one plane for each thing that its outputs are compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from histoloom.segmenters.nucleus_maps import centre_map, depth_map, offset_maps
from histoloom.training.data import LabelledPicture
from histoloom.training.losses.segmentation import IGNORED

_MAPS = {"offsets": 2, "detection": 1, "distance": 1}
"""Outputs that have targets of their own; all others are compared with the first plane, the class of each pixel."""


def plane_count(outputs: Sequence[str]) -> int:
    """Return how many planes the targets of outputs have."""
    return 1 + sum(_MAPS.get(name, 0) for name in outputs)


def target_planes(crop: LabelledPicture, place_of: NDArray[np.integer], outputs: Sequence[str]) -> NDArray[np.float32]:
    """Return the targets ``float32 (planes, H, W)`` of a crop; the first plane says which pixels are ignored.

    Parameters
    ----------
    crop
        Picture, label map, and what of it is ignored.
    place_of
        For each class of the data, the network's: 1..K, or `histoloom.training.losses.segmentation.UNTYPED`.
    outputs
        Of the network.
    """
    table = place_of[crop.class_of]
    table[0] = 0
    label_map = crop.label_map
    classes = table[label_map].astype(np.float32)
    if crop.ignored is not None:
        classes[crop.ignored] = IGNORED
    planes = [classes[None]]
    if "offsets" in outputs:
        planes.append(offset_maps(label_map))
    if "detection" in outputs:
        planes.append(centre_map(label_map)[None])
    if "distance" in outputs:
        planes.append(depth_map(label_map)[None])
    return np.concatenate(planes)


def targets_by_name(planes: torch.Tensor, outputs: Sequence[str]) -> dict[str, torch.Tensor]:
    """Return a batch's planes ``(B, planes, H, W)`` by name: ``"class"`` ``(B, H, W)``, and each map's."""
    names = [name for name in _MAPS if name in outputs]
    first, *maps = planes.split([1, *(_MAPS[name] for name in names)], dim=1)
    return {"class": first[:, 0], **dict(zip(names, maps, strict=True))}
