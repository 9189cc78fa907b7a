"""The Weave dock as a person uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from PIL import Image
from pytestqt.qtbot import QtBot

from histoloom.gui.canvas import Canvas
from histoloom.gui.canvas_layers import WOVEN
from histoloom.gui.status_card import Level
from histoloom.gui.weave_dock import WeaveDock
from histoloom.tiles.samples import embedded_sample

PATIENCE_MS = 30_000


@pytest.fixture
def dock(viewer: ViewerModel, canvas: Canvas, qtbot: QtBot) -> Iterator[WeaveDock]:
    dock = WeaveDock(viewer)
    qtbot.addWidget(dock)
    yield dock
    dock.close_weaving()


def settled(dock: WeaveDock) -> bool:
    return dock.weaving.look is not None and dock.weaving.is_settled


def test_switching_live_on_without_any_tile_takes_the_sample(dock: WeaveDock, canvas: Canvas, qtbot: QtBot) -> None:
    dock.live.setChecked(True)
    qtbot.waitUntil(lambda: settled(dock), timeout=PATIENCE_MS)
    assert dock.looks.chosen == "Colon sample"
    assert canvas.layers.find(WOVEN).data.std() > 10
    qtbot.waitUntil(lambda: dock.card.level is Level.OK, timeout=PATIENCE_MS)
    assert "ms" in dock.device.text()


def test_the_tile_on_the_canvas_is_the_first_look_and_stays_it(dock: WeaveDock, canvas: Canvas, qtbot: QtBot) -> None:
    tile = embedded_sample()
    canvas.set_tile(tile, "colon")
    qtbot.waitUntil(lambda: dock.weaving.look is not None, timeout=PATIENCE_MS)
    first = dock.weaving.look
    assert first is not None
    assert first.pixels.shape == tile.levels[0].shape
    smaller = type(tile).from_array(tile.read()[:300, :300].copy(), tile.pixel_size)
    canvas.set_tile(smaller, "corner")
    qtbot.waitUntil(lambda: dock.weaving.look is not first, timeout=PATIENCE_MS)
    assert dock.weaving.look.pixels.shape == (300, 300, 3)


def test_a_picture_that_cannot_be_a_look_is_explained(dock: WeaveDock, tmp_path: Path, qtbot: QtBot) -> None:
    white = tmp_path / "white.png"
    Image.fromarray(np.full((200, 200, 3), 255, np.uint8)).save(white)
    dock.looks.choose_file(white)
    qtbot.waitUntil(lambda: dock.card.level is Level.ATTENTION, timeout=PATIENCE_MS)
    assert "white" in dock.card.text
    assert dock.weaving.look is None
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    dock.looks.choose_file(broken)
    qtbot.waitUntil(lambda: "broken.png" in dock.card.text, timeout=PATIENCE_MS)


def test_a_look_that_is_not_stained_with_haematoxylin_and_eosin_is_told_of(
    dock: WeaveDock, canvas: Canvas, tmp_path: Path, qtbot: QtBot
) -> None:
    picture = embedded_sample().read()[:200, :200]
    Image.fromarray(picture).convert("L").save(tmp_path / "grey.png")
    dock.looks.choose_file(tmp_path / "grey.png")
    qtbot.waitUntil(lambda: "This look is grey and not stained with" in dock.looks.about, timeout=PATIENCE_MS)
    assert dock.weaving.look is not None, "it can be woven with all the same"
    dock.looks.choose_sample()
    qtbot.waitUntil(lambda: "not stained with" not in dock.looks.about, timeout=PATIENCE_MS)


def test_a_recipe_change_is_woven(dock: WeaveDock, canvas: Canvas, qtbot: QtBot) -> None:
    dock.live.setChecked(True)
    qtbot.waitUntil(lambda: settled(dock), timeout=PATIENCE_MS)
    before = canvas.layers.find(WOVEN).data.copy()
    assert dock.form is not None
    dock.form.fields["cytoplasm"].value = 0.0
    qtbot.waitUntil(
        lambda: settled(dock) and not np.array_equal(canvas.layers.find(WOVEN).data, before), timeout=PATIENCE_MS
    )
    assert dock.weaving.recipe.cytoplasm == 0.0


def test_opacity_and_dice(dock: WeaveDock, canvas: Canvas, qtbot: QtBot) -> None:
    canvas.woven_layer()
    dock.opacity.setValue(40)
    assert canvas.layers.find(WOVEN).opacity == pytest.approx(0.4)
    seed = dock.seed.value()
    dock.dice.click()
    assert dock.seed.value() != seed
    assert dock.weaving.seed == dock.seed.value()


def test_flicker_shows_the_real_tile_and_the_woven_one_in_turn(canvas: Canvas) -> None:
    told: list[str] = []
    canvas.message.connect(told.append)
    canvas.comparison.flicker()
    assert "open a tile" in told[-1]
    canvas.set_tile(embedded_sample(), "colon")
    layer = canvas.woven_layer()
    canvas.comparison.flicker()
    assert not layer.visible
    canvas.comparison.flicker()
    assert layer.visible


def test_a_batch_is_woven_stopped_and_resumed(dock: WeaveDock, canvas: Canvas, tmp_path: Path, qtbot: QtBot) -> None:
    dock.batch.folder.setText(str(tmp_path))
    dock.batch.toggle()
    assert "no look" in dock.card.text
    dock.looks.choose_sample()
    qtbot.waitUntil(lambda: dock.weaving.look is not None, timeout=PATIENCE_MS)
    dock.batch.count.setValue(3)
    with qtbot.waitSignal(dock.batch.told, timeout=PATIENCE_MS) as told:
        dock.batch.toggle()
    qtbot.waitUntil(lambda: not dock.batch.is_running, timeout=PATIENCE_MS)
    assert told.args == [True, f"3 pictures are in {tmp_path}."]
    pictures = sorted(tmp_path.glob("canvas_seed?.png"))
    assert len(pictures) == 3
    assert json.loads((tmp_path / "canvas_seed0.json").read_text())["synthetic"] is True
    times = {path: path.stat().st_mtime_ns for path in pictures}
    with qtbot.waitSignal(dock.batch.told, timeout=PATIENCE_MS):
        dock.batch.toggle()
    qtbot.waitUntil(lambda: not dock.batch.is_running, timeout=PATIENCE_MS)
    assert {path: path.stat().st_mtime_ns for path in pictures} == times, "whole pictures are skipped"


def test_a_batch_into_a_file_is_refused(dock: WeaveDock, tmp_path: Path, qtbot: QtBot) -> None:
    (tmp_path / "taken").write_text("a file")
    dock.batch.folder.setText(str(tmp_path / "taken"))
    dock.looks.choose_sample()
    qtbot.waitUntil(lambda: dock.weaving.look is not None, timeout=PATIENCE_MS)
    with qtbot.waitSignal(dock.batch.told, timeout=PATIENCE_MS) as told:
        dock.batch.toggle()
    qtbot.waitUntil(lambda: not dock.batch.is_running, timeout=PATIENCE_MS)
    assert told.args[0] is False
    assert "cannot be written" in told.args[1]
