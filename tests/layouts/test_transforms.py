"""Replicas, shape variants and what-if changes of layouts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layout_strategies import QUICK, label_maps, layouts

from histoloom.errors import LayoutError, RecipeError
from histoloom.layouts import Layout, Nucleus, Outline, RandomLayoutRecipe, TissueMap, random_layout
from histoloom.layouts.transforms import (
    ReplicaRecipe,
    ShapeRecipe,
    Similarity,
    cropped,
    mirrored,
    replica,
    rescaled,
    rotated,
    shape_similarity,
    shape_variant,
)
from histoloom.layouts.variants import LAYOUT_VARIANTS, varied_layouts
from histoloom.layouts.what_if import (
    GrowRecipe,
    MalignantRecipe,
    MultiplyRecipe,
    PleomorphismRecipe,
    ReclassRecipe,
    grow,
    malignant,
    multiply,
    pleomorphism,
    reclass,
)
from histoloom.window import Window


@pytest.fixture(scope="module")
def tissue() -> Layout:
    """About 50 nuclei of several classes on 320 x 360 pixels, with room between them."""
    return random_layout(RandomLayoutRecipe(height=320, width=360, pixel_size=0.25, density=7_000.0), 3)


def diameters(layout: Layout) -> np.ndarray:
    return np.array([math.sqrt(layout.nuclei[key].outline.area) for key in sorted(layout.nuclei)])


@given(label_maps, st.integers(-5, 5))
@QUICK
def test_quarter_turns_turn_the_label_map(label_map: np.ndarray, turns: int) -> None:
    layout = Layout.from_label_map(label_map, 0.5)
    np.testing.assert_array_equal(rotated(layout, turns).rasterize(), np.rot90(label_map, turns))


@given(label_maps)
@QUICK
def test_mirroring_mirrors_the_label_map(label_map: np.ndarray) -> None:
    np.testing.assert_array_equal(mirrored(Layout.from_label_map(label_map, 0.5)).rasterize(), label_map[:, ::-1])


@given(label_maps, st.integers(1, 4))
@QUICK
def test_whole_scales_repeat_pixels(label_map: np.ndarray, factor: int) -> None:
    wanted = np.repeat(np.repeat(label_map, factor, axis=0), factor, axis=1)
    np.testing.assert_array_equal(rescaled(Layout.from_label_map(label_map, 0.5), factor).rasterize(), wanted)


@given(label_maps, st.integers(-5, 8), st.integers(-5, 8), st.integers(1, 15), st.integers(1, 15))
@QUICK
def test_a_crop_shows_what_the_window_shows(label_map: np.ndarray, y: int, x: int, height: int, width: int) -> None:
    layout = Layout.from_label_map(label_map, 0.5)
    window = Window(y, x, y + height, x + width)
    crop = cropped(layout, window)
    assert crop.shape == window.shape
    np.testing.assert_array_equal(crop.rasterize(), layout.rasterize(window))


@given(layouts())
@settings(QUICK, max_examples=15)
def test_four_quarter_turns_and_two_mirrors_give_the_label_map_back(layout: Layout) -> None:
    inside = cropped(layout, layout.window)
    turned = inside
    for _ in range(4):
        turned = rotated(turned)
    np.testing.assert_array_equal(turned.nuclei.keys() == inside.nuclei.keys(), True)
    for key, nucleus in inside.nuclei.items():
        for ours, theirs in zip(turned.nuclei[key].outline.rings, nucleus.outline.rings, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-9)
        twice = mirrored(mirrored(inside)).nuclei[key]
        np.testing.assert_allclose([*twice.anchor, twice.angle], [*nucleus.anchor, nucleus.angle], atol=1e-9)


def test_a_texture_turns_with_its_nucleus() -> None:
    nucleus = Nucleus.create(1, Outline.ellipse((20.0, 30.0), (4.0, 9.0)))
    layout = Layout.from_nuclei([nucleus], (60, 80))
    turned = rotated(layout).nuclei[1]
    assert turned.angle == pytest.approx(math.pi / 2)
    assert turned.anchor == pytest.approx((79.0 - nucleus.anchor[1], nucleus.anchor[0]))
    assert turned.texture_seed == nucleus.texture_seed


def test_the_tissue_map_goes_along() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4) % 5
    layout = replace(Layout.empty((48, 64)), tissue_map=TissueMap(values, 16))
    for changed, wanted in (
        (rotated(layout), np.rot90(values)),
        (mirrored(layout), values[:, ::-1]),
        (rescaled(layout, 2.0), np.repeat(np.repeat(values, 2, 0), 2, 1)),
        (cropped(layout, Window(16, 16, 48, 48)), values[1:, 1:3]),
    ):
        assert changed.tissue_map is not None
        assert changed.tissue_map.cell_size == 16
        np.testing.assert_array_equal(changed.tissue_map.values, wanted)


@given(st.integers(0, 2**31), st.integers(20, 90), st.integers(20, 90), st.booleans())
@QUICK
def test_shape_variants_have_no_empty_corner(seed: int, height: int, width: int, quarters: bool) -> None:
    recipe = ShapeRecipe(height=height, width=width, quarter_turns=quarters)
    similarity = shape_similarity((60, 80), recipe, seed)
    assert similarity.shape == (height, width)
    corners = np.array([[-0.5, -0.5], [-0.5, width - 0.5], [height - 0.5, -0.5], [height - 0.5, width - 0.5]])
    source = similarity.source_points(corners)
    assert (source >= -0.5 - 1e-6).all()
    assert (source <= np.array([60, 80]) - 0.5 + 1e-6).all()
    assert similarity.scale >= recipe.least_scale - 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_picture_and_layout_take_the_same_way(tissue: Layout, seed: int) -> None:
    similarity = shape_similarity(tissue.shape, ShapeRecipe(height=200, width=220), seed)
    mask = (tissue.rasterize() > 0).astype(np.uint8) * 255
    moved = similarity.picture(mask, nearest=True) > 0
    drawn = similarity.layout(tissue).rasterize() > 0
    assert (moved == drawn).mean() > 0.98
    blended = similarity.picture(np.stack([mask] * 3, axis=-1))
    assert blended.shape == (200, 220, 3)


def test_seeds_fix_variants_and_name_them(tissue: Layout) -> None:
    for name, variant in LAYOUT_VARIANTS.items():
        recipe = variant.recipe_type()
        first, again, other = (variant.change(tissue, recipe, seed) for seed in (1, 1, 2))
        assert first.equals(again), name
        assert name == "replica" or not first.equals(other), name
        assert first.provenance["variants"][-1] == {"set": name, "recipe": recipe.as_json(), "seed": 1}
        assert first.pixel_size == tissue.pixel_size
        assert variant.recipe_type.checked(**recipe.as_json()) == recipe
    twice = shape_variant(replica(tissue, ReplicaRecipe(), 0), ShapeRecipe(), 5)
    assert [each["set"] for each in twice.provenance["variants"]] == ["replica", "shape"]


def test_empty_layouts_have_variants_too() -> None:
    empty = Layout.empty((30, 40))
    for variant in LAYOUT_VARIANTS.values():
        assert not variant.change(empty, variant.recipe_type(), 0).nuclei


def test_a_replica_is_the_layout_with_other_faces_where_wished(tissue: Layout) -> None:
    assert replica(tissue, ReplicaRecipe(), 0).equals(tissue)
    other = replica(tissue, ReplicaRecipe(new_textures=True), 0)
    np.testing.assert_array_equal(other.rasterize(), tissue.rasterize())
    assert all(other.nuclei[key].texture_seed != each.texture_seed for key, each in tissue.nuclei.items())


def test_nuclei_grow_by_the_factor_where_they_may_overlap(tissue: Layout) -> None:
    grown = grow(tissue, GrowRecipe(factor=1.5, spread=0.0, may_overlap=True), 0)
    np.testing.assert_allclose(diameters(grown), 1.5 * diameters(tissue))


def test_nuclei_grow_into_free_ground_only(tissue: Layout) -> None:
    grown = grow(tissue, GrowRecipe(factor=1.8), 0)
    assert (diameters(grown) >= diameters(tissue) - 1e-6).all()
    assert diameters(grown).mean() > 1.1 * diameters(tissue).mean()
    covered = sum(each.outline.mask(tissue.window).sum() for each in grown.nuclei.values())
    hidden = covered - (grown.rasterize() > 0).sum()
    before = sum(each.outline.mask(tissue.window).sum() for each in tissue.nuclei.values())
    assert hidden <= before - (tissue.rasterize() > 0).sum()


def test_only_the_chosen_class_and_share_change(tissue: Layout) -> None:
    name = max({each.class_name for each in tissue.nuclei.values()}, key=lambda each: each)
    grown = grow(tissue, GrowRecipe(class_name=name, fraction=0.5, may_overlap=True), 7)
    changed = {key for key, each in grown.nuclei.items() if each != tissue.nuclei[key]}
    of_class = {key for key, each in tissue.nuclei.items() if each.class_name == name}
    assert changed <= of_class
    assert 0 < len(changed) < len(of_class)


def test_what_happens_to_a_nucleus_does_not_depend_on_the_others(tissue: Layout) -> None:
    recipe = PleomorphismRecipe(fraction=0.5)
    some = sorted(tissue.nuclei)[::3]
    fewer = tissue.with_nuclei(dict.fromkeys(some))
    all_changed, few_changed = pleomorphism(tissue, recipe, 4), pleomorphism(fewer, recipe, 4)
    assert all(few_changed.nuclei[key] == all_changed.nuclei[key] for key in fewer.nuclei)


def test_nuclei_multiply_without_touching_the_others(tissue: Layout) -> None:
    more = multiply(tissue, MultiplyRecipe(factor=1.4), 0)
    born = [each for key, each in more.nuclei.items() if key not in tissue.nuclei]
    assert 0.25 * len(tissue.nuclei) < len(born) <= 0.55 * len(tissue.nuclei)
    np.testing.assert_array_equal(
        np.where(tissue.rasterize() > 0, tissue.rasterize(), 0), np.where(tissue.rasterize() > 0, more.rasterize(), 0)
    )
    areas = sorted(each.outline.area for each in tissue.nuclei.values())
    assert all(areas[0] - 1e-6 <= each.outline.area <= areas[-1] + 1e-6 for each in born)
    assert len({each.texture_seed for each in more.nuclei.values()}) == len(more.nuclei)


def test_a_full_canvas_has_room_for_no_more(tissue: Layout) -> None:
    full = Layout.from_label_map(np.arange(1, 26, dtype=np.int32).reshape(5, 5).repeat(8, 0).repeat(8, 1))
    assert len(multiply(full, MultiplyRecipe(factor=3.0), 0).nuclei) == 25


def test_pleomorphism_spreads_sizes_and_leaves_places(tissue: Layout) -> None:
    changed = pleomorphism(tissue, PleomorphismRecipe(), 0)
    assert np.std(np.log(diameters(changed))) > 1.3 * np.std(np.log(diameters(tissue)))
    np.testing.assert_allclose(changed.centroids(), tissue.centroids(), atol=6.0)
    still = pleomorphism(tissue, PleomorphismRecipe(size_spread=0.0, elongation_spread=0.0, irregularity=0.0), 0)
    np.testing.assert_allclose(diameters(still), diameters(tissue))


def test_reclassing_adds_a_class_that_was_not_there(tissue: Layout) -> None:
    changed = reclass(tissue, ReclassRecipe(class_name="", becomes="mitosis", fraction=0.3), 0)
    count = sum(each.class_name == "mitosis" for each in changed.nuclei.values())
    assert 0.15 * len(tissue.nuclei) < count < 0.45 * len(tissue.nuclei)
    assert [each.name for each in changed.classes] == [*(each.name for each in tissue.classes), "mitosis"]


def test_malignancy_is_more_larger_and_more_different_nuclei_of_the_new_class(tissue: Layout) -> None:
    sick = malignant(tissue, MalignantRecipe(class_name="", severity=0.8), 0)
    assert len(sick.nuclei) > len(tissue.nuclei)
    tumor = [math.sqrt(each.outline.area) for each in sick.nuclei.values() if each.class_name == "tumor"]
    assert len(tumor) > 0.6 * len(sick.nuclei)
    assert np.std(tumor) > np.std(diameters(tissue))
    assert malignant(tissue, MalignantRecipe(severity=0.0), 0).equals(tissue)


def test_what_cannot_be_done_is_explained(tissue: Layout) -> None:
    with pytest.raises(LayoutError, match="does not list the class 'mitosis'"):
        grow(tissue, GrowRecipe(class_name="mitosis"), 0)
    with pytest.raises(LayoutError, match="cannot be rescaled by 0"):
        rescaled(tissue, 0.0)
    with pytest.raises(LayoutError, match="without pixels"):
        cropped(tissue, Window(5, 5, 5, 9))
    with pytest.raises(RecipeError, match="least scale lies above"):
        ShapeRecipe.checked(least_scale=2.0, largest_scale=1.0)
    with pytest.raises(RecipeError, match="'factor' is not usable"):
        MultiplyRecipe.checked(factor=0.5)


def test_a_set_has_the_same_variants_however_much_of_it_is_made(tissue: Layout) -> None:
    other = mirrored(tissue)
    both = list(varied_layouts([tissue, other], "shape", copies=2, seed=4))
    assert len(both) == 4
    assert not both[0].equals(both[1])
    first = next(varied_layouts([tissue], "shape", ShapeRecipe(), copies=2, seed=4))
    assert first.equals(both[0])
    with pytest.raises(LayoutError, match="no set of layouts called 'worse'"):
        varied_layouts([tissue], "worse")
    with pytest.raises(LayoutError, match="needs a ShapeRecipe, not a GrowRecipe"):
        varied_layouts([tissue], "shape", GrowRecipe())


def test_a_similarity_takes_points_there_and_back() -> None:
    similarity = Similarity((10, 10), 1.7, 0.4, True, (3.0, -2.0))
    points = np.array([[0.0, 0.0], [5.0, 7.5]])
    np.testing.assert_allclose(similarity.source_points(similarity.points(points)), points)
