"""Which pixels on the screen are older than the layout."""

from __future__ import annotations

from dataclasses import dataclass, replace

from histoloom.window import Window

_MOST_WINDOWS = 64
_WORTHWHILE = 1.25
_SMALL_SIDE = 256


@dataclass(frozen=True)
class _Stale:
    window: Window
    revision: int


class StalePixels:
    """Windows of the canvas with the revision of the latest change in each; they may overlap.

    A pixel is stale as long as some window that holds it is listed. Woven pixels of revision r take away what changed
    up to r and nothing that changed later.
    """

    def __init__(self) -> None:
        self._windows: list[_Stale] = []

    def __bool__(self) -> bool:
        """Whether any pixel is stale."""
        return bool(self._windows)

    def clear(self) -> None:
        """Forget everything, as when the canvas is another one."""
        self._windows.clear()

    def add(self, window: Window, revision: int) -> None:
        """Note that a window changed with a revision, the latest so far."""
        if window.is_empty:
            return
        self._windows = [each for each in self._windows if not window.contains(each.window)]
        self._windows.append(_Stale(window, revision))
        if len(self._windows) > _MOST_WINDOWS:
            # Weaving too much, and calling it younger than it is, costs time but leaves nothing stale.
            whole = Window(0, 0, 0, 0)
            for each in self._windows:
                whole = whole.union(each.window)
            self._windows = [_Stale(whole, revision)]

    def renew(self, window: Window, revision: int) -> None:
        """Note that the pixels of a window now show a revision."""
        kept: list[_Stale] = []
        for each in self._windows:
            if each.revision > revision:
                kept.append(each)
            else:
                kept.extend(replace(each, window=rest) for rest in _difference(each.window, window))
        self._windows = kept

    def next_window(self) -> Window | None:
        """Return what to weave next: the latest change, with older ones that hardly enlarge it; None if all is well."""
        if not self._windows:
            return None
        latest = max(range(len(self._windows)), key=lambda index: self._windows[index].revision)
        chosen = self._windows[latest].window
        covered = area(chosen)
        others = [each.window for index, each in enumerate(self._windows) if index != latest]
        grown = True
        while grown:
            grown = False
            for each in others:
                union = chosen.union(each)
                if area(union) <= _WORTHWHILE * (covered + area(each)) or max(union.shape) <= _SMALL_SIDE:
                    chosen, covered, grown = union, min(covered + area(each), area(union)), True
                    others.remove(each)
                    break
        return chosen


def worth_joining(a: Window, b: Window) -> bool:
    """Whether weaving two windows as one costs little more than weaving both."""
    return area(a.union(b)) <= _WORTHWHILE * (area(a) + area(b))


def area(window: Window) -> int:
    """Return how many pixels a window holds."""
    height, width = window.shape
    return height * width


def _difference(window: Window, hole: Window) -> list[Window]:
    """Return disjoint windows that together are ``window`` without ``hole``."""
    inner = window.intersection(hole)
    if inner.is_empty:
        return [window]
    around = [
        Window(window.y0, window.x0, inner.y0, window.x1),
        Window(inner.y1, window.x0, window.y1, window.x1),
        Window(inner.y0, window.x0, inner.y1, inner.x0),
        Window(inner.y0, inner.x1, inner.y1, window.x1),
    ]
    return [each for each in around if not each.is_empty]
