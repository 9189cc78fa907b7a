"""What the texture weaver takes from a look, and what it says of looks that cannot serve."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from texture_looks import PIXEL_SIZE, colon, look_of

from histoloom.errors import LookError
from histoloom.generators.texture import TextureRecipe, TextureWeaver
from histoloom.generators.texture.nuclear_material import find_nuclear_material
from histoloom.layouts import Layout
from histoloom.tiles.samples import embedded_sample
from histoloom.tiles.stain_summary import StainSummary, color_drift
from histoloom.tiles.stains import separate_stains


def weave(look, layout, seed=1, **options):
    return TextureWeaver().prepare(look, TextureRecipe(**options), layout.pixel_size).weave(layout, seed)


def own_layout(pixels, pixel_size=PIXEL_SIZE):
    """The nuclei that the weaver itself finds in a picture."""
    nuclei = find_nuclear_material(pixels, pixel_size).nuclei
    return Layout.from_label_map(cv2.connectedComponents(nuclei.astype(np.uint8))[1], pixel_size)


def test_woven_tissue_has_the_colours_of_its_look():
    pixels = embedded_sample().read()[:384, :384]
    woven = weave(look_of(pixels), own_layout(pixels))
    drift = color_drift(StainSummary.of(pixels), StainSummary.of(woven))
    assert abs(drift.hematoxylin_shift) < 0.5
    assert abs(drift.eosin_shift) < 0.5
    assert 0.6 < drift.hematoxylin_spread_ratio < 1.5
    assert drift.optical_density_shift < 0.08


def test_the_background_has_no_nuclei_left():
    look = colon()
    background = weave(look, Layout.empty((384, 384), PIXEL_SIZE))
    nuclei = separate_stains(look.pixels)[find_nuclear_material(look.pixels, PIXEL_SIZE).sub_segmentation][:, 0]
    assert (separate_stains(background)[..., 0] > np.median(nuclei)).mean() < 0.01


def test_a_look_of_another_pixel_size_is_brought_to_that_of_the_canvas():
    look = look_of(embedded_sample().read(), 0.25)
    prepared = TextureWeaver().prepare(look, TextureRecipe(), 0.5)
    assert prepared.weave(Layout.empty((80, 80), 0.5), 1).std() > 1
    finer = weave(look_of(embedded_sample().read()[:128, :128], 0.5), Layout.empty((80, 80), 0.25))
    assert finer.shape == (80, 80, 3)


@pytest.mark.parametrize("shape", [(64, 64), (64, 200), (131, 87), (97, 65)])
def test_small_looks_and_odd_sizes_serve(shape):
    look = look_of(embedded_sample().read()[100 : 100 + shape[0], 60 : 60 + shape[1]])
    layout = Layout.empty((150, 150), PIXEL_SIZE)
    first, again = weave(look, layout), weave(look, layout)
    np.testing.assert_array_equal(first, again)
    assert first.std() > 1


def test_a_wide_look_serves_at_a_small_pixel_size():
    look = look_of(embedded_sample().read()[:200, :200], 0.1)
    assert weave(look, Layout.empty((100, 100), 0.1)).shape == (100, 100, 3)


def one_sentence(error: LookError) -> bool:
    return bool(re.fullmatch(r"[A-Z][^\n]*[^.\s]\.", str(error)))


def test_a_look_without_nuclei_is_refused_in_a_sentence():
    draw = np.random.default_rng(0)
    stroma = np.clip(np.array([225, 150, 190]) + draw.normal(0, 3, (128, 128, 1)), 0, 255).astype(np.uint8)
    with pytest.raises(LookError, match="No nuclei were found") as caught:
        weave(look_of(stroma), Layout.empty((64, 64), PIXEL_SIZE))
    assert one_sentence(caught.value)


def test_an_all_white_or_small_look_is_refused_in_a_sentence():
    for pixels in (np.full((128, 128, 3), 255, np.uint8), embedded_sample().read()[:63, :200]):
        with pytest.raises(LookError) as caught:
            look_of(pixels)
        assert one_sentence(caught.value)


def test_a_look_that_is_small_at_the_canvas_s_pixel_size_is_refused_in_a_sentence():
    with pytest.raises(LookError, match="only 48 x 48 pixels") as caught:
        weave(look_of(embedded_sample().read()[:96, :96], 0.25), Layout.empty((64, 64), 0.5))
    assert one_sentence(caught.value)


@pytest.mark.parametrize("pixel_size", [0.05, 5.0])
def test_a_look_of_another_magnification_is_refused_in_a_sentence(pixel_size):
    with pytest.raises(LookError, match="too far apart") as caught:
        weave(look_of(embedded_sample().read(), pixel_size), Layout.empty((64, 64), 0.5))
    assert one_sentence(caught.value)


def strange_looks():
    draw = np.random.default_rng(3)
    y, x = np.indices((96, 112))
    yield "noise", draw.integers(0, 256, (96, 112, 3))
    yield "faint noise", draw.integers(120, 124, (96, 112, 3))
    yield "grey noise", np.repeat(draw.integers(0, 256, (96, 112, 1)), 3, axis=2)
    yield "stripes", np.repeat(np.where(x[..., None] // 6 % 2, 90, 200), 3, axis=2)
    yield "checkers", np.repeat(np.where((x // 9 + y // 9)[..., None] % 2, 60, 180), 3, axis=2)
    yield "ramp", np.stack([x * 2, y * 2, x + y], axis=-1)
    yield "black", np.zeros((96, 112, 3))
    yield "half glass", np.where((x < 56)[..., None], 255, draw.integers(40, 160, (96, 112, 3)))
    yield "one spot", np.where(((x - 50) ** 2 + (y - 40) ** 2 < 60)[..., None], (60, 40, 120), (230, 180, 210))


@pytest.mark.parametrize(("name", "pixels"), list(strange_looks()), ids=[name for name, _ in strange_looks()])
def test_a_picture_that_is_no_tissue_is_woven_or_refused_in_a_sentence(name, pixels):
    refusal = None
    try:
        woven = weave(look_of(pixels.astype(np.uint8)), Layout.empty((70, 90), PIXEL_SIZE))
    except LookError as error:
        refusal = error
    assert one_sentence(refusal) if refusal else woven.shape == (70, 90, 3)


def test_layouts_may_be_empty_have_one_nucleus_or_fill_the_canvas():
    look = colon()
    full = np.arange(1, 145, dtype=np.int32).reshape(12, 12).repeat(8, axis=0).repeat(8, axis=1)
    one = np.zeros((96, 96), np.int32)
    one[40:50, 40:52] = 1
    background = weave(look, Layout.empty((96, 96), PIXEL_SIZE))
    for label_map in (one, full, np.ones((96, 96), np.int32)):
        woven = weave(look, Layout.from_label_map(label_map, PIXEL_SIZE))
        assert separate_stains(woven)[label_map > 0][:, 0].mean() > separate_stains(background)[..., 0].mean()


def test_blue_ink_is_not_taken_for_nuclei():
    pixels = colon().pixels.copy()
    inked = np.zeros(pixels.shape[:2], bool)
    inked[20:60, 100:170] = True
    pixels[inked] = (20, 90, 180)
    assert not (find_nuclear_material(pixels, PIXEL_SIZE).nuclei & inked).any()


REAL_TILES = [("tnbc_p01-08", name) for name in ("01_1", "02_2", "03_4", "05_1", "06_2", "08_3")]
REAL_TILES += [("consep_train", f"train_{number}") for number in (1, 5, 12, 20)]


@pytest.mark.realdata
def test_the_super_segmentation_holds_the_nuclei_of_real_tiles(shared_data):
    covered = labelled = 0
    for folder, name in REAL_TILES:
        pixels, label_map = real_tile(shared_data / folder, name)
        material = find_nuclear_material(pixels, 0.25).super_segmentation
        covered += int((material & (label_map > 0)).sum())
        labelled += int((label_map > 0).sum())
    assert covered / labelled >= 0.85


@pytest.mark.realdata
def test_real_layouts_are_woven_in_the_colours_of_their_tiles(shared_data):
    for folder, name in REAL_TILES[::3]:
        pixels, label_map = real_tile(shared_data / folder, name)
        woven = weave(look_of(pixels, 0.25), Layout.from_label_map(label_map, 0.25))
        drift = color_drift(StainSummary.of(pixels), StainSummary.of(woven))
        assert abs(drift.hematoxylin_shift) < 0.7
        assert abs(drift.eosin_shift) < 0.7
        assert drift.optical_density_shift < 0.08


def real_tile(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    pixels = cv2.imread(str(folder / "images" / f"{name}.png"))[:512, :512, ::-1]
    label_map = cv2.imread(str(folder / "labels" / f"{name}.tif"), cv2.IMREAD_UNCHANGED)[:512, :512]
    return np.ascontiguousarray(pixels), label_map.astype(np.int32)
