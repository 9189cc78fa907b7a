"""The refiner weaves the same tissue however it is asked, and needs a real reference."""

from __future__ import annotations

import queue
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from histoloom.errors import BundleError, LookError
from histoloom.generators import generator_named, weave
from histoloom.generators.refiner import PictureRefiner, RefinerWeaveRecipe
from histoloom.generators.refiner.generator import PreparedRefiner
from histoloom.generators.texture import TextureWeaver
from histoloom.jobs.weave_client import WeaveAnswer, WeaveClient
from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.models import load_bundle, save_bundle
from histoloom.models.bundle import Bundle
from histoloom.tiles import Look, NamedLook, StainSummary, Tile
from histoloom.tiles.samples import embedded_sample
from histoloom.window import Window
from small_bundles import small_loom, small_refiner

PATIENCE_S = 120.0


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return str(small_refiner(tmp_path_factory.mktemp("bundles") / "refined.safetensors"))


@pytest.fixture(scope="module")
def look() -> Look:
    pixels = embedded_sample().read()[:256, :240]
    return Look.from_tile(Tile.from_array(pixels, 0.25))


@pytest.fixture(scope="module")
def prepared(bundle, look) -> PreparedRefiner:
    return generator_named(bundle).prepare(look, RefinerWeaveRecipe(), 0.25)


def canvas(shape=(290, 275), pixel_size=0.25, count=20) -> Layout:
    random = np.random.default_rng(5)
    nuclei = [
        Nucleus.create(key, Outline.ellipse(tuple(random.random(2) * shape), tuple(8.0 + 8.0 * random.random(2))))
        for key in range(1, count + 1)
    ]
    return Layout.from_nuclei(nuclei, shape, pixel_size)


LAYOUT = canvas()
WINDOWS = st.tuples(st.integers(-40, 300), st.integers(-40, 290), st.integers(1, 120), st.integers(1, 120)).map(
    lambda each: Window(each[0], each[1], each[0] + each[2], each[1] + each[3])
)


@pytest.fixture(scope="module")
def whole(prepared):
    return prepared.weave(LAYOUT, 3)


@given(window=WINDOWS)
@settings(max_examples=6, deadline=None)
def test_windows_in_any_order_have_the_bytes_of_the_whole_and_previews_nearly(prepared, whole, window):
    pixels, preview = prepared.weave(LAYOUT, 3, window), prepared.preview(LAYOUT, 3, window)
    assert pixels.shape == preview.shape == (*window.shape, 3)
    assert np.abs(preview.astype(int) - pixels).max() <= 2
    shared = window.intersection(Window.of_shape(whole.shape))
    if not shared.is_empty:
        np.testing.assert_array_equal(pixels[shared.relative_to(window).slices], whole[shared.slices])


def test_another_preparation_and_a_larger_canvas_weave_the_same_bytes(bundle, look, whole):
    again = generator_named(bundle).prepare(look, RefinerWeaveRecipe(), 0.25)
    np.testing.assert_array_equal(again.weave(LAYOUT.resized((400, 300)), 3)[:290, :275], whole)


def test_an_empty_window_gives_an_empty_picture(prepared):
    assert prepared.weave(LAYOUT, 0, Window(5, 5, 5, 30)).size == 0


def test_the_picture_is_that_of_the_texture_weaver_refined(bundle, prepared, look, whole):
    first = TextureWeaver().prepare(look, RefinerWeaveRecipe(), 0.25).weave(LAYOUT, 3)
    unrefined = generator_named(bundle).prepare(look, RefinerWeaveRecipe(refinement=0.0), 0.25).weave(LAYOUT, 3)
    np.testing.assert_array_equal(unrefined, first)
    assert np.abs(whole.astype(int) - first).mean() > 3
    half = generator_named(bundle).prepare(look, RefinerWeaveRecipe(refinement=0.5), 0.25).weave(LAYOUT, 3)
    # Clipped where the whole change is, so only about half of it everywhere.
    assert np.abs((first.astype(float) + whole) / 2 - half).mean() < 1.5


def test_a_nucleus_changes_no_pixel_beyond_the_halo(prepared, whole):
    others = replace(LAYOUT, nuclei={key: each for key, each in LAYOUT.nuclei.items() if key != 7})
    changed = np.argwhere((prepared.weave(others, 3) != whole).any(axis=2))
    box = LAYOUT.nuclei[7].outline.window.expanded(prepared.halo)
    assert len(changed)
    assert (changed >= [box.y0, box.x0]).all()
    assert (changed < [box.y1, box.x1]).all()


def test_a_coarser_canvas_is_woven_at_the_networks_pixel_size(bundle, look):
    coarse = canvas((120, 130), 0.5, 6)
    with pytest.raises(BundleError, match="switch 'Rescale' on"):
        generator_named(bundle).prepare(look, RefinerWeaveRecipe(rescale=False), 0.5)
    prepared = generator_named(bundle).prepare(look, RefinerWeaveRecipe(), 0.5)
    picture = prepared.weave(coarse, 1)
    assert picture.shape == (120, 130, 3)
    np.testing.assert_array_equal(prepared.weave(coarse, 1, Window(30, 40, 70, 90)), picture[30:70, 40:90])


def test_the_process_behind_the_dock_weaves_the_bytes_of_the_library(bundle, look):
    layout = canvas((300, 290), count=8)
    library = weave(layout, look, generator=bundle, seed=5)
    assert library.generator == "refined"
    answers: queue.Queue = queue.Queue()
    client = WeaveClient(answers.put, lambda _: None)
    pixels = np.zeros_like(library.image)
    try:
        client.prepare(look, bundle, RefinerWeaveRecipe(), layout.pixel_size)
        client.set_layout(layout)
        client.weave(1, layout.window, 5)
        is_last = False
        while not is_last:
            answer = answers.get(timeout=PATIENCE_S)
            assert isinstance(answer, WeaveAnswer), answer
            pixels[answer.window.slices] = answer.pixels
            is_last = answer.is_last
    finally:
        client.close()
    np.testing.assert_array_equal(pixels, library.image)


def test_a_look_without_pixels_is_no_reference(bundle):
    named = NamedLook.of("colon", StainSummary.of(embedded_sample().read()), (0.5,))
    with pytest.raises(LookError, match="copies from a real tile"):
        generator_named(bundle).prepare(named, RefinerWeaveRecipe(), 0.25)


def test_weights_of_another_recipe_are_refused(bundle, tmp_path, look):
    kept = load_bundle(bundle)
    header = kept.header.model_copy(update={"recipe": kept.header.recipe | {"width": 8}})
    path = tmp_path / "wrong.safetensors"
    save_bundle(Bundle(header, kept.weights), path)
    with pytest.raises(BundleError, match="not those that its recipe tells of"):
        generator_named(str(path)).prepare(look, RefinerWeaveRecipe(), 0.25)


def test_pictures_that_are_there_are_refined_too(bundle, look):
    refiner = PictureRefiner(bundle)
    picture, reference = look.pixels[:90, :70], look.pixels[100:200, 60:180]
    refined = refiner.refine(picture, 0.25, reference)
    assert refined.shape == picture.shape
    assert (refined != picture).any()
    with pytest.raises(LookError, match="was given none; give a patch of a real tile"):
        refiner.refine(picture, 0.25, None)
    with pytest.raises(LookError, match="the very picture that shall be refined"):
        refiner.refine(picture, 0.25, picture.copy())
    with pytest.raises(LookError, match="only 20 x 30 pixels"):
        refiner.refine(picture, 0.25, reference[:20, :30])
    with pytest.raises(BundleError, match=r"was trained at 0\.25"):
        refiner.refine(picture, 0.5, reference)


def test_a_bundle_of_another_system_refines_no_pictures(tmp_path):
    with pytest.raises(BundleError, match="of the system 'loom' and refines no pictures"):
        PictureRefiner(small_loom(tmp_path / "other.safetensors"))
