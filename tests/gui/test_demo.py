"""The demo and the window as a whole, in a real napari with a real display."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histoloom.errors import HistoloomError
from histoloom.gui.opening import has_display, open_viewer, require_opengl
from histoloom.layouts.files import load_layout


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "histoloom", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | environment,
        check=False,
    )


def test_the_scripted_demo_leaves_window_picture_and_layout(tmp_path: Path) -> None:
    result = run("demo", "--scripted", "--folder", str(tmp_path / "demo"))
    assert result.returncode == 0, result.stderr
    assert "median" in result.stdout
    assert "ms" in result.stdout
    window = np.asarray(Image.open(tmp_path / "demo" / "window.png"))
    woven = np.asarray(Image.open(tmp_path / "demo" / "woven.png"))
    layout = load_layout(tmp_path / "demo" / "layout.tif")
    assert window.shape[0] > 600
    assert woven.shape == (*layout.shape, 3)
    assert woven.std() > 15, "tissue is not of one colour"
    assert len(layout.nuclei) > 50


def test_a_tile_that_cannot_be_read_ends_the_demo_with_a_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"")
    result = run("demo", str(broken), "--scripted", "--folder", str(tmp_path))
    assert result.returncode == 1
    assert "broken.png" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the platform has no display without OpenGL to test with")
def test_a_display_without_opengl_is_explained_before_napari_aborts(tmp_path: Path) -> None:
    result = run("demo", "--scripted", "--folder", str(tmp_path), QT_QPA_PLATFORM="offscreen", DISPLAY=":0")
    assert result.returncode == 1
    assert "no working OpenGL" in result.stderr
    assert "Traceback" not in result.stderr


def test_opengl_is_found_here() -> None:
    if not has_display():
        pytest.skip("there is no display")
    require_opengl()


def test_without_a_display_a_window_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(HistoloomError, match="no display"):
        open_viewer()
