"""Make the documentation's pictures by running the program.

Run it with a display, or without one where xvfb-run is installed. The pictures show the sample only. With the word
``--no-training``, the pictures of the docks that train, for which networks are trained, stay as they are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent / "images"
SIZE = (1400, 900)


def main() -> None:
    """Take all pictures."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        program = shutil.which("xvfb-run") or sys.exit("There is no display; install xvfb.")
        command = [program, "-a", "-s", f"-screen 0 {SIZE[0]}x{SIZE[1]}x24", sys.executable, *sys.argv]
        sys.exit(subprocess.run(command, check=False).returncode)

    # Whatever somebody's own sessions left behind is not for the pictures.
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()
    from histoloom.gui.canvas import canvas_of
    from histoloom.gui.opening import open_viewer
    from histoloom.gui.scale_bar import show_scale_bar
    from histoloom.gui.tools import Tool
    from histoloom.layouts.random_layout import random_layout
    from histoloom.layouts.random_recipe import preset_recipe
    from histoloom.tiles.samples import EMBEDDED_SAMPLE_TITLE, embedded_sample
    from histoloom.tiles.tissue import FIBROUS

    FOLDER.mkdir(exist_ok=True)
    viewer, docks = open_viewer()
    canvas = canvas_of(viewer)
    tile = embedded_sample()
    canvas.set_tile(tile, EMBEDDED_SAMPLE_TITLE)
    show_scale_bar(viewer)
    height, width = tile.shape
    pixel_size = canvas.layout.pixel_size
    size = {"height": height, "width": width, "pixel_size": pixel_size}
    recipe = preset_recipe("mixed", **size)
    canvas.open_layout(random_layout(recipe, seed=4))
    weave = docks["Weave"]
    weave.live.setChecked(True)
    wait(lambda: weave.weaving.look is not None and weave.weaving.is_settled)
    viewer.reset_view()
    save(viewer, "window.png")

    bring_up(docks["Layout"])
    canvas.tool = Tool.SELECT
    middle = (height / 2, width / 2)
    near = sorted(
        canvas.layout.nuclei.values(),
        key=lambda each: np.hypot(*(np.subtract(each.outline.centroid, middle))),
    )
    canvas.select(each.id for each in near[:5])
    save(viewer, "layout.png")

    canvas.open_layout(random_layout(preset_recipe("colon glands", **size), seed=4))
    canvas.tissue.choose(FIBROUS)
    wait(lambda: weave.weaving.is_settled)
    save(viewer, "tissue.png")
    canvas.tool = Tool.PAN
    canvas.open_layout(random_layout(recipe, seed=4))
    wait(lambda: weave.weaving.is_settled)

    bring_up(docks["Tiles"])
    save(viewer, "tiles.png")

    bring_up(weave)
    canvas.comparison.side_by_side()
    save(viewer, "side-by-side.png")
    canvas.comparison.side_by_side()
    take_compare(viewer, canvas, docks["Compare"])
    take_weights(viewer, canvas, weave, docks["Weights"])
    canvas.open_layout(random_layout(recipe, seed=4))
    wait(lambda: weave.weaving.is_settled)
    if "--no-training" not in sys.argv:
        take_train(viewer, docks["Train generator"])
        take_train_segmenter(viewer, canvas, docks["Train segmenter"])
    weave.close_weaving()
    viewer.close()


def take_compare(viewer: Any, canvas: Any, dock: Any) -> None:
    """Find nuclei in the woven picture by a threshold, and take the dock that shows where that went wrong."""
    from skimage.color import rgb2hed
    from skimage.filters import gaussian, threshold_otsu
    from skimage.measure import label
    from skimage.morphology import remove_small_objects

    from histoloom.gui.canvas_layers import AGREEMENT, WOVEN

    haematoxylin = gaussian(rgb2hed(canvas.layers.find(WOVEN).data)[..., 0], 1.5)
    found = remove_small_objects(label(haematoxylin > threshold_otsu(haematoxylin)), max_size=60)
    size = canvas.layout.pixel_size
    layer = viewer.add_labels(
        found.astype(np.int32), name="Prediction", scale=(size, size), units=("micrometer", "micrometer"), visible=False
    )
    bring_up(dock)
    wait(lambda: dock.agreement.latest is not None and dock.is_settled)
    viewer.reset_view()
    save(viewer, "compare.png")
    dock.live.setChecked(False)
    for each in (layer, canvas.layers.find(AGREEMENT)):
        viewer.layers.remove(each)


def take_weights(viewer: Any, canvas: Any, weave: Any, dock: Any) -> None:
    """Have tissue of the texture weaver judged by the first critic that is known; without one, the picture stays."""
    from histoloom.gui.canvas_layers import TILE, WEIGHTS
    from histoloom.gui.status_card import Level
    from histoloom.layouts.random_layout import random_layout
    from histoloom.layouts.random_recipe import preset_recipe

    bring_up(dock)
    wait(dock.isVisible)
    critic = dock.parts.critic.critic
    if critic is None:
        print("There is no critic, so the picture of the Weights dock stays as it is.")
        return
    generator, size = weave.generator.reference, critic[1].pixel_size
    sides = [round(side * canvas.layout.pixel_size / size) for side in canvas.layout.shape]
    canvas.open_layout(
        random_layout(preset_recipe("colon glands", height=sides[0], width=sides[1], pixel_size=size), seed=4)
    )
    weave.generator.choose("texture")
    wait(lambda: weave.weaving.generator == "texture" and weave.weaving.is_settled, 300)
    wait(lambda: dock.weights.latest is not None or dock.parts.card.level is Level.ERROR, 300)
    if dock.weights.latest is None:
        sys.exit(dock.parts.card.text)
    dock.parts.lists.setCurrentIndex(1)
    dock.parts.clip.activated.emit(0)
    wait(lambda: dock.is_settled and bool(dock.parts.nuclei.listed))
    canvas.layers.find(TILE).visible = False
    viewer.reset_view()
    viewer.cursor.position = (40.0, 120.0)
    for callback in viewer.mouse_move_callbacks:
        callback(viewer, None)
    save(viewer, "weights.png")
    dock.parts.picture.choose(None)
    canvas.layers.find(TILE).visible = True
    weave.generator.choose(generator)
    if canvas.layers.find(WEIGHTS) is not None:
        viewer.layers.remove(canvas.layers.find(WEIGHTS))


def take_train(viewer: Any, dock: Any) -> None:
    """Train a small network on the canvas for a while, and take the dock that follows it."""
    from histoloom.training.systems.pix2pix_recipe import Pix2PixRecipe

    recipe = Pix2PixRecipe(
        width=16, discriminator_width=16, depth=6, crop_size=64, pixel_size=0.5, device="cpu", log_every=5,
        validate_every=25, preview_every=50, checkpoint_every=50, previews=3,
    )  # fmt: skip
    bring_up(dock)
    dock.recipe.show_recipe("pix2pix", recipe)
    dock.data.source.setCurrentIndex(1)
    dock.folder.setText(str(Path(tempfile.mkdtemp()) / "colon"))
    dock.start_training()
    wait(lambda: dock.session.run is not None and max(dock.session.run.run.previews(), default=0) >= 300, 900)
    viewer.reset_view()
    save(viewer, "train.png")
    dock.stop_training()
    wait(lambda: not dock.session.status.is_active)


def take_train_segmenter(viewer: Any, canvas: Any, dock: Any) -> None:
    """Train a small segmenter on tiles that are woven for it, and take the dock and what it finds in the sample."""
    from histoloom.gui.canvas_layers import PREDICTION, PREVIEW, TILE, WOVEN
    from histoloom.layouts import Layout
    from histoloom.training.systems.segmenter_recipe import SegmenterRecipe

    recipe = SegmenterRecipe(
        width=8, steps=100_000, batch_size=4, crop_size=96, pixel_size=0.5, learning_rate=3e-3, average_decay=0.9,
        weave=12, layouts="random", layout_side=256, looks="named", validate_every=25, preview_every=25,
        checkpoint_every=25, validation_crops=8, log_every=5, device="cpu",
    )  # fmt: skip
    shape, size = canvas.layout.shape, canvas.layout.pixel_size
    canvas.open_layout(Layout.empty(shape, size))
    bring_up(dock)
    dock.recipe.show_recipe("segmenter", recipe)
    dock.data.source.setCurrentIndex(0)
    dock.previews.follow.setChecked(False)
    dock.folder.setText(str(Path(tempfile.mkdtemp()) / "colon-nuclei"))
    dock.start_training()
    wait(lambda: dock.session.run is not None and max(dock.session.run.run.bundles(), default=0) >= 300, 900)
    dock.pause_training()
    wait(lambda: not dock.is_busy and canvas.layers.find(PREDICTION) is not None)
    for role in (PREVIEW, WOVEN):
        if canvas.layers.find(role) is not None:
            viewer.layers.remove(canvas.layers.find(role))
    canvas.layers.find(TILE).visible = True
    viewer.reset_view()
    save(viewer, "train-segmenter.png")
    dock.stop_training()
    wait(lambda: not dock.session.status.is_active)


def bring_up(widget: Any) -> None:
    """Bring a tab to the front."""
    from qtpy.QtWidgets import QApplication, QDockWidget

    # Docks that go back to their places, as when the second view was closed, do so first, or this tab would not stay.
    QApplication.processEvents()
    parent = widget.parent()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parent()
    if parent is not None:
        parent.raise_()


def save(viewer: Any, name: str) -> None:
    """Let the window settle and save it."""
    end = time.monotonic() + 1.5
    wait(lambda: time.monotonic() > end)
    pixels = viewer.screenshot(canvas_only=False, flash=False)
    Image.fromarray(np.ascontiguousarray(pixels[..., :3])).save(FOLDER / name, optimize=True)


def wait(done: Callable[[], bool], patience: float = 120) -> None:
    """Let the viewer work until something is done, at most so many seconds."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + patience
    while not done():
        QApplication.processEvents()
        time.sleep(0.005)
        if time.monotonic() > end:
            sys.exit(f"The viewer took over {patience:.0f} s; try again on a quieter machine.")


if __name__ == "__main__":
    main()
