"""Autosave: the layout is written shortly after each edit, and offered again after a crash."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import re
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_state_path
from psygnal import Signal
from qtpy.QtCore import QTimer

from histoloom.errors import HistoloomError
from histoloom.gui.autosave_file import write_autosave
from histoloom.layouts import Layout, LayoutEdit

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

DELAY_MS = 2000
_NAME = re.compile(r"canvas-(\d+)-(\d+)\.npz")
_numbers = itertools.count(1)


def autosave_folder() -> Path:
    """Return the folder where autosaves of this user lie."""
    return user_state_path("histoloom", appauthor=False) / "autosave"


class Autosave:
    """Keeps a copy of one canvas's layout on disk while it is being drawn.

    The layout is immutable, so it is written in a thread without holding the viewer up. A clean exit removes the copy.

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
        self.path = self.folder / f"canvas-{os.getpid()}-{next(_numbers)}.npz"
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
        if self._is_closed:
            return
        self._is_closed = True
        with contextlib.suppress(RuntimeError):  # Qt may have been taken down first
            self._timer.stop()
        atexit.unregister(self._at_exit)
        self.wait()
        with self._lock:
            discard(self.path)

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
                if layout.nuclei:
                    write_autosave(layout, self.path)
                else:
                    discard(self.path)
            except HistoloomError as error:
                self.failed.emit(str(error))


def left_behind(folder: Path | None = None) -> list[Path]:
    """Return the autosaves of processes that died, the newest first."""
    folder = autosave_folder() if folder is None else folder
    try:
        paths = [path for path in folder.iterdir() if _is_orphan(path)]
        return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return []


def discard(path: Path) -> None:
    """Remove an autosave."""
    with contextlib.suppress(OSError):  # a copy too many is no harm
        path.unlink(missing_ok=True)


def _is_orphan(path: Path) -> bool:
    match = _NAME.fullmatch(path.name)
    return match is not None and not _is_alive(int(match.group(1)))


def _is_alive(process_id: int) -> bool:
    if os.name == "nt":
        return _is_alive_on_windows(process_id)
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _is_alive_on_windows(process_id: int) -> bool:
    # os.kill would end the process there.
    import ctypes

    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - only Windows has it, and type checkers know
    handle = kernel.OpenProcess(0x1000, False, process_id)
    if not handle:
        return False
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == 259


def _closer(autosave: Autosave) -> Callable[[], None]:
    """Return a function for the exit that keeps nothing alive until then."""
    reference = weakref.ref(autosave)

    def close() -> None:
        alive = reference()
        if alive is not None:
            alive.close()

    return close
