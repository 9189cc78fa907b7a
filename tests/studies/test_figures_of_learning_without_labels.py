"""Figures of "to Label or to Synthesize?", made of any bundle."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dark_segmenter import dark_segmenter
from histoloom.errors import EvaluationError, ImportanceError, LookError, TrainingError
from histoloom.evaluation.agreement_palettes import AGREEMENT_PALETTES, DEFAULT_PALETTE
from histoloom.generators.refiner import PictureRefiner
from histoloom.importance.critic import Critic
from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.segmenters.segmenter import Segmenter
from histoloom.studies.failures_figure import ScoredTile, draw_failures, find_failures
from histoloom.studies.outlined_pictures import OUTLINE, outlined
from histoloom.studies.picture_measures import PictureMeasures
from histoloom.studies.picture_sheet import save_picture_sheet
from histoloom.studies.texture_reference_grid import NamedPicture, save_texture_reference_grid, texture_reference_grid
from histoloom.studies.weights_of_looks import (
    JudgedPair,
    WeightsOfLooks,
    save_weighted_examples,
    weigh_looks,
    weights_chart,
)
from histoloom.studies.woven_examples_sheet import save_woven_examples
from histoloom.training.data import LabelledPicture
from histoloom.training.degradations import blurred
from small_bundles import small_refiner
from small_critic import small_critic
from tissue_pictures import tissue_picture


def labelled(image: np.ndarray) -> LabelledPicture:
    dark = image.mean(axis=2) < 130
    return LabelledPicture(image, dark.astype(np.int32), np.zeros(2, np.uint8))


def pixels(path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_grid_refines_each_rows_texture_beside_each_columns_reference(tmp_path):
    tiles = [tissue_picture((160, 160), seed) for seed in range(4)]
    tiles[1] = (tiles[1] * 0.6).astype(np.uint8)
    layout = Layout.from_nuclei([Nucleus.create(1, Outline.ellipse((32.0, 32.0), (10.0, 8.0)))], (64, 64), 0.25)
    refiner = PictureRefiner(small_refiner(tmp_path / "refiner.safetensors"))
    rows = [NamedPicture(f"texture {place}", tiles[place]) for place in (0, 1)]
    columns = [NamedPicture(f"reference {place}", tiles[place]) for place in (2, 3, 1)]

    grid = texture_reference_grid(refiner, rows, columns, layout, 0.25)

    assert grid.first[0].mean() > grid.first[1].mean() + 20
    middle = tiles[3][48:112, 48:112]
    assert np.array_equal(grid.refined[0][1], refiner.refine(grid.first[0], 0.25, middle))
    assert grid.change > 0.5
    assert f"by {grid.change:.1f} of 255" in grid.caption
    save_texture_reference_grid(grid, tmp_path / "grid.png")
    sheet = pixels(tmp_path / "grid.png")
    for shown in (middle, tiles[0][48:112, 48:112], *grid.first, *(each for row in grid.refined for each in row)):
        assert shown.tobytes() in sheet_crops(sheet, shown.shape[:2])
    with pytest.raises(LookError, match="at least one tile of each"):
        texture_reference_grid(refiner, rows, [], layout, 0.25)


def sheet_crops(sheet: np.ndarray, shape: tuple[int, int]) -> set[bytes]:
    """Return all crops of a sheet that begin after a white pixel at their left and above."""
    height, width = shape
    white = (sheet == 255).all(axis=2)
    begins = ~white[1 : 1 - height, 1 : 1 - width] & white[:-height, 1 : 1 - width] & white[1 : 1 - height, :-width]
    places = zip(*np.nonzero(begins), strict=True)
    return {sheet[y : y + height, x : x + width].tobytes() for y, x in ((y + 1, x + 1) for y, x in places)}


def test_each_woven_tile_is_weighed_beside_its_own_reference_and_beside_one_of_other_tissue(tmp_path):
    critic = Critic.load(small_critic(tmp_path / "critic.safetensors", reference_size=131, pixel_size=0.25))
    woven = [tissue_picture((136, 136), seed) for seed in range(3)]
    references = [tissue_picture((140, 140), 10 + seed) for seed in range(3)]
    kinds, own = ("breast", "colon", "breast"), (0, 1, 2)

    found = weigh_looks(critic, woven, references, kinds, own, 0.25)

    assert len(found.pairs) == 6
    for index, place in enumerate(own):
        matching, other = found.pairs[2 * index : 2 * index + 2]
        assert matching.matches
        assert not other.matches
        assert matching.reference is references[place]
        assert kinds[[each is other.reference for each in references].index(True)] != kinds[place]
        judged = critic.judge(woven[index], 0.25, reference=references[place]).weight()
        assert matching.weight == pytest.approx(judged)
    with pytest.raises(ImportanceError, match="two kinds of tissue"):
        weigh_looks(critic, woven, references, ("breast",) * 3, own, 0.25)
    blind = Critic.load(small_critic(tmp_path / "blind.safetensors", pixel_size=0.25))
    with pytest.raises(ImportanceError, match="compares with no reference"):
        weigh_looks(blind, woven, references, kinds, own, 0.25)


def test_weights_are_charted_by_group_and_examples_ordered_by_weight(tmp_path):
    pictures = [np.full((40, 40, 3), 10 * place, np.uint8) for place in range(8)]
    weights = (2.0, 0.25, 8.0, 0.01, 1.0, 0.5, 0.0, 1000.0)
    pairs = [
        JudgedPair(picture, np.full((40, 40, 3), 200, np.uint8), weight, weight > 0.7)
        for picture, weight in zip(pictures, weights, strict=True)
    ]
    found = WeightsOfLooks(tuple(pairs), "critic")
    assert found.auroc == 1.0
    assert "AUROC 1.00" in found.caption
    chart = weights_chart(found)
    assert ">look matches the reference<" in chart
    assert ">look does not match it<" in chart
    assert ">1/256<" in chart
    assert chart.count("<polygon") == 2
    save_weighted_examples(found, tmp_path / "examples.png", count=4)
    sheet = pixels(tmp_path / "examples.png")
    row = sheet[len(sheet) // 3]
    seen = [int(value[0]) for value in row if value[0] == value[1] == value[2] and value[0] in range(0, 80, 10)]
    # Of 8 weights in their order the 1st, 3rd, 6th and 8th.
    assert list(dict.fromkeys(seen)) == [60, 10, 0, 70]


def test_failures_are_the_worst_tiles_where_they_are_worst_with_facts(tmp_path):
    segmenter = Segmenter.load(dark_segmenter(tmp_path / "dark.safetensors"))
    good = tissue_picture((128, 128), 3)
    pale = good.copy()
    pale[64:, 64:] = 255 - (255 - pale[64:, 64:].astype(int)) // 4
    truth = labelled(good)
    tiles = [
        ScoredTile("good", truth, 0.9),
        ScoredTile("pale", LabelledPicture(pale, truth.label_map, truth.class_of), 0.4),
        ScoredTile("without a score", truth, float("nan")),
    ]

    failures = find_failures(segmenter, tiles, 0.25, "mean Dice", count=1, side=64)

    (worst,) = failures
    assert worst.title == "pale"
    assert "mean Dice 0.400" in worst.facts
    assert "missed" in worst.facts
    assert worst.image.shape == (64, 64, 3)
    assert worst.image.mean() > good.mean() + 20
    figure = draw_failures(failures)
    missed = np.array(AGREEMENT_PALETTES[DEFAULT_PALETTE].under)
    left, right = figure[:, : 64 * 2], figure[:, 64 * 2 :]
    assert (left == OUTLINE).all(axis=2).any()
    assert (np.abs(right.astype(int) - missed).max(axis=2) < 80).any()
    with pytest.raises(EvaluationError, match="No tile has a score"):
        find_failures(segmenter, tiles[2:], 0.25, "mean Dice")


def test_measures_tell_what_is_out_of_focus_dark_and_pale():
    sharp = tissue_picture((96, 96), 2)
    usual = PictureMeasures.of(labelled(sharp), 0.25)
    soft = PictureMeasures.of(LabelledPicture(blurred(sharp, 3.0), *vars_of(sharp)), 0.25)
    dark = PictureMeasures.of(LabelledPicture((sharp * 0.5).astype(np.uint8), *vars_of(sharp)), 0.25)
    assert soft.sharpness < 0.3 * usual.sharpness
    assert dark.darkness > 1.5 * usual.darkness
    assert usual.contrast > 0.1
    empty = PictureMeasures.of(LabelledPicture(sharp, np.zeros((96, 96), np.int32), np.zeros(1, np.uint8)), 0.25)
    assert "contrast of nuclei –" in empty.in_words(PictureMeasures.median_of([usual, empty]))
    assert PictureMeasures.median_of([usual, empty]).contrast == usual.contrast


def vars_of(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    like = labelled(image)
    return like.label_map, like.class_of


def test_outlines_are_inside_nuclei_and_not_where_the_picture_cuts_them_off(tmp_path):
    label_map = np.zeros((12, 12), np.int32)
    label_map[0:6, 3:9] = 1
    drawn = outlined(np.zeros((12, 12, 3), np.uint8), label_map)
    green = (drawn == OUTLINE).all(axis=2)
    assert green[5, 3:9].all()
    assert green[0, [3, 8]].all()
    assert not green[0, 4:8].any()
    assert not green[label_map == 0].any()
    tile = LabelledPicture(tissue_picture((48, 48)), np.pad(label_map, 18), np.zeros(2, np.uint8))
    save_woven_examples([tile], ["breast"], tmp_path / "woven.png", "One tile.")
    assert (pixels(tmp_path / "woven.png") == OUTLINE).all(axis=2).sum() == green[:6].sum() + 4
    with pytest.raises(TrainingError, match="no woven tiles"):
        save_woven_examples([], [], tmp_path / "none.png")


def test_a_sheet_has_room_for_titles_of_rows_and_long_captions(tmp_path):
    rows = [[np.full((60, 60, 3), 90, np.uint8)] * 2] * 2
    save_picture_sheet(["one", "two"], rows, tmp_path / "plain.png", "plain")
    save_picture_sheet(["one\nline", "two"], rows, tmp_path / "full.png", "–", "word " * 60, ["first", "second\nrow"])
    plain, full = pixels(tmp_path / "plain.png"), pixels(tmp_path / "full.png")
    assert full.shape[1] > plain.shape[1] + 20
    assert full.shape[0] > plain.shape[0] + 40
    # Nothing is written beyond the sheet's right end.
    assert (full[-1] == 255).all()
    assert (full[-20:, -2:] == 255).all()
