"""What moves the picture moves its labels by the same map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny_system import TinyRecipe, tiny_data

from histoloom.keyed_random import shuffled_index
from histoloom.training.augmentation import augmented_crop, plain_crop, stains_jittered
from histoloom.training.batches import Batches
from histoloom.training.data import LabelledPicture


def blobs(side=120):
    """Return a picture that shows its label map: dark where a nucleus is, and as red as its label."""
    y, x = np.mgrid[:side, :side]
    label_map = np.zeros((side, side), np.int32)
    for label, (row, column) in enumerate([(30, 35), (70, 80), (95, 30), (40, 90)], start=1):
        label_map[np.hypot(y - row, (x - column) * 1.6) < 16] = label
    image = np.full((side, side, 3), 240, np.uint8)
    image[label_map > 0] = 20
    return LabelledPicture(image, label_map, np.zeros(5, np.uint8))


@settings(max_examples=30, deadline=None)
@example(seed=281, rotate="none", mirror=True, scale=0.0, elastic=0.56640625, size=64)
@example(seed=492, rotate="none", mirror=False, scale=0.06866917318931793, elastic=0.75, size=160)
@given(
    seed=st.integers(0, 2**32),
    rotate=st.sampled_from(["none", "quarter turns", "any angle"]),
    mirror=st.booleans(),
    scale=st.floats(0, 0.5),
    elastic=st.floats(0, 1.0),
    size=st.sampled_from([16, 64, 160]),
)
def test_labels_stay_on_their_nuclei(seed, rotate, mirror, scale, elastic, size):
    recipe = TinyRecipe(crop_size=size, rotate=rotate, mirror=mirror, scale_spread=scale, elastic=elastic)
    crop = augmented_crop(blobs(), recipe, 0.25, np.random.default_rng(seed))
    assert crop.image.shape == (size, size, 3)
    assert crop.label_map.shape == (size, size)
    # Half-way grey is where the nearest pixel changes; a rounding of OpenCV's grid may tip single pixels.
    dark = crop.image[..., 0] < 130
    assert np.mean(dark != (crop.label_map > 0)) < 0.04
    clear = np.abs(crop.image[..., 0].astype(int) - 130) > 75
    # At the very tip of a nucleus, the bright pixels around may outweigh the nearest one.
    assert np.count_nonzero((dark != (crop.label_map > 0))[clear]) <= 4


def test_turned_and_mirrored_crops_on_whole_pixels_are_not_blurred():
    picture = blobs()
    recipe = TinyRecipe(crop_size=120, scale_spread=0.0)
    wanted = {np.rot90(image, turn).tobytes() for image in (picture.image, picture.image[:, ::-1]) for turn in range(4)}
    seen = set()
    for seed in range(60):
        crop = augmented_crop(picture, recipe, 0.25, np.random.default_rng(seed))
        assert set(np.unique(crop.image)) == {20, 240}
        seen.add(crop.image.tobytes())
    assert seen == wanted


def test_tiles_smaller_than_the_crop_are_continued():
    for size in (121, 300):
        crop = plain_crop(blobs(), size, np.random.default_rng(0))
        assert crop.image.shape == (size, size, 3)
        assert ((crop.image[..., 0] < 130) == (crop.label_map > 0)).all()


def test_a_stain_jitter_changes_colour_and_leaves_white_white():
    image = np.full((8, 8, 3), 255, np.uint8)
    image[:4] = (150, 90, 160)
    jittered = stains_jittered(image, 0.3, np.random.default_rng(1))
    assert (jittered[4:] == 255).all()
    assert np.abs(jittered[:4].astype(int) - image[:4]).max() > 5


def test_every_round_shows_each_tile_once():
    for turn in range(3):
        assert sorted(shuffled_index(turn * 7 + place, 7, 5) for place in range(7)) == list(range(7))
    orders = {tuple(shuffled_index(turn * 7 + place, 7, 5) for place in range(7)) for turn in range(5)}
    assert len(orders) > 1


def test_batches_are_a_function_of_seed_and_step_and_devices_share_them_out():
    def batches(size, rank=0, world_size=1):
        recipe = TinyRecipe(crop_size=16, batch_size=size, rotate="any angle")
        return Batches(tiny_data(), recipe, lambda crop: (crop.label_map > 0)[None], True, rank, world_size)

    whole = batches(4).at(5)
    halves = [batches(2, rank, 2).at(5) for rank in range(2)]
    for index, half in enumerate(halves):
        assert (half.image == whole.image[2 * index : 2 * index + 2]).all()
        assert (half.other_condition == whole.other_condition[2 * index : 2 * index + 2]).all()
    streamed = {step: batch for step, batch, _ in batches(4).stream(4, 7)}
    assert list(streamed) == [4, 5, 6]
    assert (streamed[5].image == whole.image).all()
    assert not (streamed[4].image == whole.image).all()


def test_leaving_a_stream_early_ends_its_threads():
    import threading

    stream = Batches(tiny_data(), TinyRecipe(crop_size=16), lambda crop: (crop.label_map > 0)[None]).stream(0, 100)
    next(stream)
    stream.close()
    assert not [each for each in threading.enumerate() if each.name.startswith("batches")]


@pytest.mark.parametrize("classes", [("nucleus",), ("nucleus", "tumor")])
def test_a_crop_becomes_a_layout_with_its_classes(classes):
    picture = blobs()
    picture = LabelledPicture(picture.image, picture.label_map, np.array([0, 0, len(classes) - 1, 0, 0], np.uint8))
    layout = picture.layout(classes, 0.5)
    np.testing.assert_array_equal(layout.rasterize(), picture.label_map)
    assert layout.nuclei[2].class_name == classes[-1]
