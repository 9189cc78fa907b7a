"""The house generator trains by the one loop, from layouts, noise and looks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from histoloom.conditions import NucleiAndTissueEncoding, encoding_from_json
from histoloom.errors import TrainingError
from histoloom.generators import generator_named
from histoloom.generators.loom import LoomWeaveRecipe
from histoloom.generators.loom.noise import LEVELS, NOISE_PLANES, NUCLEUS_NUMBERS, OCTAVES
from histoloom.generators.networks.canonical_stain import STAIN_ROW
from histoloom.layouts import Layout
from histoloom.models import TrainingSource, load_bundle
from histoloom.tiles import Look, Tile
from histoloom.tiles.tissue import TISSUES
from histoloom.training.augmentation import augmented_crop, plain_crop, reference_crop
from histoloom.training.batches import Batches
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.engine import train
from histoloom.training.events import Validated
from histoloom.training.losses.feature_matching import local_feature_matching_loss
from histoloom.training.memory import check_crop, estimate_memory
from histoloom.training.randomness import keyed_torch
from histoloom.training.systems.loom import Loom
from histoloom.training.systems.loom_noise import drawn_noise
from histoloom.training.systems.loom_recipe import LoomRecipe
from histoloom.training.systems.registry import system_for

SMALL = {
    "steps": 4,
    "width": 2,
    "discriminator_width": 4,
    "crop_size": 64,
    "reference_size": 32,
    "batch_size": 1,
    "log_every": 1,
    "checkpoint_every": 2,
    "validate_every": 100,
    "preview_every": 100,
    "validation_crops": 1,
    "previews": 1,
    "workers": 1,
    "device": "cpu",
    "precision": "32-true",
}
CLASSES = ("nucleus", "epithelial")


def small_data(tiles=3, side=200) -> TrainingData:
    """Tiles with dark nuclei on ground that is pink, white or red."""
    pictures = []
    for index in range(tiles):
        random = np.random.default_rng(index)
        image = np.empty((side, side, 3), np.float64)
        image[:] = (225, 160, 200)
        image[:, side // 2 :] = (250, 248, 250)
        label_map = np.zeros((side, side), np.int32)
        y, x = np.mgrid[:side, :side]
        for label in range(1, 13):
            center = random.uniform(10, side - 10, 2)
            label_map[np.hypot(y - center[0], x - center[1]) < 9] = label
        image[label_map > 0] = (95, 60, 145)
        image += random.normal(0, 6, image.shape)
        class_of = (np.arange(13) % 2).astype(np.uint8)
        pictures.append(LabelledPicture(image.clip(0, 255).astype(np.uint8), label_map, class_of))
    sources = (TrainingSource(name="discs", licence="CC0", tiles=tiles),)
    return TrainingData(tuple(pictures[1:]), tuple(pictures[:1]), CLASSES, 0.25, sources, {"by": "tile"})


DATA = small_data()


def system_of(**changes) -> Loom:
    return system_for(LoomRecipe(**SMALL | changes), DATA)


def batches_of(system: Loom) -> Batches:
    return Batches(DATA, system.recipe, system.encode, margin=system.margin, reference_size=system.reference_size)


def test_batches_hold_labels_condition_look_and_a_margin():
    system = system_of(batch_size=2)
    batch = batches_of(system).at(0)
    assert batch.condition.shape == (2, system.planes, 64 + 96, 64 + 96)
    assert batch.image.shape == (2, 3, 64, 64)
    assert batch.reference.shape == (2, 3, 32, 32)
    assert batch.stains.shape == (2, STAIN_ROW)
    ids, condition = batch.condition[:, 0], batch.condition[:, 1:]
    torch.testing.assert_close((ids > 0).float(), condition[:, 0])
    tissue = condition[:, system.encoding.tissue_channels]
    torch.testing.assert_close(tissue.sum(1), torch.ones_like(tissue.sum(1)))
    assert 0.0 <= float(condition.min()) <= float(condition.max()) <= 1.0


def test_crops_see_the_tissue_that_their_tile_shows():
    system = system_of()
    condition = system.encode(DATA.training[0])[1:]
    tissue = condition[system.encoding.tissue_channels]
    assert tissue[TISSUES.index("blank") - 1, 20:180, 120:].mean() > 0.7
    assert tissue[TISSUES.index("blank") - 1, 20:180, :80].mean() < 0.1
    epithelial = condition[system.encoding.class_channels][0]
    np.testing.assert_array_equal(epithelial > 0, (DATA.training[0].label_map % 2 == 1))


def test_some_crops_come_with_edges_and_always_the_same_ones():
    crops = [plain_crop(DATA.training[0], 96, np.random.default_rng(seed)) for seed in range(30)]
    known = {}
    for share in (0.0, 0.3, 1.0):
        system = system_of(show_edges=share)
        edged = [system.encode(each)[-2:] for each in crops]
        again = [system.encode(each)[-2:] for each in crops]
        np.testing.assert_array_equal(edged, again)
        known[share] = np.mean([each[0].mean() for each in edged])
        assert all(each[0].min() == each[0].max() for each in edged)
        assert all(each[1].any() == bool(each[0].any()) for each in edged)
    assert (known[0.0], known[1.0]) == (0.0, 1.0)
    assert 0.05 < known[0.3] < 0.6


def test_tissue_and_classes_are_hidden_as_often_as_the_recipe_says():
    system = system_of(forget_tissue=0.3, forget_classes=0.6)
    encoding = system.encoding
    torch.manual_seed(0)
    shown = system._partly_hidden(torch.ones(600, len(encoding.channels), 2, 2))
    flat = shown.flatten(2)
    assert ((flat == 0).all(2) | (flat == 1).all(2)).all()
    for channels, share in ((encoding.tissue_channels, 0.3), (encoding.class_channels, 0.6)):
        group = shown[:, channels, 0, 0]
        assert (group.min(1).values == group.max(1).values).all()
        assert abs(1 - float(group[:, 0].mean()) - share) < 0.08
    others = [index for index, name in enumerate(encoding.channels) if name in {"nucleus", "contour", "edge"}]
    assert shown[:, others].min() == 1
    torch.testing.assert_close(
        system_of(forget_tissue=0.0, forget_classes=0.0)._partly_hidden(torch.ones(3, 9, 2, 2)), torch.ones(3, 9, 2, 2)
    )


@given(seed=st.integers(0, 2**32), kind=st.sampled_from(["augmented", "plain"]), size=st.sampled_from([32, 48]))
@settings(max_examples=40, deadline=None)
def test_a_reference_never_shows_the_place_of_its_crop(seed, kind, size):
    side = 240
    # Red and green tell where on the tile a pixel is.
    image = np.zeros((side, side, 3), np.uint8)
    image[..., 0], image[..., 1] = np.mgrid[:side, :side]
    tile = LabelledPicture(image, np.zeros((side, side), np.int32), np.zeros(1, np.uint8))
    margin, crop_size = 20, 64
    random = np.random.default_rng(seed)
    if kind == "plain":
        crop = plain_crop(tile, crop_size + 2 * margin, random)
    else:
        recipe = LoomRecipe(**SMALL)
        crop = augmented_crop(tile, recipe, 0.25, random, margin)
    reference = reference_crop(crop, size, margin, random)
    assert reference.shape == (size, size, 3)
    inner = crop.image[margin:-margin, margin:-margin]
    seen = {tuple(each) for each in inner.reshape(-1, 3)[:, :2].tolist()}
    shown = {tuple(each) for each in reference.reshape(-1, 3)[:, :2].tolist()}
    assert len(seen & shown) == 0


def test_a_reference_of_a_tile_without_room_is_one_all_the_same():
    tile = DATA.training[0]
    crop = plain_crop(tile, 200, np.random.default_rng(0))
    assert reference_crop(crop, 150, 0, np.random.default_rng(0)).shape == (150, 150, 3)
    assert reference_crop(crop, 260, 0, np.random.default_rng(0)).shape == (260, 260, 3)


def test_noise_for_training_is_like_that_for_weaving():
    ids = torch.zeros(2, 1, 256, 256)
    ids[:, :, :, 128:] = torch.arange(16).repeat_interleave(16)[:, None] + 1
    torch.manual_seed(0)
    noise = drawn_noise(ids)
    for level, cell, planes in zip(noise, LEVELS, NOISE_PLANES, strict=True):
        assert level.shape == (2, planes, 256 // cell, 256 // cell)
    assert abs(float(noise[3].var()) - 1) < 0.02
    first = NOISE_PLANES[0] - NUCLEUS_NUMBERS - 2 * len(OCTAVES)
    smooth, numbers = noise[0][:, first:-NUCLEUS_NUMBERS], noise[0][:, -NUCLEUS_NUMBERS:]
    assert not smooth[..., 16:].any()
    assert not numbers[..., :16].any()
    # All over a nucleus, which is two cells high here, its numbers are the same.
    torch.testing.assert_close(numbers[..., 0::2, 16:], numbers[..., 1::2, 16:])
    assert len(torch.unique(numbers[0, 0, :, 20])) == 16
    assert not torch.equal(noise[0][0], noise[0][1])


def test_feature_matching_asks_for_the_same_kind_of_texture_and_not_for_the_same_pixels():
    torch.manual_seed(0)
    real = torch.rand(1, 4, 32, 32)
    shuffled = real.unfold(2, 8, 8).unfold(3, 8, 8).flip(4, 5)
    same_means = shuffled.permute(0, 1, 2, 4, 3, 5).reshape(1, 4, 32, 32)
    assert float(local_feature_matching_loss([[same_means]], [[real]], 8)) < 1e-6
    assert float(local_feature_matching_loss([[real + 0.5]], [[real]], 8)) == pytest.approx(0.5)
    coarser = torch.rand(1, 4, 16, 16)
    both = local_feature_matching_loss([[real, coarser + 1.0]], [[real, coarser]], 8)
    assert float(both) == pytest.approx(0.5)


def test_memory_is_estimated_without_any():
    system = system_of()
    check_crop(system)
    small, wide, batch = (
        estimate_memory(system, 1, 64), estimate_memory(system_of(width=8), 1, 64), estimate_memory(system, 3, 64),
    )  # fmt: skip
    assert 1e5 < small < wide
    assert small < batch


def test_a_few_steps_learn_something(tmp_path):
    told = []
    recipe = LoomRecipe(
        **SMALL
        | {"steps": 40, "validate_every": 20, "checkpoint_every": 40, "learning_rate": 4e-3, "average_decay": 0.5}
    )
    system = system_for(recipe, DATA)
    before = validation_loss(system)
    run = train(recipe, DATA, tmp_path / "run", on_event=told.append)
    after = next(each for each in reversed(told) if isinstance(each, Validated)).losses["local means"]
    assert math.isfinite(after)
    assert after < 0.8 * before
    generator = generator_named(str(run.bundle))
    look = Look.from_tile(Tile.from_array(DATA.training[0].image, 0.25))
    header = load_bundle(run.bundle, kind="generator").header
    assert (header.halo, header.tile_invariant, header.normalization) == (56, True, "none")
    assert isinstance(encoding_from_json(header.condition.settings), NucleiAndTissueEncoding)
    woven = generator.prepare(look, LoomWeaveRecipe(), 0.25).weave(Layout.empty((40, 50)), 0)
    assert woven.shape == (40, 50, 3)


def validation_loss(system: Loom) -> float:
    batch = batches_of(system).validation()[0]
    with keyed_torch(torch.device("cpu"), 0), torch.no_grad():
        return float(system.validate(system.build(), batch)["local means"])


def test_a_run_stopped_and_resumed_equals_one_that_never_stopped(tmp_path):
    recipe = LoomRecipe(**SMALL)
    whole = train(recipe, DATA, tmp_path / "whole")
    asked = []
    run = train(recipe, DATA, tmp_path / "stopped", should_stop=lambda: asked.append(1) or len(asked) == 3)
    assert run.bundle is None
    train(recipe, DATA, run.folder, resume_from=run.latest_checkpoint())
    assert run.bundle.read_bytes() == whole.bundle.read_bytes()


def test_what_previews_show_of_the_condition_tells_tissue_and_nuclei_apart():
    system = system_of()
    condition = batches_of(system).at(0).condition[0].numpy()
    shown = system.picture_of(condition)
    assert shown.shape == (64, 64, 3)
    inside = condition[1, 48:-48, 48:-48] > 0
    assert shown[inside].mean() < 100 < shown[~inside & (shown.min(axis=2) > 30)].mean()


def test_crops_that_are_stained_unlike_their_tile_are_refused():
    with pytest.raises(TrainingError, match="set 'Stain jitter' to 0"):
        Loom(LoomRecipe.checked(stain_jitter=0.2), DATA)
