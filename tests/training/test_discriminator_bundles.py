"""``histoloom bundles discriminator`` and ``calibrate``: the judges of finished trainings."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tiny_system import TinyRecipe, tiny_data

from histoloom.cli import main
from histoloom.generators.contract import WovenTile
from histoloom.generators.woven_files import save_woven
from histoloom.importance import Judgement
from histoloom.importance.calibrating import calibrate
from histoloom.importance.critic import Critic
from histoloom.models import JudgementFacts, inspect_bundle
from histoloom.training.checkpoints import load_checkpoint
from histoloom.training.engine import train
from histoloom.training.systems.mode_seeking_recipe import ModeSeekingRecipe
from small_bundles import small_layout
from small_discriminators import small_discriminator
from tissue_pictures import tissue_picture

SMALL = {
    "steps": 2, "width": 4, "discriminator_width": 4, "depth": 5, "crop_size": 32, "log_every": 1,
    "validation_crops": 1, "previews": 1, "device": "cpu", "precision": "32-true",
}  # fmt: skip


def test_the_discriminator_of_a_run_becomes_a_bundle_that_judges(tmp_path, capsys, monkeypatch):
    run = train(ModeSeekingRecipe(**SMALL), tiny_data(), tmp_path / "run")
    monkeypatch.chdir(tmp_path)

    assert main(["bundles", "discriminator", "run", "-o", "judge.safetensors"]) == 0

    critic = Critic.load("judge.safetensors")
    assert critic.header.system == "mode-seeking-pix2pix"
    assert critic.header.normalization == "batch statistics"
    assert critic.header.training_data == inspect_bundle(run.bundle).training_data
    trained = load_checkpoint(run.latest_checkpoint())["networks"]["discriminator"]
    for name, each in trained.items():
        np.testing.assert_array_equal(critic.weights[name], each.numpy())
    assert critic.judge(tissue_picture((64, 64)), 0.25).logits.shape == (16, 16)
    assert capsys.readouterr().out.startswith("judge: discriminator of mode-seeking-pix2pix, 2 steps")


def test_a_system_without_a_discriminator_is_said_to_have_none(tmp_path, capsys):
    train(TinyRecipe(**{name: SMALL[name] for name in ("steps", "crop_size", "device")}), tiny_data(), tmp_path / "run")

    assert main(["bundles", "discriminator", str(tmp_path / "run"), "-o", str(tmp_path / "judge.safetensors")]) == 1

    assert "The run 'run' is one of 'tiny', which trains no discriminator" in capsys.readouterr().err
    assert not (tmp_path / "judge.safetensors").exists()


def test_a_folder_without_a_run_is_said_to_be_none(tmp_path, capsys):
    assert main(["bundles", "discriminator", str(tmp_path), "-o", str(tmp_path / "judge.safetensors")]) == 1

    assert "holds no run" in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Real tiles, and woven ones that are paler."""
    for index in range(6):
        real = tissue_picture((112, 224), seed=index)
        woven = np.clip(tissue_picture((112, 112), seed=50 + index).astype(int) + 25, 0, 255).astype(np.uint8)
        (tmp_path / "real").mkdir(exist_ok=True)
        Image.fromarray(real).save(tmp_path / "real" / f"r{index}.png")
        tile = WovenTile(woven, small_layout((112, 112)), index, "texture", {}, "0" * 64)
        save_woven(tile, tmp_path / "woven", "tile")
    monkeypatch.chdir(tmp_path)
    return tmp_path


LINE = ["--real", "real", "--woven", "woven", "-o", "calibrated.safetensors"]


@pytest.mark.parametrize("reference_size", [0, 100])
def test_a_calibrated_bundle_keeps_its_weights(folder, capsys, reference_size):
    judges = {"intercept": 5.0}
    recipe = {"reference_size": reference_size}
    small_discriminator(folder / "raw.safetensors", recipe=recipe, scale=2.0, judges=judges)

    assert main(["bundles", "calibrate", "raw.safetensors", *LINE]) == 0

    raw, calibrated = Critic.load("raw.safetensors"), Critic.load("calibrated.safetensors")
    assert calibrated.header.weights_sha256 == raw.header.weights_sha256
    words = capsys.readouterr().out.split()
    assert all(0.0 <= float(words[words.index(each) - 1]) <= 1.0 for each in ("before", "after"))
    assert calibrated.facts.ratio == pytest.approx(1.0, abs=0.5)
    assert calibrated.facts.slope >= 0


class Paleness:
    """A critic that knows paler pictures for woven, and takes nearly all for real."""

    name, pixel_size, needs_reference, needs_layout = "paleness", 0.5, False, False
    facts = JudgementFacts(sees="picture", receptive_field=1, step=112)

    def judge(self, image, pixel_size, *, reference=None, layout=None):
        sides = tuple(-(-side // 112) for side in image.shape[:2])
        logits = np.full(sides, 12.0 - 0.2 * (np.mean(image) - 188.0), np.float32)
        return Judgement(logits, 112, image.shape[:2])


def test_what_a_critic_takes_for_real_is_corrected_by_tiles_that_it_has_not_seen(folder):
    found = calibrate(Paleness(), folder / "real", folder / "woven")
    assert found.error_before > 0.3
    assert found.error_after < found.error_before / 2
    assert found.facts.intercept < 0 < found.facts.slope


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"reference_size": 200}, "'r0.png' cannot be judged: It has 224 pixels along its longer side"),
        ({"woven": "one"}, "'one' holds one tile, and a calibration is fitted on some and checked on others"),
        ({"pixel_size": 1.0}, "'r0.png' cannot be judged: The picture has 1 µm"),
    ],
)
def test_what_cannot_be_calibrated_on_is_one_sentence(folder, capsys, changes, sentence):
    recipe = {"reference_size": changes.get("reference_size", 100)}
    small_discriminator(folder / "raw.safetensors", recipe=recipe)
    (folder / "one").mkdir()
    Image.fromarray(tissue_picture((112, 112))).save(folder / "one" / "a.png")
    line = [changes.get("woven", each) if each == "woven" else each for each in LINE]
    size = ["--pixel-size", str(changes["pixel_size"])] if "pixel_size" in changes else []

    assert main(["bundles", "calibrate", "raw.safetensors", *line, *size]) == 1

    assert sentence in capsys.readouterr().err
    assert not (folder / "calibrated.safetensors").exists()


def test_calibration_of_what_was_calibrated_starts_from_there(folder):
    small_discriminator(folder / "raw.safetensors", recipe={"reference_size": 0}, scale=2.0)
    twisted = {"slope": 0.5, "intercept": -1.0}
    small_discriminator(folder / "twisted.safetensors", recipe={"reference_size": 0}, scale=2.0, judges=twisted)

    for name in ("raw", "twisted"):
        assert main(["bundles", "calibrate", f"{name}.safetensors", *LINE[:-1], f"{name}_done.safetensors"]) == 0

    one, two = (Critic.load(f"{name}_done.safetensors").facts for name in ("raw", "twisted"))
    assert fitted_numbers(one) == pytest.approx(fitted_numbers(two), rel=1e-2, abs=1e-2)


def fitted_numbers(facts):
    return [facts.slope, facts.intercept, facts.ratio]


def test_nothing_else_of_a_header_changes(folder):
    small_discriminator(folder / "raw.safetensors", recipe={"reference_size": 0})

    assert main(["bundles", "calibrate", "raw.safetensors", *LINE]) == 0

    one, two = (inspect_bundle(folder / f"{name}.safetensors") for name in ("raw", "calibrated"))
    assert one.model_copy(update={"judges": None}) == two.model_copy(update={"judges": None})
