"""Scores of label maps: hand-computed numbers, the published code's, and what must hold for every pair."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from histoloom.errors import EvaluationError
from histoloom.evaluation import (
    area_under_roc,
    looks_semantic,
    pooled,
    score_labels,
    score_layouts,
    split_into_pieces,
    tally_labels,
)
from histoloom.layouts import Layout, Nucleus, Outline

EMPTY = np.zeros((20, 30), np.int32)
ONES = (
    "precision", "recall", "f1", "dice", "iou", "bf_score", "object_dice_micc17", "mean_dice_micc17", "aji", "aji_plus",
    "dq", "sq", "pq", "mpq_plus", "object_precision", "object_recall", "object_f1", "object_dice",
)  # fmt: skip
SYMMETRIC = (
    "f1", "dice", "iou", "bf_score", "mean_iou", "overall_accuracy", "mean_bf_score", "object_dice_micc17", "aji_plus",
    "dq", "sq", "pq", "object_dice", "object_hausdorff",
)  # fmt: skip


def flat(scores):
    """Scores without the nesting of classes, for comparison."""
    return {key: each for key, each in scores.items() if key != "classes"} | {
        f"{name} {key}": each for name, of_class in scores["classes"].items() for key, each in of_class.items()
    }


def boxes(*corners, shape=(20, 30)):
    """A label map of rectangles (top, left, bottom, right), numbered from 1."""
    label_map = np.zeros(shape, np.int32)
    for label, (top, left, bottom, right) in enumerate(corners, 1):
        label_map[top:bottom, left:right] = label
    return label_map


# Truth: two of 4 x 4 = 16 pixels, one of 2 x 3 = 6. Prediction: the first moved by 1 (12 shared, union 20), half of
# the second (8 shared, union 16), and one where nothing is (4).
TRUTH = boxes((2, 2, 6, 6), (2, 12, 6, 16), (12, 2, 14, 5))
PREDICTION = boxes((2, 3, 6, 7), (2, 12, 6, 14), (12, 20, 14, 22))


def test_pixels_are_counted_by_hand():
    scores = score_labels(TRUTH, PREDICTION)
    # 20 shared, 38 in the truth, 28 in the prediction, 600 in all.
    assert scores["precision"] == pytest.approx(20 / 28)
    assert scores["recall"] == pytest.approx(20 / 38)
    assert scores["f1"] == scores["dice"] == pytest.approx(40 / 66)
    assert scores["iou"] == pytest.approx(20 / 46)
    assert scores["overall_accuracy"] == pytest.approx((600 - 26) / 600)
    assert scores["mean_iou"] == pytest.approx((20 / 46 + 554 / 580) / 2)
    assert scores["mean_accuracy"] == pytest.approx((20 / 38 + 554 / 562) / 2)
    assert scores["classes"]["background"]["precision"] == pytest.approx(554 / 572)


def test_objects_are_counted_by_hand():
    scores = score_labels(TRUTH, PREDICTION)
    assert (scores["n_truth"], scores["n_prediction"]) == (3, 3)
    # IoUs 12 / 20 and 8 / 16, which is not over one half.
    assert scores["dq"] == pytest.approx(1 / 3)
    assert scores["sq"] == pytest.approx(0.6)
    assert scores["pq"] == pytest.approx(0.2)
    assert scores["object_dice_micc17"] == pytest.approx(2 * 20 / (32 + 24))
    assert scores["mean_dice_micc17"] == pytest.approx((40 / 66 + 40 / 56) / 2)
    assert scores["aji"] == scores["aji_plus"] == pytest.approx(20 / (20 + 16 + 6 + 4))


def test_glands_are_counted_by_hand():
    scores = score_labels(TRUTH, PREDICTION)
    # The first covers 12 / 16 of its partner, the second just a half, which does not count.
    assert scores["object_precision"] == scores["object_recall"] == scores["object_f1"] == pytest.approx(1 / 3)
    of_truth = (16 * 24 / 32 + 16 * 16 / 24) / 38
    of_prediction = (16 * 24 / 32 + 8 * 16 / 24) / 28
    assert scores["object_dice"] == pytest.approx((of_truth + of_prediction) / 2)
    # The first two lie 1 and 2 pixels from their partners, the others from what is nearest to them.
    of_truth = (16 * 1 + 16 * 2 + 6 * math.hypot(10, 2)) / 38
    of_prediction = (16 * 1 + 8 * 2 + 4 * math.hypot(10, 8)) / 28
    assert scores["object_hausdorff"] == pytest.approx((of_truth + of_prediction) / 2)


def test_one_predicted_object_serves_several_true_ones_in_aji_and_one_in_aji_plus():
    truth = boxes((0, 0, 4, 4), (0, 4, 4, 8))
    scores = score_labels(truth, boxes((0, 0, 4, 8)))
    assert scores["aji"] == pytest.approx((16 + 16) / (32 + 32))
    assert scores["aji_plus"] == pytest.approx(16 / (32 + 16))
    assert scores["dq"] == 0


def test_contours_match_within_the_tolerance_and_not_beyond():
    shape = (300, 400)  # 0.75 % of the diagonal are 3.75 pixels
    truth = boxes((100, 100, 150, 150), shape=shape)
    assert score_labels(truth, boxes((103, 103, 153, 153), shape=shape))["bf_score"] > 0.98
    nested = score_labels(truth, boxes((104, 104, 146, 146), shape=shape))
    assert nested["bf_score"] == 0
    assert nested["classes"]["background"]["bf_score"] > 0.8  # the edge of the image is contour, too


@settings(max_examples=25, deadline=None)
@given(
    arrays(np.uint8, (23, 17), elements=st.integers(0, 2)),
    arrays(np.uint8, (23, 17), elements=st.integers(0, 2)),
    st.floats(0, 6),
)
def test_contours_are_compared_as_by_a_distance_transform(truth, prediction, tolerance):
    from scipy.ndimage import binary_erosion, distance_transform_edt

    from histoloom.evaluation.boundary_scores import tally_boundaries
    from histoloom.evaluation.overlaps import measure_overlaps

    overlaps = measure_overlaps(truth, prediction)
    names = [[f"class {label}" for label in each.labels] for each in (overlaps.truth, overlaps.prediction)]
    counts = tally_boundaries(overlaps, *names, tolerance).counts
    for value, name in enumerate(("background", "class 1", "class 2")):
        contours = [mask & ~binary_erosion(mask) for mask in (truth == value, prediction == value)]
        distances = [distance_transform_edt(~each) if each.any() else np.full(each.shape, np.inf) for each in contours]
        near = [int((contours[1 - side] & (distances[side] <= tolerance)).sum()) for side in (0, 1)]
        wanted = (near[0], int(contours[1].sum()), near[1], int(contours[0].sum()))
        assert counts.get(name, (0, 0, 0, 0)) == wanted


def test_classes_are_scored_one_by_one_and_pooled():
    truth, prediction = boxes((0, 0, 4, 4), (10, 10, 14, 14)), boxes((0, 0, 4, 4), (10, 10, 14, 14))
    wrong = score_labels(truth, prediction, {1: "tumor", 2: "tumor"}, {1: "tumor", 2: "spindle"})
    assert wrong["pq"] == wrong["dice"] == 1
    assert wrong["classes"]["tumor"]["pq"] == pytest.approx(2 / 3)
    assert wrong["classes"]["tumor"]["recall"] == 0.5
    assert wrong["classes"]["spindle"]["pq"] == 0
    assert wrong["mpq_plus"] == pytest.approx(1 / 3)
    assert wrong["overall_accuracy"] == pytest.approx(1 - 16 / 600)
    assert wrong["mean_bf_score"] < wrong["bf_score"] == 1

    right = tally_labels(truth, prediction, {1: "tumor", 2: "spindle"}, {1: "tumor", 2: "spindle"})
    together = pooled(
        [right, tally_labels(truth, prediction, {1: "tumor", 2: "tumor"}, {1: "tumor", 2: "spindle"})]
    ).scores()
    assert together["classes"]["tumor"]["pq"] == pytest.approx(2 * 2 / (3 + 2))
    assert together["mpq_plus"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert together["n_truth"] == 4


def test_labels_without_a_class_are_nuclei_and_a_class_of_nobody_is_no_number():
    scores = score_labels(TRUTH, PREDICTION, {1: "tumor"}, {3: "tumor"})
    assert set(scores["classes"]) == {"background", "nucleus", "tumor"}
    one = tally_labels(TRUTH, TRUTH, dict.fromkeys((1, 2, 3), "a"), dict.fromkeys((1, 2, 3), "a"))
    empty = tally_labels(EMPTY, EMPTY, {}, {})
    assert set(pooled([one, empty]).scores()["classes"]) == {"background", "a"}


def test_two_empty_maps_agree():
    scores = score_labels(EMPTY, EMPTY)
    assert all(scores[key] == 1 for key in (*ONES, "overall_accuracy", "mean_iou"))
    assert scores["object_hausdorff"] == scores["n_truth"] == scores["n_prediction"] == 0


@pytest.mark.parametrize(("truth", "prediction"), [(TRUTH, EMPTY), (EMPTY, TRUTH)])
def test_an_empty_map_and_one_with_nuclei_agree_in_nothing(truth, prediction):
    scores = score_labels(truth, prediction)
    assert all(scores[key] == 0 for key in ONES)
    assert scores["object_hausdorff"] == math.inf
    assert scores["n_truth"] + scores["n_prediction"] == 3
    assert scores["overall_accuracy"] == pytest.approx(562 / 600)


def test_pooled_scores_are_those_of_one_large_image():
    beside = [np.hstack([TRUTH, np.roll(PREDICTION, 2, 0)]), np.hstack([PREDICTION, TRUTH])]
    beside[0][:, 30:][beside[0][:, 30:] > 0] += 10
    beside[1][:, 30:][beside[1][:, 30:] > 0] += 10
    whole = score_labels(*beside)
    both = pooled([tally_labels(TRUTH, PREDICTION), tally_labels(np.roll(PREDICTION, 2, 0), TRUTH)]).scores()
    for key in (*ONES, "mean_iou", "overall_accuracy", "n_truth"):
        if key != "bf_score":  # its tolerance follows the diagonal
            assert both[key] == pytest.approx(whole[key]), key


def test_distances_of_images_with_nuclei_on_one_side_only_are_left_out_of_pooled_ones():
    both = pooled([tally_labels(TRUTH, PREDICTION), tally_labels(TRUTH, EMPTY)])
    assert both.scores()["object_hausdorff"] == score_labels(TRUTH, PREDICTION)["object_hausdorff"]
    assert both.hausdorff.one_sided == 1
    assert "object_hausdorff" not in pooled([tally_labels(TRUTH, PREDICTION, hausdorff=False)]).scores()


def test_ignored_pixels_count_for_nothing():
    ignore = np.zeros(TRUTH.shape, bool)
    ignore[:, 18:] = True
    ignore[10:16, :] = True
    scores = score_labels(TRUTH, PREDICTION, ignore=ignore)
    assert (scores["n_truth"], scores["n_prediction"]) == (2, 2)
    assert scores["overall_accuracy"] == pytest.approx(1 - 16 / (600 - int(ignore.sum())))
    everything = score_labels(TRUTH, PREDICTION, ignore=np.ones(TRUTH.shape))
    assert everything["dice"] == everything["overall_accuracy"] == 1


def test_auroc_is_the_chance_that_a_nuclear_pixel_ranks_higher():
    truth = np.array([[1, 1, 0, 0, 0]])
    assert area_under_roc(truth, np.array([[0.9, 0.4, 0.4, 0.2, 0.1]])) == pytest.approx(5.5 / 6)
    assert math.isnan(area_under_roc(np.zeros((2, 2)), np.zeros((2, 2))))
    assert score_labels(TRUTH, PREDICTION, probability=(TRUTH > 0) * 0.3)["auroc"] == 1
    ignore = TRUTH == 1
    assert score_labels(TRUTH, PREDICTION, probability=(TRUTH > 1) * 0.3, ignore=ignore)["auroc"] == 1
    assert "auroc" not in score_labels(TRUTH, PREDICTION)


small_maps = arrays(np.int16, (9, 11), elements=st.integers(0, 6))


@settings(max_examples=60, deadline=None)
@given(small_maps, small_maps, st.permutations(range(1, 7)), st.integers(0, 5_000_000))
def test_numbering_labels_otherwise_changes_nothing(truth, prediction, numbers, offset):
    renumbered = np.array([0, *(offset + each for each in numbers)])
    scores = pytest.approx(flat(score_labels(truth, prediction, split=False)), nan_ok=True)
    assert flat(score_labels(renumbered[truth], prediction, split=False)) == scores
    assert flat(score_labels(truth, renumbered[prediction], split=False)) == scores


@settings(max_examples=40, deadline=None)
@given(small_maps)
def test_a_perfect_prediction_scores_one(truth):
    scores = score_labels(truth, truth, split=False)
    assert all(scores[key] == pytest.approx(1) for key in ONES)
    assert scores["object_hausdorff"] == 0


@settings(max_examples=60, deadline=None)
@given(small_maps, small_maps)
def test_symmetric_scores_do_not_ask_which_is_the_truth(truth, prediction):
    one, other = score_labels(truth, prediction, split=False), score_labels(prediction, truth, split=False)
    for key in SYMMETRIC:
        assert one[key] == pytest.approx(other[key]), key
    assert one["precision"] == other["recall"]
    assert one["n_truth"] == other["n_prediction"]


@settings(max_examples=60, deadline=None)
@given(small_maps, small_maps)
def test_scores_lie_between_none_and_all(truth, prediction):
    scores = score_labels(truth, prediction, split=False)
    assert all(0 <= scores[key] <= 1 for key in (*ONES, "mean_iou", "mean_accuracy", "overall_accuracy"))
    assert scores["aji_plus"] <= scores["dice"] + 1e-12


@settings(max_examples=40, deadline=None)
@given(small_maps, small_maps)
def test_hausdorff_distances_are_those_of_all_pixels(truth, prediction):
    wanted = slow_hausdorff(truth, prediction)
    assert score_labels(truth, prediction, split=False)["object_hausdorff"] == pytest.approx(wanted)


def test_large_and_distant_objects_have_exact_distances():
    truth, prediction = np.zeros((2, 500, 500), np.int32)
    truth[50:450, 50:450] = 1
    truth[150:350, 150:350] = 0
    prediction[200:300, 200:300] = 4
    scores = score_labels(truth, prediction)
    assert scores["object_hausdorff"] == pytest.approx(math.hypot(449 - 299, 449 - 299))


def slow_hausdorff(truth, prediction):
    """The contest's definition, written down without haste; of equal overlaps the object that begins first."""
    from scipy.spatial.distance import directed_hausdorff

    def objects(label_map):
        labels, first = np.unique(label_map, return_index=True)
        return [label_map == label for _, label in sorted(zip(first, labels, strict=True)) if label]

    def distance(one, other):
        points = np.argwhere(one), np.argwhere(other)
        return max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])

    sides = objects(truth), objects(prediction)
    if not sides[0] or not sides[1]:
        return 0.0 if len(sides[0]) == len(sides[1]) else math.inf
    total = 0.0
    for these, those in (sides, sides[::-1]):
        area = sum(int(each.sum()) for each in these)
        for each in these:
            shared = [int((each & other).sum()) for other in those]
            partners = [those[int(np.argmax(shared))]] if any(shared) else those
            total += each.sum() / area * min(distance(each, other) for other in partners) / 2
    return total


def test_a_semantic_mask_is_named_and_can_be_split():
    mask = (TRUTH > 0).astype(np.uint8) * 255
    assert looks_semantic(mask)
    for maps in ((mask, PREDICTION), (TRUTH, mask)):
        with pytest.raises(EvaluationError, match=r"a single label in 3 pieces.*'--split'"):
            score_labels(*maps)
    assert score_labels(mask, PREDICTION, split=True)["aji"] == score_labels(TRUTH, PREDICTION)["aji"]
    assert score_labels(mask, PREDICTION, split=False)["n_truth"] == 1
    assert score_labels(TRUTH, PREDICTION, split=True)["n_truth"] == 3


def test_a_mask_of_several_classes_is_named_too_and_its_pieces_keep_their_class():
    mask = boxes(*((2 * row, 5 * column, 2 * row + 1, 5 * column + 5) for row in range(5) for column in range(2)))
    semantic = np.where(mask > 0, 1 + mask % 2, 0)
    assert looks_semantic(np.where(mask > 0, 1 + (np.arange(20) // 2 % 2)[:, None], 0)) is False
    pieces, classes = split_into_pieces(semantic, {1: "a", 2: "b"})
    assert len(np.unique(pieces)) == 11
    assert sorted(classes.values()) == ["a"] * 5 + ["b"] * 5
    with pytest.raises(EvaluationError, match="2 labels in 10 pieces"):
        score_labels(semantic, mask)


def test_one_nucleus_with_a_stray_pixel_is_no_mask():
    label_map = boxes((2, 2, 6, 6))
    label_map[10, 10] = 1
    assert not looks_semantic(label_map)
    assert not looks_semantic(EMPTY)
    assert not looks_semantic(boxes((2, 2, 6, 6)))


@pytest.mark.parametrize(
    ("truth", "prediction", "others", "sentence"),
    [
        (TRUTH, TRUTH[:10], {}, "20 x 30 pixels and the prediction 10 x 30"),
        (TRUTH * 0.5, TRUTH, {}, "not a label map"),
        (TRUTH, np.zeros((2, 20, 30), int), {}, "not a label map"),
        (TRUTH, TRUTH - 1, {}, "negative labels"),
        (TRUTH, TRUTH, {"truth_classes": {1: "tumor"}}, "Only the truth has classes"),
        (TRUTH, TRUTH, {"prediction_classes": {1: "tumor"}}, "Only the prediction has classes"),
        (TRUTH, TRUTH, {"truth_classes": {1: "background"}, "prediction_classes": {}}, "cannot be called"),
        (TRUTH, TRUTH, {"ignore": np.zeros((2, 2))}, "give one of their size"),
        (TRUTH, TRUTH, {"probability": np.zeros((2, 2))}, "give one finite number"),
        (TRUTH, TRUTH, {"probability": np.full(TRUTH.shape, np.nan)}, "give one finite number"),
    ],
)
def test_what_cannot_be_scored_is_answered_with_a_sentence(truth, prediction, others, sentence):
    with pytest.raises(EvaluationError, match=sentence):
        score_labels(truth, prediction, **others)


def test_more_classes_than_can_be_told_apart_are_refused():
    truth = np.arange(1, 41)[None].repeat(3, 0)
    classes = {label: f"class {label}" for label in range(1, 41)}
    with pytest.raises(EvaluationError, match="too many to score"):
        score_labels(truth, truth, classes, classes)


def test_layouts_are_scored_by_what_shows_and_refused_at_other_pixel_sizes():
    nuclei = [Nucleus.create(1, Outline.ellipse((20.0, 20.0), (9.0, 7.0)), "tumor")]
    layout = Layout.from_nuclei(nuclei, (48, 48), 0.25)
    moved = Layout.from_nuclei([Nucleus.create(8, Outline.ellipse((20.0, 22.0), (9.0, 7.0)))], (48, 48), 0.251)
    scores = score_layouts(layout, moved)
    assert 0.5 < scores["aji"] < 1
    assert set(scores["classes"]) == {"background", "nucleus"}
    assert "tumor" in score_layouts(layout, layout)["classes"]
    with pytest.raises(EvaluationError, match=r"pixels of 0\.25 µm and the prediction of 0\.5 µm"):
        score_layouts(layout, Layout.empty((48, 48), 0.5))


@pytest.mark.realdata
def test_scores_are_those_of_hover_nets_published_code(shared_data: Path):
    import tifffile

    golden = shared_data.parent / "golden"
    for name, wanted in json.loads((golden / "expected.json").read_text(encoding="utf-8")).items():
        truth, prediction = (tifffile.imread(golden / f"{name}_{side}.tif") for side in ("truth", "prediction"))
        scores = score_labels(truth, prediction)
        assert {key: scores[key] for key in wanted} == pytest.approx(wanted, abs=1e-6, rel=0)
