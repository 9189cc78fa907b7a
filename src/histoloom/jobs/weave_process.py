"""One life of the weave process: its pipes, and the threads that keep the viewer from waiting for them."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from io import FileIO
from typing import cast

from histoloom.errors import WeaveProcessError
from histoloom.jobs.messages import Message, read_message, write_message
from histoloom.jobs.processor import background_environment

_logger = logging.getLogger(__name__)

_MADE_POINTLESS_BY = {
    "weave": ("weave",),
    "layout": ("weave", "edit", "layout"),
    "prepare": ("weave", "prepare"),
    "structure": ("weave", "structure"),
}
"""Which unsent messages a newer message of some kind replaces."""


class Outbox:
    """Messages that wait to be written, in order; a newer request replaces an older one that has not left yet.

    Messages are made by the thread that takes them, so putting one in costs the viewer next to nothing.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[str, Callable[[], Message]]] = []
        self._closed = False
        self._changed = threading.Condition()

    def put(self, kind: str, make: Callable[[], Message]) -> None:
        """Add a message, made when its turn comes."""
        with self._changed:
            pointless = _MADE_POINTLESS_BY.get(kind, ())
            self._waiting = [each for each in self._waiting if each[0] not in pointless]
            self._waiting.append((kind, make))
            self._changed.notify()

    def take(self) -> Callable[[], Message] | None:
        """Wait for the next message and return how to make it, or None once the box is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return None if self._closed else self._waiting.pop(0)[1]

    def close(self) -> None:
        """Let go of what waits; whoever takes gets None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class WeaveProcess:
    """A running weave process.

    Parameters
    ----------
    block
        Name of the shared memory for pixels.

    Raises
    ------
    WeaveProcessError
        If it cannot be started.
    """

    def __init__(self, block: str) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable or "python", "-P", "-m", "histoloom.jobs.weaver", block],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=background_environment(),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise WeaveProcessError(
                f"The weave process cannot be started ({error.strerror or error}); "
                "check that Python itself can be run, then switch live weaving on again."
            ) from error
        self._outbox = Outbox()
        self._last_lines: deque[str] = deque(maxlen=20)
        self._threads = [
            threading.Thread(target=self._write, name="histoloom weave outbox", daemon=True),
            threading.Thread(target=self._listen_to_errors, name="histoloom weave errors", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def last_words(self) -> str:
        """The last line that it printed to its standard error, or nothing."""
        lines = [line for line in self._last_lines if line.strip()]
        return lines[-1].strip() if lines else ""

    def send(self, kind: str, make: Callable[[], Message]) -> None:
        """Send a message soon; returns at once."""
        self._outbox.put(kind, make)

    def messages(self) -> Iterator[Message]:
        """Yield what the process says until it is gone."""
        stream = cast("FileIO", self._process.stdout)
        try:
            while (message := read_message(stream)) is not None:
                yield message
        except (OSError, WeaveProcessError):
            _logger.debug("the weave process broke off", exc_info=True)

    def quit(self, patience_s: float) -> None:
        """Ask the process to quit, and kill it if it has not done so in time."""
        self._outbox.put("quit", lambda: Message("quit"))
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def bury(self) -> None:
        """Make sure that the process is gone, and let go of its pipes; only for whoever reads its messages."""
        self._process.kill()
        self._process.wait()
        self._outbox.close()
        for thread in self._threads:
            thread.join(1.0)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _write(self) -> None:
        stream = cast("FileIO", self._process.stdin)
        try:
            while (make := self._outbox.take()) is not None:
                write_message(stream, make())
        except (OSError, ValueError):
            _logger.debug("the weave process no longer listens")
        except Exception:
            # A message that cannot be made would otherwise leave both sides waiting for each other.
            _logger.exception("a message to the weave process could not be made")
            self._process.kill()

    def _listen_to_errors(self) -> None:
        stream = cast("FileIO", self._process.stderr)
        rest = b""
        while chunk := stream.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                text = line.decode("utf-8", "replace")
                _logger.debug("weave process: %s", text)
                self._last_lines.append(text)
