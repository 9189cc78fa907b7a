from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layout_strategies import QUICK

from histoloom.errors import LayoutError, RecipeError
from histoloom.layouts import HouPolygonsRecipe, hou_polygons
from histoloom.layouts.polygons import random_polygons
from histoloom.layouts.quadrilaterals import BilinearQuadrilateral


def test_the_same_seed_gives_the_same_polygons():
    recipe = HouPolygonsRecipe(density_level=2)
    assert hou_polygons(recipe, 8).equals(hou_polygons(recipe, 8))
    assert not hou_polygons(recipe, 8).equals(hou_polygons(recipe, 9))


def test_the_defaults_are_the_published_pixels_at_a_quarter_micrometre():
    recipe = HouPolygonsRecipe()
    assert (recipe.radius_low / 0.25, recipe.radius_high / 0.25) == (8.5, 13.0)
    assert recipe.least_area / 0.25**2 == 140.0
    assert (recipe.crop_margin / 0.25, recipe.warp_margin / 0.25) == (30.0, 310.0)
    assert (recipe.vertices_low, recipe.vertices_high) == (10, 17)


@QUICK
@given(st.integers(0, 10_000))
def test_polygons_keep_the_published_limits(seed):
    generator = np.random.default_rng(seed)
    radii = generator.uniform(8.5, 13.0, 20)
    counts = generator.integers(10, 18, 20)
    rings = random_polygons(generator, radii, counts, np.full(20, 2.6), np.full(20, 0.24))
    for ring, radius, count in zip(rings, radii, counts, strict=True):
        assert len(ring) == count
        assert np.hypot(*ring.T).max() <= 2 * radius + 1e-9
        # Vertices go round once, so the polygon is a star about its centre.
        angles = np.unwrap(np.arctan2(ring[:, 0], ring[:, 1]))
        assert abs(angles[-1] - angles[0]) <= 2 * np.pi + 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_polygons_overlap_little_and_are_large_enough(seed):
    layout = hou_polygons(HouPolygonsRecipe(density_level=3, empty_fraction=0.0), seed)
    taken = np.zeros((1000, 1000), bool)
    for nucleus in layout.nuclei.values():
        moved = nucleus.outline.translated(100, 100)
        window = moved.window
        mask = moved.mask()
        assert mask.sum() > 90
        assert (taken[window.slices] & mask).sum() <= 0.2 * mask.sum()
        taken[window.slices] |= mask


def test_counts_are_normal_clipped_and_follow_the_area():
    def counts(**changes):
        recipe = HouPolygonsRecipe(height=100, width=100, crop_margin=0.0, tries=0, **changes)
        return np.array([hou_polygons(recipe, seed).provenance["requested"] for seed in range(40)])

    # 100 x 100 pixels are 0.0473 of the published 460 x 460; counts are cut to whole numbers.
    share = 100**2 / 460**2
    dense = counts(density_level=3, count_base=920.0, count_per_level=60.0, count_limit=5000)
    assert dense.mean() == pytest.approx(1100 * share, rel=0.06)
    assert dense.std() == pytest.approx(40 * share, rel=0.4)
    assert counts(density_level=3, count_base=920.0, count_limit=256).max() == int(256 * share)
    sparse = counts(density_level=1, count_base=920.0, count_limit=5000)
    assert 0.01 < (sparse == 0).mean() < 0.3
    assert (dense == 0).sum() == 0


def test_an_empty_canvas_is_said_with_its_reason():
    assert hou_polygons(HouPolygonsRecipe(), 0).provenance["note"] == (
        "This seed drew an empty canvas, as 1 in 10 does; take another seed."
    )
    none = HouPolygonsRecipe(empty_fraction=0.0, count_base=0.0, count_per_level=0.0, count_spread=0.0)
    assert "raise the density level" in hou_polygons(none, 0).provenance["note"]
    drawn = hou_polygons(HouPolygonsRecipe(empty_fraction=0.0, density_level=2), 0)
    assert drawn.nuclei
    assert "empty" not in drawn.provenance["note"]


def test_half_the_magnification_gives_half_the_pixels():
    areas = []
    for side, pixel_size in ((400, 0.25), (200, 0.5)):
        found = [
            nucleus.outline.area * pixel_size**2
            for seed in range(6)
            for nucleus in hou_polygons(
                HouPolygonsRecipe(height=side, width=side, pixel_size=pixel_size, density_level=3), seed
            ).nuclei.values()
        ]
        areas.append(np.median(found))
    assert areas[0] == pytest.approx(areas[1], rel=0.25)


@pytest.mark.parametrize("shape", [(1, 1), (17, 900), (64, 64)])
def test_any_canvas_size_is_accepted(shape):
    recipe = HouPolygonsRecipe(height=shape[0], width=shape[1], density_level=3, empty_fraction=0.0)
    assert hou_polygons(recipe, 1).rasterize().shape == shape


@QUICK
@given(st.integers(0, 10_000), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_the_quadrilateral_maps_back_what_it_maps(seed, places):
    warp = BilinearQuadrilateral.random(np.random.default_rng(seed), (460.0, 300.0), 310 / 460)
    points = np.array(places) * (460.0, 300.0)
    v, u = np.array(places).T[:, :, None]
    along, down = warp.right + v * warp.twist, warp.down + u * warp.twist
    # Where a corner has wandered beyond its neighbours' diagonal, the map folds and a point has no place of its own.
    stretch = (along[:, 1] * down[:, 0] - along[:, 0] * down[:, 1]) / (460.0 * 300.0)
    back = warp.to_target(warp.to_source(points))
    np.testing.assert_allclose(back[stretch > 1e-3], points[stretch > 1e-3], atol=1e-3)


def test_the_quadrilateral_takes_corners_to_corners():
    warp = BilinearQuadrilateral.random(np.random.default_rng(1), (460.0, 460.0), 310 / 460)
    corners = warp.to_source(np.array([[0, 0], [0, 460], [460, 0], [460, 460]], float))
    assert warp.source_shape == (770.0, 770.0)
    assert (corners[0] <= 310).all()
    assert (corners[3] >= 460).all()


def test_what_cannot_be_drawn_is_refused_in_a_sentence():
    with pytest.raises(LayoutError, match="smaller canvas"):
        hou_polygons(HouPolygonsRecipe(height=100_000, width=100_000), 0)
    with pytest.raises(RecipeError, match="least radius"):
        HouPolygonsRecipe.checked(radius_low=5, radius_high=3)
