"""Asking what shall become of trainings that are under way when the viewer's window is closed."""

from __future__ import annotations

import weakref
from contextlib import suppress
from enum import Enum

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMainWindow, QMessageBox

from histoloom.errors import HistoloomError
from histoloom.jobs.training_run import TrainingRun, runs_under_way


class Closing(Enum):
    """What people may answer."""

    KEEP = "Keep training in the background"
    STOP = "Stop training"
    CANCEL = "Cancel"


_questions: weakref.WeakKeyDictionary[QMainWindow, ClosingQuestion] = weakref.WeakKeyDictionary()


def ask_before_closing(window: QMainWindow) -> None:
    """Watch a window, once however many docks want it; see `ClosingQuestion`."""
    if window not in _questions:
        _questions[window] = ClosingQuestion(window)


class ClosingQuestion(QObject):
    """Watches a window, and asks before it is closed while trainings are under way.

    Parameters
    ----------
    window
        The viewer's window; held weakly.
    """

    def __init__(self, window: QMainWindow) -> None:
        super().__init__()
        self._window = weakref.ref(window)
        window.installEventFilter(self)

    @property
    def window(self) -> QMainWindow | None:
        """The window that is watched."""
        return self._window()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Refuse to close where that is the answer."""
        if event.type() == QEvent.Type.Close and watched is self.window and not self._may_close():
            event.ignore()
            return True
        return bool(super().eventFilter(watched, event))

    def _may_close(self) -> bool:
        under_way = runs_under_way()
        if not under_way:
            return True
        answer = ask(under_way, self.window)
        if answer is Closing.STOP:
            for each in under_way:
                with suppress(HistoloomError):  # the window closes all the same, and reopening finds the run
                    each.stop()
        return answer is not Closing.CANCEL


def ask(under_way: list[TrainingRun], window: QMainWindow | None) -> Closing:
    """Ask, and wait for the answer."""
    box = QMessageBox(window)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("A training is under way")
    names = ", ".join(f"'{each.folder.name}'" for each in under_way)
    box.setText(f"{names} is being trained. Keep training without napari, or stop after a checkpoint?")
    box.setInformativeText("Opening the dock again finds the run in either case.")
    roles = {
        Closing.KEEP: QMessageBox.ButtonRole.AcceptRole,
        Closing.STOP: QMessageBox.ButtonRole.DestructiveRole,
        Closing.CANCEL: QMessageBox.ButtonRole.RejectRole,
    }
    buttons = {each: box.addButton(each.value, role) for each, role in roles.items()}
    box.setDefaultButton(buttons[Closing.KEEP])
    box.exec()
    clicked = box.clickedButton()
    box.deleteLater()
    return next((each for each, button in buttons.items() if button is clicked), Closing.CANCEL)
