"""Maps of pictures of any size: windows that overlap, blended."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from histoloom.segmenters.contract import LEAST_SIDE, SegmenterNetwork
from histoloom.segmenters.probabilities import class_probabilities, nucleus_probability
from histoloom.window import Window

_MOST_SIDE = 640
"""Largest side of a window: activations of one stay below some hundred megabytes, and processors' caches hold rows."""

_OVERLAP = 64
"""Pixels in which neighbouring windows are blended."""

_ALIGNED = 32


def predicted_maps(
    network: SegmenterNetwork, picture: NDArray[np.uint8], *, augmented: bool = False
) -> dict[str, NDArray[np.float32]]:
    """Return what a network says of a picture.

    Parameters
    ----------
    network
        In use, not in training.
    picture
        RGB ``uint8 (H, W, 3)``; below `LEAST_SIDE` it is continued by its outermost pixels.
    augmented
        Whether to average over the picture's four quarter turns and their mirrored forms, at eight times the time.

    Returns
    -------
    dict
        ``"nucleus"`` ``float32 (H, W)``, how probably each pixel is of one; ``"classes"`` ``(K, H, W)``, how probably
        it then is of each class; and, as the network has them, ``"offsets"`` ``(2, H, W)`` in -1..1, ``"detection"``
        ``(H, W)`` in 0..1 and ``"distance"`` ``(H, W)``.
    """
    height, width = picture.shape[:2]
    rows, columns = max(LEAST_SIDE - height, 0), max(LEAST_SIDE - width, 0)
    if rows or columns:
        picture = np.pad(picture, ((0, rows), (0, columns), (0, 0)), mode="edge")
    shape = picture.shape[:2]
    device = next(network.parameters()).device
    sums: NDArray[np.float32] | None = None
    names: list[tuple[str, int]] = []
    with torch.inference_mode():
        for window, weights in _windows(shape):
            pixels = torch.from_numpy(np.array(picture[window.slices])).to(device)
            maps = _maps(network, pixels.permute(2, 0, 1)[None].float().div_(255.0), augmented)
            names = [(name, each.shape[1]) for name, each in maps.items()]
            stacked = torch.cat(list(maps.values()), dim=1)[0].cpu().numpy()
            if sums is None:
                sums = np.zeros((len(stacked), *shape), np.float32)
            sums[:, *window.slices] += stacked * weights
    result, start = {}, 0
    for name, channels in names:
        part = np.asarray(sums)[start : start + channels, :height, :width]
        result[name] = part if name in ("classes", "offsets") else part[0]
        start += channels
    return result


def _windows(shape: tuple[int, ...]) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    """Yield windows and their weights ``(H, W)``, which sum to 1 at each pixel."""
    (rows, row_weights), (columns, column_weights) = _spans(shape[0]), _spans(shape[1])
    for (y0, y1), down in zip(rows, row_weights, strict=True):
        for (x0, x1), across in zip(columns, column_weights, strict=True):
            yield Window(y0, x0, y1, x1), down[:, None] * across


def _spans(side: int) -> tuple[list[tuple[int, int]], list[NDArray[np.float32]]]:
    """Return as few equal spans as cover a side, and weights that rise and fall where they overlap."""
    count = -(-max(side - _OVERLAP, 1) // (_MOST_SIDE - _OVERLAP))
    length = side
    if count > 1:
        length = min(-(-(side + (count - 1) * _OVERLAP) // (count * _ALIGNED)) * _ALIGNED, side)
    starts = [round(index * (side - length) / max(count - 1, 1)) for index in range(count)]
    spans = [(start, start + length) for start in starts]
    total = np.zeros(side)
    raw = []
    for start, stop in spans:
        place = np.arange(start, stop) + 0.5
        # Of a window's own edge nothing is taken where another one sees further.
        weight = np.minimum(
            (place - start) / _OVERLAP if start else 1.0, (stop - place) / _OVERLAP if stop < side else 1.0
        )
        raw.append(np.clip(weight, 1e-3, 1.0))
        total[start:stop] += raw[-1]
    weights = [(each / total[start:stop]).astype(np.float32) for each, (start, stop) in zip(raw, spans, strict=True)]
    return spans, weights


def _maps(network: SegmenterNetwork, picture: torch.Tensor, augmented: bool) -> dict[str, torch.Tensor]:
    if not augmented:
        return _named(network(picture))
    turned = [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]
    total: dict[str, torch.Tensor] = {}
    for turns, mirrored in turned:
        seen = torch.rot90(picture.flip(3) if mirrored else picture, turns, (2, 3))
        for name, each in _named(network(seen)).items():
            back = torch.rot90(each, -turns, (2, 3))
            if name == "offsets":
                back = _offsets_turned(back, -turns)
            if mirrored:
                back = back.flip(3)
                if name == "offsets":
                    back = torch.cat([-back[:, :1], back[:, 1:]], dim=1)
            total[name] = total[name] + back / len(turned) if name in total else back / len(turned)
    return total


def _offsets_turned(offsets: torch.Tensor, turns: int) -> torch.Tensor:
    """Return horizontal and vertical values after quarter turns as `torch.rot90` makes them, counterclockwise."""
    for _ in range(turns % 4):
        # What pointed right now points up, and what pointed down now points right.
        offsets = torch.cat([offsets[:, 1:], -offsets[:, :1]], dim=1)
    return offsets


def _named(outputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    maps = {"nucleus": nucleus_probability(outputs), "classes": class_probabilities(outputs)}
    if "offsets" in outputs:
        maps["offsets"] = outputs["offsets"].float().clamp(-1, 1)
    if "detection" in outputs:
        maps["detection"] = torch.sigmoid(outputs["detection"].float())
    if "distance" in outputs:
        maps["distance"] = outputs["distance"].float()
    return maps
