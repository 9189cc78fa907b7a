"""A status card: how things stand, in one sentence, and what to click when something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget


class Level(Enum):
    """How things stand: a sign and a colour that colour-blind people can tell apart."""

    OK = ("✓", "#009e73")
    WORKING = ("…", "#56b4e9")
    ATTENTION = ("!", "#e69f00")
    ERROR = ("✗", "#d55e00")


class StatusCard(QFrame):
    """A frame with a coloured sign, a sentence, and a button where there is something to do.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._sign = QLabel()
        self._sign.setFixedWidth(20)
        self._sign.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._button = QPushButton()
        self._button.clicked.connect(self._on_clicked)
        self._callback: Callable[[], object] | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 6, 6, 6)
        row.addWidget(self._sign)
        row.addWidget(self._text, 1)
        row.addWidget(self._button)
        self.show_status(Level.OK, "Ready.")

    @property
    def level(self) -> Level:
        """The level that is shown."""
        return self._level

    @property
    def text(self) -> str:
        """The sentence that is shown."""
        return str(self._text.text())

    def show_status(
        self,
        level: Level,
        text: str,
        button: str = "",
        callback: Callable[[], object] | None = None,
    ) -> None:
        """Show a sentence at a level, with a button if there is something to do about it.

        Parameters
        ----------
        level
            How things stand.
        text
            One sentence, plain text.
        button, callback
            The button's label, and what it calls.
        """
        self._level = level
        sign, color = level.value
        self._sign.setText(sign)
        self._sign.setStyleSheet(f"color: {color}; font-weight: bold; font-size: 16px;")
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setText(text)
        self._callback = callback
        self._button.setText(button)
        self._button.setVisible(bool(button))
        self.setAccessibleName(f"{level.name.lower()}: {text}")
        self.setStyleSheet(f"StatusCard {{ border-left: 4px solid {color}; }}")

    def click(self) -> None:
        """Press the button, as tests and keys do."""
        self._button.click()

    def _on_clicked(self) -> None:
        if self._callback is not None:
            self._callback()
