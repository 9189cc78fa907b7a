"""What a training weaves or finds: previews in one layer, checkpoints side by side, and the export of one of them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from histoloom.errors import HistoloomError, RunError
from histoloom.gui.canvas_layers import PREVIEW
from histoloom.gui.latest_call import LatestCall
from histoloom.jobs.checkpoint_sheets import read_preview, side_by_side
from histoloom.jobs.training_order import Trained, system_of
from histoloom.models import BUNDLE_SUFFIX, bundle_folder, load_bundle, save_bundle
from histoloom.runs import Run

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_MOST_COMPARED = 6
_STEP = Qt.ItemDataRole.UserRole
_LIST_HEIGHT = 110
_REFINER = "refiner"
"""A system that trains generators, but whose previews begin with another picture than a layout."""

_COLUMNS = {
    "generator": "layout, real tile, and what is woven from the layout",
    "segmenter": "held-out picture, its nuclei, and those found (white: both, green: not there, magenta: missed)",
    _REFINER: "first picture of a held-out layout, real tile, and what is refined from the first picture",
    "critic": "held-out picture, its reference, and where it is taken for real (white) or woven (black)",
}
_FIRST_COLUMNS = {
    "generator": "Layout and real tile",
    "segmenter": "Picture and its nuclei",
    _REFINER: "First picture and real tile",
    "critic": "Picture and reference",
}
_DOES = {"generator": "weave", "segmenter": "find", "critic": "take for real", _REFINER: "refine"}
_OFFERED_BY = {
    "generator": "the Weave dock",
    "segmenter": "Find nuclei, in the Tiles dock,",
    "critic": "the Weights dock",
}


class TrainingPreviewsPanel(QWidget):
    """A list of steps; ticked ones are compared, the selected one is shown or exported.

    Parameters
    ----------
    canvas
        In whose viewer previews are shown, right of the canvas.
    trained
        What the runs train.
    parent
        Qt parent.
    """

    told = Signal(bool, str)
    """(good, sentence) about what was asked for."""

    def __init__(self, canvas: Canvas, trained: Trained = "generator", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._trained = trained
        self._what: str = trained
        self._canvas = canvas
        self._run: Run | None = None
        self._reading, self._exporting = LatestCall(self), LatestCall(self)
        self.steps = QListWidget()
        self.steps.setAccessibleName("Steps with previews")
        self.steps.setFixedHeight(_LIST_HEIGHT)
        self.follow = QCheckBox("Follow the latest preview")
        self.follow.setChecked(True)
        self.shown = QLabel("No preview yet.")
        self.shown.setWordWrap(True)
        self.go_there = QPushButton("Go to it")
        self.go_there.setToolTip("Move the camera to the preview, which lies right of the canvas.")
        self.compare = QPushButton("Compare ticked")
        self.compare.setToolTip("Show the same layouts by each ticked step, side by side.")
        self.export = QPushButton("Export bundle…")
        self.export.setToolTip("Write the selected step's network as one file.")
        self.keep = QPushButton("Add to my bundles")
        self.keep.setToolTip(f"Put the selected step's network where {_OFFERED_BY[trained]} offers it.")
        self._lay_out()
        self.steps.currentItemChanged.connect(lambda *_: self._enable())
        self.steps.itemChanged.connect(lambda *_: self._enable())
        self.steps.itemActivated.connect(lambda item: self.show_step(int(item.data(_STEP))))
        self.steps.itemClicked.connect(lambda item: self._on_clicked(int(item.data(_STEP))))
        self.compare.clicked.connect(self.compare_ticked)
        self.go_there.clicked.connect(self.look_at_preview)
        self.export.clicked.connect(self._on_export)
        self.keep.clicked.connect(self.add_to_bundles)
        self._enable()

    @property
    def is_busy(self) -> bool:
        """Whether something is being read or written."""
        return self._reading.is_busy or self._exporting.is_busy

    @property
    def ticked(self) -> list[int]:
        """The ticked steps, from the first to the last."""
        items = [self.steps.item(row) for row in range(self.steps.count())]
        return sorted(int(each.data(_STEP)) for each in items if each.checkState() == Qt.CheckState.Checked)

    @property
    def selected(self) -> int | None:
        """The selected step."""
        item = self.steps.currentItem()
        return None if item is None else int(item.data(_STEP))

    def open_run(self, run: Run | None) -> None:
        """List the steps of a run, and show its latest preview."""
        self._reading.cancel()
        self._run = run
        self._what = _what_is_shown(run, self._trained)
        self.steps.clear()
        self.shown.setText("No preview yet.")
        self.follow.setChecked(True)
        self.list_steps()

    def list_steps(self) -> None:
        """List the steps that the run has now; the newest first."""
        run = self._run
        if run is None:
            self._enable()
            return
        previews, bundles = run.previews(), run.bundles()
        known = {int(self.steps.item(row).data(_STEP)): self.steps.item(row) for row in range(self.steps.count())}
        for step in sorted({*previews, *bundles}):
            item = known.get(step)
            if item is None:
                item = QListWidgetItem()
                item.setData(_STEP, step)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Unchecked)
                self.steps.insertItem(0, item)
            parts = [name for name, has in (("preview", step in previews), ("bundle", step in bundles)) if has]
            item.setText(f"Step {step:,}: {' and '.join(parts)}")
        if self.steps.currentItem() is None and self.steps.count():
            self.steps.setCurrentRow(0)
        if self.follow.isChecked() and previews:
            self._show(max(previews))
        self._enable()

    def show_step(self, step: int) -> None:
        """Show the preview of a step, and follow the latest no more."""
        self.follow.setChecked(False)
        self._show(step)

    def compare_ticked(self) -> None:
        """Show the ticked steps side by side on the layouts that all previews have."""
        run, steps = self._run, self.ticked
        if run is None:
            return
        paths = {step: path for step, path in run.previews().items() if step in steps}
        if not 2 <= len(paths) <= _MOST_COMPARED:
            self.told.emit(
                False,
                f"{len(paths)} ticked steps have previews; tick from two to {_MOST_COMPARED} to compare them.",
            )
            return
        self.follow.setChecked(False)
        steps_in_words = ", ".join(f"{each:,}" for each in paths)
        words = f"{_FIRST_COLUMNS[self._what]}, then what steps {steps_in_words} {_DOES[self._what]}."
        self._read(
            lambda: side_by_side({step: read_preview(path) for step, path in paths.items()}, _cell_of(run)), words
        )

    def look_at_preview(self) -> None:
        """Move the camera to the preview."""
        layer = self._canvas.layers.find(PREVIEW)
        if layer is None:
            self.told.emit(False, "There is no preview yet; wait for the first one.")
            return
        layer.visible = True
        viewer = self._canvas.viewer
        try:
            viewer.fit_to_view(layers=[layer])
        except (AttributeError, TypeError):  # before napari 0.9, only all layers could be brought into view
            viewer.reset_view()

    def export_bundle(self, path: Path) -> None:
        """Write the selected step's bundle to a file, in the background."""
        run, step = self._run, self.selected
        if run is None or step is None:
            self.told.emit(False, "No step is selected; select one that has a bundle.")
            return
        source = run.bundle_path(step)

        def work() -> Path:
            if not source.is_file():
                raise RunError(f"Step {step:,} has no bundle; select one that has.")
            save_bundle(load_bundle(source), path)
            return path

        self._exporting.start(
            work,
            lambda written: self.told.emit(True, f"The bundle of step {step:,} is in '{written}'."),
            self._on_error,
        )

    def add_to_bundles(self) -> None:
        """Put the selected step's bundle into this person's folder of bundles."""
        run, step = self._run, self.selected
        if run is not None and step is not None:
            self.export_bundle(bundle_folder() / f"{run.folder.name}_step_{step}{BUNDLE_SUFFIX}")

    def close_panel(self) -> None:
        """Forget what is being read."""
        self._reading.cancel()
        self._exporting.cancel()

    def _show(self, step: int) -> None:
        run = self._run
        if run is None:
            return
        path = run.previews().get(step)
        if path is None:
            self.told.emit(False, f"Step {step:,} has no preview; select one that has.")
            return
        self._read(lambda: read_preview(path), f"Step {step:,}: {_COLUMNS[self._what]}.")

    def _read(self, read: Any, words: str) -> None:
        def done(pixels: NDArray[np.uint8]) -> None:
            self._put_into_layer(pixels)
            self.shown.setText(words)

        self._reading.start(read, done, self._on_error)

    def _put_into_layer(self, pixels: NDArray[np.uint8]) -> None:
        run, canvas = self._run, self._canvas
        if run is None:
            return
        left = 0.0
        if canvas.is_open:
            width = canvas.layout.shape[1] * canvas.layout.pixel_size
            left = width * 1.05
        canvas.layers.preview(pixels, float(run.recipe.get("pixel_size", canvas.layout.pixel_size)), left)
        self._enable()

    def _on_clicked(self, step: int) -> None:
        if self._run is not None and step in self._run.previews():
            self.show_step(step)

    def _on_export(self) -> None:
        run, step = self._run, self.selected
        if run is None or step is None:
            return
        suggested = str(Path.home() / f"{run.folder.name}_step_{step}{BUNDLE_SUFFIX}")
        name, _ = QFileDialog.getSaveFileName(self, "Export the bundle", suggested, f"Bundles (*{BUNDLE_SUFFIX})")
        if name:
            self.export_bundle(Path(name))

    def _on_error(self, error: Exception) -> None:
        self.told.emit(False, str(error) if isinstance(error, HistoloomError) else f"That failed ({error}).")

    def _enable(self) -> None:
        has_bundle = self._run is not None and self.selected in self._run.bundles()
        self.export.setEnabled(has_bundle)
        self.keep.setEnabled(has_bundle)
        self.compare.setEnabled(len(self.ticked) > 1)
        self.go_there.setEnabled(self._canvas.layers.find(PREVIEW) is not None)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (QLabel("<b>Previews and checkpoints</b>"), self.follow, self.steps, self.shown):
            column.addWidget(widget)
        for buttons in ((self.go_there, self.compare), (self.export, self.keep)):
            row = QHBoxLayout()
            for each in buttons:
                row.addWidget(each)
            column.addLayout(row)


def _what_is_shown(run: Run | None, trained: str) -> str:
    with contextlib.suppress(HistoloomError):
        if run is not None and system_of(run.folder) == _REFINER:
            return _REFINER
    return trained


def _cell_of(run: Run) -> int:
    cell = run.recipe.get("crop_size")
    if not isinstance(cell, int) or cell < 1:
        raise RunError(f"The recipe of '{run.folder.name}' names no crop size, so its previews cannot be taken apart.")
    return cell
