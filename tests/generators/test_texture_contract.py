"""The texture weaver is a pure function of recipe, look, layout and seed, whatever window is asked for."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texture_looks import PIXEL_SIZE, colon, newly_prepared, nucleus_at, scattered

from histoloom.errors import LayoutError
from histoloom.generators.texture import TextureRecipe, TextureWeaver
from histoloom.layouts import Layout, LayoutEdit, Nucleus, Outline
from histoloom.layouts.edits import remove
from histoloom.window import Window

EVERYWHERE = Window(-90, -70, 260, 290)

windows = st.builds(
    lambda y, x, height, width: Window(y, x, y + height, x + width),
    st.integers(EVERYWHERE.y0, 240),
    st.integers(EVERYWHERE.x0, 270),
    st.integers(1, 90),
    st.integers(1, 90),
).map(lambda window: window.intersection(EVERYWHERE))


@pytest.fixture(scope="module")
def whole():
    return newly_prepared().weave(scattered(), 3, EVERYWHERE)


@settings(max_examples=25, deadline=None)
@given(st.lists(windows, min_size=1, max_size=3))
def test_a_window_has_the_pixels_of_the_whole_whatever_was_woven_before(whole, asked):
    prepared = newly_prepared()
    for window in asked:
        np.testing.assert_array_equal(
            prepared.weave(scattered(), 3, window), whole[window.relative_to(EVERYWHERE).slices]
        )


@pytest.mark.parametrize(
    "options",
    [
        {"boundary_blur": 0.0, "cytoplasm": 0.0},
        {"boundary_blur": 4.0, "clearing_probability": 1.0},
        {"background": "in place"},
        {"chromatin_contrast": 3.0, "color_variation": 0.5},
    ],
)
def test_windows_agree_for_every_recipe(options):
    layout, seed = scattered(), 8
    whole = newly_prepared(**options).weave(layout, seed, EVERYWHERE)
    prepared = newly_prepared(**options)
    for window in (
        Window(100, 90, 180, 170),
        Window(-40, -60, 30, 20),
        Window(0, 0, 160, 200),
        Window(180, 180, 250, 260),
    ):
        np.testing.assert_array_equal(
            prepared.weave(layout, seed, window), whole[window.relative_to(EVERYWHERE).slices]
        )


def test_a_window_far_from_the_origin_is_woven_like_any_other():
    far = Window(99_900, 50_000, 99_964, 50_080)
    layout = Layout.from_nuclei([nucleus_at(99_930, 50_040)], (100_000, 100_000), PIXEL_SIZE)
    woven = newly_prepared().weave(layout, 1, far)
    part = Window(99_920, 50_010, 99_950, 50_060)
    np.testing.assert_array_equal(newly_prepared().weave(layout, 1, part), woven[part.relative_to(far).slices])
    assert woven.std() > 1


def test_a_window_that_only_a_nucleus_s_bounding_box_reaches_is_background():
    layout = Layout.from_nuclei([nucleus_at(50, 50)], (100, 100), PIXEL_SIZE)
    prepared = newly_prepared()
    corner = Window(0, 0, 38, 39)
    background = prepared.weave(Layout.empty((100, 100), PIXEL_SIZE), 1, corner)
    np.testing.assert_array_equal(prepared.weave(layout, 1, corner), background)


def test_equal_input_gives_equal_bytes_in_another_process():
    code = (
        "import hashlib, texture_looks as t;"
        "print(hashlib.sha256(t.newly_prepared().weave(t.scattered(), 3).tobytes()).hexdigest())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, check=True, capture_output=True, text=True
    ).stdout.strip()
    assert hashlib.sha256(newly_prepared().weave(scattered(), 3).tobytes()).hexdigest() == there


def test_each_seed_has_its_own_background():
    empty, prepared = Layout.empty((96, 96), PIXEL_SIZE), newly_prepared()
    pictures = {prepared.weave(empty, seed).tobytes() for seed in range(4)}
    assert len(pictures) == 4


def test_only_pixels_within_the_halo_change_with_an_edit():
    prepared, layout = newly_prepared(), scattered()
    chosen = layout.nuclei[7]
    for edit in (
        LayoutEdit.of("Move", layout, {7: chosen.moved(3.5, -2.25)}),
        LayoutEdit.of("Turn", layout, {7: chosen.rotated(0.7)}),
        LayoutEdit.of("Add", layout, {99: nucleus_at(80, 100, 99)}),
        remove(layout, [7]),
    ):
        before, after = prepared.weave(layout, 1), prepared.weave(edit.applied_to(layout), 1)
        outside = np.ones(before.shape[:2], bool)
        outside[edit.window.expanded(prepared.halo).intersection(layout.window).slices] = False
        np.testing.assert_array_equal(before[outside], after[outside])
        assert (before != after).any()


def test_the_halo_is_narrow_enough_for_live_weaving():
    assert newly_prepared().halo * PIXEL_SIZE <= 5.0


def test_a_woven_picture_is_rgb_of_the_size_asked_for():
    for shape in ((1, 1), (37, 61), (130, 67)):
        woven = newly_prepared().weave(Layout.empty(shape, PIXEL_SIZE), 0)
        assert woven.shape == (*shape, 3)
        assert woven.dtype == np.uint8


def test_the_background_in_place_is_the_look_itself_between_its_nuclei():
    from histoloom.generators.texture.nuclear_material import find_nuclear_material

    look = colon()
    prepared = TextureWeaver().prepare(look, TextureRecipe(background="in place"), PIXEL_SIZE)
    woven = prepared.weave(Layout.empty(look.pixels.shape[:2], PIXEL_SIZE), 4)
    between = ~find_nuclear_material(look.pixels, PIXEL_SIZE).super_segmentation
    assert 0.3 < between.mean() < 0.95
    np.testing.assert_array_equal(woven[between], look.pixels[between])


def square(key, y, x, side):
    return Nucleus.create(key, Outline([[(y, x), (y, x + side), (y + side, x + side), (y + side, x)]]))


@pytest.mark.parametrize("side", [4000, 2e6])
def test_a_tissue_outline_among_the_nuclei_is_refused_in_a_sentence(side):
    layout = Layout.from_nuclei([nucleus_at(1, 20, 20), square(2, -side / 2, -side / 2, side)], (64, 64), PIXEL_SIZE)
    with pytest.raises(LayoutError, match=r"Nucleus 2 is .* pixels large, .* remove it if it outlines tissue"):
        newly_prepared().weave(layout, 0)


def test_too_many_large_nuclei_over_each_other_are_refused_in_a_sentence():
    layout = Layout.from_nuclei([square(key, key, key, 1900) for key in range(1, 30)], (64, 64), PIXEL_SIZE)
    with pytest.raises(LayoutError, match="too many over each other"):
        newly_prepared().weave(layout, 0)


def test_windows_agree_on_a_nucleus_far_larger_than_the_canvas():
    layout = Layout.from_nuclei([square(1, -300.5, -320.5, 800), nucleus_at(2, 20, 30)], (64, 96), PIXEL_SIZE)
    window = Window(10, 20, 50, 70)
    np.testing.assert_array_equal(
        newly_prepared().weave(layout, 0, window), newly_prepared().weave(layout, 0)[window.slices]
    )


def test_a_long_stroke_does_not_fill_memory_with_sprites():
    prepared = newly_prepared()
    for step in range(120):
        # Every preview of a stroke is another outline of the same nucleus.
        growing = Nucleus.create(1, Outline.ellipse((200.0, 200.0), (60.0 + step, 60.0)))
        prepared.weave(Layout.from_nuclei([growing], (400, 400), PIXEL_SIZE), 0, Window(190, 190, 210, 210))
    kept = list(prepared._sprites.values())
    arrays = [array for sprite in kept for array in (sprite.mask, sprite.opacity, sprite.density)]
    assert len(kept) < 120, "the cache has a bound"
    assert sum(array.nbytes for array in arrays) < 64 * 2**20
    assert all(array.base is None or array.base.nbytes == array.nbytes for array in arrays), (
        "nothing larger is kept alive"
    )
