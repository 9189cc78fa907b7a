"""Presets are recipes that work, and an estimate says what they take."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from test_systems import SMALL
from tiny_system import tiny_data

from histoloom.cli import main
from histoloom.errors import RecipeError, TrainingError
from histoloom.training.estimate import estimate_training
from histoloom.training.memory import check_crop, check_memory, estimate_memory
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.mode_seeking_recipe import ModeSeekingRecipe
from histoloom.training.systems.pix2pix_recipe import Pix2PixRecipe
from histoloom.training.systems.presets import preset_values, presets_of
from histoloom.training.systems.registry import recipe_type, system_for
from tile_folders import write_tiles

PUBLISHED = ["pix2pix", "mode-seeking-pix2pix"]
SYSTEMS = [*PUBLISHED, "loom"]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("preset", ["fast look", "paper", "gpu"])
def test_every_preset_is_a_recipe_whose_networks_can_see_its_crops(system, preset):
    recipe = recipe_type(system).checked(**presets_of(system)[preset])
    built = system_for(recipe, tiny_data())
    check_crop(built)
    assert estimate_memory(built, recipe.batch_size, recipe.crop_size) > 0


@pytest.mark.parametrize("system", PUBLISHED)
def test_the_papers_presets_are_the_defaults_and_those_of_gpus_see_as_many_crops(system):
    paper, gpu = (recipe_type(system).checked(**presets_of(system)[name]) for name in ("paper", "gpu"))
    assert paper == recipe_type(system)()
    assert gpu.precision == "bf16-mixed"
    assert gpu.steps * gpu.batch_size == paper.steps


def test_presets_need_no_torch():
    script = "import sys; from histoloom.training.systems.presets import presets_of; presets_of('pix2pix'); "
    done = subprocess.run([sys.executable, "-c", script + "sys.exit('torch' in sys.modules)"], timeout=120)
    assert done.returncode == 0


def test_an_unknown_preset_is_answered_with_those_there_are():
    with pytest.raises(RecipeError, match="choose one of its own: 'fast look', 'paper', 'gpu'"):
        preset_values("pix2pix", "best")
    with pytest.raises(RecipeError, match="no system called"):
        presets_of("dreams")


def test_an_estimate_has_numbers_of_this_machine():
    estimate = estimate_training(Pix2PixRecipe(**SMALL | {"steps": 100}), tiny_data())
    assert estimate.device == "CPU"
    assert 0 < estimate.memory_bytes < estimate.free_bytes
    assert estimate.total_seconds == pytest.approx(100 * estimate.seconds_per_step)
    networks = system_for(Pix2PixRecipe(**SMALL), tiny_data()).build().values()
    assert estimate.parameters == sum(each.numel() for network in networks for each in network.parameters())


def test_the_line_with_estimate_prints_one_object_and_writes_no_run(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiles = write_tiles(tmp_path / "tiles", side=40)
    line = ["train", "pix2pix", "--data", str(tiles), "--estimate", "--preset", "fast look", "--width", "4"]
    line += ["--depth", "5", "--crop-size", "32", "--precision", "32-true", "--device", "cpu", "-o", "run"]
    state = torch.random.get_rng_state()
    assert main(line) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {
        "memory_bytes", "free_bytes", "seconds_per_step", "total_seconds", "device", "parameters",
    }  # fmt: skip
    assert told["total_seconds"] == pytest.approx(
        presets_of("pix2pix")["fast look"]["steps"] * told["seconds_per_step"]
    )
    assert [each.name for each in tmp_path.iterdir()] == ["tiles"]
    assert torch.equal(state, torch.random.get_rng_state())


def test_crops_too_small_for_the_networks_are_said_before_the_start(tmp_path, capsys):
    tiles = write_tiles(tmp_path / "tiles", side=40)
    line = ["train", "pix2pix", "--data", str(tiles), "--depth", "3", "--crop-size", "16", "--device", "cpu"]
    assert main([*line, "-o", str(tmp_path / "run")]) == 1
    assert "Crops of 16 pixels are too small for pix2pix" in capsys.readouterr().err
    assert not (tmp_path / "run" / "recipe.json").exists()


def test_a_crop_that_fits_is_found_for_networks_that_are_built_for_one_size():
    recipe = ModeSeekingRecipe(**SMALL | {"crop_size": 256, "width": 2, "discriminator_width": 2})
    system = system_for(recipe, tiny_data())
    least = estimate_memory(system, 1, 64)
    with pytest.raises(TrainingError, match="a batch size of 1 with a crop size of 64 fits"):
        check_memory(system, least)
    assert isinstance(system.recipe, TrainingRecipe)
    assert system.recipe.crop_size == 256
