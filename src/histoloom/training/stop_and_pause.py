"""Stopping and pausing a training from outside: by a callback, or by files in its run folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import IntEnum

import torch
from lightning_fabric import Fabric

from histoloom.runs import Run

_SECONDS_BETWEEN_LOOKS = 0.1


class Wish(IntEnum):
    """What is asked for."""

    GO_ON, PAUSE, STOP = range(3)


class Requests:
    """Asks after each step whether to go on, to wait or to stop; all processes of a training get one answer.

    Parameters
    ----------
    fabric
        The processes.
    run
        Its files are looked for ten times a second at most, by the process that writes the run.
    should_stop
        Asked each time, by the same process.
    """

    def __init__(self, fabric: Fabric, run: Run, should_stop: Callable[[], bool]) -> None:
        self._fabric, self._run, self._should_stop = fabric, run, should_stop
        self._in_files = Wish.GO_ON
        self._next_look = 0.0

    def stop_after_waiting(self, on_pause: Callable[[], None], on_continue: Callable[[float], None]) -> bool:
        """Wait for as long as that is asked for, and return whether to stop; every process calls it after each step.

        Processes that wait go on talking to each other, because one that hears nothing for minutes gives up.

        Parameters
        ----------
        on_pause
            Called when a wait begins.
        on_continue
            Called when it is over, with its seconds.
        """
        wish = self._agreed()
        if wish is not Wish.PAUSE:
            return wish is Wish.STOP
        begin = time.perf_counter()
        on_pause()
        while (wish := self._agreed()) is Wish.PAUSE:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        on_continue(time.perf_counter() - begin)
        return wish is Wish.STOP

    def _agreed(self) -> Wish:
        own = self._own() if self._fabric.is_global_zero else Wish.GO_ON
        if self._fabric.world_size == 1:
            return own
        # Only one process has a wish, so that the sum is that wish.
        wish = torch.tensor(float(own), device=self._fabric.device)
        return Wish(int(torch.as_tensor(self._fabric.all_reduce(wish, reduce_op="sum"))))

    def _own(self) -> Wish:
        if self._should_stop():
            return Wish.STOP
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _SECONDS_BETWEEN_LOOKS
            if self._run.stop_requested:
                self._in_files = Wish.STOP
            else:
                self._in_files = Wish.PAUSE if self._run.pause_requested else Wish.GO_ON
        return self._in_files
