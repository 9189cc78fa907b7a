"""A picture judged part by part is judged as a whole is, and only where it changed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from histoloom.importance import Judgement
from histoloom.jobs.judged_parts import PART_SIDE, JudgedParts
from histoloom.window import Window

STEP, FIELD = 16, 93


def judged(picture: NDArray[np.uint8]) -> Judgement:
    """A critic whose logits are means over their receptive fields, and at the border those of the neighbours."""
    height, width = picture.shape
    rows, columns = (np.clip(np.arange(-(-side // STEP)) - 2, 0, (side - FIELD) // STEP) for side in (height, width))
    means = [[picture[r * STEP : r * STEP + FIELD, c * STEP : c * STEP + FIELD].mean() for c in columns] for r in rows]
    return Judgement(np.array(means, np.float32) / 100.0 - 1.0, STEP, (height, width), 2.0)


def finished(parts: JudgedParts, picture: NDArray[np.uint8], shown: NDArray[np.float32]) -> list[Window]:
    asked = []
    while (cells := parts.next_cells()) is not None:
        seen = parts.seen_by(cells)
        answer = judged(picture[seen.slices])
        window, weights = parts.patch(cells, answer, None)
        shown[window.slices] = weights
        parts.take(cells, answer, parts.revision)
        asked.append(seen)
    return asked


def picture_of(height: int, width: int) -> NDArray[np.uint8]:
    return (
        np.random.default_rng(0)
        .integers(0, 255, (height // 8 + 1, width // 8 + 1), np.uint8)
        .repeat(8, 0)
        .repeat(8, 1)[:height, :width]
    )


def test_parts_put_together_are_the_whole() -> None:
    picture = picture_of(700, 909)
    parts = JudgedParts(picture.shape, STEP, FIELD)
    shown = np.ones(picture.shape, np.float32)
    asked = finished(parts, picture, shown)
    assert len(asked) > 1
    assert all(max(each.shape) <= PART_SIDE for each in asked)
    whole = judged(picture)
    np.testing.assert_allclose(parts.judgement().logits, whole.logits, atol=1e-6)
    np.testing.assert_allclose(shown, whole.weight_map(), rtol=1e-5)
    assert parts.judgement().ratio == 2.0


def test_only_what_sees_a_change_is_judged_again() -> None:
    picture = picture_of(700, 909)
    parts = JudgedParts(picture.shape, STEP, FIELD)
    shown = np.ones(picture.shape, np.float32)
    finished(parts, picture, shown)
    change = Window(0, 890, 12, 909)
    picture[change.slices] = 255
    parts.change(change)
    (seen,) = finished(parts, picture, shown)
    assert max(seen.shape) < 200, "a corner is not half of the picture"
    np.testing.assert_allclose(parts.judgement().logits, judged(picture).logits, atol=1e-6)
    np.testing.assert_allclose(shown, judged(picture).weight_map(), rtol=1e-5)


def test_the_latest_change_comes_first_and_what_changed_meanwhile_stays_to_be_judged() -> None:
    picture = picture_of(1200, 1200)
    parts = JudgedParts(picture.shape, STEP, FIELD)
    finished(parts, picture, np.ones(picture.shape, np.float32))
    parts.change(Window(0, 0, 10, 10))
    parts.change(Window(1100, 1100, 1110, 1110))
    revision, cells = parts.revision, parts.next_cells()
    assert cells is not None
    assert cells.y0 > 50, "the latest change lies at the lower right"
    parts.change(Window(1100, 1100, 1110, 1110))
    parts.take(cells, judged(picture[parts.seen_by(cells).slices]), revision)
    assert parts.next_cells() == cells


def test_what_is_not_known_yet_weighs_one() -> None:
    picture = picture_of(1200, 600)
    parts = JudgedParts(picture.shape, STEP, FIELD)
    cells = parts.next_cells()
    assert cells is not None
    answer = judged(picture[parts.seen_by(cells).slices])
    window, weights = parts.patch(cells, answer, (0.5, 2.0))
    assert not parts.is_whole
    assert weights.shape == window.shape
    assert weights.min() >= 0.5
    assert math.isclose(float(weights[-1, 0]), 1.0, rel_tol=1e-5)


def test_critics_of_whole_pictures_see_all_of_it() -> None:
    parts = JudgedParts((900, 800), STEP, FIELD, whole=True)
    cells = parts.next_cells()
    assert cells is not None
    assert parts.seen_by(cells) == Window(0, 0, 900, 800)
