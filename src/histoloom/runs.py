"""Runs: one folder for each training, with all that is needed to resume, to repeat and to explain it.

    RUN/recipe.json              the recipe
    RUN/environment.json         versions, device, data
    RUN/events.jsonl             what happened, one JSON object a line
    RUN/previews/step_N.png      the same layouts, woven as training goes on
    RUN/checkpoints/step_N.safetensors   everything that resuming needs
    RUN/bundles/step_N.safetensors       the network at that step, ready to be used
    RUN/best.safetensors         where held-out tiles give a score: the network at the best one
    RUN/bundle.safetensors       the network at the end, or the best one
    RUN/start/                   how the viewer started it, with the tiles that it froze
    RUN/stop, RUN/pause          while they are there, somebody asks for that

Every file is written whole or not at all, except that the last line of the events may be cut off by a crash, which
readers leave out. So a run that was killed opens like any other.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histoloom.errors import RunError, WriteError
from histoloom.writing import write_json

RECIPE, ENVIRONMENT, EVENTS, BUNDLE, LOCK = (
    "recipe.json",
    "environment.json",
    "events.jsonl",
    "bundle.safetensors",
    "run.lock",
)
BEST = "best.safetensors"
STOP, PAUSE = "stop", "pause"
"""Files by which other processes ask the training to end after a checkpoint, or to wait."""

START = "start"
WOVEN = "woven"
"""The folder of what was written before a run began, such as tiles frozen from the viewer, and tiles woven for it."""

_STEP_FILE = re.compile(r"step_(\d+)\.(?:safetensors|png)")


@dataclass(frozen=True)
class Run:
    """A run folder.

    Parameters
    ----------
    folder
        Where it is. Use `create` and `open`, which check it.
    """

    folder: Path

    @classmethod
    def create(cls, folder: str | Path, recipe: Mapping[str, Any], environment: Mapping[str, Any]) -> Run:
        """Begin a run in a folder that does not exist, is empty, or holds only what was prepared for it.

        Raises
        ------
        RunError
            If the folder has something in it.
        WriteError
            If it cannot be written to.
        """
        path = Path(folder)
        check_free(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_make(path, error) from error
        write_json(path / ENVIRONMENT, environment)
        # Last, because a folder with a recipe is a run.
        write_json(path / RECIPE, recipe)
        return cls(path)

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Open a run, also one that was killed.

        Raises
        ------
        RunError
            If the folder holds no run.
        """
        path = Path(folder)
        if not (path / RECIPE).is_file():
            raise RunError(f"'{path.name}' holds no run (there is no '{RECIPE}' in it); choose a run's folder.")
        return cls(path)

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe's plain values."""
        return self._json(RECIPE)

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, device and data of the process that began the run."""
        return self._json(ENVIRONMENT)

    @property
    def bundle(self) -> Path | None:
        """The final bundle, once there is one."""
        path = self.folder / BUNDLE
        return path if path.is_file() else None

    def checkpoint_path(self, step: int) -> Path:
        """Return where the state at a step is, or would be."""
        return self.folder / "checkpoints" / f"step_{step:08d}.safetensors"

    def bundle_path(self, step: int) -> Path:
        """Return where the bundle of a step is, or would be."""
        return self.folder / "bundles" / f"step_{step:08d}.safetensors"

    @property
    def best_bundle_path(self) -> Path:
        """Where the bundle with the best score on held-out tiles is, or would be."""
        return self.folder / BEST

    def preview_path(self, step: int) -> Path:
        """Return where the preview of a step is, or would be."""
        return self.folder / "previews" / f"step_{step:08d}.png"

    def checkpoints(self) -> dict[int, Path]:
        """Return the checkpoints by step, from the first to the last."""
        return _by_step(self.folder / "checkpoints")

    def bundles(self) -> dict[int, Path]:
        """Return the bundles of checkpoints by step, from the first to the last."""
        return _by_step(self.folder / "bundles")

    def previews(self) -> dict[int, Path]:
        """Return the previews by step, from the first to the last."""
        return _by_step(self.folder / "previews")

    def latest_checkpoint(self) -> Path:
        """Return the checkpoint of the latest step; raises `RunError` if there is none yet."""
        found = self.checkpoints()
        if not found:
            raise RunError(f"The run '{self.folder.name}' has no checkpoint yet; start it again in a new folder.")
        return found[max(found)]

    def append_event(self, event: Mapping[str, Any]) -> None:
        """Add one event; raises `WriteError` if that is not possible."""
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n"
        path = self.folder / EVENTS
        try:
            with path.open("ab") as file:
                # A line that a crash cut off must not swallow this one.
                if file.tell() and not _ends_whole(path):
                    file.write(b"\n")
                file.write(line.encode())
        except OSError as error:
            raise WriteError(f"'{path}' cannot be written ({error.strerror}); make room and resume the run.") from error

    def events(self) -> list[dict[str, Any]]:
        """Return all events, in order; lines cut off by a crash are left out."""
        try:
            lines = (self.folder / EVENTS).read_bytes().split(b"\n")
        except OSError:
            return []
        return list(_whole_events(lines))

    def request_stop(self) -> None:
        """Ask the process that trains to save a checkpoint and end; raises `WriteError` if that is not possible."""
        self._request(STOP)

    def request_pause(self) -> None:
        """Ask the process that trains to wait after its step; raises `WriteError` if that is not possible."""
        self._request(PAUSE)

    def clear_requests(self) -> None:
        """Take back what was asked for, so that a paused training goes on."""
        for name in (STOP, PAUSE):
            with suppress(OSError):
                (self.folder / name).unlink(missing_ok=True)

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asks the training to end."""
        return (self.folder / STOP).exists()

    @property
    def pause_requested(self) -> bool:
        """Whether somebody asks the training to wait."""
        return (self.folder / PAUSE).exists()

    @property
    def is_in_use(self) -> bool:
        """Whether a process trains in it; asking takes the lock for a moment."""
        try:
            with self.locked():
                return False
        except RunError:
            return True
        except WriteError:
            # Nobody trains where nothing can be written.
            return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this folder; a process that dies gives the lock back.

        Raises
        ------
        RunError
            If another process trains in it.
        """
        with run_locked(self.folder):
            yield

    def _request(self, name: str) -> None:
        try:
            (self.folder / name).touch()
        except OSError as error:
            raise WriteError(
                f"'{self.folder / name}' cannot be written ({error.strerror}); make room, or end its process."
            ) from error

    def _json(self, name: str) -> dict[str, Any]:
        try:
            values = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            values = None
        if not isinstance(values, dict):
            raise RunError(f"'{name}' of the run '{self.folder.name}' is damaged; begin a new run.")
        return values


def check_free(folder: Path) -> None:
    """Make sure that a run can begin in a folder, which need not exist.

    Raises
    ------
    RunError
        If there is a run in it, or anything that was not prepared for one.
    WriteError
        If it cannot be looked into.
    """
    try:
        names = [each.name for each in folder.iterdir()]
    except FileNotFoundError:
        return
    except OSError as error:
        raise _cannot_make(folder, error) from error
    taken = next((each for each in names if each not in {LOCK, START, STOP, PAUSE}), None)
    if taken == RECIPE or (folder / RECIPE).is_file():
        raise RunError(f"'{folder.name}' holds a run already; resume it, or choose another folder.")
    if taken is not None:
        raise RunError(f"The folder '{folder.name}' is not empty (it holds '{taken}'); choose a new one for the run.")


@contextmanager
def run_locked(folder: str | Path) -> Iterator[None]:
    """Lock a run's folder, which is made where it does not exist; see `Run.locked`."""
    from filelock import FileLock, Timeout

    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise RunError(
            f"Another process trains in '{path.name}'; wait for its end, stop it, or choose another folder."
        ) from None
    except OSError as error:
        raise WriteError(f"The run folder '{path}' cannot be used ({error.strerror}); choose another place.") from error
    try:
        yield
    finally:
        lock.release()


def _cannot_make(folder: Path, error: OSError) -> WriteError:
    return WriteError(f"The run folder '{folder}' cannot be made ({error.strerror}); choose another place.")


def _by_step(folder: Path) -> dict[int, Path]:
    found = {}
    if folder.is_dir():
        for path in folder.iterdir():
            match = _STEP_FILE.fullmatch(path.name)
            if match:
                found[int(match.group(1))] = path
    return dict(sorted(found.items()))


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _whole_events(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value
