"""Tissue maps of pictures."""

from __future__ import annotations

import numpy as np
import pytest

from histoloom.tiles.stains import combine_stains
from histoloom.tiles.tissue import BLANK, BLOOD, CELLULAR, FIBROUS, tissue_cell_pixels, tissue_values


def _flat(hematoxylin: float, eosin: float, shape: tuple[int, int] = (64, 64)) -> np.ndarray:
    concentrations = np.broadcast_to(np.array([hematoxylin, eosin], np.float32), (*shape, 2))
    return combine_stains(concentrations)


@pytest.mark.parametrize(
    ("color", "expected"),
    [
        (np.full((64, 64, 3), 242, np.uint8), BLANK),
        (_flat(0.05, 0.15), FIBROUS),
        (_flat(0.08, 0.5), FIBROUS),
        (_flat(0.25, 0.2), CELLULAR),
        (np.broadcast_to(np.array([225, 130, 180], np.uint8), (64, 64, 3)), BLOOD),
    ],
    ids=["glass", "pale fibres", "dense fibres", "cytoplasm", "red cells"],
)
def test_flat_colours_are_what_they_look_like(color: np.ndarray, expected: int) -> None:
    assert set(np.unique(tissue_values(color, 0.25))) == {expected}


def test_nuclei_do_not_count_for_what_lies_between_them() -> None:
    picture = _flat(0.05, 0.3)
    nuclei = np.zeros((64, 64), bool)
    nuclei[4:12, 4:12] = True
    picture[nuclei] = _flat(1.2, 0.2)[nuclei]
    assert set(np.unique(tissue_values(picture, 0.25, nuclei))) == {FIBROUS}


def test_a_cell_that_a_nucleus_fills_is_cellular() -> None:
    nuclei = np.zeros((64, 64), bool)
    nuclei[:16, :16] = True
    values = tissue_values(_flat(0.0, 0.3), 0.25, nuclei)
    assert values[0, 0] == CELLULAR
    assert values[1, 1] == FIBROUS


def test_a_started_cell_at_the_border_counts() -> None:
    assert tissue_cell_pixels(0.25) == 16
    assert tissue_values(_flat(0.05, 0.3, (33, 16)), 0.25).shape == (3, 1)
    assert tissue_cell_pixels(20.0) == 1
