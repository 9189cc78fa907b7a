"""Tissue maps: what lies between the nuclei."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from layout_strategies import QUICK

from histoloom.errors import LayoutError, RecipeError
from histoloom.layouts import (
    PRESETS,
    Layout,
    Nucleus,
    Outline,
    RandomLayoutRecipe,
    TissueMap,
    TissueMapRecipe,
    inferred_tissue_map,
    load_layout,
    preset_recipe,
    random_layout,
    random_tissue_map,
    save_layout,
)
from histoloom.tiles.tissue import ANY, BLANK, BLOOD, CELLULAR, FIBROUS, tissue_cell_pixels
from histoloom.window import Window

SMALL = {"height": 400, "width": 500}

tissue_maps = st.builds(
    TissueMap,
    npst.arrays(np.uint8, npst.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(0, 4)),
    st.integers(1, 9),
)
windows = st.tuples(st.integers(-5, 40), st.integers(-5, 40), st.integers(0, 30), st.integers(0, 30)).map(
    lambda each: Window(each[0], each[1], each[0] + each[2], each[1] + each[3])
)


def disc(key: int, y: float, x: float, radius: float, class_name: str = "epithelial") -> Nucleus:
    turn = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    ring = np.stack([y + radius * np.sin(turn), x + radius * np.cos(turn)], axis=1)
    return Nucleus.create(key, Outline([ring]), class_name)


@QUICK
@given(tissue_maps, windows)
def test_every_pixel_has_the_tissue_of_its_cell_and_any_beyond_the_map(tissue, window):
    pixels = tissue.pixels(window)
    assert pixels.shape == window.shape
    for y, x in np.ndindex(*window.shape):
        row, column = (window.y0 + y) // tissue.cell_size, (window.x0 + x) // tissue.cell_size
        is_on_map = 0 <= row < tissue.values.shape[0] and 0 <= column < tissue.values.shape[1]
        assert pixels[y, x] == (tissue.values[row, column] if is_on_map else ANY)


@QUICK
@given(tissue_maps, windows, windows)
def test_a_crop_says_the_same_of_every_pixel_wherever_it_lies(tissue, window, part):
    here = part.intersection(Window.of_shape(window.shape))
    there = Window(here.y0 + window.y0, here.x0 + window.x0, here.y1 + window.y0, here.x1 + window.x0)
    np.testing.assert_array_equal(tissue.cropped(window).pixels(here), tissue.pixels(there))


@QUICK
@given(tissue_maps, windows, st.integers(0, 4))
def test_painting_changes_the_cells_that_are_touched_and_no_others(tissue, window, value):
    kept = tissue.values.copy()
    painted = tissue.painted(window, value)
    np.testing.assert_array_equal(tissue.values, kept)
    changed = tissue.changed_window(painted)
    assert window.is_empty or window.expanded(tissue.cell_size).contains(changed)
    everything = Window.of_shape(tuple(side * tissue.cell_size for side in tissue.values.shape))
    inside = window.intersection(everything)
    assert (painted.pixels(inside) == value).all()
    before, after = tissue.pixels(everything), painted.pixels(everything)
    after[changed.slices] = before[changed.slices]
    np.testing.assert_array_equal(after, before)


def test_painting_a_layout_without_a_map_gives_it_one():
    layout = Layout.empty((100, 130))
    assert not layout.tissue_pixels().any()
    painted = layout.with_tissue(Window(20, 20, 21, 21), BLOOD)
    assert painted.tissue_map is not None
    assert painted.tissue_map.cell_size == tissue_cell_pixels(0.25) == 16
    assert painted.tissue_map.values.shape == (7, 9)
    assert painted.tissue_pixels(Window(16, 16, 32, 32)).min() == BLOOD
    assert painted.tissue_pixels().sum() == 16 * 16 * BLOOD
    assert not painted.equals(layout)
    assert not layout.equals(painted)


@pytest.mark.parametrize(
    ("values", "cell_size", "words"),
    [
        (np.full((2, 2), 5, np.uint8), 4, "from 0 to 4"),
        (np.zeros((2, 2), np.int64), 4, "int64"),
        (np.zeros(4, np.uint8), 4, "uint8 array"),
        (np.zeros((2, 2), np.uint8), 0, "cells of 0 pixels"),
    ],
)
def test_a_map_that_says_nothing_usable_is_refused(values, cell_size, words):
    with pytest.raises(LayoutError, match=words):
        TissueMap(values, cell_size)


@pytest.mark.parametrize(
    "damage",
    [
        {"values": [[0, 9]]},
        {"values": [[0, -1]]},
        {"values": [[0.5, 1]]},
        {"values": [[0], [1, 2]]},
        {"values": "blank"},
        {"cell_size": 0},
        {"cell_size": 2.5},
        {"cell_size": None},
    ],
    ids=str,
)
def test_a_damaged_map_in_a_file_is_named_and_the_nuclei_open_without_it(tmp_path, damage):
    layout = random_layout(RandomLayoutRecipe(**SMALL, count=5), 1)
    path = save_layout(layout, tmp_path / "a.geojson")
    sidecar = tmp_path / "a.layout.json"
    document = json.loads(sidecar.read_text())
    document["tissue_map"] |= damage
    sidecar.write_text(json.dumps(document))
    with pytest.raises(LayoutError, match=r"tissue map in 'a\.layout\.json' is damaged"):
        load_layout(path)
    sidecar.write_text(json.dumps(document | {"tissue_map": None}))
    assert load_layout(path).nuclei == layout.nuclei


@pytest.mark.parametrize("name", PRESETS)
def test_random_layouts_carry_a_map_and_their_nuclei_do_not_depend_on_it(name):
    recipe = preset_recipe(name, **SMALL)
    layout = random_layout(recipe, 5)
    bare = random_layout(recipe.model_copy(update={"tissue_map": False}), 5)
    assert bare.tissue_map is None
    assert dict(bare.nuclei) == dict(layout.nuclei)
    assert layout.tissue_map is not None
    assert layout.tissue_map.values.shape == (25, 32)
    assert ANY not in layout.tissue_map.values
    again = random_tissue_map(bare, recipe.tissue, 5)
    if not recipe.gland_density:
        assert again.equals(layout.tissue_map)
    assert not again.equals(random_tissue_map(bare, recipe.tissue, 6))


def test_nothing_but_ground_is_blank_and_the_asked_share_of_it_is():
    layout = random_layout(RandomLayoutRecipe(blank_fraction=0.2, blood_fraction=0.05, density=1500.0), 4)
    shares = layout.tissue_map.shares()
    assert shares["blank"] == pytest.approx(0.2, abs=0.02)
    assert 0.01 < shares["blood"] < 0.08
    labels, tissue = layout.rasterize(), layout.tissue_pixels()
    assert (tissue[labels > 0] == BLANK).mean() < 0.01
    without = random_layout(RandomLayoutRecipe(blank_fraction=0.0, blood_fraction=0.0, density=1500.0), 4)
    assert without.tissue_map.shares()["blood"] == 0.0


def test_clusters_are_cellular_and_spindle_cells_lie_in_fibres():
    crowd = [disc(1 + i, 40 + 24 * (i // 6), 40 + 24 * (i % 6), 11) for i in range(36)]
    spindles = [disc(101 + i, 340 + 24 * (i // 6), 340 + 24 * (i % 6), 9, "spindle") for i in range(36)]
    layout = Layout.from_nuclei(crowd + spindles, (512, 512))
    for tissue in (
        inferred_tissue_map(layout),
        random_tissue_map(layout, TissueMapRecipe(blank_fraction=0.0), 1),
    ):
        among = tissue.pixels(Window(48, 48, 144, 144))
        assert (among == CELLULAR).mean() > 0.95
        assert (tissue.pixels(Window(340, 340, 460, 460)) == FIBROUS).all()


def test_glands_have_blank_lumens():
    turn = np.linspace(0.0, 2.0 * np.pi, 65)
    curve = tuple((64.0 + 45.0 * np.sin(each), 64.0 + 45.0 * np.cos(each)) for each in turn)
    recipe = RandomLayoutRecipe(
        height=512, width=512, rows=((*curve[:-1], curve[0]),), density=0.0, blank_fraction=0.0, blood_fraction=0.0
    )
    layout = random_layout(recipe, 2)
    assert layout.tissue_map.pixels(Window(200, 200, 312, 312)).max() == BLANK
    # Also where nothing is known but the nuclei.
    found = random_tissue_map(replace(layout, tissue_map=None), recipe.tissue, 2)
    assert (found.pixels(Window(200, 200, 312, 312)) == BLANK).mean() > 0.9


def test_blank_ground_keeps_to_the_side_of_the_stroma():
    layout = random_layout(preset_recipe("tissue edge"), 3)
    tissue = layout.tissue_pixels()
    assert (tissue[:, 700:] == BLANK).mean() > 5 * (tissue[:, :300] == BLANK).mean()


def test_an_empty_canvas_a_single_pixel_and_coarse_pixels_get_maps_too():
    for layout in (Layout.empty((1, 1)), Layout.empty((700, 900)), Layout.empty((30, 40), 20.0)):
        tissue = random_tissue_map(layout, TissueMapRecipe(blank_fraction=1.0, blood_fraction=0.5), 3)
        cell = tissue_cell_pixels(layout.pixel_size)
        assert tissue.values.shape == (-(-layout.shape[0] // cell), -(-layout.shape[1] // cell))
        assert inferred_tissue_map(layout).shares()["fibrous"] == 1.0


def test_the_largest_canvases_get_coarser_cells(monkeypatch):
    monkeypatch.setattr("histoloom.layouts.random_tissue._MOST_CELLS", 3000)
    tissue = random_tissue_map(Layout.empty((3000, 2500)), seed=1)
    assert tissue.values.size <= 3000
    assert tissue.cell_size % tissue_cell_pixels(0.25) == 0
    assert tissue.pixels(Window(2999, 2499, 3000, 2500))[0, 0] != ANY
    assert tissue.shares()["blank"] == pytest.approx(0.05, abs=0.01)


def test_an_unusable_seed_is_refused():
    with pytest.raises(RecipeError, match="seed"):
        random_tissue_map(Layout.empty((10, 10)), seed=-1)
