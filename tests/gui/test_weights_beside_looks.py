"""The Weights dock and folders: which real tissue each woven tile is held against, and what is said of it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from darkness_process import DarknessProcess, critic_of
from napari.components import ViewerModel
from PIL import Image
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QFileDialog

from histoloom.cli import main
from histoloom.generators.contract import WovenTile
from histoloom.generators.woven_files import save_woven
from histoloom.gui.canvas import Canvas
from histoloom.gui.live import live_weaving_of
from histoloom.gui.live_weights import JudgedWhole
from histoloom.gui.status_card import Level
from histoloom.gui.weights_dock import WeightsDock
from histoloom.importance import ClipRange, read_weights
from histoloom.tiles.looks import look_sha256
from histoloom.tiles.tile import Tile
from small_bundles import small_layout
from small_discriminators import small_discriminator
from tissue_pictures import tissue_picture

PATIENCE_MS = 60_000
SIDE = 112


def picture(seed: int) -> np.ndarray:
    return tissue_picture((SIDE, SIDE), seed=seed)


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """Two real tiles of two patients."""
    folder = tmp_path / "real"
    folder.mkdir()
    for index, name in enumerate(("a", "b")):
        Image.fromarray(picture(20 + index)).save(folder / f"{name}.png")
    (folder / "meta.csv").write_text("id,patient\na,anna\nb,bert\n")
    return folder


@pytest.fixture
def woven(tmp_path: Path) -> Path:
    """Three woven tiles: two with the look of the first real one, one with that of the second."""
    folder = tmp_path / "woven"
    for index in range(3):
        look = look_sha256(picture(20 + index % 2))
        save_woven(WovenTile(picture(index), small_layout((SIDE, SIDE)), index, "texture", {}, look), folder, "tile")
    return folder


@pytest.fixture
def made_dock(
    viewer: ViewerModel, canvas: Canvas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> Iterator[WeightsDock]:
    monkeypatch.setenv("HISTOLOOM_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("histoloom.gui.critic_chooser.known_bundles", lambda _kind: [])
    dock = WeightsDock(viewer)  # type: ignore[arg-type]
    qtbot.addWidget(dock)
    dock.show()
    qtbot.waitUntil(lambda: dock._has_been_seen, timeout=PATIENCE_MS)
    yield dock
    dock.close()
    live_weaving_of(canvas).close()


@pytest.fixture
def dock(made_dock: WeightsDock) -> WeightsDock:
    """A dock whose critic compares, on a canvas with the first real tile."""
    made_dock.weights.process = DarknessProcess()  # type: ignore[assignment]
    made_dock.canvas.set_tile(Tile.from_array(picture(20), 0.5), "a")
    critic = critic_of("comparing", reference_size=32)
    made_dock.parts.critic._critics = [critic]
    made_dock.parts.critic.choose(critic)
    return made_dock


def said(dock: WeightsDock, qtbot: QtBot, words: str, level: Level = Level.ATTENTION) -> str:
    card = dock.parts.card
    qtbot.waitUntil(lambda: card.level is level and words in card.text, timeout=PATIENCE_MS)
    return card.text


def references(dock: WeightsDock) -> list[np.ndarray]:
    return [each.reference for each in dock.weights.process.orders]  # type: ignore[attr-defined]


def critic_column(table: Path) -> set[str]:
    with table.open(newline="", encoding="utf-8") as file:
        return {row["critic"] for row in csv.DictReader(file)}


def test_the_dock_says_of_a_folder_what_the_shell_says(
    made_dock: WeightsDock, real: Path, woven: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    critic = tmp_path / "comparing.safetensors"
    small_discriminator(critic, scale=2.0, judges={"intercept": 11.0})
    table = tmp_path / "shell.csv"
    blank = np.full((SIDE, SIDE, 3), 250, np.uint8)
    save_woven(WovenTile(blank, small_layout((SIDE, SIDE)), 3, "texture", {}, look_sha256(picture(21))), woven, "tile")
    line = ["weigh", str(woven), "--critic", str(critic), "--reference", str(real), "--clip", "quantiles 0.1,0.9"]
    assert main([*line, "-o", str(table)]) == 0

    made_dock.choose_reference(real)
    made_dock.parts.critic.choose_file(critic)
    made_dock._use_clip(ClipRange.quantiles(0.1, 0.9))
    made_dock.parts.picture.choose(woven)
    text = said(made_dock, qtbot, "All 4 tiles of 'woven' were judged beside the tiles of 'real'.")
    assert "'tile_seed3.png' shows hardly any tissue, so it counts at most 1" in text
    made_dock.export_into_folder()
    said(made_dock, qtbot, "'weights.csv' was written", Level.OK)

    shell, viewer = read_weights(table), read_weights(woven / "weights.csv")
    assert [each.file for each in viewer] == [each.file for each in shell]
    assert [each.patient for each in viewer] == [each.patient for each in shell] == ["anna", "bert", "anna", "bert"]
    for column in ("weight", "probability_real", "raw_weight"):
        expected = [getattr(each, column) for each in shell]
        assert [getattr(each, column) for each in viewer] == pytest.approx(expected, rel=1e-4)
    assert len({each.raw_weight for each in shell}) == 4
    assert shell[3].weight == 1.0 < shell[3].raw_weight, [each.raw_weight for each in shell]
    assert critic_column(woven / "weights.csv") == critic_column(table)


def test_tiles_of_other_looks_are_not_held_against_the_canvas_before_somebody_says_so(
    dock: WeightsDock, real: Path, woven: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    dock.parts.picture.choose(woven)
    text = said(dock, qtbot, "Records say that 1 of the 3 tiles of 'woven' was woven with another look")
    assert "choose the folder of the real tiles whose looks were woven" in text
    assert not references(dock)
    assert not dock.parts.into_folder.isEnabled()

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(real))
    dock.parts.card.click()
    said(dock, qtbot, "All 3 tiles of 'woven' were judged beside the tiles of 'real'.", Level.OK)
    for index, reference in enumerate(references(dock)):
        np.testing.assert_array_equal(reference, picture(20 + index % 2))
    assert dock.parts.reference.currentText() == "Real tiles: real/…"
    assert [each.patient for each in dock.tiles] == ["anna", "bert", "anna"]
    assert "another look" not in dock.parts.verdict.text()


def test_one_reference_for_all_looks_is_told_of_where_weights_are_shown_and_where_they_are_kept(
    dock: WeightsDock, real: Path, woven: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    dock.parts.picture.choose(woven)
    said(dock, qtbot, "Records say")
    dock.parts.reference.activated.emit(0)
    said(dock, qtbot, "1 of 3 tiles was held against the look of the canvas, although its record names another look")
    assert len(references(dock)) == 3
    assert "although its record names another look" in dock.parts.verdict.text()
    dock.export_into_folder()
    said(dock, qtbot, "written", Level.OK)
    (words,) = critic_column(woven / "weights.csv")
    assert words == "comparing.safetensors (1 of 3 tiles beside the look of the canvas, not their records' looks)"

    dock.choose_reference(real / "b.png")
    said(dock, qtbot, "2 of 3 tiles were held against 'b.png', although their records name another look")
    dock.export(tmp_path / "weights.csv")
    said(dock, qtbot, "written", Level.OK)
    (words,) = critic_column(tmp_path / "weights.csv")
    assert "2 of 3 tiles beside 'b.png'" in words


def test_looks_that_no_real_tile_has_are_told_of(dock: WeightsDock, real: Path, woven: Path, qtbot: QtBot) -> None:
    (real / "b.png").unlink()
    (real / "meta.csv").write_text("id,patient\na,anna\n")
    dock.choose_reference(real)
    dock.parts.picture.choose(woven)
    said(dock, qtbot, "1 of 3 tiles was held against another look than its record names, which no tile in the folder")


def test_a_folder_woven_with_the_look_of_the_canvas_is_judged_beside_it(
    dock: WeightsDock, woven: Path, qtbot: QtBot
) -> None:
    for path in woven.glob("tile_seed1*"):
        path.unlink()
    dock.parts.picture.choose(woven)
    said(dock, qtbot, "All 2 tiles of 'woven' were judged beside the look of the canvas.", Level.OK)
    np.testing.assert_array_equal(references(dock)[0], picture(20))


def test_without_any_real_tissue_the_dock_asks_for_it(made_dock: WeightsDock, woven: Path, qtbot: QtBot) -> None:
    critic = critic_of("comparing", reference_size=32)
    made_dock.parts.critic._critics = [critic]
    made_dock.parts.critic.choose(critic)
    made_dock.parts.picture.choose(woven)
    said(made_dock, qtbot, "compares with real tissue, and there is none on the canvas")


def test_a_folder_without_real_tiles_is_refused_and_what_was_chosen_stays(
    dock: WeightsDock, real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    dock.choose_reference(real)
    qtbot.waitUntil(lambda: dock.parts.reference.path == real, timeout=PATIENCE_MS)
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "empty"))
    dock.parts.reference.setCurrentIndex(2)
    dock.parts.reference.activated.emit(2)
    said(dock, qtbot, "The folder 'empty' holds no tiles", Level.ERROR)
    # Judging goes on with what was chosen before, and does not wipe that away.
    for level in (Level.WORKING, Level.ATTENTION):
        dock.weights.told.emit(level, "Canvas: something about what was chosen before.")
    dock.weights.judged.emit(JudgedWhole("Canvas", None, None, 0.1))  # type: ignore[arg-type]
    said(dock, qtbot, "The folder 'empty' holds no tiles", Level.ERROR)
    assert dock.parts.reference.path == real
    assert dock.parts.reference.currentText() == "Real tiles: real/…"
    # What is worse is told.
    dock.weights.told.emit(Level.ERROR, "The layer was deleted.")
    said(dock, qtbot, "The layer was deleted.", Level.ERROR)
    dock.weights.told.emit(Level.WORKING, "Canvas: 50% judged.")
    said(dock, qtbot, "50% judged", Level.WORKING)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    dock.parts.reference.activated.emit(2)
    assert dock.parts.reference.path == real


def test_a_trained_critic_is_offered_until_something_else_is_asked_for(
    dock: WeightsDock, tmp_path: Path, qtbot: QtBot
) -> None:
    small_discriminator(tmp_path / "mine.safetensors", scale=2.0)
    dock.on_demand.trained.emit(tmp_path / "mine.safetensors")
    dock.weights.told.emit(Level.WORKING, "Canvas: 50% judged.")
    said(dock, qtbot, "is trained; judge with it, or choose it later", Level.OK)
    dock._use_clip(ClipRange.none())
    dock.weights.told.emit(Level.WORKING, "Canvas: 50% judged.")
    said(dock, qtbot, "50% judged", Level.WORKING)


def test_what_was_written_is_told_long_enough_to_be_read(
    dock: WeightsDock, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    now = [100.0]
    monkeypatch.setattr("histoloom.gui.weights_dock.time.monotonic", lambda: now[0])
    dock.exporting.told.emit(Level.OK, "'weights.csv' was written.")
    dock.weights.told.emit(Level.WORKING, "Canvas: 50% judged.")
    said(dock, qtbot, "'weights.csv' was written", Level.OK)
    now[0] += 60.0
    dock.weights.told.emit(Level.WORKING, "Canvas: 50% judged.")
    said(dock, qtbot, "50% judged", Level.WORKING)


def test_decisions_about_tiles_that_are_gone_are_told_of_before_they_are_lost(
    dock: WeightsDock, real: Path, woven: Path, qtbot: QtBot
) -> None:
    (woven / "weights.csv").write_text("file,weight,decision\nwoven/tile_seed0.png,0,reject\ngone.png,1,keep\n")
    dock.choose_reference(real)
    dock.parts.picture.choose(woven)
    text = said(dock, qtbot, "All 3 tiles of 'woven' were judged")
    assert text.endswith("and will not if it is written anew: 'gone.png' (keep).")
    assert dock.weighed.decisions == {"tile_seed0.png": "reject"}


def test_the_words_follow_what_counts_and_how_many_tiles_there_are(
    dock: WeightsDock, real: Path, woven: Path, qtbot: QtBot
) -> None:
    dock.choose_reference(real)
    Image.fromarray(picture(5)).save(woven / "coarse.png", dpi=(25400, 25400))
    dock.parts.picture.choose(woven)
    said(dock, qtbot, "3 of the 4 tiles of 'woven' were judged beside the tiles of 'real', and 1 could not be: 'coarse")
    words = dock.parts.histogram.words
    dock._use_clip(ClipRange.between(0.6, 0.8))
    assert words.text().startswith("3 tiles: 0% count less than half, 0% more than double; the median weight is 0.")

    files = tuple(each.file for each in dock.tiles)
    dock.decide(files[:1], "reject")
    assert words.text().startswith("3 tiles: 33% count less than half, ")
    assert "1 is rejected" in words.text()
    dock.decide(files, "reject")
    assert words.text() == "3 tiles: none counts, because all are rejected."
    dock.export_into_folder()
    said(dock, qtbot, "All 3 tiles are rejected", Level.ERROR)
    dock.decide(files, "")
    assert "rejected" not in dock.parts.card.text
    assert "rejected" not in words.text()

    for path in [*woven.glob("tile_seed1*"), *woven.glob("tile_seed2*")]:
        path.unlink()
    dock.judge_again()
    said(dock, qtbot, "1 of the 2 tiles of 'woven' was judged beside the tiles of 'real', and 1 could not be: 'coarse")
    assert dock.parts.histogram.words.text().startswith("1 tile: ")
    (woven / "coarse.png").unlink()
    dock.judge_again()
    said(dock, qtbot, "The only tile of 'woven' was judged beside the tiles of 'real'.", Level.OK)
