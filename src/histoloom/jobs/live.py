"""Live weaving: what to ask the weave process for, and what to do with its answers. No threads and no Qt in here.

Why nothing on the canvas stays stale: every change, of the layout, seed, look or recipe, gets the next revision and
marks the pixels that it may touch, by the generator's halo, as stale since that revision. A request carries the
revision at which it was made, and the process, which deals with everything in order, weaves that revision or (after a
restart) a later one. An answer therefore clears exactly the stale pixels in its window that changed up to its revision;
pixels that changed later are shown for the time being, being newer than what was there, and stay stale. Answers are
only taken in the order of their requests, so no pixel is ever replaced by an older one; others, and all from before a
change of the whole picture, are dropped. A request that was superseded clears nothing, since only delivered pixels do.
As long as any pixel is stale, the end of a request, a change or a timer leads to another request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions import AcceptedStructure
from histoloom.generators.registry import generator_source
from histoloom.jobs.answers import WeaveAnswer, WeaveFailure, WeaverStatus
from histoloom.jobs.stale_pixels import StalePixels, area, worth_joining
from histoloom.layouts import Layout, LayoutEdit, Nucleus, TissueMap
from histoloom.recipes import Recipe
from histoloom.tiles.looks import AnyLook
from histoloom.window import Window

REQUESTS_PER_SECOND = 15.0
"""How often pixels are asked for while a stroke is under way."""

_MOST_ROWS_ONE_BY_ONE = 32
_SLOW_S = 0.7
"""Where weaving what a stroke has changed takes longer, it waits for the end of the stroke."""


class WeaveRequests(Protocol):
    """What live weaving needs of a `WeaveClient`."""

    def start(self) -> None:
        """Start the process if it is not running."""

    def prepare(self, look: AnyLook, generator: str, recipe: Recipe, pixel_size: float) -> int:
        """Choose look, generator and recipe; returns the number of this preparation."""

    def set_layout(self, layout: Layout) -> None:
        """Replace the layout."""

    def set_structure(self, structure: AcceptedStructure | None) -> None:
        """Choose the accepted structure that generators see."""

    def edit(self, rows: Mapping[int, Nucleus | None]) -> None:
        """Change rows of the layout."""

    def set_tissue(self, tissue_map: TissueMap | None) -> None:
        """Replace the layout's tissue map, or take it away."""

    def weave(self, request_id: int, window: Window, seed: int) -> None:
        """Ask for a window of the layout as it is now."""


@dataclass(frozen=True)
class _Choice:
    look: AnyLook
    generator: str
    recipe: Recipe


class LiveWeaver:
    """Keeps a woven picture up to date with a layout; the newest request wins.

    Call it from one thread only, and pass `answered` and `status_changed` what the client's callbacks bring.

    Parameters
    ----------
    client
        Where requests go.
    on_pixels
        Called with a window and its pixels, RGB ``uint8 (H, W, 3)``, to be copied into the picture in place.
    schedule
        Called with a delay in seconds and a function to call after it; returns a function that calls it off.
    clock
        Seconds that only grow.
    interval_s
        Least time between two requests while a stroke is under way.
    on_first
        Called as `on_pixels`, and before it, with the first picture of generators that refine one.
    """

    def __init__(
        self,
        client: WeaveRequests,
        on_pixels: Callable[[Window, NDArray[np.uint8]], None],
        schedule: Callable[[float, Callable[[], None]], Callable[[], None]],
        clock: Callable[[], float] = time.monotonic,
        interval_s: float = 1.0 / REQUESTS_PER_SECOND,
        on_first: Callable[[Window, NDArray[np.uint8]], None] | None = None,
    ) -> None:
        self._client = client
        self._interval_s = interval_s
        self._on_pixels, self._on_first = on_pixels, on_first
        self._schedule = schedule
        self._clock = clock
        self._enabled = False
        self._once = False
        self._seed = 0

        self._canvas: Window | None = None
        self._pixel_size = 0.0
        self._choice: _Choice | None = None
        self._preparation: int | None = None
        self._halo: int | None = None

        self._revision = 0
        self._stale = StalePixels()
        self._next_id = 1
        self._asked: dict[int, int] = {}  # revision of each request whose answer is still welcome
        self._is_waiting = False
        self._is_dead = False
        self._in_stroke = False
        self._last_request_at = -float("inf")
        self._seconds_per_pixel = 0.0
        self._call_off: Callable[[], None] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the picture shows the layout as it is, and no answer is awaited."""
        return not self._stale and not self._is_waiting

    @property
    def follows_strokes(self) -> bool:
        """Whether the generator is quick enough to weave while a stroke is under way."""
        changed = area(Window(0, 0, 1, 1).expanded(self._halo or 0))
        if self._canvas is not None:
            changed = min(changed, area(self._canvas))
        return self._seconds_per_pixel * changed <= _SLOW_S

    def replaced(self, layout: Layout) -> None:
        """Take another layout, perhaps with another canvas; the whole picture is woven anew."""
        self._client.set_layout(layout)
        self._canvas = layout.window
        if layout.pixel_size != self._pixel_size:
            self._pixel_size = layout.pixel_size
            self._prepare()
        self._changed_everywhere()

    def set_look(self, look: AnyLook, generator: str, recipe: Recipe) -> None:
        """Choose look, generator and recipe; raises `RecipeError` if there is no such generator."""
        generator_source(generator)
        self._choice = _Choice(look, generator, recipe)
        self._prepare()
        self._changed_everywhere()

    def set_structure(self, structure: AcceptedStructure | None) -> None:
        """Choose the accepted structure that generators see; the whole picture is woven anew."""
        self._client.set_structure(structure)
        self._changed_everywhere()

    def set_seed(self, seed: int) -> None:
        """Choose the seed of the background."""
        if seed != self._seed:
            self._seed = seed
            self._changed_everywhere()

    def set_enabled(self, enabled: bool) -> None:
        """Switch live weaving on or off; what changes in the meantime is woven when it is on again."""
        self._enabled = enabled
        if enabled:
            self._revive()
            self._ask()
        elif not self._once:
            self._cancel_timer()

    def weave_all(self) -> None:
        """Weave the whole picture once, whether live weaving is on or not."""
        self._revive()
        self._once = True
        self._changed_everywhere()

    def edited(self, edit: LayoutEdit, final: bool = True) -> None:
        """Follow an edit that was made to the layout.

        Parameters
        ----------
        edit
            The edit.
        final
            False while a stroke is under way: pixels are then asked for about 15 times a second. True at its end: at
            once, also if the last edit is empty.
        """
        self._in_stroke = not final
        if not edit.is_empty:
            self._revision += 1
            if edit.after:
                self._client.edit(edit.after)
            if edit.tissue is not None:
                self._client.set_tissue(edit.tissue.after)
            for window in self._touched(edit):
                self._stale.add(window, self._revision)
        self._ask()

    def answered(self, answer: WeaveAnswer | WeaveFailure) -> None:
        """Take what the weave process answered; late answers are dropped."""
        newest = self._next_id - 1
        if isinstance(answer, WeaveFailure):
            # What failed once fails again: the next change, not this failure, leads to the next request.
            if answer.request_id == newest and newest in self._asked:
                self._is_waiting = self._once = False
            return
        revision = self._asked.get(answer.request_id)
        if revision is None:
            return
        self._asked = {key: value for key, value in self._asked.items() if key >= answer.request_id}
        self._seconds_per_pixel = answer.elapsed_s / max(area(answer.window), 1)
        self._stale.renew(answer.window, revision)
        if self._on_first is not None and answer.first is not None:
            self._on_first(answer.window, answer.first)
        self._on_pixels(answer.window, answer.pixels)
        if answer.is_last and answer.request_id == newest:
            self._is_waiting = False
            self._once = self._once and bool(self._stale)
            self._ask()

    def status_changed(self, status: WeaverStatus) -> None:
        """Take what the weave process says of itself."""
        if status.halo is not None and status.preparation == self._preparation:
            self._halo = status.halo
        if status.state == "dead":
            self._is_dead = True
            self._is_waiting = self._once = False

    def _revive(self) -> None:
        self._is_dead = False
        self._client.start()

    def _prepare(self) -> None:
        self._halo = None
        self._preparation = None
        self._seconds_per_pixel = 0.0
        if self._choice is not None and self._pixel_size > 0:
            chosen = self._choice
            self._preparation = self._client.prepare(chosen.look, chosen.generator, chosen.recipe, self._pixel_size)

    def _changed_everywhere(self) -> None:
        self._revision += 1
        self._asked.clear()
        self._is_waiting = False
        self._in_stroke = False
        self._stale.clear()
        if self._canvas is not None:
            self._stale.add(self._canvas, self._revision)
        self._ask()

    def _touched(self, edit: LayoutEdit) -> list[Window]:
        if self._canvas is None:
            return []
        if self._halo is None:
            # Until the generator has told how far a nucleus reaches, it may reach everywhere.
            return [self._canvas]
        if len(edit.after) > _MOST_ROWS_ONE_BY_ONE:
            windows = [edit.window]
        else:
            windows = []
            for key, after in edit.after.items():
                found = [nucleus.outline.window for nucleus in (edit.before.get(key), after) if nucleus is not None]
                if len(found) == 2 and worth_joining(*found):
                    found = [found[0].union(found[1])]
                windows.extend(found)
        if edit.tissue is not None:
            windows.append(edit.tissue.window)
        return [window.expanded(self._halo).intersection(self._canvas) for window in windows]

    def _ask(self) -> None:
        """Ask for stale pixels if that is wanted: now, or within a stroke when it is time."""
        if not (self._enabled or self._once) or self._is_dead or self._preparation is None:
            return
        if self._is_waiting and self._asked[self._next_id - 1] == self._revision:
            # Nothing has changed since the request under way; its answer leads to the next one.
            return
        window = self._stale.next_window()
        if window is None:
            return
        if self._in_stroke and not self.follows_strokes:
            return
        wait_s = self._last_request_at + self._interval_s - self._clock()
        if self._in_stroke and wait_s > 0:
            if self._call_off is None:
                self._call_off = self._schedule(wait_s, self._timer_rang)
            return
        self._cancel_timer()
        request_id, self._next_id = self._next_id, self._next_id + 1
        self._asked[request_id] = self._revision
        self._is_waiting = True
        self._last_request_at = self._clock()
        self._client.weave(request_id, window, self._seed)

    def _timer_rang(self) -> None:
        self._call_off = None
        self._ask()

    def _cancel_timer(self) -> None:
        if self._call_off is not None:
            self._call_off()
            self._call_off = None
