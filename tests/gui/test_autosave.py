"""Autosave: what was drawn survives a crash, and a clean exit leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from histoloom.errors import LayoutError
from histoloom.gui.autosave import Autosave, discard, left_behind
from histoloom.gui.autosave_file import read_autosave, write_autosave
from histoloom.gui.canvas import Canvas
from histoloom.layouts import Layout, LayoutEdit
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import RandomLayoutRecipe


@pytest.fixture
def autosave(canvas: Canvas, tmp_path: Path) -> Any:
    autosave = Autosave(canvas, tmp_path, delay_ms=10)
    yield autosave
    autosave.close()


def test_an_edit_is_saved_soon_and_a_clean_exit_removes_it(canvas: Canvas, autosave: Autosave, qtbot: Any) -> None:
    canvas.apply(LayoutEdit.of("Delete", canvas.layout, {1: None}))
    qtbot.waitUntil(lambda: autosave.path.exists())
    autosave.wait()
    assert read_autosave(autosave.path).equals(canvas.layout)
    assert left_behind(autosave.folder) == []  # this session is alive
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


SCRIPT = """
from pathlib import Path
from qtpy.QtWidgets import QApplication
from napari.components import ViewerModel
from histoloom.gui.autosave import Autosave
from histoloom.gui.canvas import canvas_of
from histoloom.layouts import Layout, Nucleus, Outline

app = QApplication([])
viewer = ViewerModel()
canvas = canvas_of(viewer)
autosave = Autosave(canvas, Path(FOLDER))
canvas.open_layout(Layout.empty((64, 64)))
nucleus = Nucleus.create(1, Outline.ellipse((30.0, 30.0), (9.0, 6.0)), "tumor")
canvas.change("Stamp", {1: nucleus})
"""


def run(folder: Path, *last_lines: str) -> None:
    script = "\n".join([SCRIPT.replace("FOLDER", repr(str(folder))), *last_lines])
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    subprocess.run([sys.executable, "-c", script], env=environment, timeout=120, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(
    "end",
    [
        ("autosave.save()", "autosave.wait()", "import os", "os._exit(1)"),
        ("raise RuntimeError('a mistake in a script')",),
    ],
    ids=["crash", "exception"],
)
def test_what_a_dead_process_left_is_found_and_can_be_read(tmp_path: Path, end: tuple[str, ...]) -> None:
    run(tmp_path, *end)
    (path,) = left_behind(tmp_path)
    layout = read_autosave(path)
    assert layout.nuclei[1].class_name == "tumor"
    discard(path)
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_ends_well_leaves_nothing(tmp_path: Path) -> None:
    run(tmp_path, "autosave.save()", "autosave.wait()")
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_my_own_process_id_from_an_earlier_process_is_offered(
    layout: Layout, canvas: Canvas, tmp_path: Path
) -> None:
    earlier = tmp_path / f"canvas-{os.getpid()}-1.npz"
    write_autosave(layout, earlier)
    earlier.with_suffix(".lock").touch()
    autosave = Autosave(canvas, tmp_path)
    autosave.save()
    autosave.wait()
    assert autosave.path.exists()
    assert autosave.path != earlier
    assert left_behind(tmp_path) == [earlier]
    autosave.close()
    assert read_autosave(earlier).equals(layout)


def test_an_autosave_gives_back_the_very_layout(tmp_path: Path) -> None:
    layout = random_layout(RandomLayoutRecipe(height=300, width=400, gland_density=200.0), seed=3)
    moved = layout.with_nuclei({1: layout.nuclei[1].rotated(0.3).moved(1.5, 2.0), 2: None})
    write_autosave(moved, tmp_path / "saved.npz")
    assert read_autosave(tmp_path / "saved.npz").equals(moved)


def test_a_damaged_autosave_is_explained(tmp_path: Path) -> None:
    (tmp_path / "saved.npz").write_bytes(b"PK half a file")
    with pytest.raises(LayoutError, match="was damaged, and drawing starts anew"):
        read_autosave(tmp_path / "saved.npz")
