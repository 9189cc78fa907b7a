"""The run folders that were used last, so that a viewer finds them again."""

from __future__ import annotations

import json
from pathlib import Path

from platformdirs import user_state_path

from histoloom.errors import WriteError
from histoloom.runs import RECIPE, START
from histoloom.writing import write_json

_MOST = 30


def recent_runs_file() -> Path:
    """Return the file that lists this person's runs."""
    return user_state_path("histoloom", appauthor=False) / "runs.json"


def recent_runs() -> list[Path]:
    """Return the run folders that were used last and are still there, the latest first."""
    return [each for each in _listed() if (each / RECIPE).is_file() or (each / START).is_dir()]


def remember_run(folder: Path) -> None:
    """Put a run folder first on the list; a list that cannot be written is no reason not to train."""
    path = folder.resolve()
    listed = [path, *(each for each in _listed() if each != path)][:_MOST]
    try:
        write_json(recent_runs_file(), [str(each) for each in listed])
    except WriteError:
        return


def _listed() -> list[Path]:
    try:
        values = json.loads(recent_runs_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [Path(each) for each in values if isinstance(each, str)] if isinstance(values, list) else []
