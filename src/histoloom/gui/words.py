"""A line of words that takes no room while there are none."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel


class Words(QLabel):
    """Plain text that wraps; hidden while it is empty.

    Parameters
    ----------
    style
        Qt's style sheet.
    """

    def __init__(self, style: str = "") -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setStyleSheet(style)
        self.hide()

    def setText(self, text: str) -> None:
        """Show other words."""
        super().setText(text)
        self.setVisible(bool(text))
