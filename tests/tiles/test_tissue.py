"""Tissue maps of pictures."""

from __future__ import annotations

import numpy as np
import pytest

from histoloom.tiles.stains import combine_stains
from histoloom.tiles.tissue import (
    BLANK,
    BLOOD,
    CELLULAR,
    FIBROUS,
    cell_densities,
    tissue_cell_pixels,
    tissue_values,
    usual_eosin,
)


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
    ],
    ids=["glass", "pale fibres", "dense fibres", "cytoplasm"],
)
def test_flat_colours_are_what_they_look_like(color: np.ndarray, expected: int) -> None:
    assert set(np.unique(tissue_values(color, 0.25))) == {expected}


RED_CELLS = np.broadcast_to(np.array([225, 130, 180], np.uint8), (64, 64, 3))


def test_blood_is_what_has_much_more_eosin_than_the_tile_usually_has() -> None:
    among_fibres = np.hstack([RED_CELLS, _flat(0.05, 0.15, (64, 192))])
    np.testing.assert_array_equal(tissue_values(among_fibres, 0.25)[:, :4], BLOOD)
    np.testing.assert_array_equal(tissue_values(among_fibres, 0.25)[:, 4:], FIBROUS)
    # A tile all of whose tissue is that red was stained so.
    assert BLOOD not in tissue_values(RED_CELLS, 0.25)
    whole = usual_eosin(cell_densities(among_fibres, 0.25))
    assert set(np.unique(tissue_values(RED_CELLS, 0.25, usual=whole))) == {BLOOD}
    assert usual_eosin(cell_densities(np.full((32, 32, 3), 250, np.uint8), 0.25)) == 0.0


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
