"""A button to mark regions to ignore, and how much of the tile is marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from histoloom.errors import TrainingError
from histoloom.gui.ignored_regions import ignored_regions_of
from histoloom.gui.words import Words

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas


class IgnorePanel(QWidget):
    """Readies the Ignore layer, and says what becomes of what is painted in it.

    Parameters
    ----------
    canvas
        Whose tile may be marked.
    parent
        Qt parent.
    """

    problem = Signal(str)
    """A sentence, if nothing can be marked."""

    def __init__(self, canvas: Canvas, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._regions = ignored_regions_of(canvas)
        self.mark = QPushButton("Mark regions to ignore")
        self.mark.setToolTip(
            "Paint over what shall be kept out of losses and scores, such as folds, blur or nuclei nobody can tell: "
            "brush, fill and eraser are in the layer's controls. In folders, a picture ID_ignore.png beside a tile's "
            "labels says the same."
        )
        self.words = Words("color: gray;")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.mark)
        column.addWidget(self.words)
        self.mark.clicked.connect(self._on_mark)
        self._regions.changed.connect(self._describe)
        self._describe()

    def close_panel(self) -> None:
        """Forget the canvas."""
        self._regions.changed.disconnect(self._describe)

    def _on_mark(self) -> None:
        try:
            self._regions.begin()
        except TrainingError as error:
            self.problem.emit(str(error))
        self._describe()

    def _describe(self) -> None:
        try:
            mask = self._regions.mask()
        except TrainingError as error:
            self.words.setText(str(error))
            return
        if mask is None:
            self.words.setText("")
        else:
            self.words.setText(
                f"{mask.mean():.1%} of the tile on the canvas is marked, and kept out of losses and scores where that "
                "tile is trained on."
            )
