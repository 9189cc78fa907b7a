"""``histoloom view``: what is given lies on the canvas."""

from __future__ import annotations

from pathlib import Path

import napari
import numpy as np
import pytest
from PIL import Image

from histoloom.cli import main
from histoloom.gui import opening
from histoloom.gui.canvas import canvas_of
from histoloom.layouts import save_layout


@pytest.fixture
def opened(make_napari_viewer, monkeypatch):
    """Viewers that the command opens; napari's event loop returns at once."""
    viewers = []

    def open_viewer():
        viewer = make_napari_viewer()
        viewers.append(viewer)
        return viewer, {"Tiles": None}

    monkeypatch.setattr(opening, "open_viewer", open_viewer)
    monkeypatch.setattr(napari, "run", lambda: None)
    return viewers


def test_a_tile_and_a_layout_lie_on_one_canvas_whatever_their_order(opened, layout, tmp_path: Path):
    Image.fromarray(np.full((*layout.shape, 3), 170, np.uint8)).save(tmp_path / "tile.png")
    save_layout(layout, tmp_path / "case.tif")

    assert main(["view", str(tmp_path / "case.tif"), str(tmp_path / "tile.png")]) == 0

    (viewer,) = opened
    canvas = canvas_of(viewer)
    assert canvas.layout.equals(layout)
    assert canvas.tile is not None
    assert canvas.tile.shape == layout.shape


def test_a_file_that_cannot_be_opened_is_said_and_the_viewer_goes(opened, tmp_path: Path, capsys, monkeypatch):
    (tmp_path / "tile.png").write_bytes(b"")
    closed = []
    monkeypatch.setattr(napari.Viewer, "close", lambda viewer: closed.append(viewer))

    assert main(["view", str(tmp_path / "tile.png")]) == 1
    assert "'tile.png' is empty" in capsys.readouterr().err
    assert closed == opened
    monkeypatch.undo()
