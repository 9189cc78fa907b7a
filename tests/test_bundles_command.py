"""``histoloom bundles``, and weaving from bundles in a shell."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from histoloom.cli import main
from histoloom.generators import weave
from histoloom.generators.bundles import BundleRecipe
from histoloom.layouts.files import save_layout
from histoloom.models import NamedLookFacts
from histoloom.tiles import NamedLook, StainSummary
from small_bundles import small_bundle, small_layout


@pytest.fixture(autouse=True)
def own_bundles(tmp_path, monkeypatch):
    folder = tmp_path / "own"
    monkeypatch.setenv("HISTOLOOM_MODELS", str(folder))
    return folder


@pytest.fixture
def named_look():
    pixels = np.random.default_rng(0).integers(90, 200, (64, 64, 3), np.uint8)
    return NamedLook.of("Breast 3", StainSummary.of(pixels), (0.5,))


def test_bundles_are_imported_listed_and_inspected(tmp_path, capsys, own_bundles, named_look):
    path = small_bundle(tmp_path / "mine.safetensors", looks=(NamedLookFacts.of(named_look),))
    assert main(["bundles", "list"]) == 0
    assert main(["bundles", "import", str(path)]) == 0
    assert (own_bundles / "mine.safetensors").is_file()
    capsys.readouterr()
    assert main(["bundles", "list"]) == 0
    assert "mine (own): generator of pix2pix, 1,200 steps, 0.5 µm per pixel" in capsys.readouterr().out
    assert main(["bundles", "inspect", "mine"]) == 0
    told = capsys.readouterr().out
    assert "Looks by name: Breast 3" in told
    assert json.loads(told.split("Looks by name")[0])["system"] == "pix2pix"


def test_an_own_bundle_behind_a_shipped_one_is_listed_with_its_path(tmp_path, capsys, own_bundles):
    own_bundles.mkdir()
    path = small_bundle(own_bundles / "loom.safetensors")
    assert main(["bundles", "list"]) == 0
    assert f"loom (own, to be given by its path '{path}' because a shipped one has its name): gen" in "".join(
        capsys.readouterr().out.splitlines()
    )
    small_bundle(tmp_path / "loom.safetensors", pixel_size=1.0)
    assert main(["bundles", "import", str(tmp_path / "loom.safetensors")]) == 1
    assert "rename the file and import it again" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["bundles", "inspect", "nothing"], "There is no bundle called 'nothing'"),
        (["bundles", "import", "notes.txt"], "is not a bundle"),
        (["bundles", "import", "gone.safetensors"], "There is no file 'gone.safetensors'"),
    ],
)
def test_what_is_no_bundle_gets_a_sentence(capsys, arguments, sentence):
    assert main(arguments) == 1
    assert sentence in capsys.readouterr().err


def test_a_layout_is_woven_from_a_bundles_file_with_a_look_by_name(tmp_path, named_look):
    path = small_bundle(tmp_path / "mine.safetensors", looks=(NamedLookFacts.of(named_look),))
    layout = small_layout()
    save_layout(layout, tmp_path / "case.geojson")
    line = [
        "weave",
        str(tmp_path / "case.geojson"),
        "--generator",
        str(path),
        "-o",
        str(tmp_path / "out"),
        "--seed",
        "3",
    ]
    assert main([*line, "--look", "breast 3", "--structure", "contours"]) == 0
    image = np.asarray(Image.open(tmp_path / "out" / "case_seed3.png"))
    recipe = BundleRecipe(structure="contours")
    np.testing.assert_array_equal(image, weave(layout, named_look, generator=str(path), recipe=recipe, seed=3).image)
    record = json.loads((tmp_path / "out" / "case_seed3.json").read_text())
    assert (record["generator"], record["look_name"]) == ("mine", "Breast 3")
    assert len(record["weights_sha256"]) == 64
    assert str(tmp_path) not in json.dumps(record), "records hold no paths"


def test_looks_that_a_bundle_does_not_know_are_named_in_a_sentence(tmp_path, capsys, named_look):
    path = small_bundle(tmp_path / "mine.safetensors", looks=(NamedLookFacts.of(named_look),))
    save_layout(small_layout(), tmp_path / "case.geojson")
    line = ["weave", str(tmp_path / "case.geojson"), "--generator", str(path), "-o", str(tmp_path / "out")]
    assert main([*line, "--look", "colon"]) == 1
    assert "one of: Breast 3" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--look-window", "0", "0", "64", "64"], ["--look-pixel-size", "0.5"]])
def test_a_look_without_pixels_has_no_window_and_no_pixel_size(tmp_path, capsys, named_look, option):
    path = small_bundle(tmp_path / "mine.safetensors", looks=(NamedLookFacts.of(named_look),))
    save_layout(small_layout(), tmp_path / "layout.tif")
    words = ["weave", str(tmp_path / "layout.tif"), "--generator", str(path), "--look", "breast 3", *option]
    assert main([*words, "-o", str(tmp_path / "woven")]) == 1
    assert "has no pixels; leave out --look-window" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "woven").exists()
