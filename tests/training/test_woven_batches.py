"""Woven tiles are trained on by their share and weights; what is ignored teaches nothing and is not scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_segmenter_training import discs, recipe

from histoloom.errors import TrainingError
from histoloom.keyed_random import keyed_generator
from histoloom.models import TrainingSource
from histoloom.segmenters import registry
from histoloom.training.augmentation import augmented_crop, plain_crop
from histoloom.training.batches import Batches, as_batch
from histoloom.training.data import combined_training_data
from histoloom.training.engine import train
from histoloom.training.events import TrainingStarted, Validated
from histoloom.training.losses.offsets import offset_gradient_loss, offset_loss
from histoloom.training.losses.segmentation import IGNORED, binary_loss, class_loss, dice_loss
from histoloom.training.systems.segmenter import SegmenterTraining

SIDE = 48


def with_woven(weights=(1.0, 1.0), real=3):
    """Data whose woven tiles are black, so that crops of them are known by their pixels."""
    data = discs(tiles=real)
    base = discs(tiles=len(weights), classes=("nucleus",))
    tiles = (*base.training, *base.validation)
    woven = [
        replace(each, image=np.full_like(each.image, place), weight=weight)
        for place, (each, weight) in enumerate(zip(tiles, weights, strict=True))
    ]
    return replace(data, woven=tuple(woven))


def batches_of(data, share=0.5, **changes):
    system = SegmenterTraining(recipe(**changes), data)
    return Batches(data, system.recipe, system.encode, woven_share=share)


def is_woven(batch):
    return [bool(image.max() < -0.9) for image in batch.image]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_batches_hold_the_share_of_woven_crops(share):
    batches = batches_of(with_woven(), share, batch_size=4)
    for step in range(5):
        assert sum(is_woven(batches.at(step))) == share * 4


def test_a_share_that_no_batch_can_hold_is_met_over_many():
    batches = batches_of(with_woven(), 0.3, batch_size=1)
    assert sum(is_woven(batches.at(step))[0] for step in range(20)) == 6


def test_each_tile_is_seen_once_a_round_and_devices_share_the_work():
    data = with_woven(weights=(1.0, 1.0, 1.0), real=4)
    whole = batches_of(data, batch_size=4)
    seen = [round(float(image.min() + 1) * 127.5) for step in range(3) for image in whole.at(step).image]
    assert sorted(each for each in seen if each < 3) == [0, 0, 1, 1, 2, 2]
    parts = [replace(batches_of(data, batch_size=2), rank=rank, world_size=2).at(1) for rank in (0, 1)]
    torch.testing.assert_close(torch.cat([each.image for each in parts]), whole.at(1).image)


def test_without_woven_tiles_the_share_changes_nothing():
    one, other = (batches_of(discs(), share).at(3) for share in (0.0, 0.7))
    assert torch.equal(one.image, other.image)
    assert other.importance is None


def test_weights_are_relative_and_rejected_tiles_are_never_drawn():
    batches = batches_of(with_woven(weights=(2.0, 6.0, 0.0)), batch_size=4)
    of_tile = {}
    for step in range(6):
        batch = batches.at(step)
        for woven, image, importance in zip(is_woven(batch), batch.image, batch.importance, strict=True):
            of_tile.setdefault(round(float(image.min() + 1) * 127.5) if woven else "real", set()).add(float(importance))
    assert of_tile == {0: {0.5}, 1: {1.5}, "real": {1.0}}


def test_all_woven_tiles_rejected_is_refused_in_a_sentence():
    with pytest.raises(TrainingError, match="All woven tiles are rejected"):
        SegmenterTraining(recipe(), with_woven(weights=(0.0, 0.0)))
    SegmenterTraining(recipe(woven_share=0.0), with_woven(weights=(0.0, 0.0)))


def test_training_on_woven_tiles_resumes_bit_by_bit(tmp_path):
    data = with_woven(weights=(0.5, 2.0))
    told = []
    whole = train(recipe(), data, tmp_path / "whole", on_event=told.append)
    assert next(each.woven_tiles for each in told if isinstance(each, TrainingStarted)) == 2
    asked = []
    run = train(recipe(), data, tmp_path / "stopped", should_stop=lambda: asked.append(1) or len(asked) == 3)
    train(recipe(), data, run.folder, resume_from=run.latest_checkpoint())
    assert run.bundle.read_bytes() == whole.bundle.read_bytes()


def test_woven_tiles_alone_train_where_no_real_tile_has_labels(tmp_path):
    data = replace(with_woven(), training=())
    told = []
    train(recipe(steps=2), data, tmp_path / "run", on_event=told.append)
    assert any(isinstance(each, Validated) for each in told)
    with pytest.raises(TrainingError, match="no tiles to validate on"):
        SegmenterTraining(recipe(), replace(data, validation=()))


def test_combined_data_keep_woven_tiles_regions_and_weights():
    one, other = with_woven(weights=(0.5,)), discs(classes=("epithelial", "tumor"))
    ignored = np.eye(64, dtype=bool)
    one = replace(one, training=tuple(replace(each, ignored=ignored) for each in one.training))
    both = combined_training_data([one, replace(other, sources=(TrainingSource(name="other"),))])
    assert [each.weight for each in both.woven] == [0.5]
    assert both.classes == ("nucleus", "epithelial", "tumor")
    assert sum(each.ignored is ignored for each in both.training) == len(one.training)


@pytest.mark.parametrize("elastic", [0.0, 2.0])
def test_ignored_regions_move_with_the_picture(elastic):
    tile = discs().training[0]
    tile = replace(tile, ignored=tile.label_map > 0)
    settings = recipe(elastic=elastic, rotate="any angle", scale_spread=0.3)
    for seed in range(4):
        crop = augmented_crop(tile, settings, 0.25, keyed_generator(seed))
        np.testing.assert_array_equal(crop.ignored, crop.label_map > 0)
    crop = plain_crop(tile, SIDE, keyed_generator(0))
    np.testing.assert_array_equal(crop.ignored, crop.label_map > 0)
    assert plain_crop(discs().training[0], SIDE, keyed_generator(0)).ignored is None


@pytest.mark.parametrize("architecture", ["hover-unet", "hou-unet"])
def test_ignored_pixels_change_neither_loss_nor_score(architecture):
    data = discs()
    system = SegmenterTraining(recipe(architecture=architecture, width=4 if architecture == "hover-unet" else 0), data)
    whole = data.training[0]
    crop = replace(whole, image=whole.image[:SIDE, :SIDE], label_map=whole.label_map[:SIDE, :SIDE])
    ignored = np.zeros((SIDE, SIDE), bool)
    ignored[:, 20:] = True
    batch = as_batch([replace(crop, ignored=ignored)], system.encode)
    assert (batch.condition[0, 0][torch.from_numpy(ignored)] == IGNORED).all()
    network = system.build()["segmenter"].eval()
    planes = {name: torch.randn(1, 2 if name in ("classes", "offsets") else 1, SIDE, SIDE) for name in network.outputs}
    # Gradients of offsets reach two pixels across the border.
    spoiled = {name: each.clone() for name, each in planes.items()}
    for each in spoiled.values():
        each[..., 22:] = 7.0

    def judged(outputs):
        return system.validate({"segmenter": lambda _: outputs}, batch)

    for name, value in judged(planes).items():
        torch.testing.assert_close(judged(spoiled)[name], value, msg=name)


def test_held_out_crops_in_which_all_is_ignored_are_left_out():
    data = discs(tiles=4)
    tile = data.training[0]
    nowhere = replace(tile, ignored=np.ones(tile.label_map.shape, bool))
    partly = replace(tile, ignored=np.eye(len(tile.label_map), dtype=bool))
    batches = batches_of(replace(data, validation=(nowhere, tile, partly)), validation_crops=6)
    assert len(batches.validation()) == 4
    with pytest.raises(TrainingError, match="All held-out crops lie in regions to ignore"):
        replace(batches, data=replace(data, validation=(nowhere,))).validation()


def test_a_crop_of_half_the_importance_has_half_the_gradient():
    torch.manual_seed(0)
    truth = (torch.rand(2, 1, 8, 8) > 0.5).float()
    counted, importance = torch.ones_like(truth), torch.tensor([1.0, 0.5])
    offsets = torch.randn(2, 2, 8, 8)
    losses = {
        "binary": lambda x, weights: binary_loss(x[:, :1], truth, counted, weights),
        "classes": lambda x, weights: class_loss(x, truth[:, 0], None, weights),
        "offsets": lambda x, weights: offset_loss(x, offsets, counted, weights),
        "gradients": lambda x, weights: offset_gradient_loss(x, offsets, truth, weights),
    }
    for name, loss in losses.items():
        gradients = []
        for weights in (None, importance):
            x = torch.ones(2, 2, 8, 8, requires_grad=True)
            loss(x, weights).backward()
            gradients.append(x.grad)
        torch.testing.assert_close(gradients[1], gradients[0] * importance.reshape(2, 1, 1, 1), msg=name)
    # A crop that does not count at all is not in the pool of the Dice loss, and the batch counts half.
    only = dice_loss(truth[:1] * 0.7, truth[:1], 2 * counted[:1])
    pooled = dice_loss(truth * torch.tensor([0.7, 0.1]).reshape(2, 1, 1, 1), truth, counted, torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(pooled, 0.5 * only)


@pytest.mark.parametrize("crops", [1, 3])
def test_a_batch_that_hardly_matters_is_hardly_learnt_from_by_the_dice_loss(crops):
    torch.manual_seed(0)
    truth = (torch.rand(crops, 1, 8, 8) > 0.5).float()
    losses, gradients = [], []
    for weight in (1.0, 0.01, 0.0):
        x = torch.full_like(truth, 0.4, requires_grad=True)
        loss = dice_loss(x, truth, torch.ones_like(truth), torch.full((crops,), weight))
        loss.backward()
        losses.append(loss.item())
        gradients.append(x.grad.abs().sum().item())
    assert losses[0] == dice_loss(torch.full_like(truth, 0.4), truth, torch.ones_like(truth)).item()
    assert losses[1:] == pytest.approx([0.01 * losses[0], 0.0], rel=1e-4)
    assert gradients[1:] == pytest.approx([0.01 * gradients[0], 0.0], rel=1e-4)


@pytest.mark.parametrize("architecture", sorted(registry.ARCHITECTURES))
def test_every_segmenter_learns_from_crops_by_their_importance(architecture):
    data = with_woven()
    system = SegmenterTraining(recipe(architecture=architecture), data)
    batch = Batches(data, system.recipe, system.encode, woven_share=1.0).at(0)
    channels = {"classes": len(system.classes) + 1, "offsets": 2}
    torch.manual_seed(0)
    outputs = {
        name: torch.randn(len(batch.image), channels.get(name, 1), *batch.image.shape[-2:])
        for name in registry.architecture(architecture).outputs
    }
    whole, quarter = (
        system._losses(outputs, replace(batch, importance=torch.full((len(batch.image),), weight)))
        for weight in (1.0, 0.25)
    )
    assert whole.keys() == quarter.keys()
    assert any(each > 0 for each in whole.values())
    for name, loss in whole.items():
        torch.testing.assert_close(quarter[name], 0.25 * loss, msg=name)
