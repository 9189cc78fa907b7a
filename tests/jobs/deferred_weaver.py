"""A weave process without a process: it keeps the same order and drops the same work, one small step at a time."""

from __future__ import annotations

from collections import deque

import numpy as np
from flat_generator import FlatWeaver

from histoloom.generators.weaving import pieces
from histoloom.jobs.answers import WeaveAnswer, WeaveFailure, WeaverStatus


class DeferredWeaver:
    """Stands in for `WeaveClient`; `step` makes it do one thing, `reports` is what it has to tell."""

    def __init__(self, piece_side):
        self._piece_side = piece_side
        self.inbox = deque()
        self.reports = deque()
        self.requests = []
        self.is_given_up = False
        self._preparations = 0
        self._told = {"prepare": None, "layout": None, "weave": None}
        self._prepared = self._layout = None
        self._under_way = deque()

    def start(self):
        self.is_given_up = False

    def prepare(self, look, generator, recipe, pixel_size):
        self._preparations += 1
        self._told["prepare"] = ("prepare", look, recipe, self._preparations)
        self._told["weave"] = None
        self.inbox.append(self._told["prepare"])
        return self._preparations

    def set_layout(self, layout):
        self._told["layout"], self._told["weave"] = ("layout", layout), None
        self.inbox.append(self._told["layout"])

    def set_structure(self, structure):
        self._told["weave"] = None

    def edit(self, rows):
        self._told["layout"] = ("layout", self._told["layout"][1].with_nuclei(rows))
        self.inbox.append(("edit", rows))

    def set_tissue(self, tissue_map):
        self._told["layout"] = ("layout", self._told["layout"][1].with_tissue_map(tissue_map))
        self.inbox.append(("tissue", tissue_map))

    def weave(self, request_id, window, seed):
        self._told["weave"] = ("weave", request_id, window, seed)
        self.requests.append((request_id, window))
        self.inbox.append(self._told["weave"])

    def die(self):
        """Lose everything in the process; the client starts another and tells it all again."""
        self._prepared = self._layout = None
        self._under_way.clear()
        self.inbox = deque(each for each in self._told.values() if each is not None)
        self.reports.append(WeaverStatus("restarted", "The weave process died and is being started again."))

    @property
    def is_idle(self):
        return not self.inbox and not self._under_way

    def step(self):
        """Weave one piece or deal with one message."""
        if self._under_way:
            if self._has_newer_work():
                self._under_way.clear()
            else:
                self._weave_piece()
        elif self.inbox:
            kind, *values = self.inbox.popleft()
            getattr(self, f"_take_{kind}")(*values)

    def _has_newer_work(self):
        return any(kind not in {"edit", "tissue"} for kind, *_ in self.inbox)

    def _take_prepare(self, look, recipe, preparation):
        self._prepared = FlatWeaver().prepare(look, recipe, 0.25)
        self.reports.append(WeaverStatus("ready", "", preparation=preparation, halo=self._prepared.halo))

    def _take_layout(self, layout):
        self._layout = layout

    def _take_edit(self, rows):
        self._layout = self._layout.with_nuclei(rows)

    def _take_tissue(self, tissue_map):
        self._layout = self._layout.with_tissue_map(tissue_map)

    def _take_weave(self, request_id, window, seed):
        if not self._has_newer_work():
            parts = pieces(window, self._piece_side)
            layout = self._layout
            self._under_way.extend((request_id, part, seed, layout, part == parts[-1]) for part in parts)

    def _weave_piece(self):
        request_id, window, seed, layout, is_last = self._under_way.popleft()
        try:
            pixels = self._prepared.weave(layout, seed, window)
        except ValueError as error:
            self._under_way.clear()
            self.reports.append(WeaveFailure(str(error), request_id))
        else:
            if is_last and self._told["weave"] and self._told["weave"][1] == request_id:
                self._told["weave"] = None
            self.reports.append(WeaveAnswer(request_id, window, pixels, 0.0, is_last))


class Timers:
    """A clock that is moved by hand, with its alarms."""

    def __init__(self):
        self.now = 0.0
        self._alarms = {}
        self._count = 0

    def schedule(self, delay_s, function):
        self._count += 1
        key = self._count
        self._alarms[key] = (self.now + delay_s, function)
        return lambda: self._alarms.pop(key, None)

    def advance(self, seconds):
        self.now += seconds
        for key, (due, function) in sorted(self._alarms.items()):
            if due <= self.now and self._alarms.pop(key, None):
                function()

    @property
    def is_quiet(self):
        return not self._alarms


class Picture:
    """The layer that pixels are copied into."""

    def __init__(self, live_type, client, timers):
        self.pixels = np.zeros((1, 1, 3), np.uint8)
        self.updates = []
        self.live = live_type(client, self._copy, timers.schedule, lambda: timers.now)

    def _copy(self, window, pixels):
        assert pixels.shape == (*window.shape, 3)
        self.pixels[window.slices] = pixels
        self.updates.append(window)
