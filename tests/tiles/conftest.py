"""Pictures for the tests of tiles, made on the spot."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from histoloom.tiles.samples import embedded_sample


@pytest.fixture(scope="session")
def tissue() -> NDArray[np.uint8]:
    """Real tissue, RGB ``uint8 (512, 512, 3)``."""
    pixels = embedded_sample().read()
    pixels.flags.writeable = False
    return pixels


@pytest.fixture(scope="session")
def noise() -> NDArray[np.uint8]:
    """Noise in which no two regions are alike, RGB ``uint8 (600, 700, 3)``."""
    return np.random.default_rng(7).integers(0, 256, (600, 700, 3), np.uint8)
