"""Reading a run's events while another process writes them."""

from __future__ import annotations

import json
from pathlib import Path

from histoloom.training.events import TrainingEvent, event_from_json


class EventTail:
    """Reads the lines that were added since the last look.

    Parameters
    ----------
    path
        ``events.jsonl``, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def read(self) -> list[tuple[int, TrainingEvent]]:
        """Return new events with where their lines begin (bytes); a line that is not whole yet is left for later."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                content = file.read()
        except OSError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        found = []
        place = self._position
        for line in whole.splitlines(keepends=True):
            event = _event_of(line)
            if event is not None:
                found.append((place, event))
            place += len(line)
        self._position = place
        return found


def _event_of(line: bytes) -> TrainingEvent | None:
    try:
        values = json.loads(line)
    except ValueError:
        return None
    return event_from_json(values) if isinstance(values, dict) else None
