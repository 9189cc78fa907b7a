"""The exports of the Weights dock: asked for by its buttons, written in the background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from histoloom.gui.critic_chooser import Critic
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.nucleus_weights_list import WeighedNucleus
from histoloom.gui.status_card import Level
from histoloom.gui.weights_export import save_nuclei, save_tiles, save_tiles_in_folder
from histoloom.importance import ClipRange, TileWeight, WeighingFacts
from histoloom.jobs.judged_folder import JudgedFolder


class WeightsExporting(QObject):
    """Writes tables one after another, and tells how that went.

    Parameters
    ----------
    parent
        The widget over which files are asked for.
    """

    told = Signal(object, str)
    """(level, sentence)."""
    failed = Signal(object)
    """The exception, if something cannot be written."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._asking = parent
        self._call = LatestCall(self)

    @property
    def is_busy(self) -> bool:
        """Whether something is being written."""
        return self._call.is_busy

    def save_tiles(self, path: Path, tiles: Sequence[TileWeight], facts: WeighingFacts) -> None:
        """Write the weights of tiles as a table."""
        self._start(partial(save_tiles, path, tiles, facts))

    def save_tiles_in_folder(
        self, folder: JudgedFolder | None, tiles: Sequence[TileWeight], facts: WeighingFacts
    ) -> None:
        """Write the weights beside the tiles, where 'train segmenter' reads them."""
        if folder is None:
            words = "There is no folder of judged tiles; choose one and wait until it is judged."
            self.told.emit(Level.ATTENTION, words)
            return
        self._start(partial(save_tiles_in_folder, folder, tiles, facts))

    def save_nuclei(self, path: Path, nuclei: Sequence[WeighedNucleus]) -> None:
        """Write the weights of nuclei as a table."""
        self._start(partial(save_nuclei, path, nuclei))

    def ask_where(self, suggested: str, write: Callable[[Path], None], _checked: bool = False) -> None:
        """Ask for a table's file, and write it if there is an answer."""
        name, _ = QFileDialog.getSaveFileName(self._asking, "Weights", str(Path.home() / suggested), "Tables (*.csv)")
        if name:
            write(Path(name))

    def _start(self, write: Callable[[], Path]) -> None:
        self.told.emit(Level.WORKING, "Writing…")
        self._call.start(write, self._on_written, self.failed.emit)

    def _on_written(self, target: Path) -> None:
        self.told.emit(Level.OK, f"'{target.name}' was written to '{target.parent}'.")


def weighing_facts(critic: Critic | None, clip: ClipRange, remark: str = "") -> WeighingFacts:
    """Return what a table says of how its weights came about.

    Parameters
    ----------
    critic, clip
        Who judged, and where weights are cut.
    remark
        What is to be heeded about how it judged; stands in brackets behind its name.
    """
    if critic is None:
        return WeighingFacts(clip=clip.as_text())
    name = f"{critic[0].name} ({remark})" if remark else critic[0].name
    return WeighingFacts(name, critic[1].weights_sha256, clip.as_text())
