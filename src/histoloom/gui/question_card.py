"""A question inside a dock, which does not stop anybody from working on."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget


class QuestionCard(QFrame):
    """A sentence and two buttons; hidden while nothing is asked.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setStyleSheet("QuestionCard { border-left: 4px solid #e69f00; }")
        self._text = QLabel()
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setWordWrap(True)
        self.yes, self.no = QPushButton(), QPushButton()
        self.yes.clicked.connect(lambda: self._answer(True))
        self.no.clicked.connect(lambda: self._answer(False))
        row = QHBoxLayout()
        row.addWidget(self.yes)
        row.addWidget(self.no)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self._text)
        column.addLayout(row)
        self._callback: Callable[[bool], object] | None = None
        self.hide()

    @property
    def text(self) -> str:
        """The question that is asked, or an empty str."""
        return str(self._text.text()) if self._callback is not None else ""

    def ask(self, text: str, yes: str, no: str, callback: Callable[[bool], object]) -> None:
        """Ask something in place of what was asked before, which stays unanswered.

        Parameters
        ----------
        text
            One sentence.
        yes, no
            Labels of the buttons.
        callback
            Called with True for yes and False for no.
        """
        self._text.setText(text)
        self.yes.setText(yes)
        self.no.setText(no)
        self._callback = callback
        self.setAccessibleName(text)
        self.show()

    def withdraw(self) -> None:
        """Ask nothing any more."""
        self._callback = None
        self.hide()

    def _answer(self, is_yes: bool) -> None:
        callback = self._callback
        self.withdraw()
        if callback is not None:
            callback(is_yes)
