"""Where a picture came from: the hash of its file, worked out when somebody asks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock

from histoloom.errors import TileError


class FileProvenance(Mapping[str, str]):
    """``file_sha256`` and ``format`` of a file, as a mapping.

    Hashing reads the whole file, minutes for a slide of many gigabytes, and opening may read only what is shown. So the
    hash is worked out, in small pieces, when ``file_sha256`` is first looked up (``dict(provenance)`` does that), and
    kept. The path is needed for it and never given out.

    Raises
    ------
    TileError
        On looking up ``file_sha256``, if the file has gone or has changed since it was opened.
    """

    def __init__(self, path: Path, file_format: str) -> None:
        self._path = path
        self._format = file_format
        self._stamp = _stamp(path)
        self._sha256: str | None = None
        self._lock = Lock()

    def __getitem__(self, key: str) -> str:
        """Return one of the two values."""
        if key == "format":
            return self._format
        if key == "file_sha256":
            with self._lock:
                if self._sha256 is None:
                    self._sha256 = self._hashed()
                return self._sha256
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the two keys; that hashes nothing."""
        return iter(("file_sha256", "format"))

    def __len__(self) -> int:
        """Two."""
        return 2

    def __repr__(self) -> str:
        """Show the format and no path."""
        return f"FileProvenance(format={self._format!r})"

    def _hashed(self) -> str:
        try:
            with self._path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            unchanged = _stamp(self._path) == self._stamp
        except OSError as error:
            raise TileError(
                f"The file of the tile cannot be read any more ({error.strerror}); put it back or open it again."
            ) from None
        if not unchanged:
            raise TileError("The file of the tile has changed since it was opened; open it again.")
        return digest


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
