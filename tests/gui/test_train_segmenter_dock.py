"""The Train segmenter dock with real, tiny trainings in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from histoloom.gui.canvas import Canvas
from histoloom.gui.train_dock import TrainDock
from histoloom.gui.train_segmenter_dock import TrainSegmenterDock
from histoloom.gui.training_session import training_session_of
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe
from tile_folders import write_tiles

pytestmark = pytest.mark.usefixtures("own_runs")

PATIENCE_MS = 240_000
SMALL = SegmenterRecipe(
    architecture="unet", width=2, steps=1_000_000, batch_size=2, crop_size=32, pixel_size=0.25, log_every=2,
    validate_every=4, preview_every=8, checkpoint_every=8, checkpoints_kept=1, validation_crops=2, previews=2,
    device="cpu", precision="32-true",
)  # fmt: skip


@pytest.fixture
def dock(viewer: ViewerModel, canvas: Canvas, qtbot: QtBot) -> Iterator[TrainSegmenterDock]:
    dock = TrainSegmenterDock(viewer)  # type: ignore[arg-type]
    qtbot.addWidget(dock)
    dock.recipe.show_recipe("segmenter", SMALL)
    yield dock
    dock.close()
    training_session_of(canvas, "segmenter").close()


def state(dock: TrainDock) -> str:
    return dock.session.status.state if dock.session.status is not None else "none"


def wait_for(dock: TrainDock, qtbot: QtBot, *states: str) -> None:
    try:
        qtbot.waitUntil(lambda: state(dock) in states, timeout=PATIENCE_MS)
    except Exception as error:
        raise AssertionError(f"{state(dock)}: {dock.card.text}") from error


def test_a_segmenter_is_trained_on_folders_and_its_score_is_followed(
    dock: TrainSegmenterDock, viewer: ViewerModel, qtbot: QtBot, tmp_path: Path
) -> None:
    dock.data.choose_folder(write_tiles(tmp_path / "one", tiles=3), write_tiles(tmp_path / "two", tiles=3))
    qtbot.waitUntil(lambda: "two: 3 tiles" in dock.data.found.text(), timeout=PATIENCE_MS)
    dock.data.licence.setText("CC0; CC BY 4.0")
    dock.start.click()
    wait_for(dock, qtbot, "training")
    other = TrainDock(viewer)
    qtbot.addWidget(other)
    assert other.session.run is None
    assert other.runs.count() == 1
    other.open_folder(dock.session.run.folder)
    assert "trains a segmenter; open it in the dock that trains such" in other.card.text

    qtbot.waitUntil(lambda: len(dock.session.run.run.checkpoints()) > 0, timeout=PATIENCE_MS)
    dock.session.look()
    assert "dice loss" in dock.curves.losses.text
    assert "dice loss (held out)" in dock.curves.losses.text
    best = dock.session.run.series.curves("score")["dice"].best
    assert f"best {best[1]:.4g} at step {best[0]:,}" in dock.curves.scores.text
    dock.stop.click()
    wait_for(dock, qtbot, "stopped")
    assert [each["licence"] for each in dock.session.run.run.environment["data"]] == ["CC0", "CC BY 4.0"]
