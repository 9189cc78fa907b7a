"""Segmenters are trained by the same engine: they learn, stop, resume, keep their best, and say what is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from test_engine import assert_same

from histoloom.errors import SegmenterError, TrainingError
from histoloom.keyed_random import keyed_generator
from histoloom.models import TrainingSource, load_bundle
from histoloom.segmenters.segmenter import Segmenter
from histoloom.training.appearance import AppearanceRecipe, stains_varied, varied
from histoloom.training.best_score import BestScore
from histoloom.training.checkpoints import load_checkpoint
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.engine import train
from histoloom.training.events import StepsDone, TrainingFinished, Validated
from histoloom.training.losses.offsets import offset_gradient_loss, offset_loss
from histoloom.training.losses.segmentation import (
    IGNORED,
    UNTYPED,
    binary_loss,
    class_loss,
    dice_loss,
    median_frequency_weights,
)
from histoloom.training.systems.contract import JudgedSystem
from histoloom.training.systems.segmenter import SegmenterTraining
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe


def recipe(**changes):
    return SegmenterRecipe(
        **{
            "steps": 8, "batch_size": 2, "crop_size": 48, "width": 4, "checkpoint_every": 4, "validate_every": 4,
            "preview_every": 8, "log_every": 2, "validation_crops": 2, "previews": 2, "average_decay": 0.5,
            "device": "cpu", **changes,
        }
    )  # fmt: skip


def discs(tiles=3, side=64, classes=("nucleus",), nuclei=4) -> TrainingData:
    pictures = []
    rows, columns = np.mgrid[:side, :side]
    for index in range(tiles):
        random = np.random.default_rng(index)
        label_map = np.zeros((side, side), np.int32)
        for label in range(1, nuclei + 1):
            y, x = random.integers(6, side - 6, 2)
            label_map[(rows - y) ** 2 + (columns - x) ** 2 < 49] = label
        image = np.where(label_map[..., None] > 0, [100, 60, 150], [228, 190, 214]) + random.normal(
            0, 5, (side, side, 3)
        )
        class_of = np.arange(nuclei + 1).astype(np.uint8) % len(classes)
        pictures.append(LabelledPicture(image.clip(0, 255).astype(np.uint8), label_map, class_of))
    sources = (TrainingSource(name="discs", licence="CC0", tiles=tiles),)
    return TrainingData(tuple(pictures[1:]), tuple(pictures[:1]), classes, 0.25, sources, {"by": "tile"})


def test_a_small_training_learns_and_its_bundle_segments(tmp_path):
    told = []
    settings = recipe(
        steps=60, width=8, learning_rate=1e-2, validate_every=20, checkpoint_every=60, log_every=10, crop_size=32,
        batch_size=4, elastic=0.0, scale_spread=0.1, stain_turn=0.0, coarseness=1.0,
    )  # fmt: skip
    run = train(settings, discs(), tmp_path / "run", on_event=told.append)
    scores = [each.losses["dice"] for each in told if isinstance(each, Validated)]
    assert scores[-1] > 0.7, scores
    losses = [sum(each.losses.values()) for each in told if isinstance(each, StepsDone)]
    assert losses[-1] < 0.6 * losses[0]
    header = load_bundle(run.bundle, kind="segmenter", classes=["nucleus"]).header
    assert (header.system, header.normalization, header.condition) == ("segmenter", "running statistics", None)
    assert header.training_data[0].licence == "CC0"
    held_out = discs().validation[0]
    found = Segmenter.load(run.bundle).segment(held_out.image, 0.25)
    both = ((found.label_map > 0) & (held_out.label_map > 0)).sum()
    assert 2 * both / ((found.label_map > 0).sum() + (held_out.label_map > 0).sum()) > 0.7
    with Image.open(run.previews()[60]) as preview:
        assert preview.size == (3 * 32 + 2 * 4, 2 * 32 + 4)
        assert "where the network finds them" in preview.info["Description"]
        assert "synthetic" not in preview.info["Description"]


def test_a_training_stopped_and_resumed_equals_one_that_never_stopped(tmp_path):
    whole = train(recipe(), discs(), tmp_path / "whole")
    asked = []
    run = train(recipe(), discs(), tmp_path / "stopped", should_stop=lambda: asked.append(1) or len(asked) == 3)
    assert run.bundle is None
    train(recipe(), discs(), run.folder, resume_from=run.latest_checkpoint())
    assert run.bundle.read_bytes() == whole.bundle.read_bytes()
    assert run.previews()[8].read_bytes() == whole.previews()[8].read_bytes()
    one, other = (load_checkpoint(each.latest_checkpoint()) for each in (whole, run))
    for part in ("networks", "optimizers", "averaged", "best"):
        assert_same(one[part], other[part])


def test_the_best_weights_are_kept_and_training_ends_when_none_better_come(tmp_path, monkeypatch):
    scores = iter([0.3, 0.6, 0.5, 0.4, 0.9])
    plain = SegmenterTraining.validate

    def validate(self, networks, batch):
        return {**plain(self, networks, batch), "dice": torch.tensor(next(scores))}

    monkeypatch.setattr(SegmenterTraining, "validate", validate)
    settings = recipe(steps=40, validate_every=2, checkpoint_every=10, validation_crops=1, patience=2)
    told = []
    run = train(settings, discs(), tmp_path / "run", on_event=told.append)
    assert told[-1] == TrainingFinished(8, False)
    assert load_bundle(run.best_bundle_path).header.step == 4
    assert run.bundle.read_bytes() == run.best_bundle_path.read_bytes()
    assert list(run.checkpoints()) == [8]


def test_patience_counts_scores_without_a_better_one_and_survives_a_checkpoint():
    best = BestScore(2)
    assert [best.take(step, score) for step, score in enumerate([0.1, 0.3, 0.3, 0.2], start=1)] == [1, 1, 0, 0]
    assert best.step == 2
    assert best.is_final
    again = BestScore(2)
    again.restore(best.state())
    assert again.is_final
    again.restore(None)
    assert not BestScore(0).is_final


def test_a_training_without_nuclei_is_refused():
    with pytest.raises(TrainingError, match="no nuclei at all"):
        SegmenterTraining(recipe(), discs(nuclei=0))


def test_nuclei_in_regions_to_ignore_alone_are_none():
    data = discs()
    hidden = tuple(replace(each, ignored=each.label_map > 0) for each in data.training)
    with pytest.raises(TrainingError, match=r"lie in the regions to ignore.*label nuclei outside them"):
        SegmenterTraining(recipe(), replace(data, training=hidden))
    assert SegmenterTraining(recipe(), replace(data, training=(*hidden, data.validation[0]))).classes == ("nucleus",)


def test_tiles_to_validate_on_without_nuclei_are_refused():
    data = discs()
    nowhere = replace(data.validation[0], ignored=data.validation[0].label_map > 0)
    for held_out in (discs(nuclei=0).validation, (nowhere,)):
        with pytest.raises(TrainingError, match="would be best for a segmenter that finds none; hold out more tiles"):
            SegmenterTraining(recipe(), replace(data, validation=held_out))


def test_masks_of_classes_train_only_what_needs_no_single_nuclei():
    rows, columns = np.indices((80, 80)) % 20
    mask = ((rows - 10) ** 2 + (columns - 10) ** 2 < 36).astype(np.int32)
    picture = LabelledPicture(np.zeros((80, 80, 3), np.uint8), mask, np.zeros(2, np.uint8))
    data = TrainingData((picture,), (picture,), ("nucleus",), 0.25, (), {})
    with pytest.raises(
        SegmenterError, match=r"mask of classes and not of single nuclei.*'--split-masks'.*such as 'unet'"
    ):
        SegmenterTraining(recipe(), data)
    assert SegmenterTraining(recipe(architecture="unet"), data).planes == 1
    with pytest.raises(SegmenterError, match="The label map of a held-out tile is a mask of classes"):
        SegmenterTraining(recipe(), replace(discs(), validation=(picture,)))


def test_an_unknown_architecture_is_refused():
    with pytest.raises(SegmenterError, match="no architecture called 'resnet'"):
        SegmenterTraining(recipe(architecture="resnet"), discs())


def test_an_architecture_that_had_no_imagenet_weights_cannot_begin_from_them():
    with pytest.raises(SegmenterError, match="has no ImageNet weights"):
        SegmenterTraining(recipe(imagenet=True), discs()).build()


def test_nuclei_without_a_type_teach_where_they_are_and_not_what():
    data = discs(classes=("nucleus", "epithelial", "inflammatory"))
    system = SegmenterTraining(recipe(), data)
    assert isinstance(system, JudgedSystem)
    assert system.classes == ("epithelial", "inflammatory")
    picture = data.training[0]
    classes = system.encode(picture)[0]
    expected = {0: UNTYPED, 1: 1, 2: 2}
    for label in np.unique(picture.label_map[picture.label_map > 0]):
        assert set(classes[picture.label_map == label]) == {expected[int(picture.class_of[label])]}
    assert SegmenterTraining(recipe(tell_classes=False), data).classes == ("nucleus",)
    assert SegmenterTraining(recipe(tell_classes=False), data).encode(picture)[0].max() == 1
    logits = torch.tensor([0.0, 1.0, 3.0]).reshape(1, 3, 1, 1).requires_grad_()
    class_loss(logits, torch.full((1, 1, 1), UNTYPED)).backward()
    shares = logits.grad[0, 1:, 0, 0] / torch.softmax(logits.detach()[0, 1:, 0, 0], 0)
    assert logits.grad[0, 0] > 0
    torch.testing.assert_close(shares[0], shares[1])


def test_class_weights_are_those_of_the_paper():
    np.testing.assert_allclose(median_frequency_weights([45_564, 15_892]), [0.674, 1.933], atol=1e-3)
    with pytest.raises(TrainingError, match="without a single pixel"):
        median_frequency_weights([10, 0])


def test_class_loss_is_weighted_cross_entropy_and_leaves_ignored_pixels_out():
    logits, target = torch.randn(2, 3, 5, 5), torch.randint(0, 3, (2, 5, 5))
    weights = (0.5, 2.0, 3.0)
    expected = torch.nn.functional.cross_entropy(logits, target, torch.tensor(weights))
    torch.testing.assert_close(class_loss(logits, target, weights), expected)
    changed = logits.clone()
    changed[:, :, 0] = 9.0
    target[:, 0] = IGNORED
    torch.testing.assert_close(class_loss(logits, target), class_loss(changed, target))
    assert class_loss(logits, torch.full((2, 5, 5), IGNORED)).item() == 0.0


def test_dice_and_binary_losses_leave_out_what_does_not_count():
    truth = (torch.rand(1, 1, 6, 6) > 0.5).float()
    counted = torch.ones_like(truth)
    assert dice_loss(truth, truth, counted).item() == pytest.approx(0.0, abs=1e-6)
    assert dice_loss(1 - truth, truth, counted).item() > 0.9
    assert binary_loss((truth - 0.5) * 50, truth, counted).item() < 1e-6
    assert dice_loss(1 - truth, truth, counted * 0).item() == 0.0
    assert binary_loss((0.5 - truth) * 50, truth, counted * 0).item() == 0.0


def test_offset_gradients_are_only_compared_inside_nuclei():
    truth = torch.linspace(-1, 1, 12).expand(1, 2, 12, 12).contiguous()
    nuclei = torch.zeros(1, 1, 12, 12)
    nuclei[..., 4:8, 4:8] = 1
    assert offset_loss(truth, truth).item() == offset_gradient_loss(truth, truth, nuclei).item() == 0.0
    # A constant has no gradient, and neither has what is far away.
    assert offset_gradient_loss(truth + 1, truth, nuclei).item() == pytest.approx(0.0, abs=1e-9)
    far = truth.clone()
    far[..., 0, 0] = 9.0
    assert offset_gradient_loss(far, truth, nuclei).item() == pytest.approx(0.0, abs=1e-9)
    steeper = truth * 2
    assert offset_gradient_loss(steeper, truth, nuclei).item() > 0
    assert offset_gradient_loss(truth, truth, nuclei * 0).item() == 0.0


def test_varied_crops_look_otherwise_and_are_a_function_of_their_generator():
    crop = discs().training[0]
    settings = AppearanceRecipe()
    first, again, other = (varied(crop, settings, 0.25, keyed_generator(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 1
    assert first.shape == crop.image.shape
    nothing = AppearanceRecipe(
        stain_gain=0, stain_shift=0, stain_turn=0, contrast=0, blur=0, coarseness=1, noise=0, compressed=0
    )
    np.testing.assert_allclose(varied(crop, nothing, 0.25, keyed_generator(1)), crop.image, atol=1)
    white = LabelledPicture(np.full((32, 32, 3), 255, np.uint8), np.zeros((32, 32), np.int32), np.zeros(1, np.uint8))
    assert varied(white, settings, 0.25, keyed_generator(1)).shape == (32, 32, 3)


def test_stains_of_one_colour_do_not_blow_noise_up():
    image = discs().training[0].image
    alike = np.array([[0.6, 0.7, 0.3], [0.6, 0.7, 0.31]], np.float32)
    settings = AppearanceRecipe(stain_gain=0, stain_shift=0, stain_turn=0)
    # Whatever the vectors, shown as they were taken they give the picture's own colours back, or Ruifrok's.
    changed = stains_varied(image, alike, settings, keyed_generator(0))
    assert np.abs(changed.astype(int) - image).mean() < 60
