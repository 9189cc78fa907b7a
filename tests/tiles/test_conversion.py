import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from histoloom.errors import TileError
from histoloom.tiles.conversion import Encoding, as_rgb

GREY = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
RGB = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)


def both(pixels, encoding=None):
    """Convert at once and lazily, and check that they agree."""
    now = as_rgb(pixels, encoding)
    lazy = as_rgb(da.from_array(pixels, chunks=3), encoding)
    assert isinstance(lazy, da.Array)
    assert (lazy.shape, lazy.dtype) == (now.shape, np.uint8)
    computed = lazy.compute()
    assert computed.shape == now.shape
    assert np.array_equal(computed, now)
    return now


def test_rgb_is_returned_as_it_is():
    assert as_rgb(RGB) is RGB


@pytest.mark.parametrize("pixels", [GREY, GREY[..., None], GREY[None], GREY[None, :, :, None]])
def test_grey_becomes_three_equal_channels(pixels):
    assert np.array_equal(both(pixels), np.stack([GREY] * 3, -1))


def test_boolean_pictures_are_black_and_white():
    assert both(GREY > 100).min() == 0
    assert both(GREY > 100).max() == 255


@settings(max_examples=30)
@given(hnp.arrays(np.uint16, (4, 6, 3)))
def test_sixteen_bits_that_are_all_used_are_scaled_by_their_full_range(pixels):
    wanted = np.rint(pixels / 257).astype(np.uint8)
    assert np.array_equal(both(pixels, Encoding(significant_bits=16)), wanted)
    pixels[0, 0, 0] = 65535
    wanted[0, 0, 0] = 255
    assert np.array_equal(as_rgb(pixels), wanted)


@pytest.mark.parametrize(("brightest", "bits"), [(4080, 12), (16000, 14), (200, 8), (40_000, 16)])
def test_sixteen_bits_without_a_word_about_them_are_scaled_by_those_that_the_brightest_value_needs(brightest, bits):
    pixels = np.array([[0, brightest // 2, brightest]], np.uint16)
    assert np.array_equal(as_rgb(pixels)[0, :, 0], np.rint(pixels[0] * (255 / (2**bits - 1))).astype(np.uint8))


def test_sixteen_bits_of_which_twelve_are_used_are_scaled_by_those():
    values = np.array([[0, 4095, 65535]], np.uint16)
    assert both(values, Encoding(significant_bits=12))[0, :, 0].tolist() == [0, 255, 255]


def test_floats_go_from_0_to_1():
    assert both(np.array([[0.0, 0.5, 1.0]], np.float32))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("alpha", ["straight", "premultiplied"])
def test_transparent_pixels_lie_over_white(alpha):
    clear = np.zeros((4, 4, 4), np.uint8)
    assert (both(clear, Encoding(alpha=alpha)) == 255).all()
    opaque = np.concatenate([RGB, np.full((4, 6, 1), 255, np.uint8)], -1)
    assert np.array_equal(both(opaque, Encoding(alpha=alpha)), RGB)


def test_half_opaque_black_is_mid_grey_and_grey_may_be_transparent_too():
    assert (both(np.full((4, 4, 4), (0, 0, 0, 128), np.uint8)) == 127).all()
    assert (both(np.full((4, 4, 2), (0, 128), np.uint8)) == 127).all()


def test_a_fourth_sample_that_means_nothing_is_dropped():
    pixels = np.concatenate([RGB, np.zeros((4, 6, 1), np.uint8)], -1)
    assert np.array_equal(both(pixels, Encoding(alpha="none")), RGB)


def test_planar_pictures_are_turned_round():
    assert np.array_equal(both(np.moveaxis(RGB, -1, 0).copy()), RGB)
    assert np.array_equal(both(np.moveaxis(RGB, -1, 0).copy(), Encoding("CYX")), RGB)
    assert np.array_equal(both(np.moveaxis(RGB, 1, 0).copy(), Encoding("XYS")), RGB)


def test_a_palette_gives_its_colors():
    palette = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)
    indices = np.array([[0, 1], [1, 7]], np.uint8)
    found = both(indices, Encoding(color_space="palette", palette=palette))
    assert found[0, 0].tolist() == [255, 0, 0]
    assert found[1, 1].tolist() == [0, 255, 0]


def test_inks_become_light():
    inks = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 128]]], np.uint8)
    found = both(inks, Encoding(color_space="cmyk"))
    assert found[0].tolist() == [[255, 255, 255], [0, 0, 0], [0, 255, 255], [127, 127, 127]]


def test_inverted_grey_is_inverted():
    assert np.array_equal(both(GREY, Encoding(color_space="inverted_grey"))[..., 0], 255 - GREY)


def test_ycbcr_agrees_with_pillow():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    expected = np.asarray(_pillow_rgb(pixels), int)
    assert np.abs(both(pixels, Encoding(color_space="ycbcr")) - expected).max() <= 1


def _pillow_rgb(ycbcr):
    from PIL import Image

    bands = [Image.fromarray(np.ascontiguousarray(ycbcr[..., index])) for index in range(3)]
    return Image.merge("YCbCr", bands).convert("RGB")


@pytest.mark.parametrize(
    ("pixels", "encoding", "sentence"),
    [
        (np.zeros((5, 8, 8), np.uint8), None, "holds 5 pages.*export the one you want"),
        (np.zeros((9, 8, 8), np.uint8), Encoding("ZYX"), "z-stack of 9 planes"),
        (np.zeros((9, 8, 8), np.uint8), Encoding("TYX"), "time series of 9 frames"),
        (np.zeros((5, 8, 8), np.uint16), Encoding("CYX"), "5 channels, as in fluorescence"),
        (np.zeros((3, 8, 8), np.uint16), Encoding("CYX"), "3 channels, as in fluorescence"),
        (np.zeros((2, 3, 8, 8), np.uint8), Encoding("ZCYX"), "z-stack of 2 planes"),
        (np.zeros((8, 8, 7), np.uint8), Encoding("YXS"), "7 samples for each pixel"),
        (np.zeros((8, 8), np.uint8), Encoding("YX", "cmyk"), "cmyk needs 4"),
        (np.zeros((8, 8), np.uint8), Encoding("YX", "palette"), "palette that the file lacks"),
        (np.zeros((8, 8), np.int16), None, "type int16, whose brightness has no fixed meaning"),
        (np.zeros((8, 8), np.uint32), None, "type uint32"),
        (np.zeros((8, 8), np.complex64), None, "type complex64"),
        (np.zeros(8, np.uint8), None, "height and width"),
        (np.zeros((8, 8), np.uint8), Encoding("ZS"), "no picture with height and width"),
        (np.zeros((8, 8), np.uint8), Encoding("YXS"), "contradicts itself"),
        (np.zeros((0, 8, 3), np.uint8), None, "no pixels"),
        (np.full((8, 8), 200.0), None, r"from 200 to 200 and must lie in 0\.\.1"),
        (np.full((8, 8), -0.5), None, r"must lie in 0\.\.1"),
        (np.full((8, 8), np.nan), None, "not numbers"),
    ],
)
def test_what_cannot_become_rgb_is_refused_with_the_reason(pixels, encoding, sentence):
    with pytest.raises(TileError, match=sentence):
        as_rgb(pixels, encoding)


def test_a_lazy_picture_with_values_out_of_range_is_refused_when_it_is_read():
    lazy = as_rgb(da.full((8, 8), 3.0, chunks=4))
    with pytest.raises(TileError, match=r"must lie in 0\.\.1"):
        lazy.compute()
