"""A process that stays and judges pictures, so that the viewer's process never imports PyTorch."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from histoloom import errors
from histoloom.errors import HistoloomError, ImportanceError, Stopped, WeaveProcessError
from histoloom.importance import Judgement
from histoloom.jobs.messages import Message, layout_message, read_message, write_message
from histoloom.jobs.processor import background_environment
from histoloom.layouts import Layout

_DEATHS_FORGIVEN = 1


@dataclass(frozen=True, eq=False)
class Order:
    """A picture to judge.

    Parameters
    ----------
    critic
        The critic's bundle.
    image
        RGB ``uint8 (H, W, 3)``.
    pixel_size
        µm per pixel.
    reference
        A real picture, RGB ``uint8 (H, W, 3)``, for critics that compare with one. It is sent again only where it is
        another object than before, so keep it, and never write into it.
    layout
        The nuclei of the picture, of its size, for critics that see them.
    """

    critic: Path
    image: NDArray[np.uint8]
    pixel_size: float
    reference: NDArray[np.uint8] | None = None
    layout: Layout | None = None


class JudgeProcess:
    """Sends one picture after another to a process that keeps the critic in memory.

    The process is started by the first picture, and started again if it died. `judge` waits for its answer, so call it
    from a thread; several threads take turns.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._reference: NDArray[np.uint8] | None = None
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        """The id of the process, or None while there is none."""
        with self._lock:
            return None if self._process is None else self._process.pid

    def judge(self, order: Order) -> tuple[Judgement, float]:
        """Return what the critic says of a picture, and how many seconds it took.

        Raises
        ------
        BundleError
            If the critic cannot be used, or not for pictures of this pixel size.
        ImportanceError
            If it needs a reference or a layout that is not given, or the process dies again and again.
        Stopped
            If `close` was called.
        """
        with self._turn:
            for _ in range(_DEATHS_FORGIVEN + 1):
                process = self._started()
                try:
                    answer = self._answer(process, order)
                except (OSError, ValueError, WeaveProcessError):
                    answer = None
                if answer is not None:
                    return _judgement_of(answer, order)
                self._bury(process)
                if self._is_closed:
                    raise Stopped("Judging was stopped.")
        raise ImportanceError(
            "The process that judges tiles died again and again, perhaps for want of memory; close other programs, or "
            "judge a smaller picture."
        )

    def close(self) -> None:
        """End the process, from any thread; what is being judged is dropped. Safe to call again."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                self._process.kill()
        # Whoever waits for an answer hears of its end and cleans up; else that is done here.
        if self._turn.acquire(timeout=2.0):
            try:
                if self._process is not None:
                    self._bury(self._process)
            finally:
                self._turn.release()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_closed:
                raise Stopped("Judging was stopped.")
            if self._process is None:
                self._reference = None
                try:
                    self._process = subprocess.Popen(
                        [sys.executable or "python", "-P", "-m", "histoloom.jobs.judge_worker"],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        bufsize=0,
                        env=background_environment(),
                        creationflags=_CREATION_FLAGS,
                    )
                except OSError as error:
                    raise ImportanceError(
                        f"The process that judges tiles cannot be started ({error.strerror or error}); check that "
                        "Python can be run."
                    ) from error
            return self._process

    def _answer(self, process: subprocess.Popen[bytes], order: Order) -> Message | None:
        incoming, outgoing = cast("FileIO", process.stdout), cast("FileIO", process.stdin)
        if order.reference is not None and order.reference is not self._reference:
            write_message(outgoing, Message("reference", arrays={"pixels": order.reference}))
            self._reference = order.reference
        if order.layout is not None:
            write_message(outgoing, layout_message(order.layout, 0))
        values = {
            "critic": str(order.critic.absolute()),
            "pixel_size": order.pixel_size,
            "with_reference": order.reference is not None,
            "with_layout": order.layout is not None,
        }
        write_message(outgoing, Message("judge", values, {"pixels": order.image}))
        return read_message(incoming)

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            if self._process is process:
                self._process = None
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _judgement_of(answer: Message, order: Order) -> tuple[Judgement, float]:
    values = answer.values
    if answer.kind == "failure":
        kind = getattr(errors, values["error"], HistoloomError)
        raise cast("HistoloomError", kind(values["sentence"]))
    height, width = order.image.shape[:2]
    logits = answer.arrays["logits"].astype(np.float32)
    return Judgement(logits, values["step"], (height, width), values["ratio"]), values["elapsed_s"]


_CREATION_FLAGS = 0
if sys.platform == "win32":
    _CREATION_FLAGS = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
