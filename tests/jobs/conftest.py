"""A small look and layouts for the tests of background work."""

from __future__ import annotations

import numpy as np
import pytest
from small_tissue import look_of, nucleus_at

from histoloom.layouts import Layout
from histoloom.tiles import Look


@pytest.fixture(scope="session")
def look() -> Look:
    return look_of(0)


@pytest.fixture
def layout() -> Layout:
    random = np.random.default_rng(1)
    nuclei = [nucleus_at(key, *(random.random(2) * (300, 400))) for key in range(1, 41)]
    return Layout.from_nuclei(nuclei, (300, 400), 0.25)
