"""The command line: what it makes, and the sentence that it answers each mistake with."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from histoloom import __version__
from histoloom.cli import app, main
from histoloom.layouts import Layout, Nucleus, Outline, load_layout, save_layout
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import RandomLayoutRecipe
from histoloom.tiles import embedded_sample

LINE = [sys.executable, "-m", "histoloom"]


@pytest.fixture(scope="session")
def look(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("looks") / "look.png"
    Image.fromarray(embedded_sample().read()[:160, :160]).save(path)
    return path


@pytest.fixture
def layout(tmp_path) -> Path:
    nuclei = [Nucleus.create(key, Outline.ellipse((30.0 + 20 * key, 50.0), (9.0, 7.0))) for key in (1, 2)]
    return save_layout(Layout.from_nuclei(nuclei, (96, 112), 0.5), tmp_path / "case.tif")


@pytest.fixture
def weave(look, tmp_path, capsys):
    """Weave in this process, with a look; returns exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        arguments = ["weave", *map(str, words), "-o", str(tmp_path / "out")]
        if "--look" not in arguments:
            arguments += ["--look", str(look), "--look-pixel-size", "0.5"]
        code = main(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def run(capsys, *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


def is_one_sentence(text: str) -> bool:
    lines = text.strip().splitlines()
    return len(lines) == 1 and lines[0].endswith(".") and "Traceback" not in text


def test_help_is_there_without_importing_what_is_slow():
    check = (
        "import sys\nfrom histoloom.cli import main\nassert main(['--help']) == 0\n"
        "heavy = {'torch', 'napari', 'qtpy', 'scipy', 'skimage', 'tifffile'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    finished = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)

    assert finished.returncode == 0, finished.stderr
    for command in ("view", "demo", "info", "layout", "weave"):
        assert re.search(rf"\b{command}\b", finished.stdout)


@pytest.mark.parametrize(
    "words", [["view"], ["demo"], ["info"], ["layout", "random"], ["layout", "variants"], ["weave"]]
)
def test_each_command_has_help_and_needs_no_viewer_for_it(capsys, words):
    code, out, _ = run(capsys, *words, "--help")

    assert code == 0
    assert out.startswith(f"Usage: histoloom {' '.join(words)}")


def test_the_version_is_told(capsys):
    assert run(capsys, "--version")[1].strip() == f"histoloom {__version__}"


def test_every_field_of_a_recipe_is_an_option_with_its_unit_and_default(capsys):
    _, out, _ = run(capsys, "layout", "random", "--help")
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", out).split())

    for name in set(RandomLayoutRecipe.model_fields) - {"height", "width"}:
        assert f"--{name.replace('_', '-')}" in text
    assert "in nuclei/mm², at least 0, at most 40000, default 5000" in text


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--density", "3000", "--row-class", "tumor"],
        ["--preset", "colon glands", "--rows", "[[[10, 10], [10, 60]]]"],
    ],
)
def test_a_random_layout_from_the_shell_is_the_one_from_the_library(capsys, tmp_path, words):
    path = tmp_path / "layout.tif"
    code, out, _ = run(capsys, "layout", "random", "-o", path, "--size", 200, 260, "--seed", 7, *words)
    drawn = load_layout(path)

    recipe = RandomLayoutRecipe.checked(**drawn.provenance["recipe"])
    assert code == 0
    assert f"{len(drawn.nuclei)} nuclei on 200 x 260 pixels" in out
    assert drawn.equals(random_layout(recipe, 7))
    if "--density" in words:
        assert (recipe.density, recipe.row_class) == (3000.0, "tumor")
    if "--preset" in words:
        assert recipe.gland_density == 60.0
        assert recipe.rows == (((10.0, 10.0), (10.0, 60.0)),)


@pytest.mark.parametrize("generator", ["random", "polygons"])
def test_a_random_layout_brings_its_tissue_map_unless_it_is_left_out(capsys, tmp_path, generator):
    path = tmp_path / "layout.tif"
    words = ["layout", "random", "-o", path, "--size", 200, 260, "--generator", generator, "--seed", 1]
    assert run(capsys, *words)[0] == 0
    assert load_layout(path).tissue_map.values.shape == (13, 17)
    assert run(capsys, *words, "--no-tissue-map")[0] == 0
    bare = load_layout(path)
    assert bare.tissue_map is None

    _, out, _ = run(capsys, "info", path)
    assert "no tissue map" in out
    assert run(capsys, *words)[0] == 0
    _, out, _ = run(capsys, "info", path)
    assert "tissue map in cells of 16 pixels" in out
    assert f"{len(bare.nuclei)} nuclei" in out
    _, out, _ = run(capsys, "info", path, "--json")
    facts = json.loads(out)
    assert sum(facts["tissue_map"]["shares"].values()) == pytest.approx(1.0, abs=0.001)
    assert facts["canvas"] == [200, 260]


def test_info_of_a_file_that_is_no_layout_is_one_sentence(capsys, tmp_path):
    (tmp_path / "notes.txt").write_text("no layout")
    for name in ("gone.tif", "notes.txt"):
        code, _, err = run(capsys, "info", tmp_path / name)
        assert code == 1
        assert is_one_sentence(err)


def test_a_preset_of_the_other_generator_is_refused(capsys, tmp_path):
    path = tmp_path / "layout.tif"
    words = ["layout", "random", "-o", path, "--generator", "polygons", "--preset", "mixed"]

    code, _, err = run(capsys, *words)

    assert code == 1
    assert is_one_sentence(err)
    assert "'mixed' belongs to '--generator random'" in err
    assert not path.exists()


def test_a_seed_that_drew_an_empty_canvas_is_said(capsys, tmp_path):
    code, out, err = run(capsys, "layout", "random", "-o", tmp_path / "layout.tif", "--generator", "polygons")

    assert code == 0
    assert out.startswith("0 nuclei on 400 x 400 pixels")
    assert err == "This seed drew an empty canvas, as 1 in 10 does; take another seed.\n"


def test_a_recipe_that_contradicts_itself_is_said_in_words(capsys, tmp_path):
    words = ["--epithelial-share", 0, "--inflammatory-share", 0, "--spindle-share", 0]

    code, _, err = run(capsys, "layout", "random", "-o", tmp_path / "layout.tif", *words)

    assert code == 1
    assert is_one_sentence(err)
    assert err.startswith("The recipe is not usable (all class shares are 0;")


def test_options_say_more_than_a_recipe_file_and_a_file_more_than_defaults(capsys, tmp_path):
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps({"density": 1000.0, "min_spacing": 2.0, "height": 64, "width": 80}))
    path = tmp_path / "layout.geojson"

    code, _, _ = run(capsys, "layout", "random", "-o", path, "--recipe", file, "--density", 2000)

    recipe = load_layout(path).provenance["recipe"]
    assert code == 0
    assert (recipe["density"], recipe["min_spacing"], recipe["height"]) == (2000.0, 2.0, 64)


def test_polygons_of_hou_come_from_their_own_recipe(capsys, tmp_path):
    words = ["layout", "random", "-o", tmp_path / "a.geojson", "--generator", "polygons", "--size", 200, 200]
    assert run(capsys, *words, "--density-level", 2)[0] == 0

    code, _, err = run(capsys, *words, "--density", 2)
    assert code == 1
    assert is_one_sentence(err)
    assert "'--density' does not belong to this generator" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--size", "100000", "100000"], 1, "more than the 1,000,000"),
        (["--size", "100000", "100000", "--density", "0"], 1, "save the layout as .geojson"),
        (["--size", "0", "10"], 1, "'height' is not usable"),
        (["--size", "10"], 2, "--size"),
        (["--density", "-4"], 1, "'density' is not usable"),
        (["--density", "much"], 2, "unable to convert"),
        (["--densitty", "4"], 2, "Did you mean --density?"),
        (["--preset", "liver"], 1, "There is no preset 'liver'"),
        (["--rows", "[[1"], 1, "is not JSON"),
        (["--recipe", "missing.json"], 1, "not a readable recipe"),
        (["-o", "layout.docx"], 1, "end it in .tif or .geojson"),
        (["-o", "/proc/nowhere/layout.tif"], 1, "cannot be written"),
    ],
)
def test_what_cannot_be_drawn_is_answered_with_one_sentence(capsys, tmp_path, monkeypatch, words, code, said):
    monkeypatch.chdir(tmp_path)
    if words[0] == "-o" and words[1].startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("there is no /proc here")
    words = words if words[0] == "-o" else ["-o", "layout.tif", *words]

    got, _, err = run(capsys, "layout", "random", *words)

    assert got == code
    assert is_one_sentence(err)
    assert said in err
    assert not [each for each in tmp_path.iterdir() if each.suffix in (".tif", ".docx")]


def test_a_wrong_command_is_answered_with_the_ones_there_are(capsys):
    code, _, err = run(capsys, "wheave")

    assert code == 2
    assert is_one_sentence(err)
    assert "weave" in err


def test_a_grey_look_is_woven_with_and_that_is_said(weave, layout, tmp_path):
    Image.fromarray(embedded_sample().read()[:200, :200]).convert("L").save(tmp_path / "grey.png")

    code, out, err = weave(layout, "--look", tmp_path / "grey.png")

    assert code == 0
    assert out.startswith("1 woven")
    assert is_one_sentence(err)
    assert "This look is grey and not stained with haematoxylin and eosin" in err


def test_weaving_leaves_picture_labels_outlines_and_record_for_each_seed(weave, layout, tmp_path):
    code, out, err = weave(layout, "--seed", 4, "--count", 2, "--coco", "--format", "tif", "--cytoplasm", "0.5")

    assert (code, err) == (0, "")
    assert out.startswith("2 woven")
    for seed in (4, 5):
        with tifffile.TiffFile(tmp_path / "out" / f"case_seed{seed}.tif") as tiff:
            assert tiff.asarray().shape == (96, 112, 3)
            facts = json.loads(tiff.pages[0].description)
        record = json.loads((tmp_path / "out" / f"case_seed{seed}.json").read_text())
        assert facts["synthetic"] is True
        assert (facts["seed"], facts["generator"], facts["histoloom_version"]) == (seed, "texture", __version__)
        assert "not for diagnosis" in facts["notice"]
        assert record["synthetic"] is True
        assert (record["seed"], record["recipe"]["cytoplasm"]) == (seed, 0.5)
        assert np.array_equal(
            tifffile.imread(tmp_path / "out" / f"case_seed{seed}_labels.tif"), tifffile.imread(layout)
        )
        assert (tmp_path / "out" / f"case_seed{seed}.geojson").exists()
        assert (tmp_path / "out" / f"case_seed{seed}.coco.json").exists()


def test_the_same_line_again_weaves_nothing_twice_and_more_seeds_go_on(weave, layout, tmp_path):
    weave(layout, "--count", 1)
    before = (tmp_path / "out" / "case_seed0.png").stat().st_mtime_ns

    code, out, _ = weave(layout, "--count", 2)

    assert code == 0
    assert out.startswith("1 woven, 1 there already")
    assert (tmp_path / "out" / "case_seed0.png").stat().st_mtime_ns == before


def test_one_bad_layout_does_not_keep_the_others_from_being_woven(weave, layout, tmp_path):
    (tmp_path / "cut.tif").write_bytes(layout.read_bytes()[:200])

    code, out, err = weave(tmp_path / "cut.tif", layout, "--count", 2)

    assert code == 1
    assert out.startswith("2 woven, 2 failed")
    assert is_one_sentence(err)
    assert "'cut.tif'" in err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.tif", b"", "'empty.tif'"),
        ("noise.tif", b"II*\0" + b"\xff" * 60, "'noise.tif'"),
        ("text.geojson", b"{", "'text.geojson'"),
        ("zero.npy", None, "has no pixels"),
        ("layout.docx", b"x", "not a layout"),
        ("missing.tif", None, "'missing.tif' is not there"),
    ],
)
def test_an_unreadable_layout_is_answered_with_one_sentence(weave, tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    elif name == "zero.npy":
        np.save(path, np.zeros((0, 4), np.int32))

    code, _, err = weave(path)

    assert code == 1
    assert is_one_sentence(err)
    assert said in err
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.full((128, 128, 3), 255, np.uint8), "the rest is white"),
        (np.full((40, 200, 3), 150, np.uint8), "at least 64 x 64"),
        (np.full((128, 128, 3), (228, 160, 190), np.uint8), "nuclei"),
        (b"", "0 bytes"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "'look.png'"),
        (None, "does not exist"),
    ],
    ids=["white", "small", "without nuclei", "zero-size", "truncated", "missing"],
)
def test_a_look_that_cannot_serve_is_answered_with_one_sentence(weave, layout, tmp_path, pixels, said):
    path = tmp_path / "look.png"
    if isinstance(pixels, bytes):
        path.write_bytes(pixels)
    elif pixels is not None:
        Image.fromarray(pixels).save(path)

    code, _, err = weave(layout, "--look", path)

    assert code == 1
    assert is_one_sentence(err)
    assert said in err
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--generator", "dream"], "There is no generator called 'dream'"),
        (["--count", "0"], "count of 0"),
        (["--seed", "-1"], "seed of -1"),
        (["--cytoplasm", "7"], "'cytoplasm' is not usable"),
        (["--look-window", "9000", "0", "100", "100"], "at least 64 x 64"),
    ],
)
def test_weaving_with_unusable_options_is_answered_with_one_sentence(weave, layout, words, said):
    code, _, err = weave(layout, *words)

    assert code == 1
    assert is_one_sentence(err)
    assert said in err


def test_a_picture_of_100000_x_100000_is_refused_before_memory_is_taken(weave, tmp_path):
    huge = save_layout(Layout.empty((100_000, 100_000)), tmp_path / "huge.geojson")

    code, _, err = weave(huge)

    assert code == 1
    assert is_one_sentence(err)
    assert "100000 x 100000" in err


def test_a_folder_that_cannot_be_written_to_is_answered_with_one_sentence(capsys, layout, look, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    words = ["weave", layout, "--look", look, "--look-pixel-size", 0.5, "-o", tmp_path / "file" / "out"]

    code, _, err = run(capsys, *words)

    assert code == 1
    assert is_one_sentence(err)
    assert "cannot be written" in err


def test_label_maps_of_unknown_origin_are_examined_and_mended_when_asked(weave, tmp_path):
    label_map = np.zeros((96, 96), np.uint16)
    label_map[10:24, 10:24] = 1
    label_map[40:54, 10:24] = 1
    label_map[70, 70] = 5
    tifffile.imwrite(tmp_path / "map.tif", label_map)

    code, _, err = weave(tmp_path / "map.tif", "--pixel-size", 0.5)
    assert code == 0
    assert "specks" in err
    assert "several pieces" in err

    code, _, err = weave(tmp_path / "map.tif", "--pixel-size", 0.5, "--repair")
    assert code == 0
    assert "speck" in err
    assert tifffile.imread(tmp_path / "out" / "map_seed0_labels.tif").max() == 2
    assert load_layout(tmp_path / "out" / "map_seed0_labels.tif").pixel_size == 0.5


@pytest.mark.parametrize("ending", [".png", ".npy"])
def test_masks_of_0_and_255_become_one_nucleus_for_each_piece(weave, tmp_path, ending):
    mask = np.zeros((96, 96), np.uint8)
    mask[10:24, 10:24] = mask[40:54, 40:54] = 255
    if ending == ".png":
        Image.fromarray(mask).save(tmp_path / "mask.png")
    else:
        np.save(tmp_path / "mask.npy", mask)

    assert weave(tmp_path / f"mask{ending}", "--pixel-size", 0.5)[0] == 0
    assert tifffile.imread(tmp_path / "out" / "mask_seed0_labels.tif").max() == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to one process")
def test_ctrl_c_stops_a_batch_cleanly_and_the_same_line_goes_on(layout, look, tmp_path):
    line = [*LINE, "weave", layout, "--look", look, "--look-pixel-size", "0.5", "-o", tmp_path / "out", "--count"]
    process = subprocess.Popen([*map(str, line), "5000"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 60
        while not list(tmp_path.glob("out/case_seed2.json")) and time.monotonic() < end:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()

    woven = len(list(tmp_path.glob("out/*.png")))
    assert process.returncode == 130
    assert is_one_sentence(err)
    assert f"Stopped after {woven} of 5000 pictures; run the same line again to go on." in err
    assert all((tmp_path / "out" / f"case_seed{seed}.json").exists() for seed in range(woven))
    assert not [each for each in (tmp_path / "out").iterdir() if each.name.startswith(".")]


def test_info_tells_versions_devices_cache_and_optional_parts(capsys, tmp_path, monkeypatch):
    from histoloom.cli import info

    asked = {"cuda": ["NVIDIA Example"], "mps": False, "built_for": "13.0"}
    monkeypatch.setattr(info, "_torch_facts", lambda: asked)
    monkeypatch.setenv("HISTOLOOM_CACHE", str(tmp_path))

    code, out, _ = run(capsys, "info", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["histoloom"] == __version__
    assert facts["devices"][0] == "NVIDIA Example (CUDA)"
    assert re.search(r"\d+ cores? \(CPU\)$", facts["devices"][-1])
    assert facts["cache_folder"] == str(tmp_path)
    assert facts["versions"]["numpy"] == np.__version__

    code, out, _ = run(capsys, "info")
    assert code == 0
    assert "NVIDIA Example (CUDA)" in out
    assert str(tmp_path) in out


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"cuda": [], "mps": False, "built_for": None}, "pip install torch"),
        ({"cuda": [], "mps": False, "built_for": "13.0"}, "check the driver"),
        ({"cuda": [], "mps": True, "built_for": None}, "Apple MPS"),
        ({"problem": "PyTorch is there but does not load"}, "does not load"),
    ],
)
def test_info_says_how_to_get_a_gpu_build_of_pytorch(facts, said):
    from histoloom.cli.info import _gpu_state

    assert said in _gpu_state(facts)


def test_info_survives_a_pytorch_that_crashes(monkeypatch):
    from histoloom.cli import info

    monkeypatch.setattr(info, "_ASK_TORCH", "import os; os._exit(139)")
    monkeypatch.setattr(info.importlib.util, "find_spec", lambda _: True)

    assert "does not load" in info._torch_facts()["problem"]


def test_a_file_that_is_missing_is_said_before_the_viewer_opens(capsys):
    for command in ("view", "demo"):
        code, _, err = run(capsys, command, "missing.png")

        assert code == 1
        assert err == "'missing.png' does not exist; check the name and the folder.\n"


def test_the_commands_are_named_as_promised():
    assert {"view", "demo", "info", "layout", "weave"} <= set(app)
    assert "random" in set(app["layout"])
