"""The process of one search for nuclei, ``python -m histoloom.jobs.nuclei_worker``.

`histoloom.jobs.nuclei_search` talks to it: it reads one ``segment`` message from its standard input, and writes
``progress`` messages and then one ``layout`` or ``failure`` to its standard output. It ends when its input does.
"""

from __future__ import annotations

import os
import threading
from io import FileIO
from pathlib import Path

from histoloom.errors import HistoloomError, SegmenterError
from histoloom.jobs.messages import Message, layout_message, read_message, write_message
from histoloom.jobs.pipes import claimed_pipes
from histoloom.tiles.tile import Tile

_NICENESS = 10


def main() -> None:
    """Find the nuclei that are asked for."""
    incoming, outgoing = claimed_pipes()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    try:
        order = read_message(incoming)
        if order is not None:
            threading.Thread(target=_end_with, args=(incoming,), daemon=True).start()
            write_message(outgoing, _found(order, outgoing))
    except HistoloomError as error:
        write_message(outgoing, Message("failure", {"error": type(error).__name__, "sentence": str(error)}))
    except OSError:
        # Nobody listens any more.
        os._exit(1)
    os._exit(0)


def _found(order: Message, outgoing: FileIO) -> Message:
    def tell(done: int, of: int) -> None:
        write_message(outgoing, Message("progress", {"done": done, "of": of}))

    tell(0, 0)
    # Late, because importing torch takes seconds, and the viewer should have something to say meanwhile.
    from histoloom.segmenters.segmenter import Segmenter

    segmenter = Segmenter.load(Path(order.values["segmenter"]))
    tell(0, 1)
    tile = Tile.from_array(order.arrays["pixels"])
    try:
        found = segmenter.segment(tile, order.values["pixel_size"], on_block=tell)
    except MemoryError:
        raise SegmenterError(
            "There is not enough memory to look for nuclei in this tile; close other programs, or crop it."
        ) from None
    origin = {"segmenter": segmenter.name, "weights_sha256": segmenter.header.weights_sha256}
    message = layout_message(found.layout({**order.values["provenance"], **origin}), 0)
    return Message(message.kind, {**message.values, "notes": list(found.notes)}, message.arrays)


def _end_with(incoming: FileIO) -> None:
    while incoming.read(1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
