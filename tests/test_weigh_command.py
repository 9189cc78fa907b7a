"""``histoloom weigh``: the table that it writes, what it says, and the sentence that answers each mistake."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from histoloom.cli import main
from histoloom.generators.contract import WovenTile
from histoloom.generators.woven_files import save_woven
from histoloom.importance import read_weights
from histoloom.importance.critic import Critic
from histoloom.importance.references import References
from histoloom.jobs.tile_references import TileReferences
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.tiles.looks import look_sha256
from histoloom.training.woven_folders import read_woven_folder
from small_bundles import small_layout
from small_discriminators import small_discriminator
from tissue_pictures import tissue_picture

SIDE = 112


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.set_num_threads(1)
    (tmp_path / "real").mkdir()
    for index, name in enumerate(("a", "b")):
        Image.fromarray(tissue_picture((SIDE, SIDE), seed=20 + index)).save(tmp_path / "real" / f"{name}.png")
    (tmp_path / "real" / "meta.csv").write_text("id,patient\na,anna\nb,bert\n")
    for index in range(3):
        picture = tissue_picture((SIDE, SIDE), seed=index)
        look = look_sha256(tissue_picture((SIDE, SIDE), seed=20 + index % 2))
        layout = small_layout((SIDE, SIDE))
        save_woven(WovenTile(picture, layout, index, "texture", {}, look), tmp_path / "woven", "tile")
    small_discriminator(tmp_path / "plain.safetensors", recipe={"reference_size": 0}, scale=2.0)
    small_discriminator(tmp_path / "comparing.safetensors", scale=2.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(path: str | Path) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_tile_gets_the_weight_that_the_critic_gives(folder, capsys):
    assert main(["weigh", "woven", "--critic", "plain.safetensors", "-o", "weights.csv"]) == 0

    critic = Critic.load("plain.safetensors")
    for index, row in enumerate(rows("weights.csv")):
        judged = critic.judge(tissue_picture((SIDE, SIDE), seed=index), 0.5)
        assert row["file"] == f"tile_seed{index}.png"
        assert float(row["weight"]) == pytest.approx(judged.weight(), rel=1e-4)
        assert float(row["probability_real"]) == pytest.approx(judged.probability_real, rel=1e-4)
        assert row["critic"].startswith("plain.safetensors ")
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "3 weighed: weights.csv"


def test_trainings_read_what_is_written_beside_the_tiles(folder):
    assert main(["weigh", "woven", "--critic", "plain.safetensors", "-o", "woven/weights.csv"]) == 0

    weights = [each.weight for each in read_woven_folder("woven", pixel_size=0.5).woven]
    assert weights == pytest.approx([float(row["weight"]) for row in rows("woven/weights.csv")])


def test_weights_are_clipped_as_is_asked_for_and_raw_ones_are_told(folder):
    assert main(["weigh", "woven", "--critic", "plain.safetensors", "-o", "weights.csv", "--clip", "1,1.00001"]) == 0

    for row in rows("weights.csv"):
        assert float(row["weight"]) == pytest.approx(1.0, abs=1e-4)
        assert row["clip"] == "1,1.00001"
    assert len({row["raw_weight"] for row in rows("weights.csv")}) == 3


def test_woven_tiles_are_held_against_the_tile_whose_look_they_have(folder, capsys):
    line = ["weigh", "woven", "--critic", "comparing.safetensors", "-o", "weights.csv", "--reference", "real"]
    assert main(line) == 0

    critic = Critic.load("comparing.safetensors")
    for index, row in enumerate(rows("weights.csv")):
        reference = tissue_picture((SIDE, SIDE), seed=20 + index % 2)
        judged = critic.judge(tissue_picture((SIDE, SIDE), seed=index), 0.5, reference=reference)
        assert float(row["probability_real"]) == pytest.approx(judged.probability_real, rel=1e-4)
        assert row["patient"] == ("anna", "bert")[index % 2]
    said = capsys.readouterr().out
    assert [line.split()[:2] for line in said.splitlines()[1:4]] == [["all", "3"], ["anna", "2"], ["bert", "1"]]


def test_one_reference_serves_for_all_tiles(folder):
    line = ["weigh", "woven", "--critic", "comparing.safetensors", "-o", "weights.csv", "--reference", "real/a.png"]
    assert main(line) == 0

    judged = Critic.load("comparing.safetensors").judge(
        tissue_picture((SIDE, SIDE), seed=1), 0.5, reference=tissue_picture((SIDE, SIDE), seed=20)
    )
    assert float(rows("weights.csv")[1]["probability_real"]) == pytest.approx(judged.probability_real, rel=1e-4)


def test_decisions_made_by_hand_stay_when_tiles_are_weighed_anew(folder, capsys):
    line = ["weigh", "woven", "--critic", "plain.safetensors", "-o", "weights.csv"]
    assert main(line) == 0
    path = Path("weights.csv")
    head, first, *others = path.read_text().splitlines()
    path.write_text("\n".join([head, first.replace(",,", ",reject,"), *others]) + "\n")

    assert main(line) == 0

    (one, *_), raw = read_weights(path), rows(path)[0]["raw_weight"]
    assert (one.decision, one.weight) == ("reject", 0.0)
    assert float(raw) > 0
    assert "1 decision made by hand was kept" in capsys.readouterr().err


def test_decisions_about_tiles_that_are_gone_are_told(folder, capsys):
    table = ["file,weight,decision", "tile_seed0.png,1,keep", "gone.png,1,reject", "lost.png,1,keep", "left.png,1,"]
    Path("weights.csv").write_text("\n".join(table) + "\n")

    assert main(["weigh", "woven", "--critic", "plain.safetensors", "-o", "weights.csv"]) == 0

    said = capsys.readouterr().err
    assert "2 decisions about tiles that are no longer in the folder" in said
    assert "'gone.png' (reject), 'lost.png' (keep);" in said
    assert "1 decision made by hand was kept" in said


def test_a_picture_that_another_of_its_name_keeps_out_is_told(folder, capsys):
    Image.fromarray(tissue_picture((SIDE, SIDE), seed=50)).save("woven/tile_seed0.tif")

    assert main(["weigh", "woven", "--critic", "plain.safetensors", "-o", "weights.csv"]) == 0

    assert len(rows("weights.csv")) == 3
    assert "'tile_seed0.tif' was left out, because 'tile_seed0.png' has the same name" in capsys.readouterr().err


def test_tiles_without_tissue_are_named_and_do_not_outweigh_others(folder, capsys):
    for name, level in (("white", 255), ("black", 0)):
        Image.fromarray(np.full((SIDE, SIDE, 3), level, np.uint8)).save(f"woven/{name}.png", dpi=(50800, 50800))
    judges = {"slope": 0.001, "intercept": 6.0}
    small_discriminator(folder / "fond.safetensors", recipe={"reference_size": 0}, judges=judges)
    line = ["weigh", "woven", "--critic", "fond.safetensors", "-o", "weights.csv"]

    for more in ([], ["--clip", "2,500"]):
        assert main([*line, *more]) == 0

        weights = {row["file"]: float(row["weight"]) for row in rows("weights.csv")}
        assert weights["white.png"] == weights["black.png"] == 1.0
        assert weights["tile_seed0.png"] > 100
        assert "'black.png', 'white.png' show hardly any tissue" in capsys.readouterr().err


def test_a_critic_that_sees_layouts_takes_those_beside_the_tiles(folder):
    small_discriminator(folder / "layouts.safetensors", "pix2pix")

    assert main(["weigh", "woven", "--critic", "layouts.safetensors", "-o", "weights.csv"]) == 0

    assert len(rows("weights.csv")) == 3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["--critic", "comparing.safetensors"], "got no reference; give a real tile, or the folder"),
        (
            ["--critic", "comparing.safetensors", "--reference", "woven/tile_seed0.png"],
            "The reference is the picture its",
        ),
        (["--critic", "comparing.safetensors", "--reference", "white.png"], "The reference shows no tissue"),
        (["--critic", "comparing.safetensors", "--reference", "nowhere"], "The reference 'nowhere' does not exist"),
        (["--critic", "comparing.safetensors", "--reference", "empty"], "The folder 'empty' holds no tiles"),
        (["--critic", "nobody"], "There is no critic called 'nobody'"),
        (["--critic", "nobody.safetensors"], "There is no file 'nobody.safetensors'"),
        (["--critic", "plain.safetensors", "--clip", "wide"], "'wide' is no range to clip weights to"),
        (
            ["--critic", "plain.safetensors", "--pixel-size", "0.25"],
            "'tile_seed0.png' cannot be weighed: The picture has",
        ),
        (["--critic", "plain.safetensors", "--pixel-size", "-1"], "A pixel size of -1 µm is not possible"),
        (["--critic", "plain.safetensors", "-o", "weights.txt"], "give a name ending in .csv"),
    ],
)
def test_what_cannot_be_weighed_is_one_sentence_and_writes_nothing(folder, capsys, changes, sentence):
    (folder / "empty").mkdir()
    Image.new("RGB", (SIDE, SIDE), "white").save(folder / "white.png")
    line = ["weigh", "woven", *changes] + ([] if "-o" in changes else ["-o", "weights.csv"])

    assert main(line) == 1

    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert sentence in said[0]
    assert not list(folder.glob("weights*"))


def test_a_folder_whose_tiles_are_all_rejected_is_refused(folder, capsys):
    line = ["weigh", "woven", "--critic", "plain.safetensors", "-o", "weights.csv"]
    table = ["file,weight,decision", *(f"tile_seed{index}.png,1,reject" for index in range(3))]
    Path("weights.csv").write_text("\n".join(table) + "\n")

    assert main(line) == 1

    assert "All 3 tiles are rejected" in capsys.readouterr().err
    assert Path("weights.csv").read_text() == "\n".join(table) + "\n"


def test_a_reference_for_a_critic_that_wants_none_is_said_to_be_ignored(folder, capsys):
    line = ["weigh", "woven", "--critic", "plain.safetensors", "-o", "weights.csv", "--reference", "real"]
    assert main(line) == 0

    assert "judges without a reference" in capsys.readouterr().err


def test_a_critic_that_nobody_calibrated_is_remarked_on(folder, capsys):
    fitted = {"slope": 0.5}
    small_discriminator(folder / "fitted.safetensors", recipe={"reference_size": 0}, scale=2.0, judges=fitted)
    for name, is_told in (("plain", True), ("fitted", False)):
        assert main(["weigh", "woven", "--critic", f"{name}.safetensors", "-o", f"{name}.csv"]) == 0
        assert (f"'{name}.safetensors' is not calibrated" in capsys.readouterr().err) is is_told


def test_a_critic_that_says_the_same_of_all_tiles_is_remarked_on(folder, capsys):
    judges = {"slope": 0.0, "ratio": 3.0}
    for index in range(3):
        Image.fromarray(tissue_picture((SIDE, SIDE), seed=40 + index)).save(
            f"woven/more{index}.png", dpi=(50800, 50800)
        )
    small_discriminator(folder / "blind.safetensors", recipe={"reference_size": 0}, judges=judges)

    assert main(["weigh", "woven", "--critic", "blind.safetensors", "-o", "weights.csv"]) == 0

    assert "Nearly all weights are 3, the ratio" in capsys.readouterr().err


def test_records_that_are_no_records_do_not_matter(folder):
    for path in Path("woven").glob("*.json"):
        if json.loads(path.read_text()).get("look_sha256"):
            path.write_text("[]")
    line = ["weigh", "woven", "--critic", "comparing.safetensors", "-o", "weights.csv", "--reference", "real"]

    assert main(line) == 0

    assert {row["patient"] for row in rows("weights.csv")} == {""}
    assert np.isfinite([float(row["weight"]) for row in rows("weights.csv")]).all()


def save_with_size(path: Path, pixels: np.ndarray, pixel_size: float) -> None:
    per_cm = 1e4 / pixel_size
    tifffile.imwrite(path, pixels, photometric="rgb", resolution=(per_cm, per_cm), resolutionunit="CENTIMETER")


def test_a_reference_of_another_pixel_size_is_rescaled_to_the_critics(folder):
    real = tissue_picture((SIDE, SIDE), seed=20)
    finer = np.asarray(Image.fromarray(real).resize((2 * SIDE, 2 * SIDE), Image.Resampling.BILINEAR))
    save_with_size(folder / "same.tif", real, 0.5)
    save_with_size(folder / "finer.tif", finer, 0.25)
    (woven, *_) = open_tile_folder("woven").pairs
    same, rescaled = (References(f"{name}.tif", 0.5).of(woven) for name in ("same", "finer"))
    np.testing.assert_array_equal(same.pixels, real)
    np.testing.assert_array_equal(rescaled.as_stored, finer)
    assert rescaled.pixels.shape == real.shape
    away = np.abs(finer[:SIDE, :SIDE].astype(int) - real).mean()
    assert np.abs(rescaled.pixels.astype(int) - real).mean() < 0.5 * away


def test_the_dock_rescales_references_as_the_shell_does(folder):
    finer = np.zeros((2 * SIDE, 2 * SIDE, 3), np.uint8)
    save_with_size(folder / "finer.tif", finer, 0.25)
    opened = open_tile_folder("woven")
    beside = TileReferences(opened, Path("finer.tif"), 0.5).of(opened.pairs[0])
    assert beside.pixels.shape == (SIDE, SIDE, 3)


def test_a_reference_whose_pixel_size_is_far_from_the_critics_is_refused(folder, capsys):
    save_with_size(folder / "far.tif", tissue_picture((SIDE, SIDE), seed=20), 8.0)
    words = ["weigh", "woven", "--critic", "comparing.safetensors", "--reference", "far.tif", "-o", "weights.csv"]
    assert main(words) != 0
    assert "'far.tif' has 8 µm per pixel, too far from the critic's 0.5 to be rescaled" in capsys.readouterr().err
    assert not Path("weights.csv").exists()
