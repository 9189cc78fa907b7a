"""Tables of weights: what is written is read, by trainings as well, and what a person decided overrules."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoloom.errors import ImportanceError, TrainingError, WriteError
from histoloom.importance import TileWeight, WeighingFacts, decided_weight, read_weights, rows_of, write_weights
from histoloom.importance.weights_table import COLUMNS, with_decisions
from histoloom.training.tile_weights import read_tile_weights

FACTS = WeighingFacts("critic.safetensors", "0123456789abcdef", "0.2,2")
ROWS = [
    TileWeight("one.png", 2.0, 0.75, 3.0, patient="TCGA-XX-0001"),
    TileWeight("two.png", 0.0, 0.25, 0.333333, "reject"),
    TileWeight("three.png", 1.0, 0.1, 0.111111, "keep"),
]


def test_what_is_written_is_read_again(tmp_path):
    write_weights(tmp_path / "weights.csv", ROWS, FACTS)

    assert read_weights(tmp_path / "weights.csv") == ROWS


def test_the_table_names_its_critic_and_clip_range(tmp_path):
    write_weights(tmp_path / "weights.csv", ROWS, FACTS)

    first, second, *_ = (tmp_path / "weights.csv").read_text(encoding="utf-8").splitlines()
    assert first == ",".join(COLUMNS)
    assert second == 'one.png,2,0.75,3,,critic.safetensors 0123456789ab,"0.2,2",TCGA-XX-0001'


def test_trainings_read_the_table(tmp_path):
    write_weights(tmp_path / "weights.csv", ROWS, FACTS)
    pictures = {row.file.removesuffix(".png"): tmp_path / row.file for row in ROWS}

    weights = read_tile_weights(tmp_path / "weights.csv", pictures)

    assert weights == {"one": 2.0, "two": 0.0, "three": 1.0}


def test_decisions_written_into_the_table_by_hand_overrule_weights_in_trainings(tmp_path):
    table = tmp_path / "weights.csv"
    rows = ["one.png,4,reject", "two.png,4,down-weight", "three.png,0.1,keep", "four.png,4,keep", "five.png,4,"]
    table.write_text("\n".join(["file,weight,decision", *rows]) + "\n")
    pictures = {name: tmp_path / f"{name}.png" for name in ("one", "two", "three", "four", "five")}

    assert read_tile_weights(table, pictures) == {"one": 0.0, "two": 0.2, "three": 1.0, "four": 4.0, "five": 4.0}

    table.write_text(table.read_text().replace("reject", "banana"))
    with pytest.raises(TrainingError, match=r"The decision 'banana' about 'one\.png' in 'weights\.csv'"):
        read_tile_weights(table, pictures)


def test_a_decision_that_nobody_can_make_is_refused():
    with pytest.raises(ImportanceError, match="The decision 'banana' is unknown"):
        decided_weight(1.0, "banana")


def test_a_table_of_files_and_weights_alone_is_read(tmp_path):
    (tmp_path / "weights.csv").write_text("\ufefffile,weight\nsome\\where\\one.png,0.5\n", encoding="utf-8")

    (row,) = read_weights(tmp_path / "weights.csv")

    assert (row.weight, row.decision) == (0.5, "")
    assert math.isnan(row.raw_weight)


@given(st.floats(0.0, 1e6))
def test_decisions_overrule_the_critic(weight):
    assert decided_weight(weight, "reject") == 0.0
    assert decided_weight(weight, "keep") >= 1.0
    assert decided_weight(weight, "down-weight") <= 0.2
    assert decided_weight(weight, "") == weight
    row = TileWeight("one.png", weight, 0.5, weight)
    assert row.decided("reject").decided("") == row


def test_tiles_that_are_weighed_anew_keep_what_was_decided_about_them():
    anew = [TileWeight("one.png", 0.3, 0.2, 0.25), TileWeight("two.png", 0.3, 0.2, 0.25)]

    kept = with_decisions(anew, ROWS)

    assert [(each.decision, each.weight) for each in kept] == [("", 0.3), ("reject", 0.0)]


def test_rows_are_found_by_the_names_of_pictures():
    files = ["images/three.png", "images/one.png", "images/two.png"]

    assert rows_of(ROWS, files, "weights.csv", "woven")["images/one.png"] == ROWS[0]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (["one.png", "two.png"], "has a row for 'three.png', and there is no such tile in 'woven'"),
        (["one.png", "two.png", "three.png", "four.png"], "has no row for the tile 'four.png' of 'woven'"),
    ],
)
def test_a_table_that_does_not_match_the_folder_is_refused(files, sentence):
    with pytest.raises(ImportanceError, match=sentence):
        rows_of(ROWS, files, "weights.csv", "woven")


def test_a_tile_with_two_rows_is_refused():
    with pytest.raises(ImportanceError, match=r"two rows for 'a/one\.png'"):
        rows_of([ROWS[0], TileWeight("a/one.png", 1.0)], ["one.png"], "weights.csv", "woven")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "There are no tiles to write"),
        ([TileWeight("one.png", 0.0), TileWeight("two.png", 0.0)], "All 2 tiles are rejected"),
        ([TileWeight("one.png", math.inf)], "The weight inf of 'one.png' is no number from 0; clip the weights"),
        ([TileWeight("one.png", 1e7)], "The weight 1e[+]07 of 'one.png' is above 1,000,000.* clip the weights"),
        ([ROWS[0], ROWS[0]], "two rows for 'one.png'"),
    ],
)
def test_what_no_training_could_use_is_not_written(tmp_path, rows, sentence):
    with pytest.raises(ImportanceError, match=sentence):
        write_weights(tmp_path / "weights.csv", rows, FACTS)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,importance\none.png,1\n", "has no columns 'file' and 'weight'"),
        ("file,weight\none.png,many\n", "The weight 'many' of 'one.png'"),
        ("file,weight\none.png,-1\n", "The weight '-1' of 'one.png' in 'weights.csv' is no number from 0"),
        ("file,weight\none.png\n", "is no number from 0"),
        ("file,weight\none.png,1e30\n", r"The weight 1e\+30 of 'one.png' in 'weights.csv' is above 1,000,000"),
        ("file,weight,raw_weight\none.png,1,many\n", "'many' in the row of 'one.png'"),
        ("file,weight,decision\none.png,1,perhaps\n", "The decision 'perhaps' about 'one.png'"),
        ("file,weight\none.png,1\n\x00", "is no number from 0|cannot be read"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, text, sentence):
    (tmp_path / "weights.csv").write_text(text, encoding="utf-8")

    with pytest.raises(ImportanceError, match=sentence):
        read_weights(tmp_path / "weights.csv")


def test_a_table_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(ImportanceError, match=r"There is no table 'weights\.csv'"):
        read_weights(tmp_path / "weights.csv")
    (tmp_path / "weights.csv").write_bytes(b"\xff\xfe\x00\xff")
    with pytest.raises(ImportanceError, match="cannot be read as a table"):
        read_weights(tmp_path / "weights.csv")


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(WriteError, match="cannot be written"):
        write_weights(tmp_path / "file" / "weights.csv", ROWS, FACTS)
