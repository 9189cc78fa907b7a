from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layout_strategies import QUICK
from shapely import Polygon, STRtree

from histoloom.errors import RecipeError
from histoloom.keyed_random import keyed_generator
from histoloom.layouts import LAYOUT_GENERATORS, PRESETS, RandomLayoutRecipe, preset_recipe, random_layout
from histoloom.layouts.capsules import Capsules
from histoloom.layouts.outline import Outline
from histoloom.layouts.rows import gland_curves
from histoloom.layouts.scanlines import outline_spans
from histoloom.layouts.shapes import nucleus_rings, turned
from histoloom.window import Window


def polygons(layout):
    return [Polygon(nucleus.outline.rings[0]) for nucleus in layout.nuclei.values()]


def least_gap(layout) -> float:
    shapes = polygons(layout)
    tree = STRtree(shapes)
    return min(
        shape.distance(shapes[other])
        for index, shape in enumerate(shapes)
        for other in tree.query(shape.buffer(20))
        if other != index
    )


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_gives_the_same_layout_for_the_same_seed_and_another_for_another(name):
    recipe = preset_recipe(name, height=400, width=500)
    first, again, other = random_layout(recipe, 5), random_layout(recipe, 5), random_layout(recipe, 6)
    assert first.equals(again)
    assert dict(first.provenance) == dict(again.provenance)
    for nucleus in first.nuclei.values():
        assert nucleus.outline.rings[0].tobytes() == again.nuclei[nucleus.id].outline.rings[0].tobytes()
    assert not first.equals(other)
    assert first.nuclei


def test_nuclei_keep_their_distance_and_share_no_pixel():
    layout = random_layout(RandomLayoutRecipe(height=700, width=700, density=7000, min_spacing=0.75), 1)
    # Vertices lie on a grid of 1/64 pixel, so a gap may be short by that much.
    assert least_gap(layout) * layout.pixel_size >= 0.75 - 0.02
    drawn = layout.rasterize()
    for nucleus in layout.nuclei.values():
        mask = nucleus.outline.mask(layout.window)
        assert (drawn == nucleus.id).sum() == mask.sum()


def test_nuclei_overlap_only_where_the_recipe_allows_it():
    dense = {"height": 512, "width": 512, "density": 9000}
    assert least_gap(random_layout(RandomLayoutRecipe(**dense), 3)) > 0
    assert least_gap(random_layout(RandomLayoutRecipe(**dense, overlap_fraction=0.5), 3)) == 0


def test_count_and_density_are_met():
    assert len(random_layout(RandomLayoutRecipe(count=123), 0).nuclei) == 123
    layout = random_layout(RandomLayoutRecipe(height=800, width=1200, density=3000), 0)
    assert len(layout.nuclei) == round(3000 * 800 * 1200 * 0.25**2 * 1e-6)
    assert layout.provenance["note"] == ""


def test_a_density_that_cannot_be_reached_is_reported():
    layout = random_layout(RandomLayoutRecipe(height=300, width=300, density=40_000), 0)
    report = layout.provenance
    assert report["placed"] == len(layout.nuclei) < report["requested"]
    assert "found a place" in report["note"]
    assert least_gap(layout) > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"density": 0.0},
        {"height": 1, "width": 1, "count": 3},
        {"height": 2, "width": 900},
        {"cluster_fraction": 1.0},
        {"gradient": 1.0, "gradient_angle": 200.0},
        {"gland_density": 400.0, "density": 0.0},
        {"pixel_size": 2.0},
        {"min_spacing": 50.0},
        {"rows": (((5.0, 5.0), (5.0, 5.0)),)},
    ],
)
def test_recipes_at_their_limits_give_layouts(changes):
    layout = random_layout(RandomLayoutRecipe(**{"height": 200, "width": 200, **changes}), 2)
    assert layout.provenance["placed"] == len(layout.nuclei)
    layout.rasterize()


def test_sizes_and_elongations_follow_the_recipe():
    recipe = RandomLayoutRecipe(
        height=1000,
        width=1000,
        density=1500,
        epithelial_share=0,
        inflammatory_share=1,
        spindle_share=0,
        inflammatory_diameter=7.0,
        inflammatory_spread=0.1,
    )
    layout = random_layout(recipe, 0)
    diameters = np.array([2 * np.sqrt(nucleus.outline.area / np.pi) * 0.25 for nucleus in layout.nuclei.values()])
    assert {nucleus.class_name for nucleus in layout.nuclei.values()} == {"inflammatory"}
    assert diameters.mean() == pytest.approx(7.0, rel=0.05)
    assert diameters.std() == pytest.approx(0.7, rel=0.3)


def test_sizes_are_biology_and_do_not_change_with_the_pixel_size():
    fine = random_layout(RandomLayoutRecipe(height=800, width=800, pixel_size=0.25), 4)
    coarse = random_layout(RandomLayoutRecipe(height=400, width=400, pixel_size=0.5), 4)
    areas = [
        np.mean([nucleus.outline.area for nucleus in layout.nuclei.values()]) * layout.pixel_size**2
        for layout in (fine, coarse)
    ]
    assert len(fine.nuclei) == len(coarse.nuclei)
    assert areas[0] == pytest.approx(areas[1], rel=0.1)


def test_a_canvas_smaller_than_a_gland_shows_as_much_of_glands_as_a_large_one():
    def in_glands(side, seed):
        recipe = preset_recipe("colon glands", height=side, width=side, epithelial_share=0.0, tissue_map=False)
        layout = random_layout(recipe, seed)
        return sum(each.class_name == "epithelial" for each in layout.nuclei.values())

    small = [in_glands(256, seed) for seed in range(24)]
    large = [in_glands(1024, seed) for seed in range(3)]
    assert np.mean(small) * 16 == pytest.approx(np.mean(large), rel=0.3)
    assert np.mean(np.array(small) > 0) > 0.7


def test_glands_cover_the_border_as_much_as_the_middle():
    covered = np.zeros((256, 256))
    for seed in range(150):
        for curve in gland_curves(keyed_generator(seed, 1), covered.shape, 1.5e-5, 160.0, 24.0):
            _, rows, starts, stops = outline_spans([Outline([curve[:-1]])], Window(0, 0, *covered.shape))
            for row, start, stop in zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True):
                covered[row, start:stop] += 1
    border = np.mean([covered[:8].mean(), covered[-8:].mean(), covered[:, :8].mean(), covered[:, -8:].mean()])
    assert border == pytest.approx(covered[96:160, 96:160].mean(), rel=0.12)


def test_glands_that_cannot_fit_are_not_tried_for_without_end():
    class Counted:
        def __init__(self):
            self.generator, self.draws = keyed_generator(0, 1), 0

        def __getattr__(self, name):
            self.draws += 1
            return getattr(self.generator, name)

    counted = Counted()
    # 400 glands of 1 mm in each mm²: thousands are asked for about a canvas of 64 µm, and some dozens could lie there.
    gland_curves(counted, (256, 256), 400e-6 * 0.0625, 4000.0, 48.0)
    assert counted.draws < 30_000


def long_axis_angles(layout, class_name):
    angles = []
    for nucleus in layout.nuclei.values():
        if nucleus.class_name == class_name:
            local = nucleus.outline.rings[0] - nucleus.outline.centroid
            values, vectors = np.linalg.eigh(local.T @ local)
            y, x = vectors[:, np.argmax(values)]
            angles.append(np.arctan2(-y, x))
    return np.array(angles)


def test_spindle_nuclei_lie_along_the_fibres():
    recipe = preset_recipe("stroma", height=800, width=800, fibre_angle=30.0, fibre_waviness=0.0, fibre_alignment=0.95)
    doubled = np.exp(2j * long_axis_angles(random_layout(recipe, 1), "spindle")).mean()
    assert abs(doubled) > 0.9
    assert np.rad2deg(np.angle(doubled) / 2) == pytest.approx(30.0, abs=6.0)


def test_the_density_falls_towards_the_stroma():
    recipe = RandomLayoutRecipe(height=600, width=1200, gradient=1.0, gradient_angle=0.0, density=2500)
    layout = random_layout(recipe, 1)
    left = layout.centroids()[:, 1] < 600
    assert left.sum() > 1.5 * (~left).sum()


def test_clusters_are_denser_than_chance():
    from scipy.spatial import cKDTree

    def mean_neighbours(fraction):
        recipe = RandomLayoutRecipe(height=1500, width=1500, density=1500, cluster_fraction=fraction)
        points = random_layout(recipe, 2).centroids()
        return len(cKDTree(points).query_pairs(80.0)) / len(points)

    assert mean_neighbours(0.9) > 1.5 * mean_neighbours(0.0)


def test_rows_stand_along_the_curve_and_across_it():
    recipe = RandomLayoutRecipe(
        height=400, width=800, density=0.0, rows=(((50.0, 10.0), (50.0, 190.0)),), row_disorder=0.1
    )
    layout = random_layout(recipe, 0)
    assert len(layout.nuclei) > 20
    assert np.abs(layout.centroids()[:, 0] * 0.25 - 50.0).max() < 3.0
    upright = np.exp(2j * long_axis_angles(layout, "epithelial")).mean()
    assert np.abs(np.rad2deg(np.angle(upright) / 2)) == pytest.approx(90.0, abs=8.0)


def test_layers_of_a_closed_row_grow_inwards_and_leave_a_lumen_whichever_way_it_was_drawn():
    turn = np.linspace(0.0, 2.0 * np.pi, 40)
    circle = np.stack([100 + 45 * np.sin(turn), 100 + 45 * np.cos(turn)], axis=1)
    circle[-1] = circle[0]
    for curve in (circle, circle[::-1]):
        recipe = RandomLayoutRecipe(
            height=800, width=800, density=3000, rows=(tuple(map(tuple, curve.tolist())),), row_layers=2
        )
        layout = random_layout(recipe, 0)
        distance = np.hypot(*(layout.centroids() * 0.25 - 100).T)
        assert not (distance < 25).any()
        assert (distance < 38).sum() > 10


def test_a_recipe_that_cannot_be_met_is_refused_in_a_sentence():
    with pytest.raises(RecipeError, match="1,000,000"):
        RandomLayoutRecipe.checked(height=100_000, width=100_000, density=5000)
    with pytest.raises(RecipeError, match="share"):
        RandomLayoutRecipe.checked(epithelial_share=0, inflammatory_share=0, spindle_share=0)
    with pytest.raises(RecipeError, match="choose one of: mixed"):
        preset_recipe("liver")
    with pytest.raises(RecipeError, match="height"):
        RandomLayoutRecipe.checked(height=200_000)


@QUICK
@given(st.integers(0, 10_000), st.floats(1.0, 5.0), st.floats(0.0, 1.0))
def test_shapes_have_the_asked_area_and_do_not_cross_themselves_when_tame(seed, elongation, irregularity):
    generator = np.random.default_rng(seed)
    rings = nucleus_rings(generator, np.full(3, 30.0), np.full(3, elongation), np.full(3, irregularity))
    for ring in rings:
        shape = Polygon(ring)
        if irregularity <= 0.6:
            assert shape.is_valid
            assert shape.area == pytest.approx(np.pi * 15.0**2)


@QUICK
@given(st.integers(0, 10_000))
def test_capsules_hold_their_shapes_and_know_their_distance(seed):
    from shapely import LineString

    generator = np.random.default_rng(seed)
    elongations, angles = generator.uniform(1.0, 5.0, 2), generator.uniform(0.0, 7.0, 2)
    rings = turned(nucleus_rings(generator, generator.uniform(10, 40, 2), elongations, np.full(2, 0.5)), angles)
    capsules = Capsules.covering(rings, angles)
    apart = generator.uniform(-60.0, 60.0, 2)
    lines = [
        LineString([-capsules.halves[0], capsules.halves[0]]),
        LineString([apart - capsules.halves[1], apart + capsules.halves[1]]),
    ]
    bodies = [line.buffer(radius * 1.01, quad_segs=64) for line, radius in zip(lines, capsules.radii, strict=True)]
    assert bodies[0].covers(Polygon(rings[0]))
    assert bodies[1].covers(Polygon(rings[1] + apart))
    distance, _ = capsules.distances(np.array([0]), np.array([1]), apart[None])
    assert distance[0] == pytest.approx(lines[0].distance(lines[1]) - capsules.radii.sum(), abs=1e-6)


def test_every_named_generator_makes_a_layout_from_its_default_recipe():
    for generator in LAYOUT_GENERATORS.values():
        layout = generator.generate(generator.recipe_type(height=300, width=200), 3)
        assert layout.shape == (300, 200)
        assert layout.provenance["seed"] == 3
