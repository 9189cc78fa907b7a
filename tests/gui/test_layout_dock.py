"""The Layout dock."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canvas_mouse import Mouse, assert_shows_the_truth
from napari.components import ViewerModel
from qtpy.QtWidgets import QWidget

from histoloom.gui.autosave_file import write_autosave
from histoloom.gui.canvas import canvas_of
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


def test_each_crashed_session_is_offered_until_it_is_answered(
    viewer: ViewerModel, layout: Layout, tmp_path: Path, qtbot: Any
) -> None:
    older = layout.with_nuclei({1: None})
    for index, each in enumerate((older, layout)):
        path = tmp_path / f"canvas-{2**22 + index}-1.npz"
        write_autosave(each, path)
        os.utime(path, (1e9 + index, 1e9 + index))
    dock = LayoutDock(viewer, tmp_path)
    qtbot.addWidget(dock)
    assert "1 more" in dock.recovery.text
    dock.canvas.edit_message("Something else happened.")
    assert "recover it?" in dock.recovery.text
    dock.recovery.yes.click()
    assert dock.canvas.layout.equals(layout)
    assert "recover it?" in dock.recovery.text
    dock.recovery.no.click()
    assert dock.recovery.text == ""
    assert dock.canvas.layout.equals(layout)
    dock.autosave.wait()
    dock.close()
    assert list(tmp_path.iterdir()) == []


def test_a_failed_autosave_is_shown(viewer: ViewerModel, tmp_path: Path, qtbot: Any) -> None:
    (tmp_path / "file").write_text("not a folder")
    dock = LayoutDock(viewer, tmp_path / "file")
    qtbot.addWidget(dock)
    nucleus = Nucleus.create(1, Outline.ellipse((30.0, 30.0), (9.0, 6.0)))
    dock.canvas.change("Stamp", {1: nucleus})
    dock.autosave.save()
    qtbot.waitUntil(lambda: dock.status.level is Level.ERROR)
    assert "cannot be written" in dock.status.text


def test_a_dock_that_goes_with_its_window_removes_its_autosave(
    viewer: ViewerModel, layout: Layout, tmp_path: Path, qtbot: Any
) -> None:
    window = QWidget()
    dock = LayoutDock(viewer, tmp_path)
    dock.setParent(window)
    dock.canvas.open_layout(layout)
    dock.autosave.save()
    dock.autosave.wait()
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".lock", ".npz"]
    with qtbot.waitSignal(dock.destroyed):
        window.deleteLater()
    assert list(tmp_path.iterdir()) == []
    assert canvas_of(viewer).autosave is None


def test_a_drawn_path_then_generate_stands_epithelium_along_it(dock: LayoutDock, qtbot: Any, mouse: Mouse) -> None:
    pixel_size = dock.canvas.layout.pixel_size
    dock.canvas.open_layout(Layout.empty((200, 260), pixel_size))
    dock.tools._tool_buttons[Tool.CURVE].click()
    assert "draw curves first" in dock.random.curves.text()
    mouse.drag(*[(100.0, float(x)) for x in range(30, 231, 10)])
    assert len(dock.canvas.sketch.curves) == 0  # taken over as soon as napari has finished
    qtbot.waitUntil(lambda: len(dock.canvas.sketch.curves) == 1)
    assert dock.random.curves.text() == "A row of epithelium will stand along the drawn curve."
    dock.random.form.fields["density"].value = 0.0
    with qtbot.waitSignal(dock.random.finished, timeout=20_000):
        dock.random.generate()
    nuclei = list(dock.canvas.layout.nuclei.values())
    centers = np.array([each.outline.centroid for each in nuclei])
    assert {each.class_name for each in nuclei} == {"epithelial"}
    assert len(nuclei) >= 10
    assert np.abs(centers[:, 0] - 100.0).max() * pixel_size < 8.0
    assert np.ptp(centers[:, 1]) > 150
    assert len(dock.canvas.sketch.curves) == 1
    qtbot.waitUntil(lambda: not dock.random.is_running)


def test_size_and_direction_of_the_stamp_are_boxes_in_step_with_the_keys(dock: LayoutDock) -> None:
    stamp, panel = dock.canvas.stamp_tool, dock.tools
    stamp.name = "lymphocyte"
    assert panel.stamp_size.value() == 7.0
    assert panel.stamp_turn.text() == "random"
    panel.stamp_size.setValue(9.0)
    panel.stamp_turn.setValue(30)
    assert stamp.stamp.diameter == 9.0
    assert stamp.stamp.orientation == 30.0
    stamp.grow(1.1)
    stamp.turn(15.0)
    assert stamp.stamp.diameter == pytest.approx(9.9)
    assert panel.stamp_size.value() == pytest.approx(9.9)
    assert panel.stamp_turn.value() == 15
    stamp.turn(30.0)
    assert panel.stamp_turn.value() == 345
    panel.stamp_turn.setValue(panel.stamp_turn.minimum())
    assert stamp.stamp.orientation is None
    stamp.name = "epithelial, tall"
    assert panel.stamp_size.value() == 8.0
    assert panel.stamp_turn.value() == 90


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
