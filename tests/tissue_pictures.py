"""Pictures with the colours of H&E, for those who need no more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def tissue_picture(shape: tuple[int, int], seed: int = 1) -> NDArray[np.uint8]:
    """Return pink tissue with purple discs, RGB ``uint8 (H, W, 3)``."""
    random = np.random.default_rng(seed)
    picture = np.empty((*shape, 3))
    picture[:] = (225, 150, 190)
    rows, columns = np.indices(shape)
    for _ in range(max(shape[0] * shape[1] // 600, 3)):
        y, x = random.random(2) * shape
        inside = (rows - y) ** 2 + (columns - x) ** 2 < random.uniform(3, 7) ** 2
        picture[inside] = (90, 50, 140)
    return np.clip(picture + random.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)
