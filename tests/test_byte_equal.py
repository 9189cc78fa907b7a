"""Dock, library and command line are doors to one core: equal recipe and seed give equal bytes from each."""

from __future__ import annotations

import queue
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from histoloom.generators import save_woven, weave
from histoloom.generators.texture import TextureRecipe
from histoloom.jobs.weave_client import WeaveAnswer, WeaveClient
from histoloom.layouts import RandomLayoutRecipe, load_layout, random_layout, save_layout
from histoloom.tiles import Look, embedded_sample, open_tile

SEED = 11
RECIPE = TextureRecipe(boundary_blur=0.45, clearing_probability=0.8)
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def look_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("look") / "look.png"
    Image.fromarray(embedded_sample().read()[:256, :240]).save(path)
    return path


@pytest.fixture(scope="module")
def look(look_path):
    return Look.from_tile(open_tile(look_path), pixel_size=0.5)


@pytest.fixture(scope="module")
def layout():
    # Larger than the pieces that pictures are woven in, so that their seams count.
    return random_layout(RandomLayoutRecipe(height=540, width=560, pixel_size=0.5, overlap_fraction=0.2), 3)


@pytest.fixture(scope="module")
def library(layout, look):
    return weave(layout, look, recipe=RECIPE, seed=SEED)


@pytest.mark.parametrize("ending", ["tif", "geojson"])
def test_the_command_line_weaves_the_bytes_of_the_library(library, layout, look_path, tmp_path, ending):
    path = save_layout(layout, tmp_path / f"layout.{ending}")
    (tmp_path / "recipe.json").write_text('{"boundary_blur": 0.45, "clearing_probability": 0.1}')
    line = [sys.executable, "-m", "histoloom", "weave", path, "--look", look_path, "--look-pixel-size", 0.5]
    line += ["--recipe", tmp_path / "recipe.json", "--clearing-probability", 0.8, "--seed", SEED]
    finished = subprocess.run(
        [*map(str, line), "-o", str(tmp_path / "shell")], capture_output=True, text=True, timeout=120, check=False
    )
    assert finished.returncode == 0, finished.stderr

    paths = save_woven(library, tmp_path / "library", "layout")

    written = sorted(each.name for each in (tmp_path / "library").iterdir())
    assert sorted(each.name for each in (tmp_path / "shell").iterdir()) == written
    for name in written:
        assert (tmp_path / "shell" / name).read_bytes() == (tmp_path / "library" / name).read_bytes(), name
    assert np.array_equal(np.asarray(Image.open(paths["image"])), library.image)
    assert load_layout(tmp_path / "shell" / f"layout_seed{SEED}_labels.tif").equals(layout)


def test_the_weave_process_behind_the_dock_weaves_the_bytes_of_the_library(library, layout, look):
    answers: queue.Queue = queue.Queue()
    client = WeaveClient(answers.put, lambda _: None)
    pixels = np.zeros_like(library.image)
    try:
        client.prepare(look, "texture", RECIPE, layout.pixel_size)
        client.set_layout(layout)
        client.weave(1, layout.window, SEED)
        is_last = False
        while not is_last:
            answer = answers.get(timeout=PATIENCE_S)
            assert isinstance(answer, WeaveAnswer), answer
            pixels[answer.window.slices] = answer.pixels
            is_last = answer.is_last
    finally:
        client.close()

    np.testing.assert_array_equal(pixels, library.image)


def test_another_seed_or_recipe_gives_another_picture(library, layout, look):
    assert not np.array_equal(weave(layout, look, recipe=RECIPE, seed=SEED + 1).image, library.image)
    assert not np.array_equal(weave(layout, look, seed=SEED).image, library.image)
