"""Grids of networks are found in tissue, and tissue alone has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histoloom.errors import EvaluationError
from histoloom.evaluation import checkerboard_peaks, has_checkerboard
from histoloom.evaluation.checkerboard import GRIDS
from histoloom.tiles.samples import embedded_sample


@pytest.fixture(scope="module")
def tissue():
    return np.asarray(embedded_sample().read())


def with_grid(picture, grid, levels=2):
    y, x = np.indices(picture.shape[:2]) // (grid // 2)
    pattern = ((y + x) % 2)[..., None] * levels - levels // 2
    return np.clip(picture.astype(int) + pattern, 0, 255).astype(np.uint8)


def test_tissue_has_no_grid(tissue):
    assert max(checkerboard_peaks(tissue).values()) < 1.5
    assert not has_checkerboard(tissue)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_grid_of_two_grey_levels_is_found_at_its_own_period(tissue, grid):
    assert has_checkerboard(with_grid(tissue, grid))
    before, after = checkerboard_peaks(tissue), checkerboard_peaks(with_grid(tissue, grid))
    assert after[grid] > 2.5 * before[grid]
    for other in set(GRIDS) - {grid}:
        assert after[other] < 1.5 * before[other]


def test_noise_and_flat_pictures_have_no_grid():
    noise = np.random.default_rng(0).integers(0, 256, (256, 192, 3), np.uint8)
    assert not has_checkerboard(noise)
    assert not has_checkerboard(np.full((64, 64, 3), 128, np.uint8))


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (np.zeros((63, 90, 3), np.uint8), "too small to look for grids"),
        (np.zeros((90, 90), np.uint8), "convert it first"),
        (np.zeros((90, 90, 3), np.float32), "convert it first"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(picture, sentence):
    with pytest.raises(EvaluationError, match=sentence):
        checkerboard_peaks(picture)


@pytest.mark.realdata
def test_real_tiles_have_no_grid(shared_data: Path):
    pictures = [
        *sorted((shared_data / "tnbc_p01-08" / "images").iterdir())[::8],
        *sorted((shared_data / "consep_train" / "images").iterdir())[::9],
    ]
    for path in pictures:
        picture = np.asarray(Image.open(path).convert("RGB"))[:384, :384]
        assert not has_checkerboard(picture), path.name
