"""Writing files whole or not at all: write beside, then rename."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from histoloom.errors import WriteError


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it into place if the block succeeds.

    A reader sees the old file or the new one, never a part of it, and a failed write leaves nothing behind.

    Raises
    ------
    WriteError
        If the folder cannot be created or written to, or the disk is full.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # The suffix stays, because image writers choose their format by it.
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        # mkstemp makes private files; a result should have the permissions any new file has.
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
    except OSError as error:
        raise _cannot_write(target, error) from error
    beside = Path(name)
    try:
        yield beside
        beside.replace(target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def written_together(folder: str | Path, record: str) -> Iterator[Path]:
    """Yield an empty folder; move every file that the block leaves in it into ``folder`` if the block succeeds.

    The file called ``record`` tells that the others are there: its predecessor goes before the first of them is
    replaced, and it comes last. A failed block replaces nothing.

    Raises
    ------
    WriteError
        If the folder cannot be created or written to, or the disk is full.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{Path(record).stem}-", dir=target))
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        yield staging
        (target / record).unlink(missing_ok=True)
        for name in sorted((each.name for each in staging.iterdir()), key=lambda name: (name == record, name)):
            (staging / name).replace(target / name)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: str | Path, text: str) -> None:
    """Write a text in UTF-8, whole or not at all."""
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def _cannot_write(target: Path, error: OSError) -> WriteError:
    reason = error.strerror or str(error)
    return WriteError(
        f"'{target}' cannot be written ({reason}); choose a folder that you may write to, with room left."
    )
