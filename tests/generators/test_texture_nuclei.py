"""Woven nuclei: they keep their face when dragged, turn with the shape, and differ from each other."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from texture_looks import PIXEL_SIZE, newly_prepared, nucleus_at, scattered

from histoloom.generators.texture import TextureRecipe
from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.layouts.nucleus import seed_of_id
from histoloom.tiles.stains import separate_stains


@pytest.fixture(scope="module")
def painter():
    return newly_prepared()._painter


def test_a_dragged_nucleus_keeps_its_face(painter):
    nucleus = nucleus_at(40.3, 50.7)
    (here,) = painter.paint([nucleus], 1)
    for step in ((1, 0), (-60, 17), (3000, -12)):
        (there,) = painter.paint([nucleus.moved(*step)], 1)
        assert there.window == here.window.__class__(*(a + b for a, b in zip(here.window, (*step, *step), strict=True)))
        for name in ("mask", "opacity", "density"):
            np.testing.assert_array_equal(getattr(here, name), getattr(there, name))


def test_dragged_pixel_by_pixel_and_back_a_nucleus_is_what_it_was(painter):
    nucleus = moved = nucleus_at(40.3, 50.7)
    for _ in range(10):
        moved = moved.moved(1, -3)
    for _ in range(10):
        moved = moved.moved(-1, 3)
    first, last = painter.paint([nucleus, moved], 1)
    np.testing.assert_array_equal(first.density, last.density)


def test_a_nucleus_keeps_its_grain_where_it_is_reshaped(painter):
    nucleus = nucleus_at(40, 50, radii=(9, 9))
    larger = nucleus.reshaped(Outline.ellipse((40, 52), (9, 13)))
    np.testing.assert_array_equal(
        painter._textured(nucleus, nucleus.outline.window, 0, 5, 6),
        painter._textured(larger, nucleus.outline.window, 0, 5, 6),
    )


def test_a_turned_nucleus_turns_its_texture(painter):
    # A quarter turn about a pixel's centre maps pixels onto pixels.
    nucleus = Nucleus(1, Outline.ellipse((40, 50), (9.3, 6.3), 0.3), texture_seed=8, anchor=(40.0, 50.0))
    upright, turned = painter.paint([nucleus, nucleus.rotated(math.pi / 2, (40, 50))], 1)
    np.testing.assert_array_equal(np.rot90(upright.mask), turned.mask)
    inside = turned.mask.astype(bool)
    for channel in range(3):
        expected = np.rot90(upright.density[channel])[inside]
        np.testing.assert_allclose(turned.density[channel][inside], expected, atol=0.05 * expected.mean())


def test_turning_a_nucleus_a_little_moves_its_texture_along(painter):
    nucleus = Nucleus(1, Outline.ellipse((40, 50), (9.3, 9.3)), texture_seed=8, anchor=(40.0, 50.0))
    upright, turned = painter.paint([nucleus, nucleus.rotated(0.5, (40, 50))], 1)
    inside = upright.mask.astype(bool) & turned.mask.astype(bool)
    assert np.corrcoef(upright.density[1][inside], turned.density[1][inside])[0, 1] < 0.9


def test_painting_together_is_painting_alone(painter):
    nuclei = [nucleus_at(40.5 * n, 33.1 * n, n, (4 + n % 5, 5)) for n in range(1, 80)]
    together = painter.paint(nuclei, 2)
    for index in (0, 41, 63, 64, 78):
        (alone,) = painter.paint([nuclei[index]], 2)
        np.testing.assert_array_equal(together[index].density, alone.density)
        np.testing.assert_array_equal(together[index].opacity, alone.opacity)


def test_other_texture_seeds_and_other_weave_seeds_give_other_faces(painter):
    shape = Outline.ellipse((40, 50), (8, 6))
    faces = [painter.paint([Nucleus.create(1, shape, texture_seed=seed_of_id(key))], 1)[0] for key in range(5)]
    faces += [painter.paint([Nucleus.create(1, shape, texture_seed=seed_of_id(0))], seed)[0] for seed in (2, 3)]
    assert len({face.density.tobytes() for face in faces}) == 7


def test_woven_nuclei_show_more_haematoxylin_than_what_lies_around():
    layout = scattered()
    hematoxylin = separate_stains(newly_prepared().weave(layout, 2))[..., 0]
    inside = layout.rasterize() > 0
    assert hematoxylin[inside].mean() > np.quantile(hematoxylin[~inside], 0.9)


def test_without_blur_the_boundary_is_that_of_the_layout():
    layout = Layout.from_nuclei([nucleus_at(50, 50)], (100, 100), PIXEL_SIZE)
    prepared = newly_prepared(boundary_blur=0.0, cytoplasm=0.0)
    changed = prepared.weave(layout, 1) != prepared.weave(Layout.empty((100, 100), PIXEL_SIZE), 1)
    assert not (changed.any(axis=2) & (layout.rasterize() == 0)).any()


def test_the_interior_of_cleared_nuclei_is_paler():
    nuclei = [nucleus_at(30, 30 * n, n, (11, 11)) for n in range(1, 30)]
    densities = []
    for chance in (0.0, 1.0):
        sprites = newly_prepared(clearing_probability=chance, chromatin_contrast=0.0)._painter.paint(nuclei, 1)
        middles = [sprite.density[:, 9 + 6 : -15, 15:-15].mean() for sprite in sprites]
        densities.append(np.mean(middles))
    assert densities[1] < densities[0]


@pytest.mark.parametrize(
    "outline",
    [
        Outline.ellipse((30, 30), (0.3, 0.3)),
        Outline([[(10, 10), (10, 50), (10.4, 30)]]),
        Outline([[(5, 5), (5, 60), (60, 60), (60, 5)], [(20, 20), (20, 40), (40, 40), (40, 20)]]),
        Outline([[(-500, -500), (-500, 900), (900, 900), (900, -500)]]),
    ],
    ids=["smaller than a pixel", "a sliver", "a ring", "larger than the canvas"],
)
def test_any_shape_can_be_woven(outline):
    layout = Layout.from_nuclei([Nucleus.create(1, outline)], (64, 72), PIXEL_SIZE)
    assert newly_prepared().weave(layout, 1).shape == (64, 72, 3)


def test_lymphocytes_are_dark_and_others_are_not_only_where_that_is_asked_for():
    plain = [nucleus_at(30, 30 * n, n, (7, 7)) for n in range(1, 30)]
    lymphocytes = [dataclasses.replace(each, class_name="inflammatory") for each in plain]
    painter = newly_prepared()._painter

    def density(nuclei, **options):
        sprites = dataclasses.replace(painter, recipe=TextureRecipe(**options)).paint(nuclei, 1)
        return np.mean([each.density[:, each.mask > 0].mean() for each in sprites])

    assert density(lymphocytes) == density(plain)
    half, whole = (density(lymphocytes, lymphocyte_darkness=each) for each in (0.5, 1.0))
    assert density(plain) < half < whole
    assert whole > 1.3 * density(plain, lymphocyte_darkness=1.0)
    assert density(plain, lymphocyte_darkness=1.0) <= density(plain)


def test_vesicular_nuclei_are_pale_inside_and_dark_at_their_membrane_and_others_are_as_before():
    nuclei = [nucleus_at(30, 30 * n, n, (9, 9)) for n in range(1, 40)]
    painter = newly_prepared()._painter
    plain = painter.paint(nuclei, 1)

    def painted(share):
        return dataclasses.replace(painter, recipe=TextureRecipe(vesicular=share)).paint(nuclei, 1)

    half, whole = painted(0.5), painted(1.0)
    paled, stood_out = [], []
    for before, after in zip(plain, whole, strict=True):
        np.testing.assert_array_equal(before.mask, after.mask)
        inside = distance_transform_edt(before.mask)
        core, membrane = inside > 5, (inside > 0.5) & (inside < 2)
        paled.append(after.density[:, core].mean() / before.density[:, core].mean())
        contrasts = [each.density[:, membrane].mean() / each.density[:, core].mean() for each in (before, after)]
        stood_out.append(contrasts[1] / contrasts[0])
    # One of them has so much chromatin that little is left to clear.
    assert np.mean(paled) < 0.8
    assert max(paled) < 1.0
    assert np.mean(stood_out) > 1.2
    changed = [not np.array_equal(*(each.density for each in pair)) for pair in zip(plain, half, strict=True)]
    assert 0.2 < np.mean(changed) < 0.8
