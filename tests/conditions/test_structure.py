"""Edges and structure maps of pictures whose structure is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation
from small_canvases import QUICK, tissue

from histoloom.conditions import (
    EdgeRecipe,
    StructureMapRecipe,
    detect_edges,
    found_edges,
    resolved_edges,
    resolved_structure_map,
    structure_map,
)
from histoloom.conditions.channels import STEPS_PER_LEVEL, channel_plane
from histoloom.conditions.contours import instance_contours
from histoloom.errors import RecipeError
from histoloom.layouts import Layout
from histoloom.tiles.stains import HEMATOXYLIN_EOSIN, combine_stains, separate_stains

DETECTORS = ("canny", "roberts", "prewitt", "sobel", "log", "zero_crossing")
CHANNELS = ("grey", "haematoxylin", "eosin", "lightness", "red", "green", "blue")


def square(dark: int = 60, light: int = 200) -> np.ndarray:
    """A dark square on light ground, its border between pixels 19 and 20, 43 and 44."""
    picture = np.full((64, 64, 3), light, np.uint8)
    picture[20:44, 20:44] = dark
    return picture


@pytest.mark.parametrize("channel", CHANNELS)
def test_channels_are_what_they_are_called(channel: str) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    plane = channel_plane(picture, channel).astype(float) / STEPS_PER_LEVEL

    if channel == "grey":
        wanted = picture @ [0.299, 0.587, 0.114]
    elif channel == "lightness":
        from skimage.color import rgb2lab

        wanted = rgb2lab(picture)[..., 0] * 2.55
    elif channel in {"haematoxylin", "eosin"}:
        wanted = 255.0 * 10.0 ** -np.maximum(separate_stains(picture)[..., int(channel == "eosin")], 0.0)
    else:
        wanted = picture[..., ["red", "green", "blue"].index(channel)]
    np.testing.assert_allclose(plane, wanted, atol=0.6)
    assert plane.max() <= 255.0


def test_a_stain_is_seen_in_its_own_channel_only() -> None:
    concentrations = np.zeros((8, 16, 2))
    concentrations[:, :8, 0] = concentrations[:, 8:, 1] = 0.7
    picture = combine_stains(concentrations, HEMATOXYLIN_EOSIN)
    for channel, dark, white in (("haematoxylin", 0, 8), ("eosin", 8, 0)):
        plane = channel_plane(picture, channel) / STEPS_PER_LEVEL
        assert plane[:, dark : dark + 8].max() < 60.0
        assert plane[:, white : white + 8].min() > 240.0


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_detector_finds_the_border_of_a_square_and_nothing_else(detector: str) -> None:
    recipe = EdgeRecipe(detector=detector, automatic=False, low=10.0, high=30.0, sigma=0.25)
    edges = detect_edges(square(), recipe, 0.25)

    near = np.zeros((64, 64), bool)
    near[18:46, 18:46] = True
    near[23:41, 23:41] = False
    assert not edges[~near].any()
    for row in (26, 32, 38):
        left = np.flatnonzero(edges[row, :32])
        assert len(left) == 1, "an edge is one pixel wide"
        assert left[0] in {18, 19, 20, 21}
        assert edges[row, 32:].sum() == 1


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("value", [0, 128, 255])
def test_plain_ground_has_no_edges_by_any_threshold(detector: str, value: int) -> None:
    picture = np.full((40, 40, 3), value, np.uint8)
    for recipe in (EdgeRecipe(detector=detector), EdgeRecipe(detector=detector, automatic=False, low=0.0, high=0.0)):
        assert not detect_edges(picture, recipe, 0.25).any()


def test_canny_follows_weak_edges_only_from_strong_ones() -> None:
    picture = np.full((60, 120, 3), 200, np.uint8)
    ramp = np.linspace(0, 90, 50).astype(np.uint8)
    picture[20:40, 5:55] -= ramp[None, :, None]
    picture[20:40, 70:100] -= 20
    recipe = EdgeRecipe(automatic=False, low=10.0, high=60.0)
    edges = detect_edges(picture, recipe, 0.25)
    assert edges[:, 20:55].any()
    assert not edges[:, 65:].any(), "weak edges alone are none"
    assert detect_edges(picture, recipe.model_copy(update={"high": 10.0}), 0.25)[:, 65:].any()


def test_canny_agrees_with_another_implementation() -> None:
    from skimage.feature import canny

    picture = tissue((120, 150))
    grey = channel_plane(picture, "grey") / STEPS_PER_LEVEL
    ours = detect_edges(picture, EdgeRecipe(automatic=False, low=16.0, high=40.0, sigma=0.5), 0.25)
    # The other one's Sobel gradients are 8 / 2 / 4 times the slope per pixel: it divides the kernels by 4.
    theirs = canny(grey, 2.0, 16.0 * 0.25 * 2.0, 40.0 * 0.25 * 2.0)
    wide = np.ones((3, 3))
    assert (binary_dilation(theirs, wide) & ours).sum() > 0.9 * ours.sum()
    assert (binary_dilation(ours, wide) & theirs).sum() > 0.9 * theirs.sum()


@pytest.mark.parametrize("detector", [each for each in DETECTORS if each != "zero_crossing"])
def test_automatic_thresholds_are_numbers_that_give_the_same_edges(detector: str) -> None:
    picture = tissue((90, 80))
    recipe = EdgeRecipe(detector=detector)
    resolved = resolved_edges(picture, recipe, 0.25)
    assert not resolved.automatic
    assert EdgeRecipe.checked(**resolved.as_json()) == resolved
    edges, numbers = found_edges(picture, recipe, 0.25)
    assert numbers == resolved
    np.testing.assert_array_equal(edges, detect_edges(picture, resolved, 0.25))
    fewer = detect_edges(picture, recipe.model_copy(update={"strong_fraction": 0.05}), 0.25)
    assert fewer.sum() < edges.sum()


@given(st.integers(0, 2**32 - 1), st.sampled_from(DETECTORS), st.sampled_from(CHANNELS))
@QUICK
def test_any_picture_has_some_answer(seed: int, detector: str, channel: str) -> None:
    generator = np.random.default_rng(seed)
    picture = generator.integers(0, 256, (*generator.integers(1, 9, 2), 3)).astype(np.uint8)
    edges = detect_edges(picture, EdgeRecipe(detector=detector, channel=channel), 0.25)
    assert edges.shape == picture.shape[:2]
    for method in ("otsu", "fixed", "local"):
        assert structure_map(picture, StructureMapRecipe(method=method, channel=channel), 0.25).dtype == bool


def test_thresholds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(RecipeError, match="lower threshold lies above"):
        EdgeRecipe.checked(automatic=False, low=9.0, high=3.0)


@pytest.mark.parametrize("method", ["otsu", "fixed", "local"])
def test_structure_is_what_is_dark_or_what_is_bright(method: str) -> None:
    recipe = StructureMapRecipe(method=method, sigma=0.0, neighbourhood=20.0)
    wanted = square()[..., 0] < 100
    np.testing.assert_array_equal(structure_map(square(), recipe, 0.25), wanted)
    brighter = structure_map(square(), recipe.model_copy(update={"side": "brighter"}), 0.25)
    assert not (brighter & wanted).any()
    assert brighter[10, 30]
    assert brighter.sum() > 0.5 * (~wanted).sum()


def test_otsu_becomes_a_fixed_level_that_gives_the_same_map() -> None:
    picture = tissue((70, 70))
    recipe = StructureMapRecipe(channel="haematoxylin")
    fixed = resolved_structure_map(picture, recipe, 0.25)
    assert fixed.method == "fixed"
    np.testing.assert_array_equal(structure_map(picture, fixed, 0.25), structure_map(picture, recipe, 0.25))


def test_a_local_threshold_ignores_slow_changes_of_the_light() -> None:
    picture = np.repeat(np.linspace(80, 240, 120)[None, :], 120, axis=0)
    picture[::12, :] -= 30
    pixels = np.repeat(picture[..., None], 3, axis=2).astype(np.uint8)
    lines = structure_map(pixels, StructureMapRecipe(method="local", sigma=0.0, offset=10.0), 0.25)
    assert lines[::12].mean() > 0.95
    assert lines.mean() < 0.1


@pytest.mark.realdata
def test_edges_of_real_tissue_lie_on_the_contours_of_its_nuclei(shared_data: Path) -> None:
    import tifffile
    from PIL import Image

    pictures = sorted((shared_data / "tnbc_p01-08" / "images").iterdir())[:3]
    for path in pictures:
        picture = np.asarray(Image.open(path).convert("RGB"))
        (label_path,) = (shared_data / "tnbc_p01-08" / "labels").glob(f"{path.stem}.*")
        layout = Layout.from_label_map(np.asarray(tifffile.imread(label_path), np.int32), 0.25)
        near = binary_dilation(instance_contours(layout, layout.window), iterations=2)
        edges = detect_edges(picture, EdgeRecipe(channel="haematoxylin"), 0.25)
        assert edges[near].mean() > 1.2 * edges[~near].mean()
        assert 0.02 < edges.mean() < 0.25
