"""What shall happen when a widget is destroyed, also if nobody closed it before."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject

_kept: set[Callable[..., None]] = set()
"""Held here, because Python would clear a function with a forgotten widget, and Qt then call what is no more."""


def when_destroyed(widget: QObject, call: Callable[[], object]) -> None:
    """Call a function once when Qt destroys a widget.

    Parameters
    ----------
    widget
        A window that is closed destroys its docks without a close event of theirs.
    call
        It must touch neither the widget nor its children, and not hold the widget itself.
    """

    def run(*_: object) -> None:
        _kept.discard(run)
        call()

    _kept.add(run)
    widget.destroyed.connect(run)
