"""Tissue from trained bundles: any size, any region, the same bytes; and a sentence where it cannot be."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from histoloom.conditions import AcceptedStructure, MaskAndStructureEncoding, StructureLabelsEncoding
from histoloom.errors import BundleError, ConditionError, LookError, RecipeError
from histoloom.generators import generator_choices, generator_named, weave
from histoloom.generators.bundles import BundleRecipe
from histoloom.generators.bundles.anchored_windows import AnchoredWindows
from histoloom.generators.bundles.resampling import Resampling
from histoloom.generators.weaving import pieces
from histoloom.models import Bundle, load_bundle, save_bundle, shipped
from histoloom.tiles import Look, NamedLook, StainSummary
from histoloom.tiles.samples import embedded_sample
from histoloom.window import Window
from small_bundles import small_bundle, small_layout


@pytest.fixture(scope="module")
def look() -> NamedLook:
    pixels = np.random.default_rng(0).integers(90, 200, (64, 64, 3), np.uint8)
    return NamedLook.of("any", StainSummary.of(pixels), ())


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def bundle(tmp_path):
    return small_bundle(tmp_path / "small.safetensors")


@pytest.mark.parametrize(
    ("system", "options"),
    [
        ("pix2pix", {}),
        ("pix2pix", {"classes": True}),
        ("mode-seeking-pix2pix", {}),
        ("mode-seeking-pix2pix", {"noises": True}),
    ],
)
@pytest.mark.parametrize("rescale", [False, True])
def test_regions_in_any_order_have_the_bytes_of_the_whole(tmp_path, look, system, options, rescale):
    path = small_bundle(tmp_path / "g.safetensors", system, **options)
    layout = small_layout(pixel_size=0.8 if rescale else 0.5)
    recipe = BundleRecipe(rescale=rescale)
    whole = weave(layout, look, generator=str(path), recipe=recipe, seed=3).image
    assert whole.shape == (90, 75, 3)
    assert whole.std() > 5
    generator = generator_named(str(path))
    windows = [*pieces(layout.window, 37), Window(11, 3, 12, 60), Window(60, 50, 90, 75)]
    for order in (windows, windows[::-1]):
        prepared = generator.prepare(look, recipe, layout.pixel_size)
        for window in order:
            near = {each.id: each for each in layout.nuclei_in(window.expanded(prepared.halo))}
            pixels = prepared.weave(replace(layout, nuclei=near), 3, window)
            np.testing.assert_array_equal(pixels, whole[window.slices])


@pytest.mark.parametrize("shape", [(1, 1), (7, 90), (32, 32), (33, 32), (65, 41)])
def test_any_height_and_width_is_woven(bundle, look, shape):
    layout = small_layout(shape)
    image = weave(layout, look, generator=str(bundle)).image
    assert image.shape == (*shape, 3)
    part = Window(0, shape[1] // 2, shape[0], shape[1])
    np.testing.assert_array_equal(weave(layout, look, generator=str(bundle), window=part).image, image[part.slices])


def test_dropout_follows_the_seed_and_nothing_that_was_drawn_before(bundle, look):
    layout = small_layout()
    first = weave(layout, look, generator=str(bundle), seed=1).image
    torch.rand(17)
    again = generator_named(str(bundle)).prepare(look, BundleRecipe(), 0.5).weave(layout, 1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, weave(layout, look, generator=str(bundle), seed=2).image)


def test_the_number_of_threads_makes_no_difference(bundle, look):
    layout, threads = small_layout(), torch.get_num_threads()
    pictures = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            pictures.append(generator_named(str(bundle)).prepare(look, BundleRecipe(), 0.5).weave(layout, 1))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(*pictures)


def test_an_edit_changes_nothing_beyond_the_halo(bundle, look):
    layout = small_layout((200, 40))
    prepared = generator_named(str(bundle)).prepare(look, BundleRecipe(), 0.5)
    moved = layout.with_nuclei({1: None})
    changed = np.nonzero((prepared.weave(layout, 0) != prepared.weave(moved, 0)).any(axis=(1, 2)))[0]
    box = layout.nuclei[1].outline.window
    assert len(changed)
    assert changed.min() >= box.y0 - prepared.halo
    assert changed.max() < box.y1 + prepared.halo


@pytest.mark.parametrize("length", [5, 32, 33, 50, 57, 200])
def test_windows_blend_to_one_everywhere_and_leave_no_seam(length):
    windows = AnchoredWindows((length, 40), 32)
    total = np.zeros((max(length, 32), 40))
    for each in windows.meeting(Window(0, 0, length, 40)):
        rows, columns = windows.weights(each)
        assert min(rows.min(), columns.min()) >= 0
        assert np.abs(np.diff(rows)).max() < 0.6
        total[each.slices] += rows[:, None] * columns
    np.testing.assert_allclose(total[:length], 1.0, atol=1e-6)


def test_seams_of_windows_are_no_stronger_than_what_lies_between(bundle, look):
    layout = small_layout((120, 120), count=30)
    image = weave(layout, look, generator=str(bundle)).image.astype(float)
    steps = np.abs(np.diff(image, axis=0)).mean(axis=(1, 2))
    starts = {each.y0 for each in AnchoredWindows((120, 120), 32).meeting(layout.window)} - {0}
    edges = [start - 1 for start in starts] + [start + 31 for start in starts if start + 31 < len(steps)]
    assert steps[edges].mean() < 1.3 * np.median(steps)


def test_resampling_keeps_what_is_even_and_where_things_are():
    for factor in (0.4, 1.6, 3.0):
        source = np.zeros((1, round(60 * factor), round(60 * factor)), np.float32)
        half = source.shape[1] // 2
        source[:, half:] = 200.0
        resampling = Resampling(factor, source.shape[1:])
        result = resampling.resampled(source, Window(0, 0, 60, 60))[0]
        np.testing.assert_allclose(result, result[:, :1].repeat(60, axis=1), atol=1e-3)
        assert result[:26].max() < 1e-3
        assert result[34:].min() > 199.9


def accepted(layout, encoding, value=255):
    labels = np.zeros(layout.shape, np.uint8)
    labels[20:40] = value
    return AcceptedStructure(labels, encoding, np.zeros(layout.shape, bool))


def test_accepted_structure_is_seen_where_it_fits(bundle, look):
    layout = small_layout()
    plain = weave(layout, look, generator=str(bundle))
    fits = accepted(layout, StructureLabelsEncoding())
    seen = weave(layout, look, generator=str(bundle), structure=fits)
    assert not np.array_equal(plain.image, seen.image)
    assert (plain.structure_sha256, seen.structure_sha256) == ("", fits.sha256)
    contours = BundleRecipe(structure="contours")
    for other in (
        weave(layout, look, generator=str(bundle), structure=fits, recipe=contours),
        weave(layout, look, generator=str(bundle), structure=accepted(layout, MaskAndStructureEncoding())),
    ):
        np.testing.assert_array_equal(other.image, plain.image)
    small = layout.nuclei_in(Window(0, 0, 30, 30))
    part = weave(layout, look, generator=str(bundle), structure=fits, window=Window(5, 5, 30, 30))
    assert small
    np.testing.assert_array_equal(part.image, seen.image[5:30, 5:30])


def test_accepted_structure_is_rescaled_with_the_canvas(bundle, look):
    layout = small_layout(pixel_size=0.8)
    recipe = BundleRecipe(rescale=True, structure="accepted")
    structure = accepted(layout, StructureLabelsEncoding())
    whole = weave(layout, look, generator=str(bundle), recipe=recipe, structure=structure).image
    part = Window(15, 20, 50, 33)
    again = weave(layout, look, generator=str(bundle), recipe=recipe, structure=structure, window=part).image
    np.testing.assert_array_equal(again, whole[part.slices])


@pytest.mark.parametrize(
    ("encoding", "shape", "sentence"),
    [
        (None, None, "No structure has been accepted"),
        (MaskAndStructureEncoding(), (90, 75), "the network sees 'structure-labels'"),
        (StructureLabelsEncoding(), (80, 75), "accept it again"),
    ],
)
def test_accepted_structure_that_does_not_fit_is_explained_if_it_was_asked_for(bundle, look, encoding, shape, sentence):
    structure = None if encoding is None else accepted(small_layout(shape), encoding)
    with pytest.raises(ConditionError, match=sentence):
        weave(
            small_layout(), look, generator=str(bundle), recipe=BundleRecipe(structure="accepted"), structure=structure
        )


def test_structure_can_be_that_of_the_texture_weavers_picture(bundle, look):
    layout, recipe = small_layout(), BundleRecipe(structure="texture weaver")
    tile = Look.from_tile(embedded_sample())
    whole = weave(layout, tile, generator=str(bundle), recipe=recipe).image
    part = Window(30, 8, 71, 40)
    again = weave(layout, tile, generator=str(bundle), recipe=recipe, window=part).image
    np.testing.assert_array_equal(again, whole[part.slices])
    assert not np.array_equal(whole, weave(layout, tile, generator=str(bundle)).image)
    with pytest.raises(LookError, match="choose a tile"):
        weave(layout, look, generator=str(bundle), recipe=recipe)


def test_another_pixel_size_is_refused_with_the_offer_to_rescale(bundle, look):
    with pytest.raises(BundleError, match="switch 'Rescale' on"):
        weave(small_layout(pixel_size=0.25), look, generator=str(bundle))
    with pytest.raises(BundleError, match="too far apart"):
        weave(small_layout(pixel_size=0.05), look, generator=str(bundle), recipe=BundleRecipe(rescale=True))


def test_rescaled_nuclei_lie_where_the_layout_has_them(tmp_path, look):
    # A network that shows its condition, as far as one can be made of random weights: compare where pictures differ.
    path = small_bundle(tmp_path / "g.safetensors")
    layout = small_layout((96, 96), 0.25, count=1)
    empty = layout.with_nuclei({1: None})
    recipe = BundleRecipe(rescale=True)
    pictures = [weave(each, look, generator=str(path), recipe=recipe).image.astype(int) for each in (layout, empty)]
    difference = np.abs(pictures[0] - pictures[1]).sum(axis=2)
    inside = layout.rasterize() > 0
    assert difference[inside].mean() > difference[~inside].mean()


def test_unknown_classes_are_refused_with_the_offer_of_another(tmp_path, look):
    path = small_bundle(tmp_path / "g.safetensors", classes=True)
    layout = small_layout()
    strange = layout.with_nuclei({1: replace(layout.nuclei[1], class_name="spindle")})
    with pytest.raises(BundleError, match=r"does not know the class 'spindle'.*unknown classes as"):
        weave(strange, look, generator=str(path))
    with pytest.raises(BundleError, match="choose one of: epithelial, inflammatory"):
        weave(strange, look, generator=str(path), recipe=BundleRecipe(unknown_classes_as="fat"))
    known = layout.nuclei[1].class_name
    np.testing.assert_array_equal(
        weave(strange, look, generator=str(path), recipe=BundleRecipe(unknown_classes_as=known)).image,
        weave(layout, look, generator=str(path)).image,
    )


def test_networks_that_see_no_classes_weave_any(bundle, look):
    layout = small_layout()
    strange = layout.with_nuclei({1: replace(layout.nuclei[1], class_name="spindle")})
    image = weave(strange, look, generator=str(bundle)).image
    np.testing.assert_array_equal(image, weave(layout, look, generator=str(bundle)).image)


def test_bundles_are_found_by_name_and_listed_with_what_is_wrong(tmp_path, monkeypatch, look):
    monkeypatch.setenv("HISTOLOOM_MODELS", str(tmp_path))
    small_bundle(tmp_path / "mine.safetensors")
    small_bundle(tmp_path / "texture.safetensors")
    small_bundle(tmp_path / "loom.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    generator = generator_named("mine")
    assert (generator.name, generator.title) == ("mine", "mine (pix2pix, 1,200 steps)")
    assert generator_named("texture").weights_sha256 == ""
    choices = {each.reference: each for each in generator_choices()}
    assert choices["mine"].problem == ""
    assert "not a bundle" in choices["broken"].problem
    assert choices[str(tmp_path / "texture.safetensors")].title == "texture (pix2pix, 1,200 steps)"
    assert choices[str(tmp_path / "loom.safetensors")].title == "loom (pix2pix, 1,200 steps), own"
    assert generator_named(str(tmp_path / "loom.safetensors")).weights_sha256 == generator.weights_sha256
    assert generator_named("loom").weights_sha256 != generator.weights_sha256
    with pytest.raises(RecipeError, match=r"choose one of: broken, .*mine, .*texture, or the path"):
        generator_named("yours")
    woven = weave(small_layout(), look, generator="mine")
    assert (woven.generator, woven.weights_sha256) == ("mine", generator.weights_sha256)


def test_a_shipped_bundle_that_was_changed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "shipped_folder", lambda: tmp_path)
    monkeypatch.setitem(shipped.SHIPPED, "house.safetensors", "0" * 64)
    small_bundle(tmp_path / "house.safetensors")
    with pytest.raises(BundleError, match="install histoloom again"):
        generator_named("house")
    assert "install histoloom again" in next(each.problem for each in generator_choices() if each.reference == "house")


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"system": "some-other-system"}, "cannot weave with"),
        ({"kind": "segmenter"}, "holds a segmenter"),
        ({"condition": None}, "its 'condition'"),
        ({"recipe": {"width": 4}}, "its 'recipe'"),
        ({"recipe": {"crop_size": 32, "width": 8, "depth": 4}}, "not those that its recipe tells of"),
    ],
)
def test_bundles_that_cannot_weave_are_refused_in_a_sentence(tmp_path, look, facts, sentence):
    whole = load_bundle(small_bundle(tmp_path / "whole.safetensors"))
    path = tmp_path / "g.safetensors"
    save_bundle(Bundle(whole.header.model_copy(update=facts), whole.weights), path)
    with pytest.raises(BundleError, match=sentence):
        weave(small_layout(), look, generator=str(path))


def test_asking_what_a_bundle_is_imports_no_torch(tmp_path):
    path = small_bundle(tmp_path / "g.safetensors")
    code = (
        "import sys; from histoloom.generators import generator_named, generator_choices; "
        f"print(generator_named({str(path)!r}).title, len(generator_choices()), 'torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split()[-1] == "False"
