"""Work beside the viewer that is asked for again and again, faster than it can be done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import QObject

from histoloom.gui.latest_call import LatestCall

Prepare = Callable[[], Callable[[], Any] | None]


class OneAtATime(QObject):
    """Does work again as soon as it is done, if it was asked for meanwhile.

    `LatestCall` drops every answer but the newest, so that nothing would be seen while somebody paints without a
    pause. Here each answer that was begun is delivered, and what was asked for meanwhile is prepared only then.

    Parameters
    ----------
    on_result, on_error
        Called in the viewer's thread with what the work returned or raised.
    parent
        Qt parent.
    """

    def __init__(
        self,
        on_result: Callable[[Any], object],
        on_error: Callable[[Exception], object],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._call = LatestCall(self)
        self._on_result, self._on_error = on_result, on_error
        self._waiting: Prepare | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still awaited."""
        return self._call.is_busy

    @property
    def is_waiting(self) -> bool:
        """Whether the work will be done again after this time."""
        return self._waiting is not None

    def ask(self, prepare: Prepare) -> None:
        """Do work now, or when what is under way is done; what still waits is forgotten.

        Parameters
        ----------
        prepare
            Called in the viewer's thread when it is this work's turn; returns what is called in the background, or
            None if there is nothing to do any more.
        """
        if self._call.is_busy:
            self._waiting = prepare
            return
        work = prepare()
        if work is not None:
            self._call.start(work, partial(self._done, self._on_result), partial(self._done, self._on_error))

    def cancel(self) -> None:
        """Forget what is under way and what waits."""
        self._waiting = None
        self._call.cancel()

    def _done(self, deliver: Callable[[Any], object], answer: Any) -> None:
        deliver(answer)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.ask(waiting)
