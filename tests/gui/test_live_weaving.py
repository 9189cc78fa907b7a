"""Tissue follows the edits of the canvas, whatever happens to the process that weaves it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from histoloom.generators import weave
from histoloom.generators.texture import TextureRecipe
from histoloom.gui.canvas import Canvas
from histoloom.gui.canvas_layers import WOVEN
from histoloom.gui.live import LiveWeaving, live_weaving_of
from histoloom.gui.status_card import Level
from histoloom.layouts import Nucleus, Outline
from histoloom.tiles import Tile
from histoloom.tiles.looks import Look
from histoloom.tiles.samples import embedded_sample
from histoloom.window import Window

PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def look() -> Look:
    return Look.from_tile(embedded_sample(), Window(0, 0, 256, 256))


@pytest.fixture
def weaving(canvas: Canvas, qtbot: QtBot) -> Iterator[LiveWeaving]:
    weaving = live_weaving_of(canvas)
    yield weaving
    weaving.close()


def settle(weaving: LiveWeaving, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: weaving.is_settled, timeout=PATIENCE_MS)


def woven(canvas: Canvas) -> np.ndarray:
    return canvas.layers.find(WOVEN).data


def expected(canvas: Canvas, look: Look, seed: int = 0) -> np.ndarray:
    return weave(canvas.layout, look, seed=seed).image


def start(weaving: LiveWeaving, look: Look, qtbot: QtBot) -> None:
    weaving.set_look(look, "texture", TextureRecipe())
    weaving.set_live(True)
    settle(weaving, qtbot)


def test_an_edit_reweaves_to_the_same_bytes_as_the_library(
    canvas: Canvas, weaving: LiveWeaving, look: Look, qtbot: QtBot
) -> None:
    start(weaving, look, qtbot)
    np.testing.assert_array_equal(woven(canvas), expected(canvas, look))
    layer, picture = canvas.layers.find(WOVEN), woven(canvas)
    windows = []
    weaving.woven.connect(lambda window, _: windows.append(window))
    canvas.change("Add", {9: Nucleus.create(9, Outline.ellipse((75.0, 80.0), (6.0, 5.0)))})
    settle(weaving, qtbot)
    np.testing.assert_array_equal(woven(canvas), expected(canvas, look))
    assert canvas.layers.find(WOVEN) is layer, "the same layer must be updated"
    assert woven(canvas) is picture, "in place"
    assert windows, "nothing was woven"
    assert all(window.shape != canvas.layout.shape for window in windows), "only what is dirty is woven"
    canvas.undo()
    settle(weaving, qtbot)
    np.testing.assert_array_equal(woven(canvas), expected(canvas, look))


def test_another_seed_weaves_anew_and_the_old_one_comes_back(
    canvas: Canvas, weaving: LiveWeaving, look: Look, qtbot: QtBot
) -> None:
    start(weaving, look, qtbot)
    first = woven(canvas).copy()
    weaving.seed = 5
    settle(weaving, qtbot)
    assert (woven(canvas) != first).mean() > 0.3
    weaving.seed = 0
    settle(weaving, qtbot)
    np.testing.assert_array_equal(woven(canvas), first)


def test_a_killed_weave_process_comes_back_and_says_so(
    canvas: Canvas, weaving: LiveWeaving, look: Look, qtbot: QtBot
) -> None:
    start(weaving, look, qtbot)
    told: list[tuple[Level, str]] = []
    weaving.status_changed.connect(lambda level, text: told.append((level, text)))
    pid = weaving.client.pid
    assert pid is not None
    canvas.change("Delete", {1: None})
    os.kill(pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    canvas.change("Delete", {2: None})
    settle(weaving, qtbot)
    np.testing.assert_array_equal(woven(canvas), expected(canvas, look))
    assert any(level is Level.ATTENTION and "started again" in text for level, text in told)
    assert weaving.client.pid != pid
    assert set(canvas.layout.nuclei) == {3}, "the layout must not suffer"


def test_a_deleted_woven_layer_is_made_again(canvas: Canvas, weaving: LiveWeaving, look: Look, qtbot: QtBot) -> None:
    start(weaving, look, qtbot)
    canvas.viewer.layers.remove(canvas.layers.find(WOVEN))
    canvas.change("Delete", {1: None})
    qtbot.waitUntil(lambda: canvas.layers.find(WOVEN) is not None and weaving.is_settled, timeout=PATIENCE_MS)
    np.testing.assert_array_equal(woven(canvas), expected(canvas, look))


def test_a_look_without_nuclei_is_explained_and_the_next_one_works(
    canvas: Canvas, weaving: LiveWeaving, look: Look, qtbot: QtBot
) -> None:
    told: list[tuple[Level, str]] = []
    weaving.status_changed.connect(lambda level, text: told.append((level, text)))
    pink = np.full((128, 128, 3), (230, 180, 210), np.uint8)
    weaving.set_look(Look.from_tile(Tile.from_array(pink, 0.5)), "texture", TextureRecipe())
    weaving.set_live(True)
    qtbot.waitUntil(lambda: any(level is Level.ERROR for level, _ in told), timeout=PATIENCE_MS)
    assert "No nuclei were found" in next(text for level, text in told if level is Level.ERROR)
    weaving.set_look(look, "texture", TextureRecipe())
    settle(weaving, qtbot)
    np.testing.assert_array_equal(woven(canvas), expected(canvas, look))


def test_without_live_nothing_is_woven_until_asked(
    canvas: Canvas, weaving: LiveWeaving, look: Look, qtbot: QtBot
) -> None:
    weaving.set_look(look, "texture", TextureRecipe())
    canvas.change("Delete", {1: None})
    qtbot.wait(100)
    assert canvas.layers.find(WOVEN) is None
    weaving.weave_once()
    settle(weaving, qtbot)
    before = woven(canvas).copy()
    np.testing.assert_array_equal(before, expected(canvas, look))
    canvas.change("Delete", {2: None})
    qtbot.wait(300)
    np.testing.assert_array_equal(woven(canvas), before)


def test_another_layout_with_another_size_is_woven_whole(
    canvas: Canvas, weaving: LiveWeaving, look: Look, qtbot: QtBot
) -> None:
    start(weaving, look, qtbot)
    canvas.open_layout(canvas.layout.resized((90, 140)))
    settle(weaving, qtbot)
    assert woven(canvas).shape == (90, 140, 3)
    np.testing.assert_array_equal(woven(canvas), expected(canvas, look))


def test_tissue_of_an_earlier_seed_or_layout_is_called_so(
    canvas: Canvas, weaving: LiveWeaving, look: Look, qtbot: QtBot
) -> None:
    told: list[tuple[Level, str]] = []
    weaving.status_changed.connect(lambda level, text: told.append((level, text)))
    weaving.set_look(look, "texture", TextureRecipe())
    weaving.weave_once()
    settle(weaving, qtbot)
    qtbot.wait(50)
    for change in (lambda: setattr(weaving, "seed", 7), lambda: canvas.change("Delete", {1: None})):
        told.clear()
        change()
        assert told[-1][0] is Level.ATTENTION
        assert "earlier layout, look or seed" in told[-1][1]
