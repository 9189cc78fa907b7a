"""A process that trains: the command line at low priority, which outlives the viewer and is found again."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from histoloom.errors import TrainingError, WriteError
from histoloom.jobs.processor import background_environment
from histoloom.runs import EVENTS, START
from histoloom.writing import write_json

LOG, _PROCESS = "log.txt", "process.json"
_NICER_BY = 10
_TAIL_BYTES = 8192

_started: dict[int, subprocess.Popen[bytes]] = {}
"""Processes of this one's own, which have to be waited for so that none of them stays a zombie."""


class TrainingProcess:
    """A process that trains, or did.

    Parameters
    ----------
    folder
        The run's folder.
    pid, created
        Its id, and when it began (seconds since 1970): another process may have the same id later.
    events_before
        Bytes of the run's events from before it.
    """

    def __init__(self, folder: Path, pid: int, created: float, events_before: int = 0) -> None:
        self.folder = folder
        self.pid = pid
        self.events_before = events_before
        self._created = created

    @classmethod
    def start(cls, arguments: Sequence[str], folder: Path) -> TrainingProcess:
        """Start ``histoloom`` with some arguments; what it prints goes into the run's ``start/log.txt``.

        Raises
        ------
        TrainingError
            If the process cannot be started.
        WriteError
            If the folder cannot be written to.
        """
        start = folder / START
        try:
            start.mkdir(parents=True, exist_ok=True)
            log = (start / LOG).open("wb")
        except OSError as error:
            raise WriteError(f"'{start}' cannot be written ({error.strerror}); choose another run folder.") from error
        before = _size_of(folder / EVENTS)
        with log:
            process = start_quietly(arguments, stdout=log, stderr=subprocess.STDOUT)
        _started[process.pid] = process
        created = _created_at(process.pid)
        write_json(start / _PROCESS, {"pid": process.pid, "created": created, "events_before": before})
        return cls(folder, process.pid, created, before)

    @classmethod
    def find(cls, folder: Path) -> TrainingProcess | None:
        """Return the process that a viewer started last for a run, alive or not; None if there was none."""
        try:
            values = json.loads((folder / START / _PROCESS).read_text(encoding="utf-8"))
            return cls(folder, int(values["pid"]), float(values["created"]), int(values["events_before"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        own = _started.get(self.pid)
        if own is not None and own.poll() is not None:
            del _started[self.pid]
        import psutil

        try:
            process = psutil.Process(self.pid)
            return bool(process.create_time() == self._created and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def kill(self) -> None:
        """End it and its children at once; what it wrote is whole all the same."""
        import psutil

        if not self.is_alive:
            return
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            for each in [*process.children(recursive=True), process]:
                with contextlib.suppress(psutil.Error):
                    each.kill()
        own = _started.get(self.pid)
        if own is not None:
            own.wait()

    @property
    def log(self) -> str:
        """The end of what it printed."""
        try:
            with (self.folder / START / LOG).open("rb") as file:
                file.seek(max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""


def start_quietly(arguments: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
    """Start ``histoloom`` with some arguments in the background: at low priority, and with a core left to the viewer.

    Parameters
    ----------
    arguments
        The words after ``histoloom``.
    **streams
        ``stdout`` and ``stderr`` as of `subprocess.Popen`.

    Raises
    ------
    TrainingError
        If it cannot be started.
    """
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        apart = {"creationflags": flags | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    try:
        process = subprocess.Popen(
            [sys.executable or "python", "-P", "-m", "histoloom", *arguments],
            stdin=subprocess.DEVNULL,
            env=background_environment(),
            **apart,
            **streams,
        )
    except OSError as error:
        raise TrainingError(
            f"The training process cannot be started ({error.strerror or error}); "
            "check that Python itself can be run, then try again."
        ) from error
    if sys.platform != "win32":
        _make_nicer(process.pid)
    return process


def _make_nicer(pid: int) -> None:
    import psutil

    # The threads that it will start are as nice as it is by then. Where the system forbids it, it trains all the same.
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        process.nice(min(process.nice() + _NICER_BY, 19))


def _created_at(pid: int) -> float:
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
