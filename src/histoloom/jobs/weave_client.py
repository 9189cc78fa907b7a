"""The viewer's side of the weave process: it never waits, and what it was told survives the death of the process."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions import AcceptedStructure
from histoloom.errors import WeaveProcessError
from histoloom.generators.registry import generator_source
from histoloom.jobs.answers import WeaveAnswer, WeaveFailure, WeaverState, WeaverStatus
from histoloom.jobs.messages import Message, edit_message, layout_message, look_parts, structure_parts, tissue_message
from histoloom.jobs.shared_pixels import SharedPixels
from histoloom.jobs.weave_process import WeaveProcess
from histoloom.layouts import Layout, Nucleus, TissueMap
from histoloom.recipes import Recipe
from histoloom.tiles.looks import AnyLook
from histoloom.window import Window

__all__ = ["WeaveAnswer", "WeaveClient", "WeaveFailure", "WeaverStatus"]

_logger = logging.getLogger(__name__)

_MOST_DEATHS = 3
_DEATHS_COUNT_FOR_S = 60.0
_PATIENCE_S = 0.2


class WeaveClient:
    """Sends what the canvas shows to the weave process and passes its answers on.

    Every method returns at once. The process is started by the first request, or by `start`. If it dies it is
    started again, told everything that it needs, and asked for the newest request again; if it keeps dying it is
    given up until the next `start`.

    Parameters
    ----------
    on_answer
        Called with each `WeaveAnswer` or `WeaveFailure`, from a thread of the client: pass it on to your own.
    on_status
        Called with each `WeaverStatus`, from a thread of the client, too.
    """

    def __init__(
        self,
        on_answer: Callable[[WeaveAnswer | WeaveFailure], None],
        on_status: Callable[[WeaverStatus], None],
    ) -> None:
        self._on_answer = on_answer
        self._on_status = on_status
        self._lock = threading.Lock()
        self._closed = False
        self._given_up = False
        self._process: WeaveProcess | None = None
        self._supervisor: threading.Thread | None = None

        # What a new process must be told. The layout is kept as it was sent, with the rows that changed since.
        self._preparation = 0
        self._look: Callable[[], Message] | None = None
        self._structure: Callable[[], Message] | None = None
        self._layout: Layout | None = None
        self._rows: dict[int, Nucleus | None] = {}
        self._revision = 0
        self._request: dict[str, Any] | None = None

        self._device = ""
        self._seconds = 0.0
        self._last_seconds: float | None = None
        self._note = ""

    @property
    def pid(self) -> int | None:
        """The id of the weave process, or None while there is none."""
        with self._lock:
            return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process if it is not running, also after it was given up."""
        with self._lock:
            self._given_up = False
        self._start()

    def prepare(self, look: AnyLook, generator: str, recipe: Recipe, pixel_size: float) -> int:
        """Choose look, generator and recipe for canvases of a pixel size (µm).

        Returns
        -------
        int
            The number by which `WeaverStatus` tells that this look is ready.

        Raises
        ------
        RecipeError
            If there is no such generator.
        """
        source = generator_source(generator)
        with self._lock:
            self._preparation += 1
            values = {
                "preparation": self._preparation,
                "generator": generator,
                "source": source,
                "recipe": recipe.as_json(),
                "pixel_size": pixel_size,
            }
            look_values, arrays = look_parts(look)
            self._look = lambda: Message("prepare", values | look_values, arrays)
            self._request = None
            self._send("prepare", self._look)
            return self._preparation

    def set_layout(self, layout: Layout) -> None:
        """Replace the layout; a request that was not answered is dropped."""
        with self._lock:
            self._revision += 1
            self._layout, self._rows = layout, {}
            self._request = None
            revision = self._revision
            self._send("layout", lambda: layout_message(layout, revision))

    def set_structure(self, structure: AcceptedStructure | None) -> None:
        """Choose the accepted structure that generators see; a request that was not answered is dropped."""
        values, arrays = structure_parts(structure)
        with self._lock:
            self._structure = lambda: Message("structure", values, arrays)
            self._request = None
            self._send("structure", self._structure)

    def edit(self, rows: Mapping[int, Nucleus | None]) -> None:
        """Add or replace rows of the layout; those given as None are removed."""
        changed = dict(rows)
        with self._lock:
            self._revision += 1
            self._rows.update(changed)
            revision = self._revision
            self._send("edit", lambda: edit_message(changed, revision))

    def set_tissue(self, tissue_map: TissueMap | None) -> None:
        """Replace the layout's tissue map, or take it away."""
        with self._lock:
            if self._layout is None:
                return
            self._revision += 1
            self._layout = self._layout.with_tissue_map(tissue_map)
            revision = self._revision
            self._send("tissue", lambda: tissue_message(tissue_map, revision))

    def weave(self, request_id: int, window: Window, seed: int) -> None:
        """Ask for a window of the layout as it is now; earlier requests need not be answered any more."""
        with self._lock:
            self._request = {"request_id": request_id, "window": list(window), "seed": seed}
            values = {**self._request, "revision": self._revision}
            self._send("weave", lambda: Message("weave", values))
        self._start()

    def close(self) -> None:
        """End the process and its threads and free the shared memory; safe to call again, and soon done."""
        with self._lock:
            already = self._closed
            self._closed = True
            process, supervisor = self._process, self._supervisor
        if already:
            return
        atexit.unregister(self.close)
        if process is not None:
            process.quit(_PATIENCE_S)
        if supervisor is not None and supervisor is not threading.current_thread():
            supervisor.join(2.0)

    def _start(self) -> None:
        with self._lock:
            if self._closed or self._given_up or self._supervisor is not None:
                return
            self._supervisor = threading.Thread(target=self._supervise, name="histoloom weave client", daemon=True)
            self._supervisor.start()
        atexit.register(self.close)

    def _send(self, kind: str, make: Callable[[], Message]) -> None:
        if self._process is not None:
            self._process.send(kind, make)

    def _supervise(self) -> None:
        deaths: deque[float] = deque(maxlen=_MOST_DEATHS + 1)
        shared: SharedPixels | None = None
        sentence = ""
        self._tell("starting", "The weave process is starting.")
        try:
            shared = SharedPixels()
            while not sentence and not self._closed:
                words = self._live(shared)
                deaths.append(time.monotonic())
                if len(deaths) > _MOST_DEATHS and deaths[-1] - deaths[0] < _DEATHS_COUNT_FOR_S:
                    sentence = (
                        f"The weave process died {len(deaths)} times within a minute{words}; "
                        "choose another look or recipe and switch live weaving on again."
                    )
                else:
                    self._note = "The weave process had died and was started again; nothing is lost."
                    self._tell("restarted", f"The weave process died{words} and is being started again.")
        except WeaveProcessError as error:
            sentence = str(error)
        except OSError as error:
            sentence = (
                f"There is no shared memory for live weaving ({error.strerror or error}); "
                "free some memory and switch live weaving on again."
            )
        finally:
            if shared is not None:
                shared.close()
            with self._lock:
                self._supervisor = None
                self._given_up = bool(sentence)
        if sentence:
            self._tell("dead", sentence)

    def _live(self, shared: SharedPixels) -> str:
        """See one process through its life; returns its last words, in brackets."""
        process = WeaveProcess(shared.name)
        with self._lock:
            if not self._closed:
                self._process = process
                self._replay()
        if self._closed:
            process.bury()
            return ""
        for message in process.messages():
            self._receive(message, process, shared)
        with self._lock:
            self._process = None
        process.bury()
        return f" ({process.last_words})" if process.last_words else ""

    def _replay(self) -> None:
        if self._look is not None:
            self._send("prepare", self._look)
        if self._structure is not None:
            self._send("structure", self._structure)
        if self._layout is not None:
            layout, rows, revision = self._layout, dict(self._rows), self._revision
            self._send("layout", lambda: layout_message(layout.with_nuclei(rows), revision))
        if self._request is not None:
            values = {**self._request, "revision": self._revision}
            self._send("weave", lambda: Message("weave", values))

    def _receive(self, message: Message, process: WeaveProcess, shared: SharedPixels) -> None:
        values = message.values
        if message.kind == "hello":
            self._device = values["device"]
            self._tell("ready", "The weave process is ready.")
        elif message.kind == "preparing":
            self._tell("preparing", "The look is being studied.")
        elif message.kind == "prepared":
            text = f"The look was studied in {values['elapsed_s']:.2f} s."
            self._tell("ready", text, preparation=values["preparation"], halo=values["halo"])
        elif message.kind == "weaving":
            self._seconds = 0.0
            self._tell("weaving", "Tissue is being woven.")
        elif message.kind == "answer":
            self._receive_answer(values, process, shared)
        elif message.kind == "failure":
            self._settle(values["request_id"])
            self._pass_on(self._on_answer, WeaveFailure(values["sentence"], values["request_id"]))
            self._tell("ready", values["sentence"])

    def _receive_answer(self, values: Mapping[str, Any], process: WeaveProcess, shared: SharedPixels) -> None:
        window = Window(*values["window"])
        # One picture, and from generators that refine a first one that as well.
        pixels, *first = (self._taken(slot, window, process, shared) for slot in values["slots"])
        self._seconds += values["elapsed_s"]
        if values["is_last"]:
            self._settle(values["request_id"])
        answer = WeaveAnswer(
            values["request_id"], window, pixels, values["elapsed_s"], values["is_last"], next(iter(first), None)
        )
        self._pass_on(self._on_answer, answer)
        if values["is_last"]:
            self._last_seconds = self._seconds
            note, self._note = self._note, ""
            self._tell("ready", note or f"Woven in {self._seconds * 1000:.0f} ms.")

    @staticmethod
    def _taken(slot: int, window: Window, process: WeaveProcess, shared: SharedPixels) -> NDArray[np.uint8]:
        pixels = shared.read(slot, window.shape)
        process.send("release", lambda: Message("release", {"slot": slot}))
        return pixels

    def _settle(self, request_id: int | None) -> None:
        with self._lock:
            if self._request is not None and self._request["request_id"] == request_id:
                self._request = None

    def _tell(self, state: WeaverState, message: str, preparation: int | None = None, halo: int | None = None) -> None:
        status = WeaverStatus(state, message, self._device, self._last_seconds, preparation, halo, self.pid)
        self._pass_on(self._on_status, status)

    def _pass_on(self, callback: Callable[[Any], None], value: Any) -> None:
        if self._closed:
            return
        try:
            callback(value)
        except Exception:
            _logger.exception("a listener to the weave process failed")
