"""The weave process, ``python -m histoloom.jobs.weaver BLOCK``: one that stays, so that weaving starts at once.

It reads messages from its standard input and writes messages to its standard output; ``BLOCK`` names the shared memory
that pixels go through. In order of arrival:

=============  ======================================================================================================
from viewer    effect
=============  ======================================================================================================
``prepare``    studies a look; answered by ``preparing``, then ``prepared`` with the halo or ``failure``
``layout``     replaces the layout
``edit``       changes rows of it
``tissue``     replaces its tissue map
``structure``  replaces the accepted structure that generators see
``weave``      answered by ``weaving``, then an ``answer`` for each piece of the window, the last one marked, or
               ``failure``; left unanswered, from its next piece on, as soon as a newer ``weave``, ``layout`` or
               ``prepare`` is waiting
``release``    gives back a slot of the shared memory
``quit``       ends the process, as does the end of the input: a viewer that died leaves no orphan
=============  ======================================================================================================
"""

from __future__ import annotations

import logging
import os
import platform
import sys
import threading
import time
from collections import deque
from io import FileIO

import numpy as np
from numpy.typing import NDArray

from histoloom import __version__
from histoloom.conditions import AcceptedStructure
from histoloom.errors import HistoloomError, WeaveProcessError
from histoloom.generators.contract import PreparedGenerator, PreviewsSooner, RefinesFirstPictures
from histoloom.generators.registry import generator_named, register_generator
from histoloom.generators.weaving import pieces, seeing
from histoloom.jobs.messages import (
    Message,
    layout_of,
    look_of,
    read_message,
    rows_of,
    structure_of,
    tissue_of,
    write_message,
)
from histoloom.jobs.nearby_nuclei import NearbyNuclei
from histoloom.jobs.pipes import claimed_pipes
from histoloom.jobs.processor import processor_name
from histoloom.jobs.shared_pixels import SLOTS, SharedPixels
from histoloom.layouts import Layout
from histoloom.window import Window

_NICENESS = 5
_ENDS_A_WEAVE = ("weave", "layout", "prepare", "structure", "quit")
"""What makes a weave under way pointless; edits alone do not, they only make it a little old."""


class _Inbox:
    """Messages that have arrived and not been dealt with; filled by a thread, so that newer requests are seen early."""

    def __init__(self, stream: FileIO) -> None:
        self._stream = stream
        self._waiting: deque[Message] = deque()
        self._free_slots = list(range(SLOTS))
        self._changed = threading.Condition()
        threading.Thread(target=self._receive, name="histoloom weaver inbox", daemon=True).start()

    def take(self) -> Message:
        """Wait for the oldest message and return it."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            return self._waiting.popleft()

    def holds(self, kinds: tuple[str, ...]) -> bool:
        """Whether a message of one of these kinds waits."""
        with self._changed:
            return any(message.kind in kinds for message in self._waiting)

    def take_slot(self) -> int:
        """Wait for a free slot of the shared memory and return it."""
        with self._changed:
            self._changed.wait_for(lambda: self._free_slots)
            return self._free_slots.pop()

    def _receive(self) -> None:
        try:
            while (message := read_message(self._stream)) is not None:
                with self._changed:
                    if message.kind == "release":
                        self._free_slots.append(message.values["slot"])
                    else:
                        self._waiting.append(message)
                    self._changed.notify_all()
        except (OSError, WeaveProcessError):
            logging.getLogger(__name__).warning("the viewer is gone", exc_info=True)
        # The viewer is gone. A weave may be under way in the main thread; nothing of it is worth waiting for.
        os._exit(0)


class _Weaver:
    """Deals with one message after another."""

    def __init__(self, inbox: _Inbox, stream: FileIO, shared: SharedPixels) -> None:
        self._inbox = inbox
        self._stream = stream
        self._shared = shared
        self._nuclei: NearbyNuclei | None = None
        self._revision = -1
        self._prepared: PreparedGenerator | None = None
        self._structure: AcceptedStructure | None = None
        self._tile_invariant = True
        self._trouble = "No look has been chosen; choose a tile whose look the tissue shall have."

    def run(self) -> None:
        self._send(
            "hello",
            version=__version__,
            python=platform.python_version(),
            pid=os.getpid(),
            device=processor_name(),
        )
        while (message := self._inbox.take()).kind != "quit":
            if message.kind == "prepare":
                self._prepare(message)
            elif message.kind == "layout":
                self._nuclei = NearbyNuclei(layout_of(message))
                self._revision = message.values["revision"]
            elif message.kind == "edit" and self._nuclei is not None:
                self._nuclei.change(rows_of(message))
                self._revision = message.values["revision"]
            elif message.kind == "tissue" and self._nuclei is not None:
                self._nuclei.set_tissue(tissue_of(message))
                self._revision = message.values["revision"]
            elif message.kind == "structure":
                self._structure = structure_of(message)
            elif message.kind == "weave":
                self._weave_or_explain(message)

    def _prepare(self, message: Message) -> None:
        self._prepared = None
        if self._inbox.holds(("prepare",)):
            return
        values = message.values
        started = time.perf_counter()
        self._send("preparing", preparation=values["preparation"])
        try:
            if values["source"]:
                register_generator(values["generator"], values["source"])
            generator = generator_named(values["generator"])
            recipe = generator.recipe_type.checked(**values["recipe"])
            self._prepared = generator.prepare(look_of(message), recipe, values["pixel_size"])
            self._tile_invariant = generator.tile_invariant
        except Exception as error:  # noqa: BLE001 - as below
            self._trouble = _sentence(error, "studying the look")
            self._send("failure", sentence=self._trouble, request_id=None, preparation=values["preparation"])
            return
        _leave_a_core_to_the_viewer()
        self._send(
            "prepared",
            preparation=values["preparation"],
            halo=self._prepared.halo,
            elapsed_s=time.perf_counter() - started,
        )

    def _weave_or_explain(self, message: Message) -> None:
        if self._inbox.holds(_ENDS_A_WEAVE):
            return
        if message.values["revision"] != self._revision:
            raise WeaveProcessError("The weave process has lost an edit; it must be started again.")
        if self._prepared is None:
            self._send("failure", sentence=self._trouble, request_id=message.values["request_id"])
            return
        self._send("weaving", request_id=message.values["request_id"])
        try:
            self._weave(message, seeing(self._prepared, self._structure))
        except Exception as error:  # noqa: BLE001 - a defect of a generator becomes a sentence, and the process lives on
            sentence = _sentence(error, "weaving")
            self._send("failure", sentence=sentence, request_id=message.values["request_id"])

    def _weave(self, message: Message, prepared: PreparedGenerator) -> None:
        if self._nuclei is None:
            raise WeaveProcessError("There is no layout to weave; draw a nucleus or open a layout.")
        seed = message.values["seed"]
        window = Window(*message.values["window"]).intersection(self._nuclei.window)
        whole = None if self._tile_invariant else prepared.weave(self._nuclei.whole(), seed)
        parts = pieces(window)
        for index, piece in enumerate(parts):
            if index and self._inbox.holds(_ENDS_A_WEAVE):
                return
            started = time.perf_counter()
            if whole is None:
                # By the contract, nuclei further away than the halo change nothing here.
                pictures = _previewed(prepared, self._nuclei.near(piece.expanded(prepared.halo)), seed, piece)
            else:
                pictures = (whole[piece.slices],)
            slots = [self._inbox.take_slot() for _ in pictures]
            for slot, pixels in zip(slots, pictures, strict=True):
                self._shared.write(slot, pixels)
            self._send(
                "answer",
                request_id=message.values["request_id"],
                window=list(piece),
                slots=slots,
                elapsed_s=time.perf_counter() - started,
                is_last=index == len(parts) - 1,
            )

    def _send(self, kind: str, **values: object) -> None:
        try:
            write_message(self._stream, Message(kind, values))
        except OSError:
            os._exit(0)  # the viewer is gone


def _previewed(prepared: PreparedGenerator, layout: Layout, seed: int, window: Window) -> tuple[NDArray[np.uint8], ...]:
    """Return a window of what is woven, and the first picture of those that refine one."""
    if isinstance(prepared, RefinesFirstPictures):
        return prepared.preview_both(layout, seed, window)
    if isinstance(prepared, PreviewsSooner):
        return (prepared.preview(layout, seed, window),)
    return (prepared.weave(layout, seed, window),)


def _sentence(error: Exception, doing: str) -> str:
    if isinstance(error, HistoloomError):
        return str(error)
    logging.getLogger(__name__).error("while %s", doing, exc_info=error)
    if isinstance(error, MemoryError):
        return "There is not enough memory for this canvas; close other programs or weave a smaller window."
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return f"The generator failed while {doing} ({reason}); try another look or recipe, and report this as a defect."


def _leave_a_core_to_the_viewer() -> None:
    # OpenCV reads no environment variable in every build; where a generator brought it in, it is told directly.
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)


def main() -> None:
    """Weave until the viewer says ``quit`` or is gone."""
    incoming, outgoing = claimed_pipes()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    _Weaver(_Inbox(incoming), outgoing, SharedPixels(sys.argv[1])).run()
    # Threads of libraries and the one that reads must not hold up the end.
    os._exit(0)


if __name__ == "__main__":
    main()
