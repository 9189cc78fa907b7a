"""The process that judges pictures, ``python -m histoloom.jobs.judge_worker``: one that stays, with its critic.

`histoloom.jobs.judge_process` talks to it. It reads messages from its standard input, in order: ``reference`` and
``layout`` are kept for what follows, and ``judge`` is answered by ``judgement`` or ``failure`` on its standard output.
It ends when its input does: a viewer that died leaves no orphan.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import BundleError, HistoloomError, ImportanceError, WeaveProcessError
from histoloom.jobs.messages import Message, layout_of, read_message, write_message
from histoloom.jobs.pipes import claimed_pipes
from histoloom.layouts import Layout
from histoloom.tiles.sentences import one_line

if TYPE_CHECKING:
    from histoloom.importance.critic import Critic

_NICENESS = 5


class _Judge:
    """Keeps the critic, the reference and the layout from one picture to the next."""

    def __init__(self) -> None:
        self._critic: Critic | None = None
        self._critic_file: tuple[Path, int, int] | None = None
        self._reference: NDArray[np.uint8] | None = None
        self._layout: Layout | None = None

    def answer(self, message: Message) -> Message | None:
        """Return what is answered to a message, or None."""
        if message.kind == "reference":
            self._reference = message.arrays["pixels"]
            return None
        if message.kind == "layout":
            self._layout = layout_of(message)
            return None
        try:
            return self._judged(message)
        except HistoloomError as error:
            return Message("failure", {"error": type(error).__name__, "sentence": str(error)})
        except MemoryError:
            sentence = "There is not enough memory to judge this picture; close other programs, or judge a part of it."
        except Exception as error:
            logging.getLogger(__name__).exception("while judging")
            sentence = (
                f"The critic failed ({type(error).__name__}: {one_line(error)}); try another one, and report this as a "
                "defect."
            )
        return Message("failure", {"error": ImportanceError.__name__, "sentence": sentence})

    def _judged(self, message: Message) -> Message:
        values = message.values
        critic = self._critic_of(Path(values["critic"]))
        started = time.perf_counter()
        judged = critic.judge(
            message.arrays["pixels"],
            values["pixel_size"],
            reference=self._reference if values["with_reference"] else None,
            layout=self._layout if values["with_layout"] else None,
        )
        facts = {"step": judged.step, "ratio": judged.ratio, "elapsed_s": time.perf_counter() - started}
        return Message("judgement", facts, {"logits": judged.logits.astype(np.float64)})

    def _critic_of(self, path: Path) -> Critic:
        # Late, because importing torch takes seconds; and again where the file was replaced.
        from histoloom.importance.critic import Critic

        try:
            facts = path.stat()
        except OSError as error:
            raise BundleError(f"'{path.name}' cannot be read ({error.strerror}); choose another critic.") from None
        state = path, facts.st_mtime_ns, facts.st_size
        if self._critic is None or self._critic_file != state:
            self._critic, self._critic_file = Critic.load(path), state
        return self._critic


def main() -> None:
    """Judge until the viewer is gone."""
    incoming, outgoing = claimed_pipes()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    judge = _Judge()
    try:
        while (message := read_message(incoming)) is not None:
            answer = judge.answer(message)
            if answer is not None:
                write_message(outgoing, answer)
    except (OSError, WeaveProcessError):
        # Nobody listens any more.
        os._exit(1)
    # Threads of libraries must not hold up the end.
    os._exit(0)


if __name__ == "__main__":
    main()
