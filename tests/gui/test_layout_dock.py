"""The Layout dock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canvas_mouse import assert_shows_the_truth
from napari.components import ViewerModel

from histoloom.gui.autosave_file import write_autosave
from histoloom.gui.layout_check import check_layout
from histoloom.gui.layout_counts import LayoutCounts
from histoloom.gui.layout_dock import LayoutDock
from histoloom.gui.status_card import Level
from histoloom.gui.tools import Tool
from histoloom.layouts import Layout, LayoutEdit, Nucleus, Outline


@pytest.fixture
def dock(viewer: ViewerModel, layout: Layout, tmp_path: Path, qtbot: Any) -> LayoutDock:
    dock = LayoutDock(viewer, tmp_path / "autosave")
    qtbot.addWidget(dock)
    dock.canvas.open_layout(layout)
    return dock


def test_buttons_and_canvas_agree_about_the_tool(dock: LayoutDock) -> None:
    buttons = dock.tools._tool_buttons
    buttons[Tool.BRUSH].click()
    assert dock.canvas.tool is Tool.BRUSH
    dock.canvas.tool = Tool.SELECT
    assert [tool for tool, button in buttons.items() if button.isChecked()] == [Tool.SELECT]


def test_buttons_and_canvas_agree_about_the_class(dock: LayoutDock) -> None:
    dock.tools._class_buttons["tumor"].click()
    assert dock.canvas.class_name == "tumor"
    dock.canvas.class_name = "other"
    assert dock.tools._class_buttons["other"].isChecked()


def test_undo_and_redo_say_what_they_would_do(dock: LayoutDock) -> None:
    assert not dock._undo.isEnabled()
    dock.canvas.change("Delete a nucleus", {1: None})
    assert dock._undo.toolTip() == "Undo: Delete a nucleus"
    dock._undo.click()
    assert dock._redo.toolTip() == "Redo: Delete a nucleus"


def test_random_nuclei_come_as_one_step(dock: LayoutDock, qtbot: Any, layout: Layout) -> None:
    dock.random.form.fields["density"].value = 9000.0
    with qtbot.waitSignal(dock.random.finished, timeout=20_000):
        dock.random.generate()
    assert len(dock.canvas.layout.nuclei) > 10
    assert dock.canvas.layout.shape == layout.shape
    assert_shows_the_truth(dock.canvas)
    qtbot.waitUntil(lambda: not dock.random.is_running)
    dock.canvas.undo()
    assert dock.canvas.layout.equals(layout)


def test_counts_follow_edits(dock: LayoutDock) -> None:
    dock.canvas.change("Delete", {1: None, 2: dock.canvas.layout.nuclei[2].scaled(2.0)})
    dock.counts.refresh()
    assert "<b>2</b> nuclei" in dock.counts.text
    fresh = LayoutCounts(dock.canvas.layout)
    assert dock.counts.counts.by_class == fresh.by_class
    np.testing.assert_allclose(sorted(dock.counts.counts.diameters), sorted(fresh.diameters))
    assert fresh.per_square_mm == pytest.approx(2 / (100 * 120 * 0.25e-6))


def test_layouts_are_saved_and_opened(dock: LayoutDock, tmp_path: Path, layout: Layout, qtbot: Any) -> None:
    dock.save_file(tmp_path / "kept.geojson")
    qtbot.waitUntil(lambda: dock.status.level is Level.OK, timeout=10_000)
    dock.canvas.open_layout(Layout.empty((10, 10)))
    dock.open_file(tmp_path / "kept.geojson")
    qtbot.waitUntil(lambda: dock.status.level is Level.OK, timeout=10_000)
    assert dock.canvas.layout.equals(layout)
    dock.open_file(tmp_path / "absent.geojson")
    qtbot.waitUntil(lambda: dock.status.level is Level.ERROR, timeout=10_000)
    assert "absent.geojson" in dock.status.text
    assert dock.canvas.layout.equals(layout)
    dock.canvas.undo()
    assert dock.canvas.layout.shape == (10, 10), "opening a file must not lose what was drawn"


def test_label_pictures_of_unknown_origin_are_opened_and_commented(
    dock: LayoutDock, tmp_path: Path, qtbot: Any
) -> None:
    labels = np.zeros((40, 50), np.int32)
    labels[5:15, 5:15] = labels[20:30, 20:30] = 3
    np.save(tmp_path / "labels.npy", labels)
    dock.open_file(tmp_path / "labels.npy")
    qtbot.waitUntil(lambda: dock.status.level is Level.ATTENTION, timeout=10_000)
    assert "piece" in dock.status.text
    assert_shows_the_truth(dock.canvas)


def test_a_folder_that_cannot_be_written_is_explained(dock: LayoutDock, tmp_path: Path, qtbot: Any) -> None:
    (tmp_path / "taken").write_text("a file")
    dock.save_file(tmp_path / "taken" / "layout.tif")
    qtbot.waitUntil(lambda: dock.status.level is Level.ERROR, timeout=10_000)
    assert "cannot be written" in dock.status.text


def test_a_crashed_session_is_offered_and_recovered(
    viewer: ViewerModel, layout: Layout, tmp_path: Path, qtbot: Any
) -> None:
    write_autosave(layout, tmp_path / f"canvas-{2**22 + 12345}-1.npz")
    dock = LayoutDock(viewer, tmp_path)
    qtbot.addWidget(dock)
    assert dock.status.level is Level.ATTENTION
    dock.status.click()
    assert dock.canvas.layout.equals(layout)
    dock.autosave.wait()
    dock.close()
    assert list(tmp_path.iterdir()) == []


def test_check_says_what_is_wrong_and_repair_mends_it(dock: LayoutDock) -> None:
    dock.check()
    assert dock.status.level is Level.OK
    speck = Nucleus.create(4, Outline.ellipse((80.0, 80.0), (0.7, 0.7)))
    pieces = np.zeros((30, 40), bool)
    pieces[2:20, 2:20] = pieces[5:25, 26:36] = True
    split = Nucleus.create(5, Outline.from_mask(pieces, (60, 60)))
    dock.canvas.change("Add", {4: speck, 5: split})
    dock.check()
    assert "Nucleus 4 is smaller than 2 µm²; repair deletes it." in dock.status.text
    assert "Nucleus 5 is in several pieces" in dock.status.text
    picture = dock.canvas.layout.rasterize() > 0
    dock.status.click()
    assert sorted(dock.canvas.layout.nuclei) == [1, 2, 3, 5, 6]
    np.testing.assert_array_equal(dock.canvas.layout.with_nuclei({4: speck}).rasterize() > 0, picture)
    assert not check_layout(dock.canvas.layout).sentences


def test_hidden_nuclei_are_named_and_kept(layout: Layout) -> None:
    cover = Nucleus.create(4, Outline.ellipse((25.0, 25.0), (20.0, 20.0)), "tumor", 9)
    covered = LayoutEdit.of("Cover", layout, {4: cover}).applied_to(layout)
    found = check_layout(covered)
    assert found.sentences == ("Nucleus 1 is wholly hidden under others; move what covers it.",)
    assert found.repair.is_empty


def test_help_shows_every_key(dock: LayoutDock) -> None:
    dock.show_help()
    assert dock._help is not None
    dock._help.close()
