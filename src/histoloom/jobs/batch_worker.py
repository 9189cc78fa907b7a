"""The process of one batch, ``python -m histoloom.jobs.batch_worker``; `histoloom.jobs.batch_process` talks to it.

It reads one ``batch`` message and the layouts from its standard input, and writes one message for each event of the
batch, or one ``failure``, to its standard output. ``stop``, or the end of the input, stops it after the piece that is
under way.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import asdict
from io import FileIO
from typing import Any

from histoloom.errors import HistoloomError, WeaveProcessError
from histoloom.generators.registry import generator_named, register_generator
from histoloom.jobs.batch import BatchEvent, weave_batch
from histoloom.jobs.messages import Message, layout_of, look_of, read_message, structure_of, write_message
from histoloom.jobs.pipes import claimed_pipes

_NICENESS = 5


def main() -> None:
    """Weave the batch that is asked for."""
    incoming, outgoing = claimed_pipes()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    try:
        _weave(incoming, outgoing)
    except HistoloomError as error:
        write_message(outgoing, Message("failure", {"error": type(error).__name__, "sentence": str(error)}))
    except OSError:
        # Nobody listens any more.
        os._exit(1)
    os._exit(0)


def _weave(incoming: FileIO, outgoing: FileIO) -> None:
    order = _received(incoming)
    values = order.values
    layouts = [(stem, layout_of(_received(incoming))) for stem in values["stems"]]
    stopped = threading.Event()
    threading.Thread(target=_wait_for_stop, args=(incoming, stopped), daemon=True).start()
    if values["source"]:
        register_generator(values["generator"], values["source"])
    recipe = values["recipe"]

    def tell(event: BatchEvent) -> None:
        facts: dict[str, Any] = asdict(event)
        if "path" in facts:
            facts["path"] = str(facts["path"])
        write_message(outgoing, Message(type(event).__name__, facts))

    weave_batch(
        layouts,
        look_of(order),
        values["generator"],
        None if recipe is None else generator_named(values["generator"]).recipe_type.checked(**recipe),
        values["seeds"],
        values["folder"],
        values["image_format"],
        coco=values["coco"],
        structure=structure_of(order),
        on_event=tell,
        should_stop=stopped.is_set,
    )


def _received(incoming: FileIO) -> Message:
    message = read_message(incoming)
    if message is None:
        raise WeaveProcessError("The batch ended before it was told what to weave; start it again.")
    return message


def _wait_for_stop(incoming: FileIO, stopped: threading.Event) -> None:
    with suppress(OSError, WeaveProcessError):
        read_message(incoming)
    stopped.set()


if __name__ == "__main__":
    main()
