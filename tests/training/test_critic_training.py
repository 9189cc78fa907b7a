"""Critics are trained on real and woven tiles, calibrated on held-out ones, and say what is wrong."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from histoloom.cli import main
from histoloom.errors import TrainingError
from histoloom.generators.networks.critic import RECEPTIVE_FIELD, STEP, CriticNetwork
from histoloom.models import inspect_bundle, load_bundle
from histoloom.runs import Run
from histoloom.tiles.looks import Look
from histoloom.tiles.reading import open_tile
from histoloom.training.augmentation import plain_crop, reference_crop
from histoloom.training.critic_data import PIECED, REAL, WOVEN, read_critic_data
from histoloom.training.critic_judging import calibrated_facts
from histoloom.training.degradations import (
    blurred,
    magnified,
    pieced_together,
    shift_of,
    stain_axes,
    stain_shifted,
)
from histoloom.training.shared_appearance import varied_together
from histoloom.training.systems.critic import CriticTraining
from histoloom.training.systems.critic_recipe import CriticRecipe
from tile_folders import write_tiles

SMALL = {
    "steps": 4, "batch_size": 2, "crop_size": 99, "reference_size": 99, "width": 4, "checkpoint_every": 2,
    "validate_every": 2, "preview_every": 4, "log_every": 1, "validation_crops": 4, "previews": 1, "device": "cpu",
}  # fmt: skip


def recipe(**changes) -> CriticRecipe:
    return CriticRecipe(**SMALL | changes)


def options(**changes):
    return [word for name, value in (SMALL | changes).items() for word in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("data") / "tiles", tiles=4, side=128, nuclei=12)


@pytest.fixture(scope="module")
def woven(tiles, tmp_path_factory):
    """Six smooth pictures: two with the look of each of three real tiles."""
    folder = tmp_path_factory.mktemp("data") / "woven"
    folder.mkdir()
    for index in range(6):
        with open_tile(tiles / "images" / f"t{index % 3}.png") as tile:
            look = Look.from_tile(tile)
        Image.fromarray(blurred(look.pixels, 3.0)).save(folder / f"w{index}.png")
        (folder / f"w{index}.json").write_text(json.dumps({"synthetic": True, "look_sha256": look.sha256}))
    return folder


def tissue(side=160, seed=0):
    random = np.random.default_rng(seed)
    return (np.array([220, 170, 205]) + random.integers(-40, 35, (side, side, 3))).clip(0, 255).astype(np.uint8)


def test_a_logit_depends_on_its_patch_alone_and_windows_give_parts_of_the_whole():
    network = CriticNetwork(4).eval()
    reference = torch.rand(1, 3, 100, 110) * 2 - 1
    picture = (torch.rand(1, 3, 211, 195) * 2 - 1).requires_grad_()
    logits = network(picture, reference)
    assert logits.shape == (1, 1, (211 - RECEPTIVE_FIELD) // STEP + 1, (195 - RECEPTIVE_FIELD) // STEP + 1)
    (gradient,) = torch.autograd.grad(logits[0, 0, 2, 3], picture)
    rows, columns = gradient.abs().sum((0, 1)).nonzero(as_tuple=True)
    assert (int(rows.min()), int(rows.max())) == (2 * STEP, 2 * STEP + RECEPTIVE_FIELD - 1)
    assert (int(columns.min()), int(columns.max())) == (3 * STEP, 3 * STEP + RECEPTIVE_FIELD - 1)
    window = network(picture[..., STEP : STEP + 131, 2 * STEP : 2 * STEP + 115], reference)
    assert torch.allclose(window, logits[..., 1:4, 2:4], atol=1e-5)


def test_the_network_is_small_and_its_reference_matters():
    network = CriticNetwork()
    assert sum(each.numel() for each in network.parameters()) == 170_257
    picture, one, other = torch.rand(3, 3, 99, 99)[:, None]
    assert network(picture, one) != network(picture, other)
    with pytest.raises(ValueError, match="sees a reference"):
        network(picture)
    assert CriticNetwork(4, with_reference=False)(picture).shape == (1, 1, 1, 1)


def test_degradations_do_what_they_say_and_nothing_else():
    image = tissue()
    assert blurred(image, 2.4).std((0, 1)).max() < 0.2 * image.std((0, 1)).min()
    assert np.abs(stain_shifted(image, [0, 0, 0]).astype(int) - image).max() <= 1
    assert stain_shifted(image, [0.5, 0.5, 0.5]).mean() < image.mean() - 10
    assert (stain_shifted(np.full((4, 4, 3), 255, np.uint8), [1, 1, 1]) == 255).all()
    enlarged = magnified(np.repeat(np.repeat(image[:40, :40], 2, 0), 2, 1), 0.5, 40)
    assert np.abs(enlarged.astype(int) - image[:40, :40]).max() == 0
    assert magnified(image, 1.5, 90).shape == (90, 90, 3)
    pieced, seen = pieced_together(image, 50, np.random.default_rng(1))
    assert (pieced != image).any(axis=2).mean() > 0.8
    assert 0.5 < seen.mean() <= 1.0


def test_shifts_of_stains_are_as_long_as_tiles_differ():
    strengths = np.random.default_rng(0).normal(0, 0.3, 40)
    dark = (tissue(32) * 0.6).astype(np.uint8)
    axes = stain_axes([stain_shifted(dark, [each] * 3) for each in strengths])
    expected = float(np.std(strengths, ddof=1))
    assert axes[0] == pytest.approx(np.full(3, np.sign(axes[0, 0]) * expected), rel=0.05)
    assert np.linalg.norm(axes[1]) < 0.2 * np.linalg.norm(axes[0])
    assert shift_of(axes, 2.0, 0.0) == pytest.approx(2.0 * axes[0])
    assert stain_axes([tissue(32)]).shape == (2, 3)


def test_crop_and_reference_are_varied_alike():
    pictures = torch.rand(3, 3, 40, 40) * 1.6 - 0.8
    torch.manual_seed(3)
    one, other = varied_together([pictures, pictures.clone()], 0.3, 0.8)
    assert torch.equal(one, other)
    assert not torch.allclose(one, pictures, atol=0.01)
    plain = varied_together([pictures], 0.0, 0.0)[0]
    assert torch.equal(plain, pictures)


def test_woven_tiles_go_with_the_tile_whose_look_they_have(tiles, woven):
    data = read_critic_data([tiles], [woven], recipe(), licences=["CC0"])
    held_out = set(data.split["by"][0]["validation"])
    # The fourth tile lent its look to none; where one of the others is held out, so are its two woven ones.
    assert len(data.training) == 3
    of_real, of_woven = data.validation[::2], data.validation[1::2]
    assert all((each.label_map == REAL).all() for each in (*data.training, *of_real))
    assert all((each.label_map == WOVEN).all() for each in (*data.woven, *of_woven))
    if held_out != {"t3"}:
        assert len(data.woven) == 4
        assert len(of_woven) == 2
    crop = plain_crop(data.woven[0], 99, np.random.default_rng(0))
    beside = reference_crop(crop, 99, 0, np.random.default_rng(1))
    # Real tiles are noisy, and these woven ones smooth.
    assert beside.std() > 1.5 * crop.image.std() or blurred(beside, 3.0).std() < 0.8 * beside.std()


def test_real_crops_are_degraded_at_the_share_that_the_recipe_says(tiles, woven):
    chosen = recipe(degraded_share=0.5, compressed=0.5)
    data = read_critic_data([tiles], [woven], chosen)
    system = CriticTraining(chosen, data)
    random = np.random.default_rng(0)
    crop = plain_crop(data.training[0], 99, random)
    said = [int(system.vary(crop, random).label_map.max()) for _ in range(200)]
    assert 70 < sum(each > WOVEN for each in said) < 130
    assert set(said) == {REAL, *range(WOVEN + 1, PIECED + 1)}
    of_woven = plain_crop(data.woven[0], 99, random)
    assert all((system.vary(of_woven, random).label_map == WOVEN).all() for _ in range(20))


def test_calibration_makes_probabilities_of_logits_that_are_too_sure():
    random = np.random.default_rng(0)
    is_real = np.arange(4000) % 2 == 0
    honest = random.normal(0, 1, 4000) * 1.4 + np.where(is_real, 1.0, -1.0)
    facts = calibrated_facts((5.0 * honest + 3.0).astype(np.float32), is_real, 125)
    assert facts.ratio == 1.0
    assert facts.slope * 5.0 == pytest.approx(2 / 1.4**2, rel=0.15)
    assert facts.intercept + 3.0 * facts.slope == pytest.approx(0.0, abs=0.2)
    assert (facts.reference_size, facts.receptive_field, facts.step) == (125, RECEPTIVE_FIELD, STEP)


def test_a_line_trains_a_calibrated_critic_and_goes_on_to_the_same_weights(tiles, woven, tmp_path, capsys):
    line = ["train", "critic", "--data", str(tiles), "--woven", str(woven), "--licence", "CC0"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*line, "-o", str(whole), *options()]) == 0
    said = capsys.readouterr()
    assert "Trained for 4 steps" in said.out
    assert "not known by name" not in said.err
    header = inspect_bundle(whole / "bundle.safetensors")
    assert (header.kind, header.system, header.tile_invariant) == ("discriminator", "critic", True)
    assert header.judges is not None
    assert header.judges.reference_size == 99
    assert header.judges.ratio == 1.0
    assert [each.licence for each in header.training_data] == ["CC0", "CC0"]
    assert main([*line, "-o", str(parts), *options(steps=4)]) == 0
    run = Run.open(parts)
    run.checkpoint_path(4).unlink()
    assert main(["train", "critic", "-o", str(parts), "--resume"]) == 0
    one, other = (load_bundle(each / "bundle.safetensors") for each in (whole, parts))
    assert all(np.array_equal(one.weights[name], other.weights[name]) for name in one.weights)
    assert next(whole.joinpath("previews").glob("*.png")).is_file()
    # Its own woven tiles, where the line names only where the real ones are now.
    assert main(["train", "critic", "-o", str(parts), "--resume", "--data", str(tiles), "--licence", "CC0"]) == 0
    capsys.readouterr()
    assert main(["train", "refiner", "-o", str(parts), "--resume"]) == 1
    assert "The run 'parts' trains 'critic'; resume it with 'histoloom train critic'." in capsys.readouterr().err


def test_tiles_are_woven_for_a_critic_where_there_are_none(tiles, tmp_path, capsys):
    line = ["train", "critic", "--data", str(tiles), "--generator", "texture", "-o", str(tmp_path / "run")]
    more = options(steps=1, weave=3, layouts="random", layout_side=96)
    assert main([*line, *more]) == 0, capsys.readouterr().err
    header = inspect_bundle(tmp_path / "run" / "bundle.safetensors")
    assert {each.name for each in header.training_data} == {"tiles", "woven with texture"}


def test_what_a_critic_cannot_learn_from_is_said(tiles, woven, tmp_path, capsys):
    assert main(["train", "critic", "--data", str(tiles), "-o", str(tmp_path / "run")]) == 1
    assert "needs real tiles and woven ones" in capsys.readouterr().err
    with pytest.raises(TrainingError, match="as real tiles and as woven ones"):
        read_critic_data([tiles], [tiles], recipe())
    with pytest.raises(TrainingError, match="needs real tiles to compare"):
        read_critic_data([], [woven], recipe())
    with pytest.raises(TrainingError, match="smaller than what the critic sees at once"):
        CriticTraining(recipe(reference_size=64), read_critic_data([tiles], [woven], recipe()))
    one = tmp_path / "one"
    one.mkdir()
    for name in ("w0", "w3"):
        for suffix in (".png", ".json"):
            shutil.copy(woven / f"{name}{suffix}", one)
    with pytest.raises(TrainingError, match="give woven tiles with the looks of more real ones"):
        read_critic_data([tiles], [one], recipe())
    white = tmp_path / "white"
    white.mkdir()
    for index in range(2):
        Image.fromarray(np.full((128, 128, 3), 255, np.uint8)).save(white / f"{index}.png")
    with pytest.raises(TrainingError, match="fewer than two tiles with tissue"):
        read_critic_data([white], [woven], recipe())
