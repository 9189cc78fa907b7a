"""While a training runs, it says how diverse weaves are and how far their colours have drifted."""

from __future__ import annotations

import numpy as np
import pytest
from test_engine import recipe
from tiny_system import tiny_data

from histoloom.training.engine import train
from histoloom.training.events import FiguresMeasured, event_as_json, event_from_json
from histoloom.training.figures import measured_figures


def tissue(seed: int = 0, darker: float = 1.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    picture = np.full((48, 48, 3), (220, 150, 190), float)
    picture[random.random((48, 48)) < 0.4] = (110, 70, 150)
    return np.clip(255 * (picture / 255) ** darker + random.integers(-8, 9, picture.shape), 0, 255).astype(np.uint8)


def test_pictures_of_one_kind_have_no_drift_and_no_warning():
    weaves = [tissue(seed) for seed in range(3)]
    figures = measured_figures(7, weaves, [(tissue(8), tissue(9))])
    assert figures.step == 7
    assert 0 <= figures.similarity < 0.9
    assert figures.l1_distance > 0.05
    assert abs(figures.hematoxylin_shift) < 0.2
    assert abs(figures.eosin_shift) < 0.2
    assert figures.optical_density_shift < 0.1
    assert figures.warning == ""


def test_darker_weaves_are_a_drift_upwards():
    figures = measured_figures(1, [tissue(0), tissue(1)], [(tissue(2), tissue(3, darker=1.6))])
    assert figures.eosin_shift > 0.3
    assert figures.optical_density_shift > 0.1


def test_weaves_that_are_nearly_alike_are_warned_of_as_a_collapse():
    one = tissue()
    almost = one.copy()
    almost[0, 0] ^= 1
    figures = measured_figures(1, [one, almost], [])
    assert figures.similarity > 0.98
    assert "may have collapsed; go back" in figures.warning
    assert figures.hematoxylin_shift is None


def test_weaves_without_any_noise_are_said_to_be_so():
    assert "no noise" in measured_figures(1, [tissue(), tissue()], []).warning


def test_what_cannot_be_measured_is_left_open():
    white, speck = np.full((48, 48, 3), 255, np.uint8), np.zeros((8, 8, 3), np.uint8)
    figures = measured_figures(1, [speck, speck], [(white, tissue()), (tissue(), white)])
    assert figures == FiguresMeasured(1, None, None, None, None, None, "")
    assert event_from_json(event_as_json(figures)) == figures


def test_a_training_measures_with_each_preview_and_draws_nothing_from_its_own_randomness(tmp_path):
    told = []
    one = train(recipe(), tiny_data(), tmp_path / "one", on_event=told.append)
    figures = [each for each in told if isinstance(each, FiguresMeasured)]
    assert [each.step for each in figures] == [6, 12]
    assert all(0 <= each.similarity <= 1 for each in figures)
    more = train(recipe(compared_weaves=7, preview_every=3), tiny_data(), tmp_path / "more")
    weights = [each.bundles()[12].read_bytes()[-500:] for each in (one, more)]
    assert weights[0] == weights[1]
    assert one.previews()[12].read_bytes() == more.previews()[12].read_bytes()


def test_one_seed_alone_cannot_be_compared():
    with pytest.raises(Exception, match="compared_weaves"):
        recipe(compared_weaves=1)
