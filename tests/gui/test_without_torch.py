"""The viewer's process never imports PyTorch, which takes seconds and a gigabyte."""

from __future__ import annotations

import os
import subprocess
import sys

from small_bundles import small_bundle

WEAVE_LIVE = """
import sys, time
import numpy as np
import napari
from qtpy.QtWidgets import QApplication
from histoloom.gui.canvas import canvas_of
from histoloom.gui.canvas_layers import WOVEN
from histoloom.gui.opening import open_viewer
from histoloom.layouts import Layout, Nucleus, Outline

viewer, docks = open_viewer(show=False)
nucleus = Nucleus.create(1, Outline.ellipse((60.0, 60.0), (9.0, 7.0)))
canvas = canvas_of(viewer)
canvas.open_layout(Layout.from_nuclei([nucleus], (128, 128), 0.5))
dock = docks["Weave"]
dock.looks.choose_sample()
dock.live.setChecked(True)
end = time.monotonic() + 300
while canvas.layers.find(WOVEN) is None or not dock.weaving.is_settled:
    QApplication.processEvents()
    time.sleep(0.005)
    if time.monotonic() > end:
        sys.exit("nothing was woven")
dock.generator.choose("mine")
end = time.monotonic() + 300
while dock.weaving.generator != "mine" or not dock.weaving.is_settled:
    QApplication.processEvents()
    time.sleep(0.005)
    if time.monotonic() > end:
        sys.exit("the bundle wove nothing: " + dock.card.text)
woven = np.asarray(canvas.layers.find(WOVEN).data)
dock.close_weaving()
viewer.close()
if not woven.any():
    sys.exit("the woven layer is black")
print(sorted(docks), "torch" in sys.modules)
"""


def test_all_docks_and_live_weaving_leave_torch_unimported(tmp_path):
    small_bundle(tmp_path / "mine.safetensors")
    finished = subprocess.run(
        [sys.executable, "-c", WEAVE_LIVE],
        capture_output=True,
        text=True,
        timeout=660,
        check=False,
        env=dict(os.environ, HISTOLOOM_MODELS=str(tmp_path)),
    )

    docks = ["Compare", "Layout", "Structure", "Tiles", "Train generator", "Train segmenter", "Weave", "Weights"]
    assert finished.stdout.splitlines()[-1:] == [f"{docks} False"], finished.stderr[-2000:]
