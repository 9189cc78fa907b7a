"""Work beside the viewer where only the newest answer counts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QObject, Signal


class LatestCall(QObject):
    """Runs functions in one background thread; a newer call makes the answers of older ones meaningless.

    Parameters
    ----------
    parent
        Qt parent.
    """

    _finished = Signal(int, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._number = 0
        self._on_result: Callable[[Any], object] | None = None
        self._on_error: Callable[[Exception], object] | None = None
        # Its thread ends when this object is forgotten.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="histoloom-call")
        self._finished.connect(self._deliver)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still awaited."""
        return self._on_result is not None

    def start(
        self,
        function: Callable[[], Any],
        on_result: Callable[[Any], object],
        on_error: Callable[[Exception], object],
    ) -> None:
        """Run a function in the background.

        Parameters
        ----------
        function
            Called without arguments in another thread; it must not touch widgets or layers.
        on_result, on_error
            Called in the viewer's thread with what it returned or raised, unless something newer was started.
        """
        self._number += 1
        self._on_result, self._on_error = on_result, on_error
        self._executor.submit(self._run, self._number, function)

    def cancel(self) -> None:
        """Forget the call that is under way; what it returns is dropped."""
        self._number += 1
        self._on_result = self._on_error = None

    def _run(self, number: int, function: Callable[[], Any]) -> None:
        if number != self._number:
            return
        result, problem = None, None
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 - whatever it is, the dock has to say it
            problem = error
        # The widget may have been closed in the meantime.
        with suppress(RuntimeError):
            self._finished.emit(number, result, problem)

    def _deliver(self, number: int, result: Any, error: Exception | None) -> None:
        if number != self._number:
            return
        on_result, on_error = self._on_result, self._on_error
        self._on_result = self._on_error = None
        if error is not None and on_error is not None:
            on_error(error)
        elif error is None and on_result is not None:
            on_result(result)
