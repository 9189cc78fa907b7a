"""Drawn nuclei to learn from: dark discs and ellipses on pink, some of them touching."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def drawn_tile(
    side: int = 96, nuclei: int = 12, seed: int = 0, radius: float = 8.0
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return a picture RGB ``uint8 (side, side, 3)`` and its label map ``int32 (side, side)``."""
    random = np.random.default_rng(seed)
    picture = np.full((side, side, 3), (224, 178, 202), np.float64)
    label_map = np.zeros((side, side), np.int32)
    rows, columns = np.mgrid[:side, :side]
    for label in range(1, nuclei + 1):
        y, x = random.uniform(0, side, 2)
        tall, wide = radius * random.uniform(0.7, 1.3, 2)
        inside = ((rows - y) / tall) ** 2 + ((columns - x) / wide) ** 2 < 1
        inside &= label_map == 0
        label_map[inside] = label
        picture[inside] = (110, 70, 150)
    picture += random.normal(0, 6, picture.shape)
    label_map = _consecutive(label_map)
    return picture.clip(0, 255).astype(np.uint8), label_map


def _consecutive(label_map: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.unique(label_map, return_inverse=True)[1].reshape(label_map.shape).astype(np.int32)
