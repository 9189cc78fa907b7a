"""Autosave: what was drawn survives a crash, and a clean exit leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from histoloom.gui.autosave import Autosave, discard, left_behind
from histoloom.gui.canvas import Canvas
from histoloom.layouts import LayoutEdit
from histoloom.layouts.files import load_layout


@pytest.fixture
def autosave(canvas: Canvas, tmp_path: Path) -> Any:
    autosave = Autosave(canvas, tmp_path, delay_ms=10)
    yield autosave
    autosave.close()


def test_an_edit_is_saved_soon_and_a_clean_exit_removes_it(canvas: Canvas, autosave: Autosave, qtbot: Any) -> None:
    canvas.apply(LayoutEdit.of("Delete", canvas.layout, {1: None}))
    qtbot.waitUntil(lambda: autosave.path.exists())
    autosave.wait()
    assert load_layout(autosave.path).equals(canvas.layout)
    assert left_behind(autosave.folder) == []  # this process is alive
    autosave.close()
    assert list(autosave.folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said_and_does_no_harm(canvas: Canvas, tmp_path: Path, qtbot: Any) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    autosave = Autosave(canvas, blocked)
    said: list[str] = []
    autosave.failed.connect(said.append)
    autosave.save()
    autosave.wait()
    assert "cannot be written" in said[0]
    autosave.close()


def test_what_a_dead_process_left_is_found_and_can_be_read(tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import os
        from pathlib import Path
        from qtpy.QtWidgets import QApplication
        from napari.components import ViewerModel
        from histoloom.gui.autosave import Autosave
        from histoloom.gui.canvas import canvas_of
        from histoloom.layouts import Layout, Nucleus, Outline

        app = QApplication([])
        viewer = ViewerModel()
        canvas = canvas_of(viewer)
        autosave = Autosave(canvas, Path({str(tmp_path)!r}))
        canvas.open_layout(Layout.empty((64, 64)))
        nucleus = Nucleus.create(1, Outline.ellipse((30.0, 30.0), (9.0, 6.0)), "tumor")
        canvas.change("Stamp", {{1: nucleus}})
        autosave.save()
        autosave.wait()
        os._exit(1)
        """
    )
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "QT_QPA_PLATFORM": "offscreen"}, timeout=120)
    (path,) = left_behind(tmp_path)
    layout = load_layout(path)
    assert layout.nuclei[1].class_name == "tumor"
    discard(path)
    assert list(tmp_path.iterdir()) == []
