"""Autosave: the layout is written shortly after each edit, and offered again after a crash."""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
import uuid
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_state_path
from psygnal import Signal
from qtpy.QtCore import QTimer

from histoloom.errors import HistoloomError
from histoloom.gui.autosave_file import write_autosave
from histoloom.gui.session_lock import SessionLock, is_held
from histoloom.layouts import Layout, LayoutEdit

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

DELAY_MS = 2000
_NAMES = "canvas-*.npz"


def autosave_folder() -> Path:
    """Return the folder where autosaves of this user lie."""
    return user_state_path("histoloom", appauthor=False) / "autosave"


class Autosave:
    """Keeps a copy of one canvas's layout on disk while it is being drawn.

    The layout is immutable, so it is written in a thread without holding the viewer up. Closing the viewer or ending
    the program removes the copy; a crash, or a program that ends with an exception, leaves it to be offered again.

    Parameters
    ----------
    canvas
        What is saved.
    folder
        Where to (default: the user's state folder).
    delay_ms
        How long after the last edit.
    """

    failed = Signal(str)
    """A sentence about why the layout cannot be saved; sent from the writing thread."""

    def __init__(self, canvas: Canvas, folder: Path | None = None, delay_ms: int = DELAY_MS) -> None:
        self.folder = autosave_folder() if folder is None else folder
        self.path = self.folder / f"canvas-{uuid.uuid4().hex}.npz"
        self._session = SessionLock(_lock_of(self.path))
        self._canvas_reference = weakref.ref(canvas)
        self._lock = threading.Lock()
        self._is_closed = False
        self._writer: threading.Thread | None = None
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(delay_ms)
        self._timer.timeout.connect(self.save)
        canvas.layout_edited.connect(self._on_edited)
        canvas.layout_replaced.connect(self._on_replaced)
        self._at_exit = _closer(self)
        atexit.register(self._at_exit)

    def save(self) -> None:
        """Write the layout now, in a thread."""
        canvas = self._canvas_reference()
        if canvas is None or self._is_closed:
            return
        if self._writer is not None and self._writer.is_alive():
            self._timer.start()
            return
        self._writer = threading.Thread(
            target=self._write, args=(canvas.layout,), name="histoloom-autosave", daemon=True
        )
        self._writer.start()

    def wait(self) -> None:
        """Wait until the file is written, for tests and for the exit."""
        if self._writer is not None:
            self._writer.join()

    def close(self) -> None:
        """Stop, and remove the copy: this exit is a clean one."""
        self._stop(is_kept=False)

    def close_at_exit(self) -> None:
        """Stop as the program ends, and keep the copy if it ends with an exception."""
        self._stop(is_kept=_ends_with_exception())

    @property
    def is_closed(self) -> bool:
        """Whether nothing is saved any more."""
        return self._is_closed

    def _stop(self, is_kept: bool) -> None:
        if self._is_closed:
            return
        is_pending = False
        with contextlib.suppress(RuntimeError):  # Qt may have been taken down first
            is_pending = self._timer.isActive()
            self._timer.stop()
        atexit.unregister(self._at_exit)
        self.wait()
        canvas = self._canvas_reference()
        if is_kept and is_pending and canvas is not None:
            self._write(canvas.layout)
        self._is_closed = True
        if not is_kept:
            with self._lock:
                self._discard()

    def _on_edited(self, _edit: LayoutEdit, final: bool) -> None:
        if final and not self._is_closed:
            self._timer.start()

    def _on_replaced(self, _layout: Layout) -> None:
        if not self._is_closed:
            self._timer.start()

    def _write(self, layout: Layout) -> None:
        with self._lock:
            if self._is_closed:
                return
            try:
                if layout.nuclei or layout.tissue_map is not None:
                    # Held before the copy is there, so that no other session takes it for one left behind.
                    self._hold()
                    write_autosave(layout, self.path)
                else:
                    self._discard()
            except HistoloomError as error:
                self.failed.emit(str(error))

    def _hold(self) -> None:
        with contextlib.suppress(OSError):  # writing the copy will say what is wrong
            self.folder.mkdir(parents=True, exist_ok=True)
        self._session.take()

    def _discard(self) -> None:
        with contextlib.suppress(OSError):  # a copy too many is no harm
            self.path.unlink(missing_ok=True)
        self._session.release()


def left_behind(folder: Path | None = None) -> list[Path]:
    """Return the autosaves of sessions that ended without removing them, the newest first."""
    folder = autosave_folder() if folder is None else folder
    try:
        paths = [path for path in folder.glob(_NAMES) if not is_held(_lock_of(path))]
        return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return []


def discard(path: Path) -> None:
    """Remove an autosave that was left behind."""
    for each in (path, _lock_of(path)):
        with contextlib.suppress(OSError):  # a copy too many is no harm
            each.unlink(missing_ok=True)


def _ends_with_exception() -> bool:
    # Python keeps the exception that it has printed last, which the one that ends a program always is.
    return getattr(sys, "last_value", None) is not None


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _closer(autosave: Autosave) -> Callable[[], None]:
    """Return a function for the exit that keeps nothing alive until then."""
    reference = weakref.ref(autosave)

    def close() -> None:
        alive = reference()
        if alive is not None:
            alive.close_at_exit()

    return close
