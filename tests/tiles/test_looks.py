import json

import numpy as np
import pytest

from histoloom.errors import LookError
from histoloom.generators import weave
from histoloom.layouts import Layout
from histoloom.tiles import Look, NamedLook, StainSummary, Tile
from histoloom.window import Window


def test_equal_pixels_are_the_same_look_wherever_they_came_from(tissue):
    window = Window(100, 50, 300, 250)
    cut = np.asfortranarray(tissue[100:300, 50:250])
    from_window = Look.from_tile(Tile.from_array(tissue, 0.5), window)
    from_array = Look.from_tile(Tile.from_array(cut))
    assert from_window.sha256 == from_array.sha256
    assert from_window.stains == from_array.stains
    assert np.array_equal(from_window.pixels, cut)
    assert from_window.sha256 != Look.from_tile(Tile.from_array(tissue)).sha256


def test_shape_counts_in_the_hash(tissue):
    flat = tissue[:128, :128]
    tall = np.ascontiguousarray(flat).reshape(256, 64, 3)
    assert Look.from_tile(Tile.from_array(flat)).sha256 != Look.from_tile(Tile.from_array(tall)).sha256


def test_pixel_size_is_the_given_one_then_the_tiles_then_that_of_a_40x_objective(tissue):
    assert Look.from_tile(Tile.from_array(tissue, 0.5), pixel_size=0.3).pixel_size == 0.3
    assert Look.from_tile(Tile.from_array(tissue, 0.5)).pixel_size == 0.5
    assert Look.from_tile(Tile.from_array(tissue)).pixel_size == 0.25


def test_a_look_does_not_change_when_the_tile_does(tissue):
    pixels = tissue.copy()
    look = Look.from_tile(Tile.from_array(pixels))
    pixels[:] = 0
    assert np.array_equal(look.pixels, tissue)
    with pytest.raises(ValueError, match="read-only"):
        look.pixels[0] = 0


@pytest.mark.parametrize("shape", [(63, 200), (200, 63), (1, 1)])
def test_a_look_smaller_than_64_pixels_is_refused_with_its_size(tissue, shape):
    with pytest.raises(LookError, match=rf"{shape[0]} x {shape[1]} pixels; choose .* at least 64 x 64"):
        Look.from_tile(Tile.from_array(tissue[: shape[0], : shape[1]]))


def test_a_window_outside_the_tile_is_refused(tissue):
    with pytest.raises(LookError, match="at least 64 x 64"):
        Look.from_tile(Tile.from_array(tissue), Window(500, 500, 700, 700))


def test_an_all_white_look_is_refused(tissue):
    white = np.full((128, 128, 3), 255, np.uint8)
    white[:10, :10] = tissue[100:110, 300:310]
    with pytest.raises(LookError, match=r"Only 0\.\d% of the look is tissue .* choose a tile or region with tissue"):
        Look.from_tile(Tile.from_array(white))


def test_a_whole_slide_is_not_read_as_a_look():
    import dask.array as da

    def read(_block):
        raise AssertionError("the slide was read")

    slide = Tile((da.zeros((5000, 5000, 3), np.uint8, chunks=1000).map_blocks(read, dtype=np.uint8),))
    with pytest.raises(LookError, match="at most 4096 x 4096"):
        Look.from_tile(slide)


@pytest.mark.parametrize("size", [-1.0, float("nan"), float("inf")])
def test_an_impossible_pixel_size_is_refused(tissue, size):
    with pytest.raises(LookError, match="pixel size"):
        Look.from_tile(Tile.from_array(tissue), pixel_size=size)


def test_a_named_look_goes_through_json_and_its_hash_ignores_its_name(tissue):
    stains = StainSummary.of(tissue)
    look = NamedLook.of("colon", stains, [0.5, -1.25])
    assert NamedLook.from_json(json.loads(json.dumps(look.as_json()))) == look
    assert NamedLook.of("other", stains, [0.5, -1.25]).sha256 == look.sha256
    assert NamedLook.of("colon", stains, [0.5, -1.0]).sha256 != look.sha256


@pytest.mark.parametrize("change", [{"texture": [float("nan")]}, {"name": " "}, {"stains": {}}, {"texture": None}])
def test_a_damaged_named_look_is_refused_in_a_sentence(tissue, change):
    values = NamedLook.of("colon", StainSummary.of(tissue), [0.5]).as_json() | change
    with pytest.raises(LookError, match="damaged"):
        NamedLook.from_json(values)


def test_the_texture_weaver_asks_for_a_tile_where_a_look_has_only_a_name(tissue):
    look = NamedLook.of("colon", StainSummary.of(tissue), ())
    layout = Layout.from_nuclei([], (64, 64), 0.25)
    with pytest.raises(LookError, match="the look 'colon' has none; choose a tile"):
        weave(layout, look)
