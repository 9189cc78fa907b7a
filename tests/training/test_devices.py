"""Precision follows the hardware where nothing else is said."""

from __future__ import annotations

import pytest

from histoloom.training.devices import precision_for
from histoloom.training.recipe import TrainingRecipe


@pytest.mark.parametrize(("has_tiles", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_processor_trains_in_bf16_where_it_has_tile_units(monkeypatch, has_tiles, precision):
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: has_tiles)
    assert precision_for(TrainingRecipe(), "cpu") == precision


@pytest.mark.parametrize(("has_bf16", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_gpu_trains_in_bf16_where_it_does_not_emulate_it(monkeypatch, has_bf16, precision):
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: has_bf16 or including_emulation)
    assert precision_for(TrainingRecipe(), "cuda") == precision


def test_what_the_recipe_says_holds_on_any_hardware():
    assert precision_for(TrainingRecipe(precision="32-true"), "cuda") == "32-true"
    assert precision_for(TrainingRecipe(precision="bf16-mixed"), "cpu") == "bf16-mixed"
