"""The house generator's noise: everywhere of one strength, of the canvas between nuclei, of the nucleus inside them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoloom.generators.loom.noise import LEVELS, NOISE_PLANES, NUCLEUS_NUMBERS, OCTAVES, WHITE_PLANES, canvas_noise
from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.window import Window

SIDE = 512


def noise_of(layout, seed=0, window=None):
    window = layout.window if window is None else window
    return canvas_noise(layout.rasterize(window), layout.nuclei_in(window), seed, window)


def blob(texture_seed=7, radius=40.0, center=(104.0, 112.0)) -> Nucleus:
    return Nucleus.create(1, Outline.ellipse(center, (radius, 1.5 * radius)), texture_seed=texture_seed)


def layout_with(*nuclei, side=256) -> Layout:
    return Layout.from_nuclei(nuclei, (side, side))


def covered(cell, side=SIDE):
    """A layout of as many nuclei as there are squares of some size; they cover the canvas."""
    rings = [
        (((y, x), (y, x + cell), (y + cell, x + cell), (y + cell, x)))
        for y in range(0, side, cell)
        for x in range(0, side, cell)
    ]
    nuclei = [Nucleus.create(key, Outline([np.array(ring) - 0.5])) for key, ring in enumerate(rings, 1)]
    layout = Layout.from_nuclei(nuclei, (side, side))
    assert (layout.rasterize() > 0).all()
    return layout


@pytest.mark.parametrize("layout", [Layout.empty((SIDE, SIDE)), covered(24)], ids=["ground", "nuclei"])
def test_white_noise_has_mean_0_and_variance_1_at_each_level_between_nuclei_and_inside(layout):
    for level, cell, planes in zip(noise_of(layout), LEVELS, WHITE_PLANES, strict=True):
        assert level.dtype == np.float32
        for plane in level[:planes]:
            cells = SIDE // cell
            # Nuclei share a bank of 256² numbers, so those of a canvas are fewer than its pixels.
            assert abs(plane.mean()) < 8 / cells
            # Neighbours are nearly independent, so the variance is known to about a share of sqrt(2) / cells.
            assert abs(plane.var() - 1) < 6 * math.sqrt(2) / cells


def test_white_noise_keeps_its_variance_where_a_cell_is_half_nucleus():
    edge = 260
    half = Nucleus.create(1, Outline([np.array([(-0.5, -0.5), (-0.5, edge - 0.5), (SIDE, edge - 0.5), (SIDE, -0.5)])]))
    layout = Layout.from_nuclei([half], (SIDE, SIDE))
    columns = [np.concatenate([noise_of(layout, seed)[0][plane, :, 32] for plane in range(2)]) for seed in range(40)]
    assert abs(np.var(columns) - 1) < 0.1


def test_smooth_noise_is_about_as_strong_and_lies_between_nuclei_only():
    first, last = WHITE_PLANES[0], WHITE_PLANES[0] + 2 * len(OCTAVES)
    smooth = np.concatenate([noise_of(Layout.empty((1024, 1024)), seed)[0][first:last] for seed in range(2)])
    assert abs(smooth.mean()) < 0.15
    assert 0.6 < smooth.var() < 1.4
    steps = np.abs(np.diff(smooth[: last - first], axis=2)).mean(axis=(1, 2)).reshape(len(OCTAVES), 2).mean(axis=1)
    assert (np.diff(steps) < 0).all()
    inside = noise_of(covered(24))[0]
    assert not inside[first:last].any()
    numbers = inside[last:]
    assert numbers.shape[0] == NUCLEUS_NUMBERS
    assert abs(noise_of(Layout.empty((64, 64)))[0][last:]).max() == 0


def test_the_numbers_of_a_nucleus_are_the_same_all_over_it_and_others_in_another():
    ids = layout_with(blob(radius=60.0)).rasterize()
    numbers = noise_of(layout_with(blob(radius=60.0)))[0][-NUCLEUS_NUMBERS:]
    inside = ids.reshape(32, 8, 32, 8).min(axis=(1, 3)) > 0
    for plane in numbers:
        assert np.ptp(plane[inside]) < 1e-6
    many = noise_of(covered(8))[0][-NUCLEUS_NUMBERS:]
    assert abs(many.mean()) < 0.1
    assert abs(many.var() - 1) < 0.1


@given(
    corner=st.tuples(st.integers(-4, 20), st.integers(-4, 20)),
    cells=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    seed=st.integers(0, 2**63 - 1),
    texture_seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=25, deadline=None)
def test_a_window_has_a_part_of_the_noise_of_the_whole(corner, cells, seed, texture_seed):
    layout = layout_with(blob(texture_seed).rotated(0.3))
    large = Window(-64, -64, 320, 320)
    y, x = (8 * each for each in corner)
    window = Window(y, x, y + 8 * cells[0], x + 8 * cells[1])
    for whole, part, cell, planes in zip(
        noise_of(layout, seed, large), noise_of(layout, seed, window), LEVELS, NOISE_PLANES, strict=True
    ):
        assert part.shape == (planes, 8 * cells[0] // cell, 8 * cells[1] // cell)
        place = Window(*(each // cell for each in window.relative_to(large)))
        np.testing.assert_array_equal(part, whole[:, *place.slices])


def test_nuclei_elsewhere_change_nothing():
    near, far = blob(radius=20.0), Nucleus.create(5, Outline.ellipse((200.0, 200.0), (9.0, 9.0)))
    window = Window(48, 48, 160, 168)
    for alone, beside in zip(
        noise_of(layout_with(near), 3, window), noise_of(layout_with(near, far), 3, window), strict=True
    ):
        np.testing.assert_array_equal(alone, beside)
    larger = canvas_noise(layout_with(near).rasterize(window), [far, near], 3, window)
    for alone, beside in zip(noise_of(layout_with(near), 3, window), larger, strict=True):
        np.testing.assert_array_equal(alone, beside)


def face(nucleus, reach=24, seed=0, level=3):
    """The noise within some pixels of the anchor, at one level."""
    layout = layout_with(nucleus)
    cell = LEVELS[level]
    y, x = (round(each) // cell for each in nucleus.anchor)
    reach //= cell
    return noise_of(layout, seed)[level][: WHITE_PLANES[level], y - reach : y + reach, x - reach : x + reach]


@pytest.mark.parametrize("level", range(4))
def test_a_face_is_the_same_to_the_bit_wherever_its_nucleus_is_moved_by_whole_cells(level):
    nucleus = blob()
    still = face(nucleus, level=level)
    np.testing.assert_array_equal(face(nucleus.moved(16.0, -8.0), level=level), still)
    assert not np.array_equal(face(blob(texture_seed=8), level=level), still)
    assert not np.array_equal(face(nucleus, seed=1, level=level), still)


def test_the_finest_noise_moves_with_its_nucleus_by_any_whole_number_of_pixels():
    np.testing.assert_array_equal(face(blob().moved(3.0, 5.0)), face(blob()))


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_face_turns_with_its_nucleus(quarter_turns):
    nucleus = blob()
    turned = nucleus.rotated(quarter_turns * math.pi / 2, nucleus.anchor)
    y, x = (round(each) for each in nucleus.anchor)

    def around(each):
        return noise_of(layout_with(each))[3][0, y - 20 : y + 21, x - 20 : x + 21]

    # A turn takes (y, x) to (-x, y).
    np.testing.assert_array_equal(around(turned), np.rot90(around(nucleus), quarter_turns))


def test_a_face_is_recognizable_after_any_turn():
    nucleus = blob()
    angle = 0.4
    turned = nucleus.rotated(angle, nucleus.anchor)
    y, x = (round(each) for each in nucleus.anchor)
    rows, columns = np.mgrid[-20:21, -20:21]
    first, second = (noise_of(layout_with(each))[3][0] for each in (nucleus, turned))
    places = (
        np.rint(rows * math.cos(angle) - columns * math.sin(angle)).astype(int) + y,
        np.rint(rows * math.sin(angle) + columns * math.cos(angle)).astype(int) + x,
    )
    here = first[y - 20 : y + 21, x - 20 : x + 21]
    assert np.corrcoef(here.ravel(), second[places].ravel())[0, 1] > 0.6
    assert abs(np.corrcoef(here.ravel(), first[places].ravel())[0, 1]) < 0.3


def test_other_seeds_and_other_places_have_other_noise():
    layout = Layout.empty((256, 256))
    one, other = noise_of(layout, 1), noise_of(layout, 2)
    for level, again, planes in zip(one, other, WHITE_PLANES, strict=True):
        cells = level.shape[1]
        assert abs(np.corrcoef(level[0].ravel(), again[0].ravel())[0, 1]) < 5 / cells
        half = cells // 2
        assert abs(np.corrcoef(level[0, :half].ravel(), level[0, half:].ravel())[0, 1]) < 8 / cells
        if planes > 1:
            assert abs(np.corrcoef(level[0].ravel(), level[1].ravel())[0, 1]) < 5 / cells
