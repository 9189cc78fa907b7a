"""Batches in a process of their own, so that the viewer's process never imports torch."""

from __future__ import annotations

import logging
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, cast

from histoloom import errors
from histoloom.conditions import AcceptedStructure
from histoloom.errors import HistoloomError, WeaveProcessError
from histoloom.generators.registry import generator_named, generator_source
from histoloom.generators.woven_files import ImageFormat
from histoloom.jobs.batch import (
    BatchEvent,
    BatchFinished,
    BatchStarted,
    PictureFailed,
    PictureSkipped,
    PictureWoven,
    weave_batch,
)
from histoloom.jobs.messages import Message, layout_message, look_parts, read_message, structure_parts, write_message
from histoloom.jobs.processor import background_environment
from histoloom.layouts import Layout
from histoloom.recipes import Recipe
from histoloom.tiles.looks import AnyLook

_logger = logging.getLogger(__name__)

EVENTS = {each.__name__: each for each in (BatchStarted, PictureWoven, PictureSkipped, PictureFailed, BatchFinished)}
"""The events of a batch by the name that they have in messages."""

_POLL_S = 0.1


def weave_batch_beside(
    layouts: Sequence[tuple[str, Layout]],
    look: AnyLook,
    generator: str,
    recipe: Recipe | None,
    seeds: Iterable[int],
    folder: str | Path,
    image_format: ImageFormat = "png",
    *,
    coco: bool = False,
    structure: AcceptedStructure | None = None,
    on_event: Callable[[BatchEvent], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> BatchFinished:
    """Weave as `histoloom.jobs.batch.weave_batch` does; generators with trained weights do so in another process.

    Call it from a thread: it returns when the batch is done.

    Raises
    ------
    HistoloomError
        As there, and `WeaveProcessError` if the other process cannot be started or dies.
    """
    numbers = list(seeds)
    options: dict[str, Any] = {"image_format": image_format, "coco": coco, "structure": structure}
    if not generator_named(generator).weights_sha256:
        return weave_batch(
            layouts, look, generator, recipe, numbers, folder, on_event=on_event, should_stop=should_stop, **options
        )
    structure_values, structure_arrays = structure_parts(structure)
    look_values, look_arrays = look_parts(look)
    order = Message(
        "batch",
        {
            "stems": [stem for stem, _ in layouts],
            "generator": generator,
            "source": generator_source(generator),
            "recipe": None if recipe is None else recipe.as_json(),
            "seeds": numbers,
            "folder": str(Path(folder).absolute()),
            "image_format": image_format,
            "coco": coco,
            **look_values,
            **structure_values,
        },
        look_arrays | structure_arrays,
    )
    with _started() as process:
        try:
            return _followed(process, order, [layout for _, layout in layouts], on_event, should_stop)
        finally:
            process.kill()


def _started() -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable or "python", "-P", "-m", "histoloom.jobs.batch_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=background_environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise WeaveProcessError(
            f"The process that weaves cannot be started ({error.strerror or error}); check that Python can be run."
        ) from error


def _followed(
    process: subprocess.Popen[bytes],
    order: Message,
    layouts: Sequence[Layout],
    on_event: Callable[[BatchEvent], None] | None,
    should_stop: Callable[[], bool] | None,
) -> BatchFinished:
    incoming, outgoing = cast("FileIO", process.stdout), cast("FileIO", process.stdin)
    said: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    listener = threading.Thread(target=_listen, args=(incoming, said), name="histoloom batch", daemon=True)
    listener.start()
    is_stopping = False
    try:
        write_message(outgoing, order)
        for layout in layouts:
            write_message(outgoing, layout_message(layout, 0))
        while True:
            if should_stop is not None and not is_stopping and should_stop():
                is_stopping = True
                write_message(outgoing, Message("stop"))
            try:
                message = said.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if message is None:
                raise _died()
            if message.kind == "failure":
                raise _error(message)
            event = _event(message)
            if on_event is not None:
                on_event(event)
            if isinstance(event, BatchFinished):
                return event
    except OSError as error:
        raise _died() from error


def _listen(stream: FileIO, said: queue.SimpleQueue[Message | None]) -> None:
    try:
        while (message := read_message(stream)) is not None:
            said.put(message)
    except (OSError, ValueError, WeaveProcessError):
        _logger.debug("the batch process broke off", exc_info=True)
    said.put(None)


def _event(message: Message) -> BatchEvent:
    values = dict(message.values)
    if "path" in values:
        values["path"] = Path(values["path"])
    return EVENTS[message.kind](**values)


def _error(message: Message) -> HistoloomError:
    kind = getattr(errors, message.values["error"], HistoloomError)
    return cast("HistoloomError", kind(message.values["sentence"]))


def _died() -> WeaveProcessError:
    return WeaveProcessError("The process that weaves the batch died; start it again to go on with what is missing.")
