"""``histoloom study label-or-synthesize``: arms that leave a data set out, also in a study that was begun without."""

from __future__ import annotations

import json
import shutil

import pytest

from histoloom.cli import main
from histoloom.errors import RunError, TrainingError
from histoloom.runs import Run
from histoloom.studies.label_or_synthesize_recipe import (
    ACROSS_DATA_SETS,
    BOTH_ACROSS_DATA_SETS,
    PRESETS,
    WITHIN,
    LabelOrSynthesizeRecipe,
)
from histoloom.studies.label_or_synthesize_tiles import read_typed_tiles
from tile_folders import write_tiles

TINY = {
    "width": 4, "seeds": 1, "steps": 1, "batch_size": 1, "crop_size": 32, "weave": 4, "layout_side": 128,
    "held_out_share": 0.5, "checkpoint_every": 1,
}  # fmt: skip
EARLIER, LATER = (WITHIN,), (WITHIN, ACROSS_DATA_SETS, BOTH_ACROSS_DATA_SETS)


def line(folders, study, arms, *words):
    options = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    data = [word for each in folders for word in ("--data", str(each))]
    arms = ["--arms", json.dumps(arms)]
    return ["study", "label-or-synthesize", "--preset", "small", *data, "-o", str(study), *options, *arms, *words]


def recipe(**settings):
    return LabelOrSynthesizeRecipe.checked(**(PRESETS["small"] | TINY | settings))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return [write_tiles(folder / name, tiles=4, side=192, patients=4, nuclei=30) for name in ("first", "second")]


@pytest.fixture(scope="module")
def grown(folders, tmp_path_factory):
    """Return a study that was begun with earlier arms and went on with the later ones, and its files of before."""
    path = tmp_path_factory.mktemp("study") / "study"
    assert main(line(folders, path, EARLIER)) == 0
    before = {each: each.read_bytes() for each in path.glob("runs/*/*.*") if each.is_file()}
    assert main(line(folders, path, LATER)) == 0
    return path, before


def test_an_earlier_study_goes_on_with_arms_across_data_sets_and_repeats_nothing(grown):
    study, before = grown
    assert before
    assert {path: path.read_bytes() for path in before} == before
    names = {each.name for each in (study / "runs").iterdir()}
    assert names == {"hover-unet-within-seed-0"} | {
        f"hover-unet-{arm}-{part}-seed-0" for arm in LATER[1:] for part in (1, 2)
    }


def test_each_part_learns_from_the_other_data_sets_and_woven_tiles_alone(grown):
    study, _ = grown
    for part, left_out, other in ((1, "first", "second"), (2, "second", "first")):
        alone = Run.open(study / "runs" / f"hover-unet-{ACROSS_DATA_SETS}-{part}-seed-0")
        assert alone.environment["split"]["training"]
        assert all(each.startswith(other) for each in alone.environment["split"]["training"])
        assert [each["name"] for each in alone.environment["data"]] == [other]
        beside = Run.open(study / "runs" / f"hover-unet-{BOTH_ACROSS_DATA_SETS}-{part}-seed-0")
        names = [each["name"] for each in beside.environment["data"]]
        assert names == [other, "woven with texture"]
        assert left_out not in json.dumps(beside.environment["split"]["by"][0])
        assert beside.recipe["woven_share"] == 0.5


def test_the_report_has_a_column_for_each_data_set_with_the_floor_and_paired_intervals(grown):
    study, _ = grown
    found = json.loads((study / "results.json").read_text(encoding="utf-8"))
    assert found["is_whole"]
    assert list(found["data_sets"]) == ["all", "first", "second"]
    scores = {arm: found["data_sets"]["first"]["arms"][f"hover-unet-{arm}"] for arm in LATER}
    kept = json.loads((study / "runs" / f"hover-unet-{ACROSS_DATA_SETS}-1-seed-0" / "scores.json").read_text())
    # The first two held-out tiles are the first data set's, and the first part has left it out.
    mean = scores[ACROSS_DATA_SETS]["mean_dice_micc17"]["mean"]
    assert mean == pytest.approx(sum(kept["mean_dice_micc17"][:2]) / 2)
    pair = found["data_sets"]["first"]["differences"][
        "hover-unet: Universal + real less supervised, both across data sets"
    ]
    assert pair["mean"] == pytest.approx(scores[BOTH_ACROSS_DATA_SETS]["mean_dice_micc17"]["mean"] - mean)
    assert pair["low"] <= pair["mean"] <= pair["high"]
    page = (study / "results.md").read_text(encoding="utf-8")
    assert "| all (4 tiles) | first (2 tiles) | second (2 tiles) |" in page
    assert "| Otsu-haematoxylin + watershed | – | – |" in page
    assert "| hover-unet: Supervised, across data sets, normalized | 1 | 0.733 |" in page


def test_a_study_of_one_data_set_says_why_it_leaves_the_arms_out(folders, tmp_path, capsys):
    single = tmp_path / "single"
    assert main(line(folders[:1], single, LATER, "--only", f"hover-unet-{ACROSS_DATA_SETS}-1")) == 1
    assert f"no cell 'hover-unet-{ACROSS_DATA_SETS}-1'" in capsys.readouterr().err
    assert main(line(folders[:1], single, LATER)) == 0
    said = capsys.readouterr().out
    assert "1 of 1 cells" in said
    assert f"Not done: {ACROSS_DATA_SETS} and {BOTH_ACROSS_DATA_SETS}, because there is one data set" in said
    records = json.loads((single / "figures" / "figures.json").read_text(encoding="utf-8"))
    assert records["weights-by-critic"]["missing"] == "It takes a critic; train the arm 'weighted'."
    assert records["failures"]["missing"] == "It takes a universal segmenter; train one."


def test_a_data_set_with_all_tiles_to_learn_from_cannot_be_left_out(folders, tmp_path):
    single = write_tiles(tmp_path / "single", tiles=1, side=192, patients=1, nuclei=30)
    tiles = read_typed_tiles([folders[0], single], recipe())
    # A tile of one patient is learnt from, so nothing of its folder is scored on.
    assert tiles.data_sets == ("first",)
    lonely = read_typed_tiles(folders, recipe())
    lonely = type(lonely)(
        tuple(each for each in lonely.training if each.data_set == "first"),
        lonely.test, lonely.sources, lonely.pixel_size, lonely.groups,
    )  # fmt: skip
    with pytest.raises(TrainingError, match="of the data set 'first'"):
        lonely.labelled_for(ACROSS_DATA_SETS, 0)


def test_folders_in_another_order_are_refused_because_scores_have_the_order_of_tiles(grown, folders, tmp_path, capsys):
    study, _ = grown
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    assert main(line(folders[::-1], copy, LATER)) == 1
    assert "in another order" in capsys.readouterr().err
    tiles = read_typed_tiles(folders, recipe())
    with pytest.raises(RunError, match="another order"):
        tiles.check_order({part: ids[::-1] for part, ids in tiles.split.items()})
