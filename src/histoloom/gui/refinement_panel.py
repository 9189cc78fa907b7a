"""What refining does, in the Weave dock: which picture is shown, and whether labels have moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QFormLayout, QPushButton, QVBoxLayout, QWidget

from histoloom.errors import HistoloomError, Stopped
from histoloom.evaluation.refinement import RefinementCheck
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.live import LiveWeaving
from histoloom.gui.look_chooser import narrow
from histoloom.gui.refinement_view import RefinementView, Shown
from histoloom.gui.status_card import Level
from histoloom.gui.words import Words
from histoloom.jobs.label_check import LabelCheck
from histoloom.jobs.nuclei_search import known_segmenters
from histoloom.tiles.sentences import one_line

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_CHECK, _STOP = "Check labels", "Stop the check"
_EARLIER = "Before the latest change: "


class RefinementPanel(QWidget):
    """A chooser of what is shown, a button that checks labels, and what came out.

    Parameters
    ----------
    canvas
        The canvas.
    weaving
        Its live weaving.
    parent
        Qt parent.
    """

    def __init__(self, canvas: Canvas, weaving: LiveWeaving, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._weaving = weaving
        self.view = RefinementView(canvas, weaving, self)
        self._call = LatestCall(self)
        self._check: LabelCheck | None = None
        self._is_wanted = False
        self._is_of_now = True
        self.shown = QComboBox()
        for each in Shown:
            self.shown.addItem(each.value[0], each)
        self.shown.setAccessibleName("What is shown of refining")
        self.shown.setToolTip(
            "Lie the picture before refining, or what refining changes, over the tissue; exports are always of the "
            "refined tissue."
        )
        narrow(self.shown)
        self.check = QPushButton(_CHECK)
        self.check.setToolTip("Find nuclei before and after refining, and say whether they still are where labels are.")
        self.words = Words()
        form = QFormLayout()
        form.addRow("Shows", self.shown)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addWidget(self.check)
        column.addWidget(self.words)
        self.shown.activated.connect(lambda _index: self.view.show(self.shown.currentData()))
        self.check.clicked.connect(self.check_labels)
        self.view.changed.connect(self._on_changed)
        weaving.woven.connect(self._on_woven)
        weaving.status_changed.connect(self._on_status)

    @property
    def is_busy(self) -> bool:
        """Whether labels are being checked, or wait for the tissue to be woven."""
        return self._is_wanted or self._call.is_busy

    def set_refines(self, refines: bool) -> None:
        """Offer it all, or nothing where the generator refines nothing; what was another generator's is forgotten."""
        self._stop()
        self.words.setText("")
        self.view.forget()
        self.setVisible(refines)

    def check_labels(self) -> None:
        """Check the labels of the tissue as it is now, woven first where it has to be; again, and it is stopped."""
        if self.is_busy:
            self._stop()
            self.words.setText("The check of labels was stopped.")
            return
        self._is_wanted = True
        self._enable()
        self.words.setText("Waiting for the tissue…")
        if not self._begin():
            self._weaving.weave_once()
            if self._weaving.look is None:
                self._stop()
                self.words.setText("There is no look to weave with; open a real tile or take the sample.")

    def close_panel(self) -> None:
        """End what is under way, and take the view away. Safe to call again."""
        self._stop()
        self.view.stop()

    def _begin(self) -> bool:
        picture = self.view.pictures()
        if picture is None:
            return False
        self._is_wanted = False
        segmenters = known_segmenters()
        if not segmenters:
            self.words.setText("There is no segmenter to look for nuclei with; add one to your bundles.")
            self._enable()
            return True
        self._is_of_now = True
        check = self._check = LabelCheck(picture, segmenters[0][0])
        self.words.setText(f"'{segmenters[0][0].stem}' looks for nuclei before and after refining…")
        self._call.start(check.run, self._on_checked, self._on_failed)
        return True

    def _stop(self) -> None:
        self._is_wanted = False
        self._call.cancel()
        if self._check is not None:
            self._check.stop()
            self._check = None
        self._enable()

    def _on_changed(self) -> None:
        self.shown.setCurrentIndex(self.shown.findData(self.view.shown))

    def _on_woven(self, *_: object) -> None:
        if self._is_wanted:
            # The last piece is told before live weaving knows that it was the last.
            QTimer.singleShot(0, self._begin_if_wanted)
        elif self._is_of_now:
            self._is_of_now = False
            if self.words.text() and not self.is_busy:
                self.words.setText(f"{_EARLIER}{self.words.text()}")

    def _on_status(self, level: Level, text: str) -> None:
        if self._is_wanted and level is Level.ERROR:
            self._stop()
            self.words.setText(text)

    def _begin_if_wanted(self) -> None:
        if self._is_wanted:
            self._begin()

    def _on_checked(self, check: RefinementCheck) -> None:
        self._check = None
        self.words.setText(check.verdict if self._is_of_now else f"{_EARLIER}{check.verdict}")
        self._enable()

    def _on_failed(self, error: Exception) -> None:
        self._check = None
        if not isinstance(error, Stopped):
            known = isinstance(error, HistoloomError)
            self.words.setText(str(error) if known else f"The check failed unexpectedly ({one_line(error)}).")
        self._enable()

    def _enable(self) -> None:
        self.check.setText(_STOP if self.is_busy else _CHECK)
